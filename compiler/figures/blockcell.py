"""A block as one box: its shortcut leaves above it and joins in a sum below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from archspec.compiler.figures.anatomy import marks
from archspec.compiler.figures.collapse import Group
from archspec.compiler.figures.column import Column, dot_box
from archspec.compiler.figures.drawing import Box
from archspec.compiler.figures.glyphs import glyph_of
from archspec.compiler.figures.words import (
    block_fill,
    block_lines,
    fill_of,
    group_name,
    step_lines,
    steps,
)


def draw_block(column: Column, group: Group, kinds: list[str], join_lanes: Callable[[Column], None]) -> None:
    """Draws a part at the end of a column; `join_lanes` draws the sums of lanes that end at its closing."""
    if group.omitted:
        _ellipsis(column, group)
    elif group.part.is_block and not _single(group):
        _block(column, group, kinds)
    else:
        draw_steps(column, group)
    join_lanes(column)


def _single(group: Group) -> bool:
    """Whether a block is but one layer and what belongs to it: it then stands as that layer."""
    part = group.part
    return (
        group.count == 1 and part.anatomy.closing is None and sum(node.op.role == "weight" for node in part.nodes) < 2
    )


def _block(column: Column, group: Group, kinds: list[str]) -> None:
    name, inside = group_name(group), group.part.anatomy
    tap = None
    if inside.shortcut is not None:
        tap = column.tap(f"{name}.tap", "own", column.y + 4)
        column.y += 4
    stack = 2 if group.count > 1 else 0
    fill = block_fill(group.part.kind, kinds)
    column.box(name, block_lines(group), fill, gap=11 if tap else 15, stack=stack)
    if tap is not None:
        assert inside.closing is not None
        assert inside.shortcut is not None
        end = column.join(f"{name}.join", glyph_of(inside.closing.op) or "", "own", gap=12)
        column.own.append((tap, end, marks(inside.shortcut)))


def draw_steps(column: Column, group: Group, gap: float = 13) -> None:
    """The operators of the stem, of a stage's entry or of the head, as boxes."""
    part = group.part
    if any(len(node.inputs) > 1 for node in part.nodes):
        column.box(part.address, (part.address,), "other", gap=gap)
        return
    for number, nodes in enumerate(steps(part.nodes)):
        name = part.address if part.is_block and not number else nodes[0].name
        column.box(name, step_lines(nodes), fill_of(nodes[0]), gap=gap)
        gap = 13


def _ellipsis(column: Column, group: Group) -> None:
    """Three dots and how many blocks they stand for."""
    name = f"{group_name(group)}~dots"
    column.y += 4
    y = column.y
    column.reach(name, y, y + 25)
    column.drawing.wires.append(replace(column.drawing.wires.pop(), arrow=0.0))
    column.drawing.boxes.append(Box(name, 0, y + 12.5, 2, 25, (), "none", "none", pen=0))
    for k in range(3):
        column.drawing.boxes.append(dot_box(f"{name}{k}", "main", y + 7 + 5.5 * k, 1.5))
    column.text(f"{name}text", 10, y + 12.5, f"{group.count} more", size=8)
