"""Rules that place skips: from a sequence of points in the network to pairs of them.

A rule is a function `rule(points, **fields) -> pairs`. `points` are addresses in order: the signal that enters the
first block (`stem`, or the last block of the stage before), then every block's output. A pair `(source, block)` is a
skip from the output of `source` to the closing addition (or the input) of `block`; a skip from point i to point j
spans j - i blocks. Add your own: `load(spec, rules=STANDARD.with_rule("mine", function))`.
"""

from __future__ import annotations

import inspect
import random as _random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Pair: TypeAlias = tuple[str, str]
Rule: TypeAlias = Callable[..., Iterable[Pair]]


class RuleError(Exception):
    """Fields a rule cannot work with."""


@dataclass(frozen=True)
class Rules:
    """Rules by name; immutable."""

    functions: Mapping[str, Rule] = field(default_factory=dict)

    def with_rule(self, name: str, function: Rule) -> Rules:
        """These rules and one more."""
        return Rules({**self.functions, name: function})

    def pairs(self, name: str, points: Sequence[str], fields: Mapping[str, Any]) -> Iterator[Pair]:
        """What a rule makes of the points. Raises `RuleError` for wrong fields."""
        function = self.functions[name]
        try:
            inspect.signature(function).bind(points, **fields)
        except TypeError as error:
            known = ", ".join(list(inspect.signature(function).parameters)[1:])
            raise RuleError(f"the rule '{name}' cannot take these fields: {error}; it has {known}") from None
        return iter(function(points, **fields))


def _whole(value: Any, what: str, least: int | None = None) -> int:
    """A whole number as the language has it: 4 and 4.0 are, 4.5 and true are not."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    if not known or (least is not None and value < least):
        raise RuleError(f"{what} must be a whole number" + (f" of at least {least}" if least is not None else ""))
    return int(value)


def every(points: Sequence[str], step: int) -> Iterator[Pair]:
    """A skip over every `step` blocks in turn, like a level of RoR with spans of fixed length."""
    step = _whole(step, "step", least=2)
    for start in range(0, len(points) - step, step):
        yield points[start], points[start + step]


def dense(points: Sequence[str]) -> Iterator[Pair]:
    """A skip from every point to every block but the next one (Huang et al., arXiv 1608.06993, use `join: concat`)."""
    for i, source in enumerate(points):
        for target in points[i + 2 :]:
            yield source, target


def random(points: Sequence[str], probability: float, seed: int = 0) -> Iterator[Pair]:
    """Every pair of points two or more apart with a probability: one draw per pair, in lexicographic order.

    The draws are Python's Mersenne Twister, which gives the same numbers on every machine and version.
    """
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise RuleError("probability must be between 0 and 1")
    draw = _random.Random(_whole(seed, "seed")).random
    for i, source in enumerate(points):
        for target in points[i + 2 :]:
            if draw() < probability:
                yield source, target


STANDARD = Rules({"every": every, "dense": dense, "random": random})
