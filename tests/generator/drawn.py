"""A random spec, and what is chosen with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Drawn:
    """A spec's text, and what its graph must show."""

    text: str
    features: frozenset[str]
    """What of the language is in it."""
    size: tuple[int, ...]
    """Of the input, without channels."""
    repeat: tuple[int, ...] = ()
    levels: tuple[str, ...] = ()
    """Names of the levels' spans: `root`, `stage1`."""
    adds: tuple[tuple[str, str], ...] = ()
    """Skips that join an addition."""
    concats: tuple[tuple[str, str], ...] = ()
    """Skips that widen an input."""
    outputs: tuple[str, ...] = ("output",)
    drop_path: bool = False
    plain: frozenset[str] = frozenset()
    """Definitions of blocks without an addition, which `drop_path` leaves alone."""
    droppable: bool = False
    """Whether some block has one, without which `drop_path` is refused."""

    @property
    def blocks(self) -> list[str]:
        return [f"stage{s}.{b}" for s, count in enumerate(self.repeat, start=1) for b in range(count)]


class Draw:
    """Choices from a generator of random numbers, and the features chosen so far."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.features: set[str] = set()

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.rng.randrange(len(choices))]

    def named(self, kind: str, choices: dict[str, T]) -> T:
        """One of several by name, which is noted as a feature."""
        name = self.pick(sorted(choices))
        self.features.add(f"{kind} {name}")
        return choices[name]

    def number(self, low: int, high: int) -> int:
        return low + self.rng.randrange(high - low + 1)

    def one_in(self, number: int, feature: str = "") -> bool:
        """True in one of `number` cases, which is noted where it has a name."""
        true = self.rng.randrange(number) == number - 1  # 0, which shrinking prefers, is False
        if true and feature:
            self.features.add(feature)
        return true

    def some(self, choices: Sequence[T], most: int) -> list[T]:
        """At most so many of them, each once, in their order."""
        left = list(range(len(choices)))
        chosen = [left.pop(self.rng.randrange(len(left))) for _ in range(min(self.number(0, most), len(left)))]
        return [choices[i] for i in sorted(chosen)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        left = list(items)
        return [left.pop(self.rng.randrange(len(left))) for _ in items]
