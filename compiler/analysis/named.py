"""Figures of a network by name, for conditions on networks and tables of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from archspec.compiler.analysis.main_path import main_path
from archspec.compiler.analysis.memory import memory
from archspec.compiler.analysis.nesting import levels
from archspec.compiler.analysis.paths import count_paths
from archspec.graph import Graph


def _shortest(graph: Graph) -> int:
    return main_path(graph).whole.weights


def _main_activations(graph: Graph) -> int:
    return main_path(graph).whole.activations


def _kept(graph: Graph) -> int:
    return memory(graph).training


FIGURES: Mapping[str, Callable[[Graph], int]] = {
    "params": lambda graph: graph.params,
    "macs": lambda graph: graph.macs,
    "operators": lambda graph: len(graph) - 1,
    "weight_layers": lambda graph: graph.weight_layers,
    "depth": lambda graph: graph.layers,
    "longest_path": lambda graph: graph.layers,
    "blocks": lambda graph: len({node.unit for node in graph if node.block is not None}),
    "shortest_path": _shortest,
    "main_activations": _main_activations,
    "levels": levels,
    "paths": count_paths,
    "training_memory": _kept,
}
"""What a condition may name, in the order of cost. Lengths of paths are in weight layers, memory in numbers."""

REPORTED = ("params", "macs", "depth", "weight_layers", "shortest_path", "main_activations", "levels", "paths")
"""What a sweep tells of each network."""


class Figures:
    """The figures of one network, each computed when first asked for. Serves as the scope of conditions."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._known: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = FIGURES[name](self.graph)
        return self._known[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A figure, or the default where there is none of the name."""
        return self[name] if name in FIGURES else default
