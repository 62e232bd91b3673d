"""Which segments of a network to recompute in backward: those that cost the least, by simulating the step."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.compiler.analysis.recompute import Planner
from archspec.compiler.analysis.segments import Run, Segment, body, equal, segments
from archspec.compiler.analysis.tape import Tape, tape
from archspec.compiler.analysis.training import simulate
from archspec.graph import Graph
from archspec.report.numbers import size_text


def auto(graph: Graph, *, batch: int, item_bytes: int = 4, budget: int | None = None) -> tuple[Segment, ...]:
    """The segments that cost the fewest multiply-accumulates while the predicted peak keeps within a budget.

    `budget` is in bytes of activations and their gradients (`TrainingMemory.peak`) for `batch` samples in numbers of
    `item_bytes`; without one, the least peak is sought. Empty if nothing needs recomputing. Raises `ValueError` if
    the budget cannot be met, and says what can be reached.
    """
    if batch < 1:
        raise ValueError(f"a batch has one sample at least, not {batch}")
    record = tape(graph, batch, item_bytes)
    if budget is not None and simulate(record, ())[1] <= budget:
        return ()
    planner = Planner(record)
    runs: Sequence[Run] | None = planner.within(budget) if budget is not None else None
    if runs is None:
        runs, peak = _least(graph, record, planner)
        if budget is not None and peak > budget:
            raise ValueError(
                f"a step on {batch} samples does not fit into {size_text(budget)} of activations: "
                f"recomputing reaches {size_text(peak)} ({peak:,} bytes) at the least"
            )
    return segments(graph, record.units, runs)


def _least(graph: Graph, record: Tape, planner: Planner) -> tuple[Sequence[Run], int]:
    """The runs of the least peak found, and it: planned ones, or equal ones of any length."""
    first, ends = body(record.units)
    best: tuple[int, int, Sequence[Run]] = (simulate(record, ())[1], 0, ())
    plans = planner.least()
    k = 1
    while k <= len(ends):
        plans.append(equal(first, ends, k))
        k += max(1, k // 3)
    for runs in plans:
        best = min(best, (simulate(record, runs)[1], planner.macs(runs), runs), key=lambda plan: plan[:2])
    return best[2], best[0]
