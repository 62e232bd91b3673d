"""A block opened to its operators: the main path a pale thick track, the branch beside it, in points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from archspec.compiler.figures.chain import Part
from archspec.compiler.figures.collapse import Group
from archspec.compiler.figures.column import GLYPHS, Column, text_box
from archspec.compiler.figures.drawing import Box, Panel, Point, Wire
from archspec.compiler.figures.metrics import text_width
from archspec.compiler.figures.rows import Rows, operands, place_rows
from archspec.compiler.figures.words import fill_of, group_name, op_label
from archspec.graph import Node

HEIGHT, GAP = 17.0, 9.0
_PITCH = HEIGHT + GAP
_SIZE = 9.0
_JOIN = 7.0
_TAP = 2.0
_LEAST = 58.0


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

    def y(self, row: float) -> float:
        """The middle of a row."""
        return self.top + row * _PITCH

    def gap(self, number: int) -> float:
        """The x of another wire in a gap."""
        count = self.gaps[number] = self.gaps.get(number, 0) + 1
        return self.xs[number] + self.halves[number] + 2 + 6 * count


def draw_operators(column: Column, group: Group, join_lanes: Callable[[Column], None], *, framed: bool = True) -> None:
    """Draws a block at the end of a column; `join_lanes` draws the sums of lanes that end at its closing."""
    part, name = group.part, group_name(group)
    start = column.y + (5 if framed else 0)
    track = list(part.anatomy.track)
    closing = part.anatomy.closing
    cut = track.index(closing) + 1 if closing is not None else len(track)
    rows = place_rows(part, track[:cut])
    cell = Cell(part, column, rows, start + (24 if framed else 12))
    _columns(cell)
    boxes_before = len(column.drawing.boxes)
    if framed:
        column.reach(f"{name}.in", start + 2, start + 2)
        column.drawing.boxes.append(Box(f"{name}.in", 0, start + 2, 0.6, 0.6, (), "none", "none", shape="dot", pen=0))
    _beside(cell)
    _track(cell, track[:cut])
    _wires(cell)
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
    right = max(cell.xs[-1] + cell.halves[-1], text_width(label, _SIZE) + 12) + 9
    left = cell.halves[0] + 9
    end = low + 9
    column.drawing.boxes.append(Box(f"{name}.out", 0, end - 2, 0.6, 0.6, (), "none", "none", shape="dot", pen=0))
    column.reach(f"{name}.out", end - 2, end - 2)
    column.drawing.panels.append(Panel(-left, start, right, end, "frame", "frame_line"))
    text = f"*{label}" + (f" {group.mark}" if group.mark else "")
    title = text_box(f"{name}.title", right - 6, start + 9.5, text, align="r", size=_SIZE, ink="ink")
    column.drawing.boxes.append(Box(
        name, title.x, title.y, title.w, title.h, title.lines, "none", "none", "ink", _SIZE, "text", 0, "r", name
    ))  # fmt: skip
    column.left, column.right = max(column.left, left), max(column.right, right)
    column.y = end


def even_frames(column: Column) -> None:
    """Makes the frames of a column equally wide."""
    frames = [panel for panel in column.drawing.panels if panel.fill == "frame"]
    if frames:
        x0, x1 = min(panel.x0 for panel in frames), max(panel.x1 for panel in frames)
        column.drawing.panels = [replace(p, x0=x0, x1=x1) if p.fill == "frame" else p for p in column.drawing.panels]


def _columns(cell: Cell) -> None:
    """Places the columns: as wide as their widest label, and apart by what runs between them."""
    labels: dict[int, float] = {}
    for node in cell.part.nodes:
        at = cell.rows.column.get(node.name, 0)
        if not node.op.joins:
            labels[at] = max(labels.get(at, 0), text_width(op_label(node), _SIZE) * 1.17 + 9)
    between: dict[int, int] = {}
    for node in cell.part.nodes:
        at = cell.rows.column.get(node.name, 0)
        for source in operands(cell.part, node):
            far = cell.rows.column.get(source, 0)
            if far != at:
                between[min(far, at)] = between.get(min(far, at), 0) + 1
    count = len(cell.rows.chains) + 1
    cell.halves = [max(labels.get(i, 0), _LEAST if i in labels else 2 * _JOIN) / 2 for i in range(count)]
    cell.xs = [0.0]
    for i in range(1, count):
        gap = 16 + 6 * max(between.get(i - 1, 0) - 1, 0)
        cell.xs.append(cell.xs[-1] + cell.halves[i - 1] + gap + cell.halves[i])


def _operator(cell: Cell, node: Node, x: float, y: float, at: int) -> Box:
    if node.op.joins:
        glyph = GLYPHS.get(node.op.key, node.op.label())
        size = 12 if glyph in "+×" else 8
        return Box(
            node.name, x, y, 2 * _JOIN, 2 * _JOIN, (glyph,), "sum", "main", "ink", size, "circle", 1.3, tip=node.name
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
        size=_SIZE,
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
            low = y - _JOIN if joining else cell.y(cell.rows.taps[node.name])
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
            y += _PITCH
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
        box = _operator(cell, node, 0, y - (count - 1 - number) * _PITCH, 0)
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


def _wires(cell: Cell) -> None:
    nodes = {node.name: node for node in cell.part.nodes}
    on_track = {node.name for node in cell.part.anatomy.track}
    chained = [nodes[name] for chain in reversed(cell.rows.chains) for name in chain]
    for node in chained:
        before = None
        chain = cell.rows.chains[cell.rows.column[node.name] - 1]
        if not cell.rows.head(node.name):
            before = chain[chain.index(node.name) - 1]
        for source in operands(cell.part, node):
            if source == before:
                a, b = cell.boxes[source], cell.boxes[node.name]
                _add(cell, source, node.name, [(a.x, a.bottom), (b.x, b.top)], 0.5)
            elif source in on_track or source == cell.part.main:
                _from_track(cell, source, node)
            else:
                _across(cell, source, node)
    before_name = cell.part.main
    for node in cell.part.anatomy.track:
        others = [
            name for name in operands(cell.part, node) if name != before_name and name != _track_operand(cell, node)
        ]
        others.sort(key=lambda name: (cell.rows.column.get(name, 0), name))
        for number, source in enumerate(others):
            last = number == len(others) - 1
            _into_track(cell, source, node.name if last else f"{node.name}~{number}")
        before_name = node.name


def _track_operand(cell: Cell, node: Node) -> str:
    """The operand of a node of the main path that lies on it."""
    track = cell.part.anatomy.track
    at = track.index(node)
    return track[at - 1].name if at else cell.part.main


def _tap(cell: Cell, source: str) -> tuple[str, float]:
    """Another dot on the main path where a wire leaves, the first the highest."""
    count = cell.tapped[source] = cell.tapped.get(source, 0) + 1
    name = (
        f"{cell.part.address}.{source.rpartition('.')[2]}.tap{count}"
        if count > 1
        else f"{cell.part.address}.{source.rpartition('.')[2]}.tap"
    )
    y = cell.y(cell.rows.taps[source]) - 4 + 5.5 * (count - 1)
    cell.column.drawing.boxes.append(Box(name, 0, y, 2 * _TAP, 2 * _TAP, (), "main", "main", shape="dot", pen=0))
    return name, y


def _from_track(cell: Cell, source: str, node: Node) -> None:
    tap, y = _tap(cell, source)
    box = cell.boxes[node.name]
    if cell.rows.head(node.name):
        _add(cell, tap, node.name, [(0, y), (box.x, y), (box.x, box.top)])
        return
    x = cell.gap(cell.rows.column[node.name] - 1)
    _add(cell, tap, node.name, [(0, y), (x, y), (x, _port(cell, box, "l")), (box.left, _port_y(cell, box, "l"))])


def _port(cell: Cell, box: Box, side: str) -> float:
    """The y of another wire at a side of a box."""
    cell.ports[(box.name, side)] = cell.ports.get((box.name, side), 0) + 1
    return _port_y(cell, box, side)


def _port_y(cell: Cell, box: Box, side: str) -> float:
    return box.y + (0.0, 4.0, -4.0)[(cell.ports[(box.name, side)] - 1) % 3]


def _across(cell: Cell, source: str, node: Node) -> None:
    """A wire from one column beside the main path to another."""
    a, b = cell.boxes[source], cell.boxes[node.name]
    from_, to = cell.rows.column[source], cell.rows.column[node.name]
    if to > from_ or to == from_:
        side, other, first, last = ("r", "l" if to > from_ else "r", from_, to - 1 if to > from_ else to)
    else:
        side, other, first, last = "l", "r", from_ - 1, to
    x0 = a.right if side == "r" else a.left
    x1 = b.left if other == "l" else b.right
    y0, y1 = _port(cell, a, side), _port(cell, b, other)
    points: list[Point] = [(x0, y0)]
    x = cell.gap(first)
    points.append((x, y0))
    if first != last:
        between = b.top - GAP / 2
        far = cell.gap(last)
        points += [(x, between), (far, between)]
        x = far
    if abs(y1 - points[-1][1]) > 0.01:
        points.append((x, y1))
    points.append((x1, y1))
    _add(cell, source, node.name, points)


def _into_track(cell: Cell, source: str, target: str) -> None:
    """A wire into a join on the main path, from the right."""
    join = cell.boxes[target]
    if source in cell.rows.column and cell.rows.tail(source):
        box = cell.boxes[source]
        _add(cell, source, target, [(box.x, box.bottom), (box.x, join.y), (join.right, join.y)])
        return
    if source in cell.rows.column:
        box = cell.boxes[source]
        x, y = cell.gap(cell.rows.column[source] - 1), _port(cell, box, "l")
        _add(cell, source, target, [(box.left, y), (x, y), (x, join.y), (join.right, join.y)])
        return
    tap, y = _tap(cell, source)
    x = cell.gap(0)
    _add(cell, tap, target, [(0, y), (x, y), (x, join.y), (join.right, join.y)])


def _add(cell: Cell, source: str, target: str, points: list[Point], arrow: float = 0.55) -> None:
    cell.column.drawing.wires.append(Wire(source, target, tuple(points), "main", 1.1, arrow, 9))
