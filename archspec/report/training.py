"""A training step's memory as people read it, and sizes as people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archspec.compiler.analysis.checkpoints import Segment
    from archspec.compiler.analysis.training import TrainingMemory
    from archspec.graph import Graph

ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8}
"""Bytes of a number."""
_UNITS = {"": 1, "b": 1, **{f"{name}ib": 2 ** (10 * i) for i, name in enumerate("kmgt", start=1)}}
_UNITS |= {f"{name}b": 10 ** (3 * i) for i, name in enumerate("kmgt", start=1)}


def size_text(size: int) -> str:
    """Bytes for people: 1.50 GiB."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 2**power:
            return f"{size / 2**power:.2f} {unit}"
    return f"{size} bytes"


def size_of(text: str) -> int:
    """Bytes as people write them: 2GiB, 1.5 GB, 800MiB, 4096. Raises `ValueError`."""
    match = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)\s*", text)
    if not match or match.group(2).lower() not in _UNITS:
        raise ValueError(f"{text!r} is no size: 2GiB, 1.5GB, 800MiB, or a number of bytes")
    size = int(float(match.group(1)) * _UNITS[match.group(2).lower()])
    if not size:
        raise ValueError(f"{text!r} is no size: it holds nothing")
    return size


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
