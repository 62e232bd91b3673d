"""Rules by name: what `skips: - {rule: ...}` may say."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

Pair: TypeAlias = tuple[str, str]
Rule: TypeAlias = Callable[..., Iterable[Pair]]


class RuleError(Exception):
    """Fields a rule cannot work with."""


@lru_cache(maxsize=256)
def _signature(function: Rule) -> inspect.Signature:
    return inspect.signature(function)


@dataclass(frozen=True)
class Rules:
    """Rules by name; immutable."""

    functions: Mapping[str, Rule] = field(default_factory=dict)

    def with_rule(self, name: str, function: Rule) -> Rules:
        """These rules and one more."""
        return Rules({**self.functions, name: function})

    def fields(self, name: str) -> list[str] | None:
        """The fields that a rule takes; None where it takes any."""
        parameters = list(_signature(self.functions[name]).parameters.values())[1:]
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return None
        return [parameter.name for parameter in parameters]

    def pairs(self, name: str, points: Sequence[str], fields: Mapping[str, Any]) -> Iterator[Pair]:
        """What a rule makes of the points. Raises `RuleError` for wrong fields."""
        function = self.functions[name]
        try:
            _signature(function).bind(points, **fields)
        except TypeError as error:
            known = ", ".join(list(_signature(function).parameters)[1:])
            raise RuleError(f"the rule '{name}' cannot take these fields: {error}; it has {known}") from None
        return iter(function(points, **fields))
