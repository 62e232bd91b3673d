"""Paths from the input to the outputs: how many, and how long.

A residual network is an ensemble of paths of many lengths (Veit et al., arXiv 1605.06431): with identity shortcuts
their number doubles with every block. A path's length in blocks counts the blocks of which it passes a weight layer
off the block's own shortcut.

Counts are exact. A distribution over lengths is one large integer, a fixed number of bits for each length: lengths
grow by a shift, paths meet by an addition, and a node costs as many machine words as the distribution has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from archspec.graph import Graph, Node


@dataclass(frozen=True)
class Lengths:
    """How many paths there are of each length."""

    counts: Mapping[int, int]

    @property
    def shortest(self) -> int:
        """The least length."""
        return min(self.counts)

    @property
    def longest(self) -> int:
        """The greatest length."""
        return max(self.counts)

    @property
    def mean(self) -> float:
        """The mean length over all paths."""
        return float(Fraction(sum(length * count for length, count in self.counts.items()), self.total))

    @property
    def total(self) -> int:
        """The number of paths."""
        return sum(self.counts.values())

    def quantile(self, share: Fraction) -> int:
        """The least length that at least this share of the paths does not exceed."""
        reached, total = 0, self.total
        for length in sorted(self.counts):
            reached += self.counts[length]
            if reached >= share * total:
                break
        return length

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data; counts are exact whole numbers, of any size."""
        return {
            "shortest": self.shortest,
            "longest": self.longest,
            "mean": self.mean,
            "counts": {str(length): count for length, count in sorted(self.counts.items())},
        }


def count_paths(graph: Graph) -> int:
    """Paths from the input to the outputs, one for every choice of operands; a repeated operand counts twice."""
    counts: dict[str, int] = {}
    for node in graph:
        counts[node.name] = sum(counts[source] for source in node.inputs) if node.inputs else 1
    return sum(counts[name] for name in graph.outputs.values())


def lengths_in_layers(graph: Graph) -> Lengths:
    """The distribution of paths over the weight layers on them."""
    nodes, bits = _live(graph), _bits(graph)
    left = _readers(nodes, graph)
    packed: dict[str, int] = {}
    for node in nodes:
        paths = sum(packed[source] for source in node.inputs) if node.inputs else 1
        packed[node.name] = paths << bits if node.op.role == "weight" else paths
        _forget(node, left, packed)
    return _unpacked(sum(packed[name] for name in graph.outputs.values()), bits)


def lengths_in_blocks(graph: Graph) -> Lengths:
    """The distribution of paths over the blocks they pass."""
    nodes, bits = _live(graph), _bits(graph)
    left = _readers(nodes, graph)
    packed: dict[
        str, tuple[int, int]
    ] = {}  # paths that have not passed a layer of the node's block, and those that have
    units = {node.name: node.unit for node in nodes}
    for node in nodes:
        fresh, passed = (0, 0) if node.inputs else (1, 0)
        for source in node.inputs:
            before = packed[source]
            if units[source] == units[node.name]:
                fresh, passed = fresh + before[0], passed + before[1]
            else:
                fresh += before[0] + before[1]
        if node.op.role == "weight" and node.block is not None and not node.local.startswith("shortcut."):
            fresh, passed = 0, passed + (fresh << bits)
        packed[node.name] = fresh, passed
        _forget(node, left, packed)
    return _unpacked(sum(sum(packed[name]) for name in graph.outputs.values()), bits)


def _live(graph: Graph) -> list[Node]:
    """The nodes that an output depends on, in topological order."""
    needed = set(graph.outputs.values())
    found = []
    for node in reversed(list(graph)):
        if node.name in needed:
            needed.update(node.inputs)
            found.append(node)
    return found[::-1]


def _bits(graph: Graph) -> int:
    """Bits that hold any count of a distribution."""
    return count_paths(graph).bit_length() + 1


def _readers(nodes: Sequence[Node], graph: Graph) -> dict[str, int]:
    """How many operands each node still is; an output is one more."""
    left = dict.fromkeys((node.name for node in nodes), 0)
    for name in [source for node in nodes for source in node.inputs] + list(graph.outputs.values()):
        left[name] += 1
    return left


def _forget(node: Node, left: dict[str, int], packed: dict[str, Any]) -> None:
    """Drops the distributions of operands that nothing reads any more: they are large in deep networks."""
    for source in node.inputs:
        left[source] -= 1
        if not left[source]:
            del packed[source]


def _unpacked(packed: int, bits: int) -> Lengths:
    """The counts in a packed distribution. Cut in halves, since shifting one count off at a time is quadratic."""
    counts: dict[int, int] = {}
    size = 1
    while packed >> (bits * size):
        size *= 2
    parts = [(0, size, packed)]
    while parts:
        first, size, value = parts.pop()
        if not value:
            continue
        if size == 1:
            counts[first] = value
            continue
        half = size // 2
        high = value >> (bits * half)
        parts += [(first, half, value - (high << (bits * half))), (first + half, half, high)]
    return Lengths(dict(sorted(counts.items())))
