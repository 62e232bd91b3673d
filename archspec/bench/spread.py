"""Medians and quartiles: what a noisy machine lets one say."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of some figures and their quartiles: half of them lie between `low` and `high`."""

    median: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the distance between the quartiles."""
        return (self.high - self.low) / 2


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles, these by linear interpolation. Raises `ValueError` if there are no values."""
    if not values:
        raise ValueError("no values, no median")
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def speedup(base: Sequence[float], own: Sequence[float]) -> Spread:
    """How many times faster `own` is than `base`: of the ratios within each round, which share what slowed it.

    Raises `ValueError` if one has rounds that the other has not.
    """
    return spread([slower / faster for slower, faster in zip(base, own, strict=True)])
