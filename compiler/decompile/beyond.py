"""Shortcuts past whole blocks as the sections `levels` and `skips`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archspec.compiler.decompile.cells import Cell
from archspec.compiler.decompile.facts import Facts, between
from archspec.compiler.decompile.kinds import kinds
from archspec.compiler.decompile.lifted import Long
from archspec.compiler.decompile.merge import merged, placed
from archspec.compiler.decompile.options import option
from archspec.compiler.decompile.paths import path
from archspec.compiler.decompile.stages import Stage
from archspec.compiler.decompile.table import Table, UnsaidError
from archspec.graph import Node
from archspec.topologies import STANDARD
from archspec.topologies.levels import LevelSpan, level_spans

_MOST_LEVELS = 12
_RULES: tuple[tuple[str, dict[str, int]], ...] = (
    *(("every", {"step": step}) for step in range(2, 9)),
    ("dense", {}), ("log_dense", {}), ("fractal", {}),
)  # fmt: skip


def sections(longs: Sequence[Long], stages: Sequence[Stage], known: Mapping[str, Node]) -> dict[str, Any] | None:
    """The sections that make these shortcuts, `known` being all nodes by name; None where a shortcut joins no block's
    addition or starts at no block's end."""
    if not longs:
        return {}
    cells = [cell for stage in stages for cell in stage.cells]
    closings = {cell.exit.name: i for i, cell in enumerate(cells) if cell.exit.op.key == "add"}
    if any(long.target not in closings for long in longs):
        return None
    ends = [closings[long.target] for long in longs]
    return _levels(longs, ends, stages, cells, known) or _skips(longs, ends, cells, known)


def _levels(
    longs: Sequence[Long], ends: Sequence[int], stages: Sequence[Stage], cells: Sequence[Cell],
    known: Mapping[str, Node],
) -> dict[str, Any] | None:  # fmt: skip
    begins = {cell.begin: i for i, cell in enumerate(cells)}
    if any(long.source not in begins for long in longs):
        return None
    found = sorted((begins[long.source], end) for long, end in zip(longs, ends, strict=True))
    counts = [len(stage.cells) for stage in stages]
    for m, split, spans in _spans(counts):
        if sorted((span.first, span.last) for span in spans) == found:
            way = _path(longs, known)
            if way is None:
                return None
            return {
                "levels": {"m": m, **({"path": way} if way != "C" else {}), **({"split": split} if split > 2 else {})}
            }
    return None


def _spans(counts: Sequence[int]) -> Iterator[tuple[int, int, list[LevelSpan]]]:
    """The spans of every number of levels that fits."""
    for split in (2, 3, 4):
        for m in range(2 if split == 2 else 4, _MOST_LEVELS):
            try:
                yield m, split, level_spans(counts, m, split)
            except ValueError:
                break


def _path(longs: Sequence[Long], known: Mapping[str, Node]) -> Any:
    """One path for several shortcuts; None where none can be said without columns."""
    rows: list[tuple[Facts, Sequence[Node | None]]] = []
    sequence = merged(list(dict.fromkeys(kinds(long.nodes) for long in longs)))
    if sequence is None:
        return None
    for long in longs:
        at = between(known[long.source], known[long.target])
        rows.append((at, placed(long.nodes, sequence)))
    named = option(rows)
    if named is not None:
        return named
    try:
        return path(rows, Table([]))
    except UnsaidError:
        return None


def _skips(
    longs: Sequence[Long], ends: Sequence[int], cells: Sequence[Cell], known: Mapping[str, Node]
) -> dict[str, Any] | None:  # fmt: skip
    points = ["stem", *(cell.address for cell in cells)]
    signals = {cells[0].begin: "stem"} if not cells[0].enter else {cells[0].enter[0].inputs[0]: "stem"}
    for cell in cells:
        if cell.enter:
            signals[cell.begin] = f"stage{cell.stage}.enter"
    signals |= {cell.last.name: cell.address for cell in cells}
    if any(long.source not in signals for long in longs):
        return None
    pairs = [(signals[long.source], cells[end].address) for long, end in zip(longs, ends, strict=True)]
    if len(set(pairs)) < len(pairs):
        return None
    way = _path(longs, known)
    if way is not None:
        shown = {} if way == "identity" else {"path": way}
        for name, fields in _RULES:
            if sorted(STANDARD.pairs(name, points, fields)) == sorted(pairs):
                return {"skips": [{"rule": name, **fields, **shown}]}
    edges = []
    for long, (source, target) in zip(longs, pairs, strict=True):
        own = _path([long], known)
        edges.append({"from": source, "to": target, **({} if own == "identity" else {"path": own})})
    return {"skips": edges}
