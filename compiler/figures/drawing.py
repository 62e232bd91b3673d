"""What a figure is made of, in points (72 to the inch), y growing downwards. It knows neither networks nor Graphviz.

Colours are named by role (`conv`, `level1`, `outline`); a theme gives them values when the drawing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

Point: TypeAlias = tuple[float, float]
Shape: TypeAlias = Literal["box", "circle", "text", "dot"]
Align: TypeAlias = Literal["l", "c", "r"]


@dataclass(frozen=True, slots=True)
class Box:
    """A box, circle, dot or bare text around its centre (x, y), in points. A line that begins with `*` is bold."""

    name: str
    x: float
    y: float
    w: float
    h: float
    lines: tuple[str, ...] = ()
    fill: str = "block"
    line: str = "outline"
    ink: str = "ink"
    size: float = 9.5
    """Font size in points."""
    shape: Shape = "box"
    pen: float = 0.9
    align: Align = "c"
    tip: str = ""
    """What a viewer shows under the pointer: the address in the network."""

    @property
    def top(self) -> float:
        return self.y - self.h / 2

    @property
    def bottom(self) -> float:
        return self.y + self.h / 2

    @property
    def left(self) -> float:
        return self.x - self.w / 2

    @property
    def right(self) -> float:
        return self.x + self.w / 2


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge along a polyline of points with rounded corners; it begins and ends on the boxes it names."""

    source: str
    target: str
    points: tuple[Point, ...]
    role: str = "main"
    width: float = 1.3
    arrow: float = 0.55
    """Size of the arrowhead (1 is ten points); 0 for none."""
    radius: float = 8
    back: bool = False
    """Painted before all others."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A rounded frame behind boxes and wires."""

    x0: float
    y0: float
    x1: float
    y1: float
    fill: str = "panel"
    line: str = "panel_line"
    pen: float = 0.9


@dataclass
class Drawing:
    """Panels, boxes and wires; painted in that order, boxes over wires."""

    panels: list[Panel] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)

    def moved(self, dx: float, dy: float) -> Drawing:
        """A copy moved by (dx, dy) points."""
        return Drawing(
            [Panel(p.x0 + dx, p.y0 + dy, p.x1 + dx, p.y1 + dy, p.fill, p.line, p.pen) for p in self.panels],
            [replace(b, x=b.x + dx, y=b.y + dy) for b in self.boxes],
            [replace(w, points=tuple((x + dx, y + dy) for x, y in w.points)) for w in self.wires],
        )

    def scaled(self, factor: float) -> Drawing:
        """A copy of another size, text and pens included."""
        f = factor
        return Drawing(
            [Panel(p.x0 * f, p.y0 * f, p.x1 * f, p.y1 * f, p.fill, p.line, p.pen * f) for p in self.panels],
            [
                replace(b, x=b.x * f, y=b.y * f, w=b.w * f, h=b.h * f, size=b.size * f, pen=b.pen * f)
                for b in self.boxes
            ],
            [
                replace(
                    w, points=tuple((x * f, y * f) for x, y in w.points), width=w.width * f, arrow=w.arrow * f,
                    radius=w.radius * f,
                )
                for w in self.wires
            ],
        )  # fmt: skip

    def add(self, other: Drawing) -> None:
        """Takes over everything of another drawing."""
        self.panels += other.panels
        self.boxes += other.boxes
        self.wires += other.wires

    def bounds(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) around everything, pens and shadows of lines not counted; zeros if empty."""
        xs: list[float] = []
        ys: list[float] = []
        for x0, y0, x1, y1 in self._extents():
            xs += (x0, x1)
            ys += (y0, y1)
        return (min(xs), min(ys), max(xs), max(ys)) if xs else (0.0, 0.0, 0.0, 0.0)

    def _extents(self) -> Iterator[tuple[float, float, float, float]]:
        for panel in self.panels:
            yield panel.x0, panel.y0, panel.x1, panel.y1
        for box in self.boxes:
            yield box.left, box.top, box.right, box.bottom
        for wire in self.wires:
            for x, y in wire.points:
                yield x, y, x, y

    @property
    def smallest_text(self) -> float:
        """Size in points of the smallest text; 0 if there is none."""
        return min((box.size for box in self.boxes if any(box.lines)), default=0.0)


def side_by_side(drawings: Iterable[Drawing], gap: float) -> Drawing:
    """Drawings in a row at one scale, their tops level, `gap` points apart. Names must differ between them."""
    result, x = Drawing(), 0.0
    for drawing in drawings:
        x0, y0, x1, _ = drawing.bounds()
        result.add(drawing.moved(x - x0, -y0))
        x += x1 - x0 + gap
    return result
