"""What a place in the network knows: the names a path may use there, with their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from archspec.compiler.decompile.cells import Cell
from archspec.compiler.decompile.stages import Stage, stride_between
from archspec.graph import Node

Facts: TypeAlias = Mapping[str, Any]

_PLACES: tuple[tuple[str, Callable[[Facts], bool]], ...] = (
    ("first", lambda at: at["first"]),
    ("not first", lambda at: not at["first"]),
    ("last", lambda at: at["last"]),
    ("not last", lambda at: not at["last"]),
    ("index > 1", lambda at: at["index"] > 1),
    ("index < 2", lambda at: at["index"] < 2),
    ("index == 1", lambda at: at["index"] == 1),
    ("index != 1", lambda at: at["index"] != 1),
    ("stage > 1", lambda at: at["stage"] > 1),
    ("stage == 1", lambda at: at["stage"] == 1),
    ("stage < stages", lambda at: at["stage"] < at["stages"]),
    ("stage == stages", lambda at: at["stage"] == at["stages"]),
    ("stage > 1 or not first", lambda at: at["stage"] > 1 or not at["first"]),
    ("stage == 1 and first", lambda at: at["stage"] == 1 and at["first"]),
    ("stage > 1 and first", lambda at: at["stage"] > 1 and at["first"]),
    ("stage < stages or not last", lambda at: at["stage"] < at["stages"] or not at["last"]),
    ("stage == stages and last", lambda at: at["stage"] == at["stages"] and at["last"]),
    ("stage < stages and last", lambda at: at["stage"] < at["stages"] and at["last"]),
    ("index > 1 or stage > 1 and first", lambda at: at["index"] > 1 or (at["stage"] > 1 and at["first"])),
)
_CHANGES: tuple[tuple[str, Callable[[Facts], bool]], ...] = (
    ("changed", lambda at: at["channels"] != at["out"] or at["downsampled"]),
    ("downsampled", lambda at: at["downsampled"]),
    ("channels != out", lambda at: at["channels"] != at["out"]),
    ("not changed", lambda at: at["channels"] == at["out"] and not at["downsampled"]),
    ("changed or stage == 1 and first", lambda at: (
        at["channels"] != at["out"] or at["downsampled"] or (at["stage"] == 1 and at["first"])
    )),
)  # fmt: skip


_STAGES = tuple(pair for pair in _PLACES if "st " not in f"{pair[0]} " and "index" not in pair[0])
"""Those that can be stated outside of blocks."""


def conditions(at: Facts) -> Iterator[tuple[str, Callable[[Facts], bool]]]:
    """The conditions that a place can state, simple ones first, those on the change of shape before all."""
    if "out" in at:
        yield from (pair for pair in _CHANGES if "stage" in at or "stage" not in pair[0])
    if "index" in at:
        yield from _PLACES
    elif "stage" in at:
        yield from _STAGES


def entering(cell: Cell, stages: int, before: Node) -> Facts:
    """On entering the stage of a cell, its first."""
    return {"stage": cell.stage, "stages": stages, "channels": before.shape[0]}


def on_wire(cell: Cell, stage: Stage, stages: int, start: Node) -> Facts:
    """On a wire of a block that starts from a signal."""
    stride = stage.stride if cell.index == 0 else 1
    return {
        "stage": cell.stage, "stages": stages, "index": cell.index, "count": cell.count, "first": cell.index == 0,
        "last": cell.index == cell.count - 1, "channels": start.shape[0], "stride": stride,
        "downsampled": max(stride) > 1 if isinstance(stride, list) else stride > 1,
    }  # fmt: skip


def on_shortcut(cell: Cell, stage: Stage, stages: int) -> Facts:
    """On the shortcut of a block in residual form."""
    return {**on_wire(cell, stage, stages, cell.entry), **between(cell.entry, cell.exit)}


def between(start: Node, end: Node) -> Facts:
    """On a shortcut from one signal to another."""
    stride = stride_between(start, end)
    downsampled = stride is None or (max(stride) if isinstance(stride, list) else stride) > 1
    return {"channels": start.shape[0], "out": end.shape[0], "stride": stride, "downsampled": downsampled}
