"""Segments: runs of units that are recomputed in backward instead of kept (Chen et al., arXiv 1604.06174).

What a segment reads from outside is kept, what is inside is computed once more when backward reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.compiler.analysis.outline import Unit, outline
from archspec.graph import Graph

Run = tuple[int, int]
"""A segment as the first of its units, and the one after its last."""


@dataclass(frozen=True)
class Segment:
    """Consecutive units that are recomputed in backward together. Running them in order needs `inputs` alone."""

    units: tuple[str, ...]
    """Their addresses, in outline order."""
    inputs: tuple[str, ...]
    """Names of the nodes read from outside, the network's input among them."""
    outputs: tuple[str, ...]
    """Names of its nodes that are read later outside, or are outputs of the network."""


def every(graph: Graph, k: int) -> tuple[Segment, ...]:
    """Segments of `k` blocks each, the last of those that remain; stem and head stay outside.

    What lies between blocks (transitions, projections of levels and skips) goes with the block after it. A network
    without stages is cut every `k` units. Raises `ValueError` if `k` is not positive.
    """
    if k < 1:
        raise ValueError(f"a segment has one block at least, not {k}")
    units = outline(graph)
    return segments(graph, units, equal(*body(units), k))


def equal(first: int, ends: Sequence[int], k: int) -> list[Run]:
    """Runs of `k` blocks each, of which the first begins at unit `first` and each ends before one of `ends`."""
    starts = [first, *ends[k - 1 : -1 : k]] if ends else []
    return list(zip(starts, [*starts[1:], *ends[-1:]], strict=True))


def body(units: Sequence[Unit]) -> tuple[int, list[int]]:
    """Where the body begins, and the places after each of its blocks, where it may be cut."""
    blocks = [i for i, unit in enumerate(units) if unit.nodes[0].block is not None]
    if blocks:
        before = blocks[0]
        while before and units[before - 1].address.startswith(("stage", "levels.", "skips.")):  # what block 0 needs
            before -= 1
        return before, [i + 1 for i in blocks]
    inner = [i for i, unit in enumerate(units) if unit.address.partition(".")[0] not in ("stem", "head")]
    return (inner[0], [i + 1 for i in inner]) if inner else (0, [])


def segments(graph: Graph, units: Sequence[Unit], runs: Sequence[tuple[int, int]]) -> tuple[Segment, ...]:
    """The segments of `units[start:stop]` for every (start, stop) of `runs`; `units` are the graph's outline."""
    last = {name: i for i, unit in enumerate(units) for name in unit.inputs}
    last |= dict.fromkeys(graph.outputs.values(), len(units))
    made = []
    for start, stop in runs:
        inside = units[start:stop]
        own = {name for unit in inside for name in unit.outputs}
        inputs = dict.fromkeys(name for unit in inside for name in unit.inputs if name not in own)
        outputs = tuple(name for unit in inside for name in unit.outputs if last[name] >= stop)
        made.append(Segment(tuple(unit.address for unit in inside), tuple(inputs), outputs))
    return tuple(made)
