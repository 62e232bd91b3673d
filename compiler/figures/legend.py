"""The legend of what is in a figure, the notes under it, and its title."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.compiler.figures.column import text_box
from archspec.compiler.figures.drawing import Box, Drawing, Wire
from archspec.compiler.figures.lanes import mark_size
from archspec.compiler.figures.metrics import text_width
from archspec.compiler.figures.words import ARROWS, LEVELS, PENS, ROLES

_SIZE = 8.5
_SWATCH = 22.0
_LINE = 15.0
_SPACE = 16.0


@dataclass(frozen=True)
class Entry:
    """A sign and what it means: a line, a box, a sum, a mark on a lane, the track."""

    kind: str
    role: str
    text: str

    @property
    def width(self) -> float:
        """Points across, sign and text."""
        return _SWATCH + 6 + text_width(self.text, _SIZE) * 1.05


def entries_of(drawing: Drawing, kinds: Sequence[tuple[str, str]] = ()) -> list[Entry]:
    """What a drawing has, in the order of a legend. `kinds` are names of block kinds by colour role."""
    roles = {wire.role for wire in drawing.wires}
    fills = {box.fill for box in drawing.boxes if box.shape == "box" and any(box.lines)}
    glyphs = {box.lines[0] for box in drawing.boxes if box.shape == "circle" and box.lines}
    entries = [Entry("track", "track", "main path")] if "track" in roles else []
    if "track" in roles and "main" in roles:
        entries.append(Entry("line", "main", "branch"))
    levels = [role for role in LEVELS if role in roles]
    entries += [Entry("line", role, LEVELS[role] if len(levels) > 1 else "shortcut") for role in levels]
    entries += [Entry("box", role, text) for text, role in kinds if role in fills]
    if "track" in roles:
        entries += [Entry("box", role, text) for role, text in ROLES.items() if role in fills]
    if any(box.line == "projection" for box in drawing.boxes):
        entries.append(Entry("outline", "projection", "shortcut"))
    words = {
        "+": "sum", "w": "weighted sum", "σ": "sum weighted by softmax(w)", "ŵ": "sum weighted by w / Σw",
        "×": "product", "C": "concatenation",
        "S": "sum weighted by a softmax of signals",
    }  # fmt: skip
    entries += [Entry("sum", glyph, word) for glyph, word in words.items() if glyph in glyphs]
    if any("1×1" in box.lines and box.fill == "background" and box.line != "projection" for box in drawing.boxes):
        entries.append(Entry("mark", "1×1", "projection"))
    on_lanes = {line for box in drawing.boxes if box.fill == "background" for line in box.lines}
    learned = {"× α": "learned factor", "× γ": "learned factor per channel"}
    return [*entries, *(Entry("mark", mark, text) for mark, text in learned.items() if mark in on_lanes)]


def flow(entries: Sequence[Entry], width: float) -> list[list[Entry]]:
    """Entries in lines of at most `width` points."""
    lines: list[list[Entry]] = []
    room = 0.0
    for entry in entries:
        if not lines or entry.width > room:
            lines.append([])
            room = width
        lines[-1].append(entry)
        room -= entry.width + _SPACE
    return lines


def size_of(lines: Sequence[Sequence[Entry]]) -> tuple[float, float]:
    """Width and height in points of a legend in lines."""
    widths = [sum(e.width for e in line) + _SPACE * (len(line) - 1) for line in lines]
    return max(widths, default=0), _LINE * len(lines)


def legend(lines: Sequence[Sequence[Entry]], x: float, y: float) -> Drawing:
    """The legend with its top left corner at (x, y)."""
    drawing = Drawing()
    for number, line in enumerate(lines):
        at = x
        for place, entry in enumerate(line):
            _sign(drawing, entry, f"legend{number}_{place}", at, y + _LINE * (number + 0.5))
            at += entry.width + _SPACE
    return drawing


def _sign(drawing: Drawing, entry: Entry, name: str, x: float, y: float) -> None:
    text = text_box(f"{name}.text", x + _SWATCH + 6, y, entry.text, align="l", size=_SIZE, ink="ink")
    middle = x + _SWATCH / 2
    if entry.kind in ("line", "track"):
        ends = [
            Box(f"{name}.{end}", at, y, 1, 1, (), "none", "none", shape="dot", pen=0)
            for end, at in (("a", x), ("b", x + _SWATCH))
        ]
        drawing.boxes += ends
        track = entry.kind == "track"
        width = 7.0 if track else PENS.get(entry.role, 1.3)
        arrow = 0.0 if track else ARROWS.get(entry.role, 0.55)
        drawing.wires.append(Wire(ends[0].name, ends[1].name, ((x, y), (x + _SWATCH, y)), entry.role, width, arrow))
    elif entry.kind == "sum":
        size = 10 if entry.role in "+×" else 7
        drawing.boxes.append(Box(name, middle, y, 10, 10, (entry.role,), "sum", "main", "ink", size, "circle", 1.2))
    elif entry.kind == "mark":
        w, h = mark_size((entry.role,))
        drawing.boxes.append(Box(name, middle, y, w, h, (entry.role,), "background", "main", "main", 7.5, pen=1.2))
    elif entry.kind == "outline":
        drawing.boxes.append(Box(name, middle, y, 18, 10, (), "background", entry.role, pen=1.5))
    else:
        drawing.boxes.append(Box(name, middle, y, 18, 10, (), entry.role))
    drawing.boxes.append(text)


def notes_below(drawing: Drawing, notes: Sequence[str], width: float) -> None:
    """Footnotes under a drawing, wrapped to its width."""
    x0, _, x1, bottom = drawing.bounds()
    y = bottom + 12
    for number, note in enumerate(notes):
        for part, line in enumerate(wrapped(note, 8, max(width, x1 - x0))):
            drawing.boxes.append(text_box(f"note{number}_{part}", x0, y, line, align="l", size=8))
            y += 11


def wrapped(text: str, size: float, width: float) -> list[str]:
    """Text in lines of at most `width` points."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) * 1.12 <= width - 4:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
