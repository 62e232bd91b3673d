"""A training step's memory as people read it, and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from archspec.compiler.analysis.segments import Segment
from archspec.compiler.analysis.training import TrainingMemory
from archspec.graph import Graph
from archspec.report.numbers import size_text


def training_lines(
    graph: Graph, memory: TrainingMemory, dtype: str, segments: Sequence[Segment] | None
) -> list[tuple[str, str]]:
    """The memory of a step as label and text; `segments` are those recomputed, None if none were asked for."""
    samples = f"{memory.batch} sample{'s' * (memory.batch != 1)}"
    lines = [
        ("training", f"one step on {samples} in {dtype}, not compiled"),
        ("  parameters", size_text(memory.parameters)),
        ("  gradients", size_text(memory.gradients)),
        ("  momentum", f"{size_text(memory.momentum)} (SGD; twice that for Adam)"),
        ("  saved", f"{size_text(memory.saved)} of activations, at the end of forward"),
        ("  peak", f"{size_text(memory.peak)} of activations and their gradients at once"),
        ("  total", size_text(memory.total)),
    ]
    if segments:
        count = f"{len(segments)} segment{'s' * (len(segments) != 1)}"
        lines.append(("  recomputed", f"{_share(graph, memory):.1%} of forward's MACs, in {count}"))
    elif segments is not None:
        lines.append(("  recomputed", "nothing: it fits as it is"))
    return lines


def training_data(
    graph: Graph, memory: TrainingMemory, dtype: str, segments: Sequence[Segment] | None
) -> dict[str, Any]:
    """The same as JSON-ready data, in bytes; segments by the addresses of their units."""
    return {
        **asdict(memory),
        "total": memory.total,
        "dtype": dtype,
        "recomputed_share": _share(graph, memory),
        "segments": [list(segment.units) for segment in segments or ()],
    }


def _share(graph: Graph, memory: TrainingMemory) -> float:
    return memory.recomputed / graph.macs if graph.macs else 0.0
