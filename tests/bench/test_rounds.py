"""Statistics of rounds, against figures worked out by hand."""

from __future__ import annotations

import pytest

from archspec.bench.spread import Spread, speedup, spread
from archspec.bench.timing import calls_for, describe, interleaved, rounds_for


def test_median_and_quartiles() -> None:
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(3.0, 2.0, 4.0)
    assert spread([1.0, 2.0, 3.0, 4.0]) == Spread(2.5, 1.75, 3.25)  # between the values, by interpolation
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0)
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]).half == 1.0
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_a_speedup_is_of_ratios_within_rounds() -> None:
    base, own = [1.0, 10.0, 2.0], [2.0, 5.0, 1.0]
    assert speedup(base, own) == Spread(2.0, 1.25, 2.0)  # of 0.5, 2, 2; the medians alone would give 2 / 2 = 1
    with pytest.raises(ValueError):
        speedup([1.0, 2.0], [1.0])


def test_rounds_take_turns_after_one_that_does_not_count() -> None:
    order: list[str] = []
    done: list[int] = []

    def sample(name: str) -> float:
        order.append(name)
        return float(len(order))

    times = interleaved(2, {name: lambda name=name: sample(name) for name in "abc"}, done.append)
    assert "".join(order) == "abc" + "cba" + "abc"
    assert times == {"a": [6.0, 7.0], "b": [5.0, 8.0], "c": [4.0, 9.0]}
    assert done == [1, 2, 3]


def test_how_often() -> None:
    assert calls_for(1.0) == 1
    assert calls_for(0.005) == 4
    assert calls_for(0.0) == 1000
    assert rounds_for(budget=10.0, one_round=0.5) == 20
    assert rounds_for(budget=10.0, one_round=60.0) == 5
    assert rounds_for(budget=10.0, one_round=0.0) == 1000


def test_times_in_words() -> None:
    assert describe(2.0) == "2 s"
    assert describe(0.01234) == "12.3 ms"
    assert describe(0.4567) == "457 ms"
    assert describe(42e-6) == "42 us"
