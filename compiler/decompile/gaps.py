"""What stands between two blocks: it follows the one, or leads into the other, or enters a stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal, TypeAlias

from archspec.compiler.decompile.cells import PLAIN, RESIDUAL, Cell
from archspec.compiler.decompile.kinds import Kind, is_light, kinds
from archspec.compiler.decompile.layout import Layout
from archspec.graph import Node

Side: TypeAlias = Literal["pre", "after"]
"""To which of the two blocks goes what not every block is followed by."""


@dataclass
class Row:
    """Stem, blocks and head, and nothing between the blocks."""

    stem: list[Node]
    cells: list[Cell]
    head: list[Node]


def assigned(found: Layout, side: Side) -> Row:
    """The layout with each gap given to a block or to the stage that it enters. `found` stays as it is."""
    cells = [replace(cell, wires=dict(cell.wires)) for cell in found.cells]
    common = _common(found.gaps)
    for cell, gap in zip(cells, found.gaps, strict=True):
        cell.after = gap[:common]
    rest = [gap[common:] for gap in found.gaps]
    stem, head = found.stem, rest[-1]
    for i, gap in enumerate(rest[:-1]):
        if not all(map(is_light, gap)):
            cells[i + 1].enter, rest[i] = gap, []
    usual = _usual(rest[:-1])
    if side == "after":
        for cell, gap in zip(cells, rest[:-1], strict=False):
            cell.after = cell.after + gap
        if usual and kinds(head[: len(usual)]) == usual:
            cells[-1].after, head = cells[-1].after + head[: len(usual)], head[len(usual) :]
    else:
        for cell, gap in zip(cells[1:], rest, strict=False):
            _lead(cell, gap)
        if usual and kinds(stem[-len(usual) :]) == usual:
            _lead(cells[0], stem[-len(usual) :])
            stem = stem[: -len(usual)]
        if usual:
            _split_off(cells)
    for cell in cells:
        if cell.form == PLAIN:
            cell.wires["branch"] = cell.wires["branch"] + cell.after
            cell.after = []
    return Row(stem, cells, head)


def _common(gaps: Sequence[Sequence[Node]]) -> int:
    """How many operators begin every gap alike; of a single gap, those that are no layer."""
    shortest = min(gaps, key=len)
    length = len(shortest)
    if len(gaps) == 1:
        length = next((i for i, node in enumerate(shortest) if not is_light(node)), length)
    begin = kinds(shortest[:length])
    for gap in gaps:
        alike = (one == other for one, other in zip(begin, kinds(gap[:length]), strict=False))
        length = sum(takewhile(bool, alike))
    return length


def _usual(gaps: Sequence[Sequence[Node]]) -> tuple[Kind, ...]:
    """What most gaps hold, of those that hold anything."""
    counts = Counter(kinds(gap) for gap in gaps if gap)
    return counts.most_common(1)[0][0] if counts else ()


def _lead(cell: Cell, gap: list[Node]) -> None:
    """Puts operators before a block that all of it reads."""
    if not gap:
        return
    if cell.form == RESIDUAL:
        cell.pre, cell.shared = gap, True
    elif cell.form == PLAIN:
        cell.wires["branch"] = gap + cell.wires["branch"]
    else:
        cell.form = (("opening", ("input",)), *_reading(cell.form, "opening"))
        cell.wires = {"opening": gap, **cell.wires}


def _split_off(cells: Sequence[Cell]) -> None:
    """Where some blocks share an opening, what opens the branch of the others is theirs, not shared."""
    openings = {kinds(cell.pre) for cell in cells if cell.shared}
    for cell in cells:
        if cell.form != RESIDUAL or cell.pre:
            continue
        branch = cell.wires["branch"]
        length = next((i for i, node in enumerate(branch) if not is_light(node)), 0)
        if length and any(_within(kinds(branch[:length]), opening) for opening in openings):
            cell.pre, cell.wires["branch"] = branch[:length], branch[length:]


def _within(part: Sequence[Kind], whole: Sequence[Kind]) -> bool:
    rest = iter(whole)
    return all(kind in rest for kind in part)


def _reading(form: tuple[tuple[str, tuple[str, ...]], ...], name: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((wire, tuple(name if source == "input" else source for source in sources)) for wire, sources in form)
