"""The axes of a search space, and draws from them that are the same on every machine and version of Python."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from archspec.syntax import limits
from archspec.syntax.errors import Source, SpecError
from archspec.syntax.source import mark


class SpaceError(Exception):
    """A space that cannot be searched as asked; the message says why and what to do."""


def draws(*key: object) -> Draws:
    """A stream of draws that depends on `key` alone: each sample of a seed has its own."""
    return Draws("/".join(map(str, key)).encode())


class Draws:
    """Numbers from BLAKE2 in counter mode, not from `random`: its methods changed between versions of Python."""

    def __init__(self, key: bytes) -> None:
        self._key, self._count = key, 0

    def unit(self) -> float:
        """A number in [0, 1)."""
        self._count += 1
        digest = blake2b(self._key + self._count.to_bytes(4, "big"), digest_size=7).digest()
        return (int.from_bytes(digest, "big") >> 3) / 2.0**53

    def below(self, count: int) -> int:
        """A whole number from 0 to count - 1."""
        return int(self.unit() * count)


@dataclass(frozen=True)
class Axis:
    """One thing that varies: `key` is a param or a dotted place in a spec, `values` what it may be."""

    key: str
    values: Sequence[Any] | Whole | Real

    def draw(self, numbers: Draws) -> Any:
        """A value."""
        if isinstance(self.values, Whole | Real):
            return self.values.at(numbers.unit())
        return self.values[numbers.below(len(self.values))]

    def listed(self) -> Sequence[Any]:
        """All values. Raises `SpaceError` for an axis of real numbers."""
        if isinstance(self.values, Real):
            raise SpaceError(f"{self.key} takes any number between {self.values.low} and {self.values.high}: sample it")
        return (
            range(self.values.first, self.values.last + 1, self.values.step)
            if isinstance(self.values, Whole)
            else self.values
        )

    def has(self, value: Any) -> bool:
        """Whether a value lies on it."""
        if isinstance(self.values, Real):
            return isinstance(value, int | float) and self.values.low <= value <= self.values.high
        return value in self.listed()


@dataclass(frozen=True)
class Whole:
    """Whole numbers from first to last, both included."""

    first: int
    last: int
    step: int = 1

    def at(self, unit: float) -> int:
        """The number at a place in [0, 1)."""
        return self.first + self.step * int(unit * ((self.last - self.first) // self.step + 1))


@dataclass(frozen=True)
class Real:
    """Numbers from low to high, to six digits, evenly or evenly on a logarithmic scale."""

    low: float
    high: float
    log: bool = False

    def at(self, unit: float) -> float:
        """The number at a place in [0, 1)."""
        if self.log:
            value = math.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + unit * (self.high - self.low)
        return float(f"{value:.6g}")


def axis(key: Any, given: Any) -> Axis:
    """An axis from a list of values, `{from: 1, to: 5}` (whole numbers) or `{low: 0.01, high: 0.5, log: true}`.

    Raises `SpaceError`.
    """
    if not isinstance(key, str):
        raise SpaceError(f"an axis is called by a param or a dotted place of the spec, not {key}")
    if isinstance(given, Mapping):
        fields = dict(given)
        try:
            if "from" in fields:
                values: Any = Whole(*(_whole(fields.pop(name, 1)) for name in ("from", "to", "step")))
                sound = values.first <= values.last and values.step > 0
                ends = (values.first, values.last)
            else:
                values = Real(float(fields.pop("low")), float(fields.pop("high")), bool(fields.pop("log", False)))
                sound = values.low <= values.high and not (values.log and values.low <= 0)
                ends = (values.low, values.high)
            sound = sound and all(abs(end) <= limits.MAX_NUMBER for end in ends)
        except (KeyError, TypeError, ValueError, OverflowError):
            sound = False
        if not sound or fields:
            raise SpaceError(
                f"the axis {key} is a list of values, {{from: 1, to: 5}} or {{low: 0.01, high: 0.5, log: true}}"
            )
        return Axis(key, values)
    if isinstance(given, str) or not isinstance(given, Sequence) or not len(given):
        raise SpaceError(f"the axis {key} has no values: give it a list of them")
    try:
        mark(list(given), Source(key, "", inline=True))
    except SpecError as error:
        raise SpaceError(f"the axis {key}: {error.problems[0].message}") from None
    return Axis(key, list(given))


def _whole(value: Any) -> int:
    if isinstance(value, bool) or value != int(value):
        raise ValueError(value)
    return int(value)
