"""A block opened to its operators: the main path a pale thick track, the branch beside it, in points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from archspec.compiler.figures.cell import GAP, HEIGHT, JOIN, PITCH, SIZE, Cell, place_columns, rows_of
from archspec.compiler.figures.collapse import Group
from archspec.compiler.figures.column import Column, text_box
from archspec.compiler.figures.drawing import Box, Panel
from archspec.compiler.figures.glyphs import glyph_of
from archspec.compiler.figures.metrics import text_width
from archspec.compiler.figures.opwires import draw_wires
from archspec.compiler.figures.rows import operands
from archspec.compiler.figures.words import fill_of, group_name, op_label
from archspec.graph import Node


def draw_operators(column: Column, group: Group, join_lanes: Callable[[Column], None], *, framed: bool = True) -> None:
    """Draws a block at the end of a column; `join_lanes` draws the sums of lanes that end at its closing."""
    part, name = group.part, group_name(group)
    start = column.y + (5 if framed else 0)
    track = list(part.anatomy.track)
    closing = part.anatomy.closing
    cut = track.index(closing) + 1 if closing is not None else len(track)
    rows = rows_of(part)
    cell = Cell(part, column, rows, start + (24 if framed else 12))
    place_columns(cell)
    boxes_before = len(column.drawing.boxes)
    if framed:
        column.reach(f"{name}.in", start + 2, start + 2)
        column.drawing.boxes.append(Box(f"{name}.in", 0, start + 2, 0.6, 0.6, (), "none", "none", shape="dot", pen=0))
    _beside(cell)
    _track(cell, track[:cut])
    draw_wires(cell)
    if closing is not None:
        join_lanes(column)
    for node in track[cut:]:
        _on_track(cell, node, column.y + GAP + 4 + HEIGHT / 2)
    if closing is None:
        join_lanes(column)
    low = max(column.y, *(box.bottom for box in column.drawing.boxes[boxes_before:])) if framed else column.y
    if framed:
        _frame(column, cell, group, name, start, low)


def _frame(column: Column, cell: Cell, group: Group, name: str, start: float, low: float) -> None:
    label = (
        f"{group.part.kind} {group.part.address.removeprefix('stage')}"
        if group.count == 1
        else f"{group.part.kind} ×{group.count}"
    )
    beyond = cell.gaps.get(len(cell.xs) - 1, 0)  # wires right of the last column
    right = max(cell.xs[-1] + cell.halves[-1] + (6 * beyond + 2 if beyond else 0), text_width(label, SIZE) + 12) + 9
    left = max(cell.halves[0] + 9, column.left + 3)
    end = low + 9
    column.drawing.boxes.append(Box(f"{name}.out", 0, end - 2, 0.6, 0.6, (), "none", "none", shape="dot", pen=0))
    column.reach(f"{name}.out", end - 2, end - 2)
    column.drawing.panels.append(Panel(-left, start, right, end, "frame", "frame_line"))
    text = f"*{label}" + (f" {group.mark}" if group.mark else "")
    title = text_box(f"{name}.title", right - 6, start + 9.5, text, align="r", size=SIZE, ink="ink")
    column.drawing.boxes.append(Box(
        name, title.x, title.y, title.w, title.h, title.lines, "none", "none", "ink", SIZE, "text", 0, "r", name
    ))  # fmt: skip
    column.left, column.right = max(column.left, left), max(column.right, right)
    column.y = end


def even_frames(column: Column) -> None:
    """Makes the frames of a column equally wide."""
    frames = [panel for panel in column.drawing.panels if panel.fill == "frame"]
    if frames:
        x0, x1 = min(panel.x0 for panel in frames), max(panel.x1 for panel in frames)
        column.drawing.panels = [replace(p, x0=x0, x1=x1) if p.fill == "frame" else p for p in column.drawing.panels]


def _operator(cell: Cell, node: Node, x: float, y: float, at: int) -> Box:
    if node.op.joins:
        glyph = glyph_of(node.op) or node.label
        size = 12 if glyph in "+×" else 8
        return Box(
            node.name, x, y, 2 * JOIN, 2 * JOIN, (glyph,), "sum", "main", "ink", size, "circle", 1.3, tip=node.name
        )
    aside = node in (cell.part.anatomy.shortcut or ())
    line, pen = ("projection", 1.5) if aside else ("outline", 0.9)
    return Box(
        node.name,
        x,
        y,
        2 * cell.halves[at],
        HEIGHT,
        (op_label(node),),
        fill_of(node),
        line,
        size=SIZE,
        pen=pen,
        tip=node.name,
    )


def _beside(cell: Cell) -> None:
    nodes = {node.name: node for node in cell.part.nodes}
    for number, chain in enumerate(cell.rows.chains, 1):
        for name in chain:
            box = _operator(cell, nodes[name], cell.xs[number], cell.y(cell.rows.row[name]), number)
            cell.boxes[name] = box
            cell.column.drawing.boxes.append(box)


def _track(cell: Cell, track: list[Node]) -> None:
    """The main path up to the closing; operators on it stand half way between where wires leave and join."""
    run: list[Node] = []
    high = cell.top - (HEIGHT if cell.part.main not in cell.rows.taps else 0)
    if cell.part.main in cell.rows.taps:
        high = cell.y(0) + 2
    for node in track:
        if not _drawn(cell, node):
            continue
        joining = len(operands(cell.part, node)) > 1
        if not joining:
            run.append(node)
        if joining or node.name in cell.rows.taps:
            y = cell.y(cell.rows.row[node.name])
            low = y - JOIN if joining else cell.y(cell.rows.taps[node.name])
            _spread(cell, run, high, low)
            run = []
            if joining:
                _joins(cell, node, y)
            high = cell.column.y
            if node.name in cell.rows.taps:
                high = cell.y(cell.rows.taps[node.name]) + 2
    _spread(cell, run, high, None)


def _drawn(cell: Cell, node: Node) -> bool:
    """A join of nothing but a lane is drawn with the lane."""
    return not (node.op.joins and len(operands(cell.part, node)) < 2 and len(set(node.inputs)) > 1)


def _spread(cell: Cell, run: list[Node], high: float, low: float | None) -> None:
    if low is None:
        y = high + GAP + HEIGHT / 2
        for node in run:
            _on_track(cell, node, y)
            y += PITCH
        return
    spare = low - high - len(run) * HEIGHT
    gap = min(spare / (len(run) + 1), 16.0) if run else 0
    y = (high + low) / 2 - (len(run) - 1) * (HEIGHT + gap) / 2
    for node in run:
        _on_track(cell, node, y)
        y += HEIGHT + gap


def _on_track(cell: Cell, node: Node, y: float) -> None:
    box = _operator(cell, node, 0, y, 0)
    cell.boxes[node.name] = box
    cell.column.y = 0
    cell.column.put(box)


def _joins(cell: Cell, node: Node, y: float) -> None:
    """One sum for each operand beside the main path."""
    count = len(operands(cell.part, node)) - 1
    for number in range(count):
        box = _operator(cell, node, 0, y - (count - 1 - number) * PITCH, 0)
        if number < count - 1:
            box = Box(
                f"{node.name}~{number}",
                box.x,
                box.y,
                box.w,
                box.h,
                box.lines,
                box.fill,
                box.line,
                box.ink,
                box.size,
                box.shape,
                box.pen,
            )
        cell.boxes[box.name] = box
        cell.column.y = 0
        cell.column.put(box)
