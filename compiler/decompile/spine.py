"""The spine of a graph: the signals that all of it passes, one after another, and what lies between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archspec.graph import Node


@dataclass(frozen=True, slots=True)
class Part:
    """What lies between one signal of the spine and the next: a single operator, or several with ways side by side."""

    entry: Node
    """The signal it starts from."""
    nodes: tuple[Node, ...]
    """Its nodes in topological order; the last gives the next signal."""

    @property
    def exit(self) -> Node:
        return self.nodes[-1]

    @property
    def single(self) -> bool:
        """Whether it is one operator on one way."""
        return len(self.nodes) == 1 and self.nodes[0].inputs == (self.entry.name,)


def spine(entry: Node, nodes: Sequence[Node]) -> list[Part]:
    """The parts of a graph of one entry and one exit, the last of `nodes`, which are in topological order.

    A node is on every way exactly if nothing that stands before it is read after it. Linear.
    """
    ordered = [entry, *nodes]
    position = {node.name: i for i, node in enumerate(ordered)}
    reach = [0] * len(ordered)
    for i, node in enumerate(ordered[1:], 1):
        for source in node.inputs:
            reach[position[source]] = i
    parts, start, far = [], 0, reach[0]
    for i in range(1, len(ordered)):
        if far <= i:
            parts.append(Part(ordered[start], tuple(ordered[start + 1 : i + 1])))
            start, far = i, reach[i]
        else:
            far = max(far, reach[i])
    return parts


def needed(nodes: Mapping[str, Node], outputs: Iterable[str]) -> set[str]:
    """What some of the outputs are computed from, they included."""
    found, waiting = set(outputs), list(dict.fromkeys(outputs))
    while waiting:
        for source in nodes[waiting.pop()].inputs:
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found
