"""Small graphs written by hand, for tests that go through all of a kind."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations

import networkx

from archspec.graph import Graph, Node, Source
from archspec.ops import BY_KEY, Operator

MAP = (4, 8, 8)
CONV = BY_KEY["conv"](out=4, kernel=3)
ADD, RELU = BY_KEY["add"](), BY_KEY["relu"]()
Wiring = Sequence[tuple[Operator, tuple[int, ...]]]
"""Operators and the numbers of their operands; 0 is the input."""


def graph(wiring: Wiring, names: Sequence[str] | None = None) -> Graph:
    """A graph of operators that keep the shape, the last of them its output."""
    names = names or [f"n{i}" for i in range(len(wiring) + 1)]
    nodes = [Node(names[0], Source(sample=MAP), (), MAP, 0, 0, (1, 1))]
    for name, (op, operands) in zip(names[1:], wiring, strict=True):
        inputs = tuple(names[operand] for operand in operands)
        shapes = (MAP,) * len(inputs)
        nodes.append(Node(name, op, inputs, MAP, op.params(shapes), op.macs(shapes), (1, 1)))
    return Graph("net", nodes, {"output": nodes[-1].name})


def chain(skips: Sequence[tuple[int, int]], blocks: int) -> Wiring:
    """`blocks` residual blocks in a row, (i, j) a shortcut from the output of block i (0: the input) to that of j."""
    wiring: list[tuple[Operator, tuple[int, ...]]] = []
    outputs = [0]
    for block in range(1, blocks + 1):
        wiring.append((CONV, (outputs[-1],)))
        sources = [outputs[start] for start, end in skips if end == block]
        wiring.append((ADD, (len(wiring), outputs[-1], *sources)))
        outputs.append(len(wiring))
    return wiring


def pairs(blocks: int) -> list[tuple[int, int]]:
    """Every shortcut over two blocks or more."""
    return [(i, j) for i in range(blocks + 1) for j in range(i + 2, blocks + 1)]


def subsets(entries: Sequence[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Every subset."""
    for size in range(len(entries) + 1):
        yield from combinations(entries, size)


def shuffled(wiring: Wiring, seed: int) -> Graph:
    """The same network with other names, another order of its nodes and of the operands of its additions."""
    draw = random.Random(seed)
    readers: dict[int, list[int]] = {}
    waiting = {i + 1: len(set(operands)) for i, (_, operands) in enumerate(wiring)}
    for i, (_, operands) in enumerate(wiring):
        for operand in set(operands):
            readers.setdefault(operand, []).append(i + 1)
    order, ready = [0], [*readers.get(0, [])]
    waiting = {i: count - (0 in wiring[i - 1][1]) for i, count in waiting.items()}
    ready = [i for i in ready if not waiting[i]]
    while ready:
        at = ready.pop(draw.randrange(len(ready)))
        order.append(at)
        for reader in readers.get(at, []):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    place = {old: new for new, old in enumerate(order)}
    moved = []
    for old in order[1:]:
        op, operands = wiring[old - 1]
        renamed = [place[operand] for operand in operands]
        if op is ADD:
            draw.shuffle(renamed)
        moved.append((op, tuple(renamed)))
    labels = [f"{draw.choice('abc')}{draw.random()}" for _ in order]
    shuffled_graph = graph(moved, labels)
    output = labels[place[len(wiring)]]
    return Graph("other", shuffled_graph, {"output": output})


def reference(network: Graph) -> networkx.MultiDiGraph:
    """The graph for networkx's isomorphism: operators on nodes, operands on edges, none where the order is free."""
    result: networkx.MultiDiGraph = networkx.MultiDiGraph()
    output = next(iter(network.outputs.values()))
    for node in network:
        result.add_node(node.name, op=repr(node.op), key=node.op.key, out=node.name == output)
        for position, source in enumerate(node.inputs):
            result.add_edge(source, node.name, operand=-1 if node.op.key == "add" else position)
    return result


def isomorphic(one: Graph, other: Graph) -> bool:
    """Ground truth, by networkx."""
    nodes = networkx.algorithms.isomorphism.categorical_node_match(["op", "out"], [None, None])
    edges = networkx.algorithms.isomorphism.categorical_multiedge_match("operand", None)
    return bool(networkx.is_isomorphic(reference(one), reference(other), node_match=nodes, edge_match=edges))


def profile(network: Graph) -> object:
    """What isomorphic graphs share and is cheap to tell: operators with their numbers of operands and readers."""
    return tuple(sorted((node.op.key, len(node.inputs), len(network.users[node.name])) for node in network))
