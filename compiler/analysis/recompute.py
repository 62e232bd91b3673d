"""Planning what to recompute: a dynamic programme over a network's units, in bytes and multiply-accumulates.

A unit either keeps what its backward needs, or lies in a segment that keeps what is read from before it and is
recomputed. Walking forward, a plan is known by what it keeps so far and what it will compute again: of two plans that
reach the same unit, one that is worse in both is dropped. A segment fits where what is kept before it, with all of its
inside at once, stays within the limit. The simulation of a step then says what a plan really takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from archspec.compiler.analysis.segments import Run
from archspec.compiler.analysis.tape import Tape
from archspec.compiler.analysis.training import GENERATOR, simulate, unit_peaks

_STATIONS = 120
"""About at how many places the search for cheap plans may begin and end a segment; that for small ones may anywhere."""
_LABELS = 300_000
"""About how many plans one search extends."""


@dataclass(frozen=True, slots=True)
class _Option:
    """A way on from a unit: to keep what backward needs, or a segment that begins with it."""

    stop: int
    """The unit after it."""
    need: int
    """Bytes at once, beyond what is kept before it."""
    kept: int
    """Bytes that stay."""
    macs: int
    """Multiply-accumulates computed again; 0 if nothing is."""
    again: bool


_Label = tuple[int, int, int, int, bool]
"""A plan: bytes kept, MACs computed again, the unit before the last option, the plan's number there, whether the last
option is a segment."""


class Planner:
    """The ways of recomputing a step, from one simulation of it without any."""

    def __init__(self, record: Tape) -> None:
        self._record = record
        count = len(record.units)
        owner = [0] * len(record.calls)
        for i, (start, stop) in enumerate(zip(record.starts, record.starts[1:], strict=False)):
            owner[start:stop] = [i] * (stop - start)
        kept = [0] * count
        for storage in dict.fromkeys(storage for call in record.calls for storage in call.saved):
            kept[owner[record.origin[storage]]] += record.sizes[storage]
        for place, call in enumerate(record.calls):
            kept[owner[place]] += call.extra
        before = [0, *accumulate(kept)]
        work = [max(0, peak - after) for peak, after in zip(unit_peaks(record), before[1:], strict=True)]
        self._costs = [sum(node.macs for node in unit.nodes) for unit in record.units]
        self._kept, self._before, self._work = kept, before, work
        self._born, self._ending = self._crossing(owner)
        self._fine = [self._options(start, 1) for start in range(count)]
        step = -(-count // _STATIONS)
        self._coarse = {start: self._options(start, step) for start in range(0, count, step)}

    def macs(self, runs: Sequence[Run]) -> int:
        """Multiply-accumulates that runs compute again, for one sample."""
        return sum(sum(self._costs[start:stop]) for start, stop in runs)

    def _crossing(self, owner: Sequence[int]) -> tuple[list[int], list[list[tuple[int, int]]]]:
        """For each unit, the bytes it gives to later ones; and what is read last by it, as giving unit and bytes."""
        record = self._record
        last: dict[int, int] = {}
        for i, unit in enumerate(record.units):
            for name in unit.inputs:
                last[record.storages[record.place[name]]] = i
        born, ending = [0] * len(record.units), [list[tuple[int, int]]() for _ in record.units]
        for storage, end in last.items():
            origin = record.origin[storage]
            if origin >= 0:
                born[owner[origin]] += record.sizes[storage]
                ending[end].append((owner[origin], record.sizes[storage]))
        return born, ending

    def _options(self, start: int, step: int) -> list[_Option]:
        """The ways on from a unit: to keep up to the next station, or segments by length; of long ones not every
        length. Stations are `step` units apart."""
        count, kept = len(self._work), self._before[min(start + step, len(self._work))] - self._before[start]
        options, crossing, need, macs, wanted = list[_Option](), 0, 0, 0, 1
        for i in range(start, count):
            crossing += self._born[i] - sum(size for origin, size in self._ending[i] if origin >= start)
            need = max(need, self._before[i + 1] + self._work[i] - self._before[start])
            macs += self._costs[i]
            stations, between = divmod(i + 1 - start, step)
            if i + 1 < count and (between or stations < wanted):
                continue
            if not options:
                options.append(_Option(i + 1, need, kept, 0, False))
            options.append(_Option(i + 1, need + GENERATOR, crossing + GENERATOR, macs, True))
            wanted += max(1, wanted // 10)
        return options

    def within(self, budget: int) -> list[Run] | None:
        """The cheapest runs found whose simulated peak keeps within a budget; None if none were found."""
        limit = budget + budget // 16  # the plan's own figures are a little too large or too small
        best: list[Run] | None = None
        for _ in range(12):
            runs = self._cheapest(limit)
            if runs is None:
                break
            slack = budget - simulate(self._record, runs)[1]
            if slack < 0:
                if best is not None:
                    break
                limit -= max(-slack // 2, budget // 64)
                continue
            if best is not None and self.macs(runs) >= self.macs(best):
                break
            best = runs
            if slack * 50 < budget:
                break
            limit += slack // 2
        return best

    def least(self) -> list[list[Run]]:
        """Runs of the least peak, or nearly: at the least limit that a plan keeps, and a little above."""
        low, high = 0, self._before[-1] + max(self._work)
        while high - low > high // 200:
            middle = (low + high) // 2
            low, high = (low, middle) if self._smallest(middle) is not None else (middle, high)
        limits = [high * percent // 100 for percent in (100, 101, 102, 104, 107, 110)]
        found = [plan(limit) for limit in limits for plan in (self._smallest, self._cheapest)]
        return [runs for runs in found if runs is not None]

    def _smallest(self, limit: int) -> list[Run] | None:
        """Runs that keep within a limit, if any can: at each unit, the plan that keeps least so far is the best."""
        count = len(self._fine)
        least: list[tuple[int, int, bool] | None] = [(0, 0, False), *[None] * count]
        for start, options in enumerate(self._fine):
            known = least[start]
            if known is None:
                continue
            for option in options:
                if known[0] + option.need > limit:
                    break
                other, kept = least[option.stop], known[0] + option.kept
                if other is None or kept < other[0]:
                    least[option.stop] = (kept, start, option.again)
        if least[count] is None:
            return None
        runs: list[Run] = []
        at = count
        while at:
            known = least[at]
            assert known is not None
            if known[2]:
                runs.append((known[1], at))
            at = known[1]
        return runs[::-1]

    def _cheapest(self, limit: int) -> list[Run] | None:
        """The runs of the fewest multiply-accumulates within a limit that begin and end at stations."""
        count = len(self._fine)
        width = max(4, _LABELS // (1 + sum(len(options) for options in self._coarse.values())))
        plans: dict[int, list[_Label]] = {start: [] for start in (*self._coarse, count)}
        plans[0].append((0, 0, -1, 0, False))
        for start, options in self._coarse.items():
            plans[start] = _undominated(plans[start], width)
            for number, (kept, macs, *_) in enumerate(plans[start]):
                for option in options:
                    if kept + option.need > limit:
                        break  # as do longer ones
                    label = (kept + option.kept, macs + option.macs, start, number, option.again)
                    plans[option.stop].append(label)
        if not plans[count]:
            return None
        at, label = count, min(plans[count], key=lambda plan: (plan[1], plan[0]))
        runs: list[Run] = []
        while at:
            _, _, start, number, again = label
            if again:
                runs.append((start, at))
            at, label = start, plans[start][number]
        return runs[::-1]


def _undominated(plans: Sequence[_Label], width: int) -> list[_Label]:
    """Plans of which none is worse in both than another; of many, evenly chosen ones with the two ends."""
    front: list[_Label] = []
    for plan in sorted(plans):
        if not front or plan[1] < front[-1][1]:
            front.append(plan)
    if len(front) <= width:
        return front
    return [front[i * (len(front) - 1) // (width - 1)] for i in range(width)]
