"""Fields of operators that do nothing as the others are: a padding mode without padding, the spacing of one element.

One and the same item of a path may become many operators, of other kernels: a field is told only if none takes it up.
"""

from __future__ import annotations

from collections.abc import Collection

from archspec.language.items import Operation
from archspec.syntax.errors import Problem, Problems
from archspec.syntax.expressions import Expr


class Idle:
    """The fields of every item that none of its operators has taken up so far."""

    def __init__(self) -> None:
        self._fields: dict[int, tuple[Operation, set[str]]] = {}

    def met(self, operation: Operation, idle: Collection[str]) -> None:
        """An operator more of an item; `idle` are its fields that do nothing."""
        known = self._fields.get(id(operation))
        if known is None:
            self._fields[id(operation)] = (operation, set(idle))
        elif known[1]:
            known[1].intersection_update(idle)

    def tell(self, problems: Problems) -> list[Problem]:
        """Adds a problem for every idle field, or returns a note of it, if what decides is no constant: another value
        of a param would put it to use."""
        notes = []
        for operation, idle in self._fields.values():
            key = operation.operator.key
            for field in sorted(idle):
                need = operation.operator.needs[field]
                message = f"{key}: {field} has no effect: {need.without}"
                problem = Problem(message, operation.places.get(field) or operation.span, "leave it out")
                deciding = (operation.fields.get(name) for name in need.given)
                if all(expr.constant for expr in deciding if isinstance(expr, Expr)):
                    problems.extend([problem])
                else:
                    notes.append(problem)
        return notes
