"""Columns side by side in rows, the main path running down each and up again between them, in points.

Lanes between columns run in tracks of their own: out of their column on its right, along above the row, and into
the other column on its right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archspec.compiler.figures.column import Column, dot_box, main_wire, text_box
from archspec.compiler.figures.drawing import Drawing, Panel, Point, Wire
from archspec.compiler.figures.lanes import Link, draw_links, free_place, lane_wire, mark_box, mark_size

_STEP = 6.5
_TITLE = 24.0
"""From a panel's top to where the main path comes in."""


@dataclass
class Bay:
    """A column with its place: `x` of its main path, `y` of its panel's top."""

    column: Column
    title: str
    framed: bool
    bottom: float = 0.0
    """Of the panel."""
    panel_right: float = 0.0
    legs: list[tuple[int, bool]] = field(default_factory=list)
    """Lanes that leave (False) or enter (True) on the right, from the innermost."""
    outer: dict[tuple[int, bool], float] = field(default_factory=dict)
    right: float = 0.0
    x: float = 0.0
    y: float = 0.0

    @property
    def left(self) -> float:
        return max(self.column.left + 7, 44.0) if self.framed else self.column.left


@dataclass(frozen=True)
class Crossing:
    """A lane from one bay to another."""

    number: int
    link: Link
    source: int
    target: int
    above: bool
    """Leaves above the first column, not within."""


def lay_out(bays: Sequence[Bay], crossings: Sequence[Crossing], per_row: int, style: str) -> Drawing:
    """The drawing of the columns: everything but what stands before the first and after the last."""
    rows = [range(start, min(start + per_row, len(bays))) for start in range(0, len(bays), per_row)]
    row_of = {i: r for r, row in enumerate(rows) for i in row}
    _place_legs(bays, crossings)
    for row in rows:
        x = 0.0
        for i in row:
            bay = bays[i]
            bay.x = x + bay.left if i != row[0] else 0.0
            x = bay.x + bay.right + 24
    edge = max(bays[i].x + bays[i].right for i in range(len(bays)))
    trunks: dict[int, float] = {}
    for c in crossings:
        if row_of[c.source] != row_of[c.target]:
            trunks[c.number] = edge + 8 + c.link.half
            edge = trunks[c.number] + c.link.half - 6
    drawing, y = Drawing(), 0.0
    heights: list[dict[int, float]] = []
    for r, row in enumerate(rows):
        above = [
            c for c in crossings if r == row_of[c.source] or (r == row_of[c.target] and not _direct(c, bays, row_of))
        ]
        above.sort(key=lambda c: (c.target - c.source, c.number))
        if r:
            y += _TITLE + _STEP * len(above) + (30 if above or per_row > 1 else 0)
        heights.append({c.number: y - _TITLE - 9 - _STEP * k for k, c in enumerate(above)})
        for i in row:
            bays[i].y = y
        y += max(max(bays[i].column.y, bays[i].bottom) for i in row) + (24 if per_row > 1 else 6)
    for r, row in enumerate(rows):
        for i in row:
            _draw_bay(drawing, bays[i], i)
            if i != row[-1]:
                drawing.wires.append(_riser(bays[i], bays[i + 1], style))
            elif r + 1 < len(rows):
                lowest = max(bays[j].y + bays[j].column.y for j in row) + 31
                drawing.wires.append(_return(bays[i], bays[i + 1], lowest, style))
    for crossing in crossings:
        _draw_crossing(drawing, bays, crossing, heights, row_of, trunks)
    return drawing


def _place_legs(bays: Sequence[Bay], crossings: Sequence[Crossing]) -> None:
    for c in crossings:
        if not c.above:
            bays[c.source].legs.append((c.number, False))
        bays[c.target].legs.append((c.number, True))
    links = {c.number: c.link for c in crossings}
    for bay in bays:
        bay.panel_right = bay.column.right + 11 if bay.framed else bay.column.right
        ends = {False: bay.column.taps, True: bay.column.joins}
        bay.legs.sort(key=lambda leg: (ends[leg[1]][leg[0]].y, leg))
        x = bay.panel_right + (6 if bay.legs else 0)
        for leg in bay.legs:
            half = links[leg[0]].half if leg[1] else 4.5
            x += half + 1
            bay.outer[leg] = x
            x += half
        bay.right = x


def _draw_bay(drawing: Drawing, bay: Bay, number: int) -> None:
    if bay.framed:
        panel = Panel(bay.x - bay.left, bay.y, bay.x + bay.panel_right, bay.y + bay.bottom)
        drawing.panels.append(panel)
        if bay.title:
            title = text_box(
                f"title{number}",
                bay.x + bay.panel_right - 3,
                bay.y - 9,
                f"*{bay.title}",
                align="r",
                size=9.5,
                ink="ink",
            )
            drawing.boxes.append(title)
    drawing.add(bay.column.drawing.moved(bay.x, bay.y))


def _riser(bay: Bay, after: Bay, style: str) -> Wire:
    """The main path from the bottom of a column into the top of the next."""
    assert bay.column.end is not None
    assert after.column.first is not None
    x = (bay.x + bay.right + after.x - after.left) / 2
    low, high = bay.y + bay.column.y + 17, after.y - _TITLE
    points = ((bay.x, bay.y + bay.column.end[1]), (bay.x, low), (x, low), (x, high), (after.x, high),
              (after.x, after.y + after.column.first[1]))  # fmt: skip
    return main_wire(style, bay.column.end[0], after.column.first[0], points)


def _return(bay: Bay, after: Bay, low: float, style: str) -> Wire:
    """The main path from the end of a row to the start of the next."""
    assert bay.column.end is not None
    assert after.column.first is not None
    points = (
        (bay.x, bay.y + bay.column.end[1]),
        (bay.x, low),
        (after.x, low),
        (after.x, after.y + after.column.first[1]),
    )
    return main_wire(style, bay.column.end[0], after.column.first[0], points)


def _direct(c: Crossing, bays: Sequence[Bay], row_of: Mapping[int, int]) -> bool:
    """Whether a lane comes into its column from the margin, with nothing between."""
    last = c.target + 1 == len(bays) or row_of[c.target + 1] != row_of[c.target]
    return last and row_of[c.source] != row_of[c.target]


def _draw_crossing(
    drawing: Drawing, bays: Sequence[Bay], c: Crossing, heights: Sequence[dict[int, float]], row_of: dict[int, int],
    trunks: dict[int, float],
) -> None:  # fmt: skip
    source, target = bays[c.source], bays[c.target]
    y0, y1 = source.y + c.link.tap.y, target.y + c.link.join.y
    high = heights[row_of[c.source]][c.number]
    points: list[Point] = []
    if c.above:
        points = [(source.x, high)]
        drawing.boxes.append(replace(dot_box(c.link.tap.name, c.link.role, high), x=source.x))
    else:
        x = source.x + source.outer[(c.number, False)]
        points = [(source.x, y0), (x, y0), (x, high)]
    x = target.x + target.outer[(c.number, True)]
    if row_of[c.source] != row_of[c.target]:
        trunk, lower = trunks[c.number], heights[row_of[c.target]].get(c.number, high)
        if _direct(c, bays, row_of):
            x = trunk
        points += [(trunk, high)] if x == trunk else [(trunk, high), (trunk, lower), (x, lower)]
        high = lower
    else:
        points.append((x, high))
    points += [(x, y1), (target.x + c.link.radius, y1)]
    drawing.wires.append(lane_wire(c.link, points))
    if c.link.marks:
        place = target.outer[(c.number, True)]
        crossing = [
            target.y + (target.column.joins if enters else target.column.taps)[n].y
            for (n, enters), other in target.outer.items() if other > place
        ]  # fmt: skip
        y = free_place(max(high, target.y - _TITLE), y1, mark_size(c.link.marks)[1], crossing)
        drawing.boxes.append(mark_box(c.link.name, x, y, c.link.marks, c.link.role))


def inner_links(bay: Bay, links: Sequence[Link]) -> None:
    """Draws what stays within a bay and settles how far it reaches."""
    own = [
        Link(f"{tap.name.removesuffix('.tap')}.shortcut", tap, end, "own", marks) for tap, end, marks in bay.column.own
    ]
    draw_links(bay.column, own, links)
