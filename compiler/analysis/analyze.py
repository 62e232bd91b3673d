"""Analysis: what the wiring of a network says about it, before a single weight exists. Exact, and linear in depth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from archspec.compiler.analysis.field import receptive_field
from archspec.compiler.analysis.main_path import MainPath, main_path
from archspec.compiler.analysis.memory import Cut, Memory, cuts, memory
from archspec.compiler.analysis.nesting import levels
from archspec.compiler.analysis.paths import Lengths, count_paths, lengths_in_blocks, lengths_in_layers
from archspec.graph import Graph, Node
from archspec.ops import Shape


@dataclass(frozen=True)
class Part:
    """The stem, a stage, a shortcut level, the skips or the head."""

    name: str
    params: int
    """Learnable parameters."""
    macs: int
    """Multiply-accumulates for one sample; FLOPs are twice that."""
    activations: int
    """Non-linearities in it."""
    norms: int
    weights: int
    """Convolutions and linear layers."""


@dataclass(frozen=True)
class Analysis:
    """The structure of a network. What takes longer than a pass over the graph is computed when first asked for."""

    graph: Graph
    signature: str
    """The canonical hash of the computation."""
    paths: int
    """Paths from the input to the outputs."""
    main: MainPath
    """The path past the fewest weight layers."""
    levels: int
    """Shortcuts that lie one over another: 0 of a plain network, 1 of a ResNet, m of RoR-m."""
    receptive_field: Shape
    """Positions of the input that a position of the last map sees, by dimension."""
    parts: tuple[Part, ...]
    cuts: tuple[Cut, ...]
    """What a split of the network after each block must carry."""
    memory: Memory

    @cached_property
    def layers(self) -> Lengths:
        """Paths by the weight layers on them."""
        return lengths_in_layers(self.graph)

    @cached_property
    def blocks(self) -> Lengths:
        """Paths by the blocks they pass."""
        return lengths_in_blocks(self.graph)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {
            "name": self.graph.name,
            "signature": self.signature,
            "params": self.graph.params,
            "macs": self.graph.macs,
            "paths": self.paths,
            "layers": self.layers.to_dict(),
            "blocks": self.blocks.to_dict(),
            "main": self.main.to_dict(),
            "levels": self.levels,
            "receptive_field": list(self.receptive_field),
            "parts": [asdict(part) for part in self.parts],
            "cuts": [asdict(cut) for cut in self.cuts],
            "memory": asdict(self.memory),
        }


def analyze(graph: Graph) -> Analysis:
    """The analysis of a graph."""
    return Analysis(
        graph, graph.signature(), count_paths(graph), main_path(graph), levels(graph), receptive_field(graph),
        parts(graph), cuts(graph), memory(graph),
    )  # fmt: skip


def parts(graph: Graph) -> tuple[Part, ...]:
    """Costs by stage and by shortcut level, levels from the root inwards and the head last."""
    groups: dict[str, list[Node]] = {}
    for node in list(graph)[1:]:
        groups.setdefault(f"level {node.level}" if node.level else node.name.partition(".")[0], []).append(node)
    return tuple(_part(name, groups[name]) for name in sorted(groups, key=_place))


def _place(name: str) -> tuple[int, str]:
    """Where a part stands in the table; the sort keeps the order of those that stand alike."""
    if name.startswith("level "):
        return 1, f"{int(name.removeprefix('level ')):9}"
    return {"skips": 2, "head": 3}.get(name, 0), ""


def _part(name: str, nodes: Iterable[Node]) -> Part:
    nodes = list(nodes)
    roles = [node.op.role for node in nodes]
    return Part(
        name, sum(node.params for node in nodes), sum(node.macs for node in nodes), roles.count("activation"),
        roles.count("norm"), roles.count("weight"),
    )  # fmt: skip
