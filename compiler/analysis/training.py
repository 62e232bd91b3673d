"""The memory of a training step, predicted without torch: forward and backward are run over the graph in numbers.

Backward goes as torch's engine does: calls in the reverse of forward's order, each releasing what it saved when it is
done; the gradients of a value that several read are added into the first as soon as nothing else holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.compiler.analysis.segments import Run, Segment
from archspec.compiler.analysis.tape import NEW, NONE, PARTS, Tape, tape
from archspec.graph import Graph

GENERATOR = 5056
"""Bytes of the state of torch's random generator, which checkpointing keeps for each segment."""


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes that one step of training takes, forward and backward, in float32 or what `item_bytes` says."""

    batch: int
    parameters: int
    gradients: int
    """Of the parameters: as much again."""
    momentum: int
    """One copy, as SGD's; Adam has two."""
    saved: int
    """What backward needs, at the end of forward."""
    peak: int
    """The most held by activations and their gradients at any moment, parameters and their gradients not counted."""
    recomputed: int
    """Multiply-accumulates that checkpointing computes again, for one sample."""

    @property
    def total(self) -> int:
        """Parameters, their gradients, momentum, and the peak of activations."""
        return self.parameters + self.gradients + self.momentum + self.peak


def training_memory(
    graph: Graph, *, batch: int, item_bytes: int = 4, segments: Sequence[Segment] | None = None
) -> TrainingMemory:
    """The memory of a training step on `batch` samples; `segments` are recomputed in backward.

    Raises `ValueError` for a batch below 1, and for segments that are not runs of the graph's units in order.
    """
    if batch < 1:
        raise ValueError(f"a batch has one sample at least, not {batch}")
    record = tape(graph, batch, item_bytes)
    runs = runs_of(record, segments or ())
    saved, peak = simulate(record, runs)
    weights = graph.params * item_bytes
    recomputed = sum(node.macs for start, stop in runs for unit in record.units[start:stop] for node in unit.nodes)
    return TrainingMemory(batch, weights, weights, weights, saved, peak, recomputed)


def runs_of(record: Tape, segments: Sequence[Segment]) -> list[Run]:
    """Segments as runs of the tape's units. Raises `ValueError` if they are none."""
    number = {unit.address: i for i, unit in enumerate(record.units)}
    runs: list[Run] = []
    for segment in segments:
        places = [number.get(address, -1) for address in segment.units]
        after = runs[-1][1] if runs else 0
        if not places or places[0] < after or places != list(range(places[0], places[0] + len(places))):
            raise ValueError(f"no run of units in order: {', '.join(segment.units) or 'an empty segment'}")
        runs.append((places[0], places[-1] + 1))
    return runs


def simulate(record: Tape, runs: Sequence[Run]) -> tuple[int, int]:
    """Bytes saved at the end of forward, and the peak of the step."""
    return _Machine(record).step([(record.starts[start], record.starts[stop]) for start, stop in runs])


def unit_peaks(record: Tape) -> list[int]:
    """The most alive while each unit's backward runs, if nothing is recomputed."""
    machine = _Machine(record)
    machine.forward(0, len(record.calls), saving=True)
    machine.loss()
    peaks = [0] * len(record.units)
    for i in reversed(range(len(record.units))):
        peaks[i] = machine.backward(record.starts[i], record.starts[i + 1])
    return peaks


class _Machine:
    """What is alive while a step goes on."""

    def __init__(self, record: Tape) -> None:
        self._tape = record
        self._live = self._peak = 0
        self._holders = [0] * len(record.sizes)
        """For each storage, the saved tensors and segments that keep it, and one while forward has a name for it."""
        self._gradients: dict[int, list[int]] = {}
        """The gradient so far of each value: bytes, holders. Views of one gradient are one list."""
        self._parts: set[int] = set()
        """Values whose gradient is a part of another, into which nothing can be added."""

    def step(self, runs: Sequence[Run]) -> tuple[int, int]:
        """Forward and backward, the calls of each run recomputed."""
        tape = self._tape
        inputs = [_inputs(tape, start, stop) for start, stop in runs]
        at = 0
        for (start, stop), kept in zip(runs, inputs, strict=True):
            self.forward(at, start, saving=True)
            for storage in kept:
                self._holders[storage] += 1
            self._live += GENERATOR
            self.forward(start, stop, saving=False)
            at = stop
        self.forward(at, len(tape.calls), saving=True)
        results = {tape.storages[value] for value in tape.outputs}
        saved = self._live - sum(tape.sizes[storage] for storage in results if self._holders[storage] == 1)
        self.loss()
        at = len(tape.calls)
        for (start, stop), kept in zip(reversed(runs), reversed(inputs), strict=True):
            self.backward(stop, at)
            self._again(start, stop)
            self.backward(start, stop)
            self._release(kept)
            self._live -= GENERATOR
            at = start
        self.backward(0, at)
        return saved, self._peak

    def loss(self) -> None:
        """The outputs' gradients, which the loss gives."""
        for value in dict.fromkeys(self._tape.outputs):
            size = self._tape.sizes[self._tape.storages[value]]
            self._gradients[value] = [size, 1]
            self._live += size

    def _release(self, storages: Sequence[int]) -> None:
        """One holder less of each."""
        for storage in storages:
            self._holders[storage] -= 1
            if not self._holders[storage]:
                self._live -= self._tape.sizes[storage]

    def forward(self, start: int, stop: int, saving: bool) -> None:
        """Forward of some calls, which save what their backward needs or nothing."""
        live, peak, holders, sizes = self._live, self._peak, self._holders, self._tape.sizes
        for call in self._tape.calls[start:stop]:
            if call.allocated:
                live += call.allocated
                holders[call.storage] = 1
            if saving:
                live += call.extra
                for storage in call.saved:
                    holders[storage] += 1
            if live + call.scratch > peak:
                peak = live + call.scratch
            for storage in call.ends:
                holders[storage] -= 1
                if not holders[storage]:
                    live -= sizes[storage]
        self._live, self._peak = live, peak

    def _again(self, start: int, stop: int) -> None:
        """A segment's forward once more, as far as backward needs it; what it reads is still there."""
        tape, holders = self._tape, self._holders
        calls = tape.calls[start:stop]
        while calls and not calls[-1].saved and not calls[-1].extra:
            calls.pop()
        if calls and not calls[-1].extra and calls[-1].storage not in calls[-1].saved:
            for storage in calls.pop().saved:  # only its inputs are needed
                holders[storage] += 1
        last, named = start + len(calls) - 1, list[int]()
        for call in calls:
            for storage in call.saved:
                holders[storage] += 1
            if call.allocated and tape.ends[call.storage] < len(tape.calls):
                self._live += call.allocated
                holders[call.storage] += 1
                if tape.ends[call.storage] > last:
                    named.append(call.storage)
            self._live += call.extra
            self._peak = max(self._peak, self._live + call.scratch)
            self._release([storage for storage in call.ends if tape.origin[storage] >= start])
        self._release(named)

    def backward(self, start: int, stop: int) -> int:
        """Backward of some calls; the most alive meanwhile."""
        tape, gradients, before = self._tape, self._gradients, self._peak
        self._peak = self._live
        for call in reversed(tape.calls[start:stop]):
            if call.backward == NONE:
                continue
            given = gradients.pop(call.output, None)
            if given is None:  # leads to no output
                self._live -= call.extra
                self._release(call.saved)
                continue
            self._parts.discard(call.output)
            if call.backward == NEW:
                self._live += sum(size for _, size in call.gradients)
                self._peak = max(self._peak, self._live + call.scratch_backward)
            self._live -= call.extra
            self._release(call.saved)
            if call.backward == NEW:
                self._drop(given)
                for value, size in call.gradients:
                    self._give(value, [size, 1], size)
            else:
                for value, size in call.gradients:
                    given[1] += 1
                    self._give(value, given, size)
                    if call.backward == PARTS and gradients[value] is given:
                        self._parts.add(value)
                self._drop(given)
        most, self._peak = self._peak, max(self._peak, before)
        return most

    def _give(self, value: int, gradient: list[int], size: int) -> None:
        """Adds a gradient, of which the caller gives up one hold, to that of a value."""
        old = self._gradients.get(value)
        if old is None:
            self._gradients[value] = gradient
            return
        if old[1] > 1 or value in self._parts:
            self._live += size
            self._peak = max(self._peak, self._live)
            self._drop(old)
            self._gradients[value] = [size, 1]
            self._parts.discard(value)
        self._drop(gradient)

    def _drop(self, gradient: list[int]) -> None:
        gradient[1] -= 1
        if not gradient[1]:
            self._live -= gradient[0]


def _inputs(tape: Tape, start: int, stop: int) -> list[int]:
    """Storages that a segment's calls read from before it; the input batch is the caller's."""
    read = {tape.storages[tape.place[name]] for call in tape.calls[start:stop] for name in call.node.inputs}
    return [storage for storage in sorted(read) if 0 <= tape.origin[storage] < start]
