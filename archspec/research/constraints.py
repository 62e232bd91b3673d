"""Conditions on networks, as in `params <= 1.7M and shortest_path <= 10`, cheap ones tried first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from archspec.graph import Graph
from archspec.research.axes import SpaceError
from archspec.syntax.errors import SpecError, suggest
from archspec.syntax.expressions import EvaluationError, Expr, show
from archspec.syntax.parsing import parse_text

_UNITS = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_FIGURE = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?) ?([kKMGBT])\b")


def _shortest(graph: Graph) -> int:
    from archspec.compiler.analysis.main_path import main_path

    return main_path(graph).whole.weights


def _levels(graph: Graph) -> int:
    from archspec.compiler.analysis.nesting import levels

    return levels(graph)


def _paths(graph: Graph) -> int:
    from archspec.compiler.analysis.paths import count_paths

    return count_paths(graph)


def _main_activations(graph: Graph) -> int:
    from archspec.compiler.analysis.main_path import main_path

    return main_path(graph).whole.activations


def _kept(graph: Graph) -> int:
    from archspec.compiler.analysis.memory import memory

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
    "levels": _levels,
    "paths": _paths,
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


@dataclass(frozen=True)
class Constraint:
    """A condition, as its author wrote it and as an expression."""

    text: str
    expr: Expr

    def holds(self, figures: Figures) -> bool:
        """Whether a network meets it. Raises `SpaceError` if it is no condition."""
        try:
            return self.expr.condition(figures)  # type: ignore[arg-type]
        except EvaluationError as error:
            raise SpaceError(f"the condition '{self.text}': {error.problem.message}") from None

    def told(self, figures: Figures) -> str:
        """The figures it is about."""
        return ", ".join(f"{name} {show(figures[name])}" for name in sorted(self.expr.names))


def constraints(texts: Iterable[str]) -> tuple[Constraint, ...]:
    """Conditions from their texts, the cheapest first. Raises `SpaceError`."""
    order: Sequence[str] = list(FIGURES)
    found = []
    for text in texts:
        try:
            expr = parse_text(_FIGURE.sub(_in_full, text))
        except SpecError as error:
            raise SpaceError(f"the condition '{text}': {error.problems[0].message}") from None
        unknown = sorted(expr.names - FIGURES.keys())
        if unknown:
            raise SpaceError(
                f"the condition '{text}': there is no figure '{unknown[0]}'; {suggest(unknown[0], FIGURES)}"
            )
        if not expr.names:
            raise SpaceError(f"the condition '{text}' is about no figure; {suggest('', FIGURES)}")
        found.append(Constraint(text, expr))
    return tuple(sorted(found, key=lambda each: max(order.index(name) for name in each.expr.names)))


def _in_full(match: re.Match[str]) -> str:
    value = Decimal(match[1]) * _UNITS[match[2]]
    return str(int(value)) if value == int(value) else str(value)
