"""The benchmark: for each spec, work and batch size one comparison, whose rows are measured together.

Each comparison has networks and a compiler of its own, so that no row runs code that was compiled for another batch
size. Compiling is timed row by row with empty caches; then all rows step in rounds that take turns, and ratios are
taken within a round. What fails is told in its row, and the others go on.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import torch

from archspec.bench.caches import Caches, caches, start_compiler
from archspec.bench.machine import describe_machine, measure_ceiling
from archspec.bench.result import Ceiling, Compile, Layout, Result, Row, Section, Work
from archspec.bench.rival import Rival, compare, told
from archspec.bench.spread import speedup, spread
from archspec.bench.subject import Case, Settings, Step, Subject, first_calls
from archspec.bench.timing import calls_for, interleaved, rounds_for, timer
from archspec.bench.work import HALF
from archspec.compiler.analysis.training import training_memory
from archspec.compiler.lower.running import Execution
from archspec.execution.allocated import peak_allocated
from archspec.graph import Graph
from archspec.version import __version__

Tell: TypeAlias = Callable[[str, int, int], object]
"""Told what goes on, how much of it is done, and of how much; (text, 0, 0) where that is not known."""


@dataclass
class _Ready:
    """A row that runs, or why it does not."""

    subject: Subject
    step: Step | None = None
    execution: Execution | None = None
    seconds: float = 0.0
    """Of a steady call, roughly."""
    compile: Compile | None = None
    peak: int | None = None
    failed: str | None = None

    def fail(self, error: Exception) -> None:
        """It will not be run again, and what it holds is given back."""
        self.failed, self.step = told(error), None


def bench(
    graphs: Sequence[Graph], rivals: Sequence[Rival], device: torch.device, settings: Settings, *,
    memory_kept: bool = False, tell: Tell = lambda what, done, total: None,
) -> Result:  # fmt: skip
    """Measures networks on a device; `rivals` are modules written by hand, one for each graph or none at all.

    A row that cannot run says why. Raises `RivalError`, before anything is measured, for a rival that is not the
    graph's network, and `RuntimeError` where the device has no matrix product of the number type.
    """
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        return _bench(graphs, rivals, device, settings, memory_kept, tell)


def _bench(
    graphs: Sequence[Graph], rivals: Sequence[Rival], device: torch.device, settings: Settings, memory_kept: bool,
    tell: Tell,
) -> Result:  # fmt: skip
    """On the current device."""
    for graph, rival in zip(graphs, rivals, strict=False):
        tell(f"comparing {rival.name} with {graph.name}", 0, 0)
        compare(rival, graph, device)
    tell("measuring the device's matrix product", 0, 0)
    ceiling = measure_ceiling(device, settings.dtype, settings.ceiling_seconds)
    with caches(settings.warm_cache) as own:
        start = None
        if settings.compiles:
            tell("starting the compiler", 0, 0)
            with own.empty(), suppress(Exception):  # without a compiler, the rows that need one will say so
                start = start_compiler(device)
        sections = []
        for number, graph in enumerate(graphs):
            other = rivals[number] if rivals else None
            sections.append(_section(graph, other, device, settings, ceiling, own, tell))
    autocast = settings.train and settings.dtype in HALF
    name = str(settings.dtype).removeprefix("torch.")
    machine = describe_machine(device, memory_kept)
    return Result(__version__, machine, name, autocast, ceiling, start, tuple(sections))


def _section(
    graph: Graph, rival: Rival | None, device: torch.device, settings: Settings, ceiling: Ceiling, own: Caches,
    tell: Tell,
) -> Section:  # fmt: skip
    rows: list[Row] = []
    baseline = ""
    works: tuple[Work, ...] = ("inference", "training") if settings.train else ("inference",)
    for work in works:
        for batch in settings.batches:
            subjects = _subjects(Case(graph, work, batch, device, settings), rival)
            baseline = subjects[0].key
            rows += _rows(subjects, ceiling, own, tell)
            _free(device)
    return Section(graph.name, graph.input.shape, graph.params, graph.macs, baseline, tuple(rows))


def _subjects(case: Case, rival: Rival | None) -> list[Subject]:
    """The rows of a comparison, the baseline first: the hand-written module in eager, else the first of ours."""
    modes = sorted(case.settings.modes, key=lambda mode: mode != "eager")
    ours = [Subject(case, mode) for mode in modes]
    if rival is None:
        return ours
    theirs = [Subject(case, "eager", rival)] + [Subject(case, mode, rival) for mode in modes if mode == "whole"]
    return theirs + ours


def _rows(subjects: Sequence[Subject], ceiling: Ceiling, own: Caches, tell: Tell) -> list[Row]:
    """Measures one comparison."""
    case = subjects[0].case
    title = f"{case.graph.name}, {case.work}, batch {case.batch}"
    batches: dict[Layout, torch.Tensor] = {}
    rows = []
    for number, subject in enumerate(subjects):
        tell(f"{title}: {'preparing' if subject.mode == 'eager' else 'compiling'} {subject.key}", number, len(subjects))
        rows.append(_ready(subject, batches, own))
    times, calls = _rounds(rows, title, tell)
    for number, row in enumerate(rows):
        tell(f"{title}: memory of {row.subject.key}", number, len(rows))
        _memory(row)
    found = {row.subject.key: times[row.subject.key] for row in rows if row.failed is None}
    base = found.get(subjects[0].key)
    return [_row(row, found.get(row.subject.key), base, calls[row.subject.key], ceiling) for row in rows]


def _ready(subject: Subject, batches: dict[Layout, torch.Tensor], own: Caches) -> _Ready:
    row = _Ready(subject)
    try:
        row.step, row.execution = subject.prepare(batches)
        row.seconds, row.compile = first_calls(row.step, subject.mode != "eager", own)
    except Exception as error:  # out of memory, what cannot be compiled, whatever the hand-written module raises
        row.fail(error)
    if row.failed:
        _collect(subject.case.device)
    return row


def _rounds(rows: Sequence[_Ready], title: str, tell: Tell) -> tuple[dict[str, list[float]], dict[str, int]]:
    """The seconds of a step of each row in each round, and how many steps were measured together."""
    settings, clock = rows[0].subject.case.settings, timer(rows[0].subject.case.device)
    calls = {row.subject.key: 0 if row.failed else calls_for(row.seconds) for row in rows}
    running = [row for row in rows if not row.failed]

    def sample(row: _Ready) -> float:
        if row.step is None:
            return math.nan
        try:
            return clock(row.step, calls[row.subject.key])
        except Exception as error:  # as above
            row.fail(error)
            return math.nan

    one_round = sum(row.seconds * calls[row.subject.key] for row in running)
    rounds = settings.rounds or rounds_for(settings.seconds * len(running), one_round)
    samples = {row.subject.key: partial(sample, row) for row in running}
    return interleaved(rounds, samples, lambda done: tell(f"{title}: measuring", done, rounds + 1)), calls


def _memory(row: _Ready) -> None:
    if row.step is None:
        return
    try:
        row.step.prepare_memory()
        row.peak = peak_allocated(row.step.for_memory, row.subject.case.device)
    except Exception as error:  # as above
        row.fail(error)
    row.step = None


def _row(
    ready: _Ready, times: list[float] | None, base: list[float] | None, calls: int, ceiling: Ceiling
) -> Row:  # fmt: skip
    subject, case, execution = ready.subject, ready.subject.case, ready.execution
    row = Row(subject.name, subject.mode, subject.layout, case.work, case.batch, ready.failed)
    if ready.failed is not None or times is None:
        return row
    seconds = spread(times)
    passes = 3 if case.work == "training" else 1
    rate = 2 * case.graph.macs * case.batch * passes / seconds.median
    return replace(
        row, rounds=tuple(times), calls=calls, seconds=seconds, speedup=speedup(base, times) if base else None,
        samples_per_second=case.batch / seconds.median, flops_per_second=rate,
        of_ceiling=rate / ceiling.flops_per_second, compile=ready.compile, peak=ready.peak,
        predicted=_predicted(subject, execution), kinds=execution.kinds if execution else None,
        eager=execution.eager if execution else None, segments=len(execution.segments) if execution else None,
    )  # fmt: skip


def _predicted(subject: Subject, execution: Execution | None) -> int | None:
    """Bytes at the peak of a training step by the graph: it knows what eager operators keep, in one number type."""
    case = subject.case
    if execution is None or subject.mode != "eager" or case.work != "training" or case.autocast:
        return None
    size = case.dtype.itemsize
    return training_memory(case.graph, batch=case.batch, item_bytes=size, segments=execution.segments).peak


def _free(device: torch.device) -> None:
    """Gives back what a comparison held, its compiled code included."""
    torch._dynamo.reset()
    _collect(device)


def _collect(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
