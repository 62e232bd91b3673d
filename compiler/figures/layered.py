"""Any graph at all, in layers: rank by longest path, order by barycentres, places by least squares; in points.

For networks that are no chain of blocks. Time grows with operators and with how far edges reach; past a limit a
message says what to draw instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from archspec.compiler.analysis.outline import outline
from archspec.compiler.figures.column import box_size
from archspec.compiler.figures.drawing import Box, Drawing, Point, Wire
from archspec.compiler.figures.glyphs import WEIGHTED, glyph_of
from archspec.compiler.figures.legend import entries_of, flow, legend
from archspec.compiler.figures.options import Detail, FigureError, Options
from archspec.compiler.figures.words import fill_of, op_label, shape_words
from archspec.graph import Graph

MOST = 60_000
"""Nodes and edge pieces that are laid out in a few seconds."""
_SWEEPS = 6
_PITCH = 36.0
_SPACE = 14.0


@dataclass
class Layers:
    """Nodes in ranks. Long edges are chains of negative numbers, one for each rank they pass."""

    names: list[str]
    ranks: list[int]
    widths: list[float]
    above: list[list[int]] = field(default_factory=list)
    below: list[list[int]] = field(default_factory=list)
    rows: list[list[int]] = field(default_factory=list)
    x: list[float] = field(default_factory=list)


def layered(graph: Graph, options: Options, detail: Detail) -> Drawing:
    """The drawing of any graph: its units, or its operators where `detail` is op."""
    boxes, edges = _operators(graph, options) if detail == "op" else _units(graph)
    number = {name: i for i, name in enumerate(boxes)}
    ranks = _ranks(list(boxes), edges)
    pieces = sum(ranks[b] - ranks[a] for a, b in edges)
    if len(boxes) + pieces > MOST:
        raise FigureError(
            f"this graph has {len(boxes):,} nodes and edges over {pieces:,} layers, too many to lay out; "
            f"draw less detail (--detail {'block' if detail == 'op' else 'stage'})"
        )
    layers = Layers(list(boxes), [ranks[name] for name in boxes], [box.w for box in boxes.values()])
    paths = _chained(layers, [(number[a], number[b]) for a, b in edges])
    _order(layers)
    _place(layers)
    drawing = _drawn(layers, boxes, edges, paths)
    if options.legend:
        x0, _, x1, y1 = drawing.bounds()
        drawing.add(legend(flow(entries_of(drawing), max(x1 - x0, 260)), x0, y1 + 10))
    return drawing


def _operators(graph: Graph, options: Options) -> tuple[dict[str, Box], list[tuple[str, str]]]:
    boxes = {}
    for node in graph:
        lines: tuple[str, ...] = (op_label(node),)
        if node.op.key == "input" and options.shapes:
            lines = (f"input {shape_words(node.shape)}",)
        glyph = glyph_of(node.op)
        if glyph:
            size = 12 if glyph in "+×" else 8
            boxes[node.name] = Box(
                node.name, 0, 0, 14, 14, (glyph,), "sum", "main", "ink", size, "circle", 1.3, tip=node.name
            )
        else:
            w, h = box_size(lines, 9, 58)
            boxes[node.name] = Box(node.name, 0, 0, w, h, lines, fill_of(node), size=9, tip=node.name)
    edges = [(source, node.name) for node in graph for source in dict.fromkeys(node.inputs)]
    for label, name in graph.outputs.items():
        text = (f"{label} {shape_words(graph[name].shape)}",) if options.shapes else (label,)
        w, h = box_size(text, 9, 58)
        boxes[f"_output.{label}"] = Box(f"_output.{label}", 0, 0, w, h, text, "io", size=9)
        edges.append((name, f"_output.{label}"))
    return boxes, edges


def _units(graph: Graph) -> tuple[dict[str, Box], list[tuple[str, str]]]:
    boxes: dict[str, Box] = {}
    owner = {graph.input.name: graph.input.name}
    edges: dict[tuple[str, str], None] = {}
    w, h = box_size(("input",), 9, 58)
    boxes[graph.input.name] = Box(graph.input.name, 0, 0, w, h, ("input",), "io", size=9)
    for unit in outline(graph):
        owner |= {node.name: unit.address for node in unit.nodes}
        weighted = dict.fromkeys(node.label for node in unit.nodes if glyph_of(node.op) in WEIGHTED.values())
        lines = (op_label(unit.nodes[0]),) if unit.single else (unit.address, *weighted)
        w, h = box_size(lines, 9, 58)
        fill = fill_of(unit.nodes[0]) if unit.single else "block"
        boxes[unit.address] = Box(unit.address, 0, 0, w, h, lines, fill, size=9, tip=unit.address)
        edges |= dict.fromkeys((owner[name], unit.address) for name in unit.inputs)
    return boxes, list(edges)


def _ranks(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The longest path to each node; names are in topological order."""
    sources: dict[str, list[str]] = {}
    for a, b in edges:
        sources.setdefault(b, []).append(a)
    ranks: dict[str, int] = {}
    for name in names:
        ranks[name] = 1 + max((ranks[a] for a in sources.get(name, ())), default=-1)
    return ranks


def _chained(layers: Layers, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Puts a place into every rank an edge passes; gives the places along each edge."""
    count = len(layers.names)
    layers.above, layers.below = [[] for _ in range(count)], [[] for _ in range(count)]
    paths = []
    for a, b in edges:
        path = [a]
        for rank in range(layers.ranks[a] + 1, layers.ranks[b]):
            layers.ranks.append(rank)
            layers.widths.append(2.0)
            layers.above.append([])
            layers.below.append([])
            path.append(len(layers.ranks) - 1)
        path.append(b)
        for upper, lower in pairwise(path):
            layers.below[upper].append(lower)
            layers.above[lower].append(upper)
        paths.append(path)
    layers.rows = [[] for _ in range(max(layers.ranks) + 1)]
    for i, rank in enumerate(layers.ranks):
        layers.rows[rank].append(i)
    return paths


def _order(layers: Layers) -> None:
    """Sweeps down and up, each node to the mean place of its neighbours."""
    place = [0.0] * len(layers.ranks)
    for row in layers.rows:
        for position, i in enumerate(row):
            place[i] = position
    for sweep in range(_SWEEPS):
        neighbours = layers.below if sweep % 2 else layers.above
        for row in reversed(layers.rows) if sweep % 2 else layers.rows:
            keys = {
                i: sum(place[j] for j in neighbours[i]) / len(neighbours[i]) if neighbours[i] else place[i] for i in row
            }
            row.sort(key=lambda i: (keys[i], place[i]))
            for position, i in enumerate(row):
                place[i] = position - (len(row) - 1) / 2


def _place(layers: Layers) -> None:
    """The x of everything: as near to its neighbours' mean as the order and the widths allow."""
    layers.x = [0.0] * len(layers.ranks)
    for row in layers.rows:
        x = 0.0
        for i in row:
            layers.x[i] = x + layers.widths[i] / 2
            x += layers.widths[i] + _SPACE
        for i in row:
            layers.x[i] -= (x - _SPACE) / 2
    for sweep in range(4 * _SWEEPS):
        for row in reversed(layers.rows) if sweep % 2 else layers.rows:
            wanted, weights = [], []
            for i in row:
                near = layers.below[i] if sweep % 2 else layers.above[i]
                near = near or layers.above[i] or layers.below[i]
                wanted.append(sum(layers.x[j] for j in near) / len(near) if near else layers.x[i])
                weights.append(8.0 if layers.widths[i] <= 2 else 1.0)
            gaps = [0.0]
            for a, b in pairwise(row):
                gaps.append(gaps[-1] + (layers.widths[a] + layers.widths[b]) / 2 + _SPACE)
            shifted = _monotone([w - g for w, g in zip(wanted, gaps, strict=True)], weights)
            for i, value, gap in zip(row, shifted, gaps, strict=True):
                layers.x[i] = value + gap


def _monotone(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-decreasing values nearest to those given, by least squares (pooling of adjacent violators)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, wa, na), (b, wb, nb) = pools[-2:]
            pools[-2:] = [((a * wa + b * wb) / (wa + wb), wa + wb, na + nb)]
    return [value for value, _, count in pools for _ in range(count)]


def _drawn(
    layers: Layers, boxes: Mapping[str, Box], edges: Sequence[tuple[str, str]], paths: Sequence[Sequence[int]]
) -> Drawing:
    drawing = Drawing()
    heights = [max((boxes[layers.names[i]].h for i in row if i < len(layers.names)), default=0) for row in layers.rows]
    ys, y = [], 0.0
    for height in heights:
        ys.append(y + height / 2)
        y += max(height, 8) + _PITCH - 14
    placed = {name: replace(boxes[name], x=layers.x[i], y=ys[layers.ranks[i]]) for i, name in enumerate(layers.names)}
    drawing.boxes += placed.values()
    leaving = _ports([(a, paths[k][1]) for k, (a, _) in enumerate(edges)], layers, placed)
    entering = _ports([(b, paths[k][-2]) for k, (_, b) in enumerate(edges)], layers, placed)
    for k, (a, b) in enumerate(edges):
        first, last = placed[a], placed[b]
        points: list[Point] = [(leaving[k], _rim(first, leaving[k], 1))]
        for i in paths[k][1:-1]:  # straight down through a rank, so that slopes cross no box
            half = max(heights[layers.ranks[i]], 8) / 2
            points += [(layers.x[i], ys[layers.ranks[i]] - half), (layers.x[i], ys[layers.ranks[i]] + half)]
        points.append((entering[k], _rim(last, entering[k], -1)))
        drawing.wires.append(Wire(a, b, tuple(_straightened(points)), "main", 1.1, 0.5, 12))
    return drawing


def _rim(box: Box, x: float, side: int) -> float:
    """The y at which a box's outline is met at x, below (1) or above (-1)."""
    if box.shape == "circle":
        return box.y + side * float(max((box.h / 2) ** 2 - (x - box.x) ** 2, 0) ** 0.5)
    return box.y + side * box.h / 2


def _ports(ends: Sequence[tuple[str, int]], layers: Layers, placed: Mapping[str, Box]) -> list[float]:
    """Where on its box each edge ends: side by side in the order of where they come from."""
    by_box: dict[str, list[int]] = {}
    for k, (name, _) in enumerate(ends):
        by_box.setdefault(name, []).append(k)
    result = [0.0] * len(ends)
    for name, members in by_box.items():
        box = placed[name]
        members.sort(key=lambda k: (layers.x[ends[k][1]], k))
        step = min(9.0, (box.w - 8) / len(members))
        for position, k in enumerate(members):
            result[k] = box.x + (position - (len(members) - 1) / 2) * step
    return result


def _straightened(points: Sequence[Point]) -> list[Point]:
    """Without the points that lie on a straight line between their neighbours."""
    kept = [points[0]]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        turn = (here[0] - before[0]) * (after[1] - here[1]) - (after[0] - here[0]) * (here[1] - before[1])
        if abs(turn) > 0.5:
            kept.append(here)
    return [*kept, points[-1]]
