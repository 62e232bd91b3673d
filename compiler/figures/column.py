"""One column of a figure under construction: the main path runs down x = 0, in points."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from archspec.compiler.figures.drawing import Box, Drawing, Panel, Wire
from archspec.compiler.figures.metrics import text_width

TAP = 1.7
"""Radius of the dot where a shortcut leaves the main path."""
TAP_GAP = 5.5
SUM = 6.0
"""Radius of a sum."""
SMALL = 7.5
"""Font size of shapes and of marks on lanes."""


@dataclass(frozen=True)
class End:
    """An end of a lane at the main path."""

    name: str
    y: float
    outside: bool = False
    """Above or below the panel."""


@dataclass
class Column:
    """Grows downwards. `main` is the style of the main path: a line with arrows, or a pale thick track."""

    main: str = "line"
    drawing: Drawing = field(default_factory=Drawing)
    y: float = 0.0
    end: tuple[str, float] | None = None
    """Name and y of the node the main path has reached."""
    first: tuple[str, float] | None = None
    left: float = 0.0
    """How far the column reaches to the left of its main path."""
    right: float = 0.0
    taps: dict[int, End] = field(default_factory=dict)
    joins: dict[int, End] = field(default_factory=dict)
    halves: tuple[float, ...] = ()
    """Half widths that the columns of operators within it have at least, the main path's first."""
    own: list[tuple[End, End, tuple[str, ...]]] = field(default_factory=list)
    """The blocks' own shortcuts: where they leave, where they join, what stands on them."""

    def put(self, box: Box, *, path: bool = True) -> None:
        """Places a box whose x and y are relative to the top of the free space; on the main path if `path`."""
        placed = replace(box, y=box.y + self.y)
        self.drawing.boxes.append(placed)
        self.left, self.right = max(self.left, -placed.left), max(self.right, placed.right)
        if path:
            self.reach(placed.name, placed.top, placed.bottom)

    def reach(self, name: str, top: float, bottom: float) -> None:
        """Draws the main path to a node from the one before, and goes on from its bottom."""
        if self.end is None:
            self.first = (name, top)
        else:
            self.drawing.wires.append(main_wire(self.main, self.end[0], name, ((0, self.end[1]), (0, top))))
        self.end = (name, bottom)
        self.y = bottom

    def box(self, name: str, lines: tuple[str, ...], fill: str, *, gap: float, size: float = 9.5, least: float = 74,
            tip: str = "", stack: int = 0) -> Box:  # fmt: skip
        """A box on the main path, `gap` points below what is there, wide enough for its lines."""
        w, h = box_size(lines, size, least)
        self.y += gap
        for depth in range(stack, 0, -1):
            self.put(Box(f"{name}~{depth}", 2.6 * depth, h / 2 + 2.6 * depth, w, h, fill=fill, pen=0.7), path=False)
        box = Box(name, 0, h / 2, w, h, lines, fill, size=size, tip=tip or name)
        self.put(box)
        self.y += 2.6 * stack
        return box

    def join(self, name: str, glyph: str, role: str, *, gap: float, radius: float = SUM) -> End:
        """A sum (or another join) on the main path."""
        self.y += gap
        size = 12 if glyph in "+×" else 8
        self.put(Box(
            name, 0, radius, 2 * radius, 2 * radius, (glyph,), "sum", role, role if role != "main" else "ink", size,
            "circle", 1.3,
        ))  # fmt: skip
        return End(name, self.y - radius)

    def tap(self, name: str, role: str, y: float, radius: float = TAP, outside: bool = False) -> End:
        """A dot on the main path at a given y."""
        self.drawing.boxes.append(dot_box(name, role, y, radius))
        return End(name, y, outside)

    def text(
        self, name: str, x: float, y: float, text: str, *, align: str = "l", size: float = SMALL, ink: str = "muted"
    ) -> None:
        """Text that begins (l), ends (r) or is centred (c) at x, at a given y."""
        box = text_box(name, x, y, text, align=align, size=size, ink=ink)
        self.drawing.boxes.append(box)
        self.left, self.right = max(self.left, -box.left), max(self.right, box.right)


def dot_box(name: str, role: str, y: float, radius: float = TAP) -> Box:
    """A dot at x = 0."""
    return Box(name, 0, y, 2 * radius, 2 * radius, (), role, role, shape="dot", pen=0)


def main_wire(
    style: str, source: str, target: str, points: tuple[tuple[float, float], ...], last: bool = False
) -> Wire:
    """A piece of the main path. A track carries an arrow only where it ends."""
    if style == "track":
        return Wire(source, target, points, "track", 7, 1.35 if last else 0, 12, back=True)
    return Wire(source, target, points, "main", 1.3, 0.55, 8)


def text_box(
    name: str, x: float, y: float, text: str, *, align: str = "c", size: float = SMALL, ink: str = "muted"
) -> Box:
    """Bare text that begins (l), ends (r) or is centred (c) at x."""
    w = text_width(text, size) * (1.25 if align != "c" else 1.0) + 2  # room for a wider font than Helvetica
    centre = {"l": x + w / 2, "r": x - w / 2, "c": x}[align]
    return Box(name, centre, y, w, size * 1.3, (text,), "none", "none", ink, size, "text", 0, align)  # type: ignore[arg-type]


def box_size(lines: tuple[str, ...], size: float, least: float) -> tuple[float, float]:
    """Width and height in points of a box around lines of text, with room for a wider font than Helvetica."""
    width = max((text_width(line, size) for line in lines), default=0)
    return max(least, width * 1.17 + 11), max(1, len(lines)) * size * 1.2 + 7


def framed(drawing: Drawing, x0: float, y0: float, x1: float, y1: float) -> None:
    """A panel behind a drawing."""
    drawing.panels.append(Panel(x0, y0, x1, y1))
