"""The wires within a block: along its chains of operators, from its main path and into it."""

from __future__ import annotations

from archspec.compiler.figures.cell import GAP, TAP, Cell
from archspec.compiler.figures.drawing import Box, Point, Wire
from archspec.compiler.figures.rows import operands
from archspec.graph import Node

_PORTS = (0.0, 4.0, -4.0, 2.0, -2.0, 6.0, -6.0)
_LEVELS = (0.0, 1.5, -1.5, 3.0, -3.0)


def draw_wires(cell: Cell) -> None:
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
    cell.column.drawing.boxes.append(Box(name, 0, y, 2 * TAP, 2 * TAP, (), "main", "main", shape="dot", pen=0))
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
    return box.y + _PORTS[(cell.ports[(box.name, side)] - 1) % len(_PORTS)]


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
        between = b.top - GAP / 2 + _LEVELS[cell.above(b.top) % len(_LEVELS)]
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
