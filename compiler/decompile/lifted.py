"""Shortcuts past whole blocks, taken off the graph so that its spine shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from archspec.graph import Node


@dataclass(frozen=True, slots=True)
class Long:
    """A shortcut that was taken off: where it starts, the operators on it, the addition that it joined."""

    source: str
    nodes: tuple[Node, ...]
    target: str


def lifted(entry: Node, nodes: Sequence[Node]) -> tuple[list[Node], list[Long]]:
    """The nodes without the shortcuts that reach back further than a block's own, and these.

    An addition of three operands or more keeps those two that start last, and what starts where they do.
    """
    known = {node.name: node for node in (entry, *nodes)}
    position = {name: i for i, name in enumerate(known)}
    reads: dict[str, int] = dict.fromkeys(known, 0)
    for node in nodes:
        for source in node.inputs:
            reads[source] += 1
    origin: dict[str, int] = {}
    for name, node in known.items():
        passes = len(node.inputs) == 1 and reads[name] == 1
        origin[name] = origin[node.inputs[0]] if passes else position[name]
    found: list[Long] = []
    kept: dict[str, Node] = {}
    gone: set[str] = set()
    for node in nodes:
        if node.op.key != "add" or len(node.inputs) < 3:
            continue
        least = sorted((origin[source] for source in node.inputs), reverse=True)[1]
        long = [source for source in node.inputs if origin[source] < least]
        if not long:
            continue
        kept[node.name] = replace(node, inputs=tuple(source for source in node.inputs if origin[source] >= least))
        for source in long:
            on_way = []
            while position[source] != origin[source]:
                on_way.append(known[source])
                source = known[source].inputs[0]
            gone.update(step.name for step in on_way)
            found.append(Long(source, tuple(on_way[::-1]), node.name))
    return [kept.get(node.name, node) for node in nodes if node.name not in gone], found
