"""Conditions on networks, as in `params <= 1.7M and shortest_path <= 10`, cheap ones tried first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from archspec.compiler.analysis.named import FIGURES, Figures
from archspec.research.axes import SpaceError
from archspec.syntax.errors import SpecError, suggest
from archspec.syntax.expressions import EvaluationError, Expr
from archspec.syntax.parsing import parse_text
from archspec.syntax.values import show

_UNITS = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_FIGURE = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?) ?([kKMGBT])\b")


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
