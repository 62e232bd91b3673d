"""What must be kept while a network runs, in numbers for one sample (four bytes each in float32)."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.compiler.analysis.training import training_memory
from archspec.graph import Graph

_BYTES = 4  # of a float32


@dataclass(frozen=True)
class Cut:
    """A place after a block where a pipeline could be split, and what a split there must carry."""

    after: str
    """Address of the last block before it."""
    tensors: int
    numbers: int
    """In all tensors that are carried, for one sample."""


@dataclass(frozen=True)
class Memory:
    """Estimates in numbers for one sample; parameters come once on top, gradients and optimiser state not counted."""

    inference: int
    """The most that is alive at any moment of a forward pass: what later operators still read, and the output."""
    training: int
    """Kept for the backward pass, as each operator declares it; the index of a maximum counts as two numbers."""


def live_numbers(graph: Graph) -> list[tuple[str, int, int]]:
    """After every operator: its name, and the tensors and numbers in them that something later reads."""
    last = _last_use(graph)
    ending: dict[int, list[int]] = {}
    tensors = numbers = 0
    found = []
    for place, node in enumerate(graph):
        if last[node.name] > place:
            tensors, numbers = tensors + 1, numbers + node.size
            ending.setdefault(last[node.name], []).append(node.size)
        sizes = ending.pop(place, [])
        tensors, numbers = tensors - len(sizes), numbers - sum(sizes)
        found.append((node.name, tensors, numbers))
    return found


def _last_use(graph: Graph) -> dict[str, int]:
    """The place of the operator that reads each node last; past the end for outputs, its own if there is none."""
    last = {node.name: place for place, node in enumerate(graph)}
    for place, node in enumerate(graph):
        for source in node.inputs:
            last[source] = place
    return last | dict.fromkeys(graph.outputs.values(), len(graph))


def cuts(graph: Graph) -> tuple[Cut, ...]:
    """What a split of the network after each block must carry; levels and skips that span it make it more."""
    ends = {node.unit: node.name for node in graph if node.block is not None or node.unit == "stem"}
    live = {name: (tensors, numbers) for name, tensors, numbers in live_numbers(graph)}
    return tuple(Cut(unit, *live[name]) for unit, name in ends.items())


def memory(graph: Graph) -> Memory:
    """The estimates of a graph."""
    before = peak = 0
    for node, (_, _, after) in zip(graph, live_numbers(graph), strict=True):
        peak = max(peak, before + node.size)
        before = after
    return Memory(peak, training_memory(graph, batch=1).saved // _BYTES)
