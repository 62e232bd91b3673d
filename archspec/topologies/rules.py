"""The rules that come with archspec, each with the paper it is from."""

from __future__ import annotations

import random as _random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

from archspec.syntax.work import spend
from archspec.topologies.levels import level_spans
from archspec.topologies.registry import Pair, RuleError


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


def dense(points: Sequence[str], shortest: int = 2) -> Iterator[Pair]:
    """A skip from every point to every block at least `shortest` on: to all but the next one (Huang et al., arXiv
    1608.06993, use `join: concat`), or with 1 to that too, which reads the point itself (Pagliardini et al., arXiv
    2402.02622, join it `at: output`)."""
    shortest = _whole(shortest, "shortest", least=1)
    for i, source in enumerate(points):
        for target in points[i + shortest :]:
            yield source, target


def log_dense(points: Sequence[str], base: int = 2) -> Iterator[Pair]:
    """A skip to every block from those base, base**2, base**3 ... before it (Log-DenseNet, arXiv 1711.00002).

    n log n skips, and no more than log n of them between any two blocks.
    """
    base = _whole(base, "base", least=2)
    for end, target in enumerate(points):
        distance = base
        while distance <= end:
            yield points[end - distance], target
            distance *= base


def fractal(points: Sequence[str], base: int = 2) -> Iterator[Pair]:
    """A skip over every aligned span of base, base**2, base**3 ... blocks: the spans of FractalNet's columns (Larsson
    et al., arXiv 1605.07648), as shortcuts. Spans nest and never cross."""
    base = _whole(base, "base", least=2)
    span = base
    while span < len(points):
        for start in range(0, len(points) - span, span):
            yield points[start], points[start + span]
        span *= base


def ror(points: Sequence[str], m: int, split: int = 2) -> Iterator[Pair]:
    """The shortcuts of RoR-m above the blocks' own (Zhang et al., arXiv 1608.02908): `levels` as a rule.

    Unlike `levels`, spans that start at a stage start before its `enter`.
    """
    counts = [len(stage) for stage in _stages(points)]
    try:
        spans = level_spans(counts, _whole(m, "m", least=1), _whole(split, "split", least=2))
    except ValueError as error:
        raise RuleError(str(error)) from None
    yield from dict.fromkeys((points[span.first], points[span.last + 1]) for span in spans)


def cross_stage(
    points: Sequence[str], count: int | None = None, seed: int = 0, spans: Sequence[Sequence[int]] | None = None
) -> Iterator[Pair]:
    """Skips between stages: `count` drawn from all pairs in different stages, or chosen `spans`.

    A span [i, j] leads from the end of stage i (0 is what enters the first) to the end of stage j. Draws take every
    pair at most once.
    """
    if (count is None) == (spans is None):
        raise RuleError("cross_stage takes either `count` or `spans`")
    if spans is not None and seed != 0:
        raise RuleError("cross_stage draws nothing where `spans` are given: leave out `seed`")
    stages = _stages(points)
    if spans is not None:
        yield from _chosen(points, spans)
        return
    # The pairs in lexicographic order are numbered, not held: a point's are those to blocks behind its stage and not
    # next to it.
    behind = list(accumulate((len(stage) for stage in stages), initial=1))  # the first point behind each stage
    firsts = [2, *(max(i + 2, end) for start, end in pairwise(behind) for i in range(start, end))]
    counts = list(accumulate((max(0, len(points) - first) for first in firsts), initial=0))
    wanted = _whole(count, "count", least=0)
    if wanted > counts[-1]:
        raise RuleError(f"there are {counts[-1]:,} pairs of blocks in different stages, fewer than {wanted:,}")
    draw = _draws(seed, points)
    moved: dict[int, int] = {}  # of a shuffle's first steps, by draws that are the same on every version of Python
    for taken in range(wanted):
        other = taken + int(draw() * (counts[-1] - taken))
        pair = moved.get(other, other)
        moved[other] = moved.pop(taken, taken)
        source = bisect_right(counts, pair) - 1
        yield points[source], points[firsts[source] + pair - counts[source]]


def _chosen(points: Sequence[str], spans: Sequence[Sequence[int]]) -> Iterator[Pair]:
    ends = _stage_ends(points)
    for span in spans:
        if not isinstance(span, list | tuple) or len(span) != 2:
            raise RuleError("spans is a list of pairs of stages, as in [[0, 3], [1, 2]]")
        first, last = (_whole(number, "a stage", least=0) for number in span)
        if not first < last < len(ends):
            raise RuleError(f"a span leads from a stage to a later one of {len(ends) - 1}, not [{first}, {last}]")
        if ends[first] != ends[last]:  # else the stages between them have no blocks
            yield ends[first], ends[last]


def _stage_ends(points: Sequence[str]) -> list[str]:
    """What the first stage is given, then the end of each stage: without blocks, that of the stage before it."""
    ends = [points[0]]
    for name, blocks in _by_stage(points).items():
        number = name.removeprefix("stage")
        while number.isdecimal() and len(ends) < int(number):
            ends.append(ends[-1])
        ends.append(blocks[-1])
    return ends


def _stages(points: Sequence[str]) -> list[list[str]]:
    """The blocks by their stage."""
    return list(_by_stage(points).values())


def _by_stage(points: Sequence[str]) -> dict[str, list[str]]:
    stages: dict[str, list[str]] = {}
    for block in points[1:]:
        stages.setdefault(block.partition(".")[0], []).append(block)
    return stages


def _draws(seed: Any, points: Sequence[str]) -> Callable[[], float]:
    """Numbers in [0, 1) of a seed, and of the stage that the points begin with: equal stages draw unlike each other."""
    number, stage = _whole(seed, "seed"), points[1].partition(".")[0] if len(points) > 1 else ""
    later = stage.startswith("stage") and stage != "stage1"
    return _random.Random(f"{number}/{stage.removeprefix('stage')}" if later else number).random


def random(points: Sequence[str], probability: float, seed: int = 0) -> Iterator[Pair]:
    """Every pair of points two or more apart with a probability: one draw per pair, in lexicographic order.

    The draws are Python's Mersenne Twister, which gives the same numbers on every machine and version. Within stages
    each draws its own: stage 1 those of the seed, as the whole network does, stage k those of the text "SEED/k". Random
    graphs as networks: Xie et al., arXiv 1904.01569.
    """
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise RuleError("probability must be between 0 and 1")
    draw = _draws(seed, points)
    count = len(points)
    spend(count**2 // 3, "the rules draw for too many pairs of blocks")
    for i in range(count):
        for j in [j for j in range(i + 2, count) if draw() < probability]:
            yield points[i], points[j]
