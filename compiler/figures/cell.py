"""The columns of operators within a block: how wide they are and where they stand, in points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

from archspec.compiler.figures.chain import Part
from archspec.compiler.figures.column import Column
from archspec.compiler.figures.drawing import Box
from archspec.compiler.figures.metrics import text_width
from archspec.compiler.figures.rows import Rows, operands, place_rows
from archspec.compiler.figures.words import op_label

HEIGHT, GAP = 17.0, 9.0
PITCH = HEIGHT + GAP
SIZE = 9.0
JOIN = 7.0
TAP = 2.0
LEAST = 58.0


@dataclass
class Cell:
    """A block being drawn: `top` is the y of row 0."""

    part: Part
    column: Column
    rows: Rows
    top: float
    boxes: dict[str, Box] = field(default_factory=dict)
    xs: list[float] = field(default_factory=list)
    """Centres of the columns, the main path's first."""
    halves: list[float] = field(default_factory=list)
    gaps: dict[int, int] = field(default_factory=dict)
    """Wires so far in the gap to the right of each column."""
    ports: dict[tuple[str, str], int] = field(default_factory=dict)
    tapped: dict[str, int] = field(default_factory=dict)
    levels: dict[float, int] = field(default_factory=dict)
    """Wires so far that pass columns above the boxes with a top."""

    def y(self, row: float) -> float:
        """The middle of a row."""
        return self.top + row * PITCH

    def gap(self, number: int) -> float:
        """The x of another wire in a gap."""
        count = self.gaps[number] = self.gaps.get(number, 0) + 1
        return self.xs[number] + self.halves[number] + 2 + 6 * count

    def above(self, top: float) -> int:
        """How many wires pass columns above the boxes with a top already; now one more."""
        self.levels[top] = self.levels.get(top, 0) + 1
        return self.levels[top] - 1


def half_widths(part: Part, rows: Rows) -> tuple[float, ...]:
    """Half widths of the columns of a block's operators: as their widest labels need."""
    labels: dict[int, float] = {}
    for node in part.nodes:
        at = rows.column.get(node.name, 0)
        if not node.op.joins:
            labels[at] = max(labels.get(at, 0), text_width(op_label(node), SIZE) * 1.17 + 9)
    count = len(rows.chains) + 1
    return tuple(max(labels.get(i, 0), LEAST if i in labels else 2 * JOIN) / 2 for i in range(count))


def common_half_widths(parts: Iterable[Part]) -> tuple[float, ...]:
    """The half widths with which all of several blocks fit, so that their branches stand in line."""
    seen: dict[tuple[tuple[str, str], ...], tuple[float, ...]] = {}
    for part in parts:
        key = tuple((node.local, node.label) for node in part.nodes)
        if key not in seen:
            seen[key] = half_widths(part, rows_of(part))
    return tuple(max(widths) for widths in zip_longest(*seen.values(), fillvalue=0.0))


def rows_of(part: Part) -> Rows:
    """The rows of a block up to its closing."""
    track, closing = list(part.anatomy.track), part.anatomy.closing
    return place_rows(part, track[: track.index(closing) + 1] if closing is not None else track)


def place_columns(cell: Cell) -> None:
    """Places the columns: as wide as their widest label, and apart by what runs between them."""
    between: dict[int, int] = {}
    for node in cell.part.nodes:
        at = cell.rows.column.get(node.name, 0)
        for source in operands(cell.part, node):
            far = cell.rows.column.get(source, 0)
            if far != at:
                between[min(far, at)] = between.get(min(far, at), 0) + 1
    widths = half_widths(cell.part, cell.rows)
    count = len(widths)
    cell.halves = [max(pair) for pair in zip_longest(widths, cell.column.halves[:count], fillvalue=0.0)]
    cell.xs = [0.0]
    for i in range(1, count):
        gap = 16 + 6 * max(between.get(i - 1, 0) - 1, 0)
        cell.xs.append(cell.xs[-1] + cell.halves[i - 1] + gap + cell.halves[i])
