"""The main path: from input to output past the fewest weight layers, and among those the most nearly an identity.

It is the way along which signal and gradient pass unhindered (He et al., arXiv 1603.05027; Duta et al., arXiv
2004.04989, count what stands on it).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from archspec.graph import Graph, Node


@dataclass(frozen=True)
class Tally:
    """What stands on a path or a part of one."""

    weights: int
    """Convolutions and linear layers."""
    activations: int
    """Non-linearities."""
    norms: int
    """Normalisations."""
    operators: int


@dataclass(frozen=True)
class MainPath:
    """The main path and what stands on it."""

    nodes: tuple[str, ...]
    """Names of its operators, from the input on."""
    whole: Tally
    stages: Tally
    """On the part within the stages: stem and head left out."""
    linear_run: int
    """The most weight layers in a row within the stages with no non-linearity between them."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {**asdict(self), "nodes": list(self.nodes)}


def main_path(graph: Graph) -> MainPath:
    """The main path to the last output; of equal operands the first one counts."""
    best: dict[str, tuple[tuple[int, int, int, int], str | None]] = {}
    for node in graph:
        before = min(node.inputs, key=lambda name: best[name][0], default=None)
        weights, activations, norms, operators = best[before][0] if before else (0, 0, 0, 0)
        role = node.op.role
        cost = (
            weights + (role == "weight"), activations + (role == "activation"), norms + (role == "norm"), operators + 1,
        )  # fmt: skip
        best[node.name] = cost, before
    given = set(graph.outputs.values())
    at: str | None = next(node.name for node in reversed(list(graph)) if node.name in given)
    path: list[Node] = []
    while at is not None:
        path.append(graph[at])
        at = best[at][1]
    path.reverse()
    inside = _within_stages(path)
    return MainPath(tuple(node.name for node in path), _tally(path), _tally(inside), _linear_run(inside))


def _within_stages(path: list[Node]) -> list[Node]:
    """The part of a path that is neither stem nor head: blocks, and levels and skips that pass them by."""
    return [node for node in path if node.stage is not None or node.unit.startswith(("levels.", "skips."))]


def _tally(nodes: Iterable[Node]) -> Tally:
    roles = [node.op.role for node in nodes if node.op.key != "input"]
    return Tally(roles.count("weight"), roles.count("activation"), roles.count("norm"), len(roles))


def _linear_run(nodes: Iterable[Node]) -> int:
    longest = run = 0
    for node in nodes:
        if node.op.role == "activation":
            run = 0
        elif node.op.role == "weight":
            run += 1
            longest = max(longest, run)
    return longest
