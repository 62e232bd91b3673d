"""Columns from groups: each a stage with its blocks one below the other, where lanes leave and join."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from archspec.compiler.figures.collapse import Group, Grouping
from archspec.compiler.figures.column import SUM, TAP_GAP, Column
from archspec.compiler.figures.words import group_name, shape_words
from archspec.ops import Shape

Draw: TypeAlias = Callable[[Column, Group, Callable[[Column], None]], None]
"""Draws a group at the end of a column, and calls back where lanes join its closing."""


def build_column(
    grouping: Grouping, members: Sequence[int], draw: Draw, style: str, shapes: Sequence[Shape] | None, opening: bool,
    halves: tuple[float, ...] = (),
) -> Column:  # fmt: skip
    """The column of some consecutive groups. `shapes` are what enters each; `opening` has lanes leave above it;
    `halves` are half widths of operators' columns."""
    column = Column(style, halves=halves)
    here = set(members)
    shown: Shape | None = None
    for i in members:
        name = group_name(grouping.groups[i])
        ending = grouping.ending.get(i, [])
        if shapes is not None and shapes[i] != shown:
            column.text(
                f"{name}.shape",
                -SUM - 3 if ending and style == "track" else -5,  # beside a join that the block begins with
                column.y + (18 if style == "track" and grouping.groups[i].part.is_block else 8),
                shape_words(shapes[i]),
                align="r",
            )
            shown = shapes[i]
        if i == members[0]:
            column.y += 6
        starting = grouping.starting.get(i, [])
        placed = False
        for n in starting:
            if opening and i == members[0] and grouping.lanes[n].target not in here:
                continue
            column.y += 4 if not placed else 0
            placed = True
            column.taps[n] = column.tap(f"{name}.tap{n}", grouping.lanes[n].role, column.y)
            column.y += TAP_GAP
        for n in ending:
            if not grouping.lanes[n].closing:
                lane = grouping.lanes[n]
                column.joins[n] = column.join(f"{name}.join{n}", lane.join, lane.role, gap=11)
        draw(column, grouping.groups[i], _joiner(grouping, ending, here, name, i == members[-1] and style == "line"))
    return column


def _joiner(
    grouping: Grouping, ending: Sequence[int], here: set[int], name: str, last: bool
) -> Callable[[Column], None]:
    """Draws the sums of lanes that end at a closing: inner ones first, those from other columns below the panel."""

    def join_lanes(column: Column) -> None:
        for n in ending:
            lane = grouping.lanes[n]
            if lane.closing and not (last and outside(lane.source, here)):
                column.joins[n] = column.join(f"{name}.join{n}", lane.join, lane.role, gap=11)

    return join_lanes


def outside(source: int, here: set[int]) -> bool:
    """Whether a lane from a group comes from before a column."""
    return source + 1 not in here


def join_below(column: Column, grouping: Grouping, members: Sequence[int]) -> None:
    """The sums below the panel, of lanes from other columns that end at the column's last block."""
    here, i = set(members), members[-1]
    name = group_name(grouping.groups[i])
    ending = [n for n in grouping.ending.get(i, []) if grouping.lanes[n].closing and n not in column.joins]
    for number, n in enumerate(ending):
        assert outside(grouping.lanes[n].source, here)
        lane = grouping.lanes[n]
        column.joins[n] = column.join(f"{name}.join{n}", lane.join, lane.role, gap=22 if not number else 11)
