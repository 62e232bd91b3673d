"""Seconds of some work, by the clock that fits the device, in rounds that take turns. Needs no torch by itself."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

Call: TypeAlias = Callable[[], object]
Timer: TypeAlias = Callable[[Call, int], float]
"""Seconds of one call of some work, measured over so many calls."""

LEAST = 0.02
"""Seconds that a measurement lasts at least, by repeating what is shorter: clocks and launches are not exact."""


def wall(work: Call, calls: int = 1, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of a call, by a clock of this process."""
    start = clock()
    for _ in range(calls):
        work()
    return (clock() - start) / calls


def timer(device: torch.device) -> Timer:
    """How time is measured on a device: on a GPU, which is to be the current one, by CUDA events around the calls;
    else by the wall clock."""
    if device.type != "cuda":
        return wall

    import torch

    def between_events(work: Call, calls: int) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
        start.record()
        for _ in range(calls):
            work()
        end.record()
        torch.cuda.synchronize()
        return float(start.elapsed_time(end)) / 1e3 / calls

    return between_events


def interleaved(
    rounds: int, samples: Mapping[str, Callable[[], float]], after_round: Callable[[int], object] = lambda _: None
) -> dict[str, list[float]]:
    """What each sample gives in each round: a round takes them all, every second one in reverse.

    A round that does not count comes first; `after_round` is told how many are done, that one included. Garbage is
    collected before each sample and not during it. What a sample raises passes through.
    """
    times: dict[str, list[float]] = {name: [] for name in samples}
    names = list(samples)
    with _no_garbage():
        for count in range(-1, rounds):
            for name in names if count % 2 else reversed(names):
                gc.collect()
                seconds = samples[name]()
                if count >= 0:
                    times[name].append(seconds)
            after_round(count + 2)
    return times


@contextmanager
def _no_garbage() -> Iterator[None]:
    """A time without collections but those asked for, which do not look through what has been there before."""
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


def calls_for(seconds: float) -> int:
    """Calls that make a measurement last, when one takes so long."""
    return min(1000, max(1, math.ceil(LEAST / max(seconds, 1e-9))))


def rounds_for(budget: float, one_round: float, least: int = 5, most: int = 1000) -> int:
    """Rounds that fit into a budget of seconds, when one takes so long; at least and at most so many.

    The number is fixed beforehand: measuring until the figures look good would choose among them.
    """
    return max(least, min(most, int(budget / max(one_round, 1e-9))))


def describe(seconds: float) -> str:
    """A time as text."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}" if seconds * factor < 100 else f"{seconds * factor:.0f} {unit}"
    return f"{seconds * 1e6:.3g} us"
