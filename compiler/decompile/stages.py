"""Blocks in a row as stages: where width or size changes, and where another kind of block begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from archspec.compiler.decompile.cells import Cell, Form
from archspec.compiler.decompile.merge import Chain, chains
from archspec.graph import Node

Border: TypeAlias = Literal["shape", "size"]
"""What begins a stage: another shape of what a block gives, or another size alone."""


@dataclass(eq=False)
class Definition:
    """A kind of block: a form, and a chain for each wire."""

    form: Form
    chains: dict[str, Chain]
    cells: list[Cell] = field(default_factory=list)
    name: str = ""


@dataclass
class Stage:
    """Blocks that follow each other, each with its definition."""

    cells: list[Cell]
    definitions: list[Definition]
    stride: int | list[int] = 1

    def positions(self) -> dict[str, Definition]:
        """The definitions by position: start, middle and end, or only."""
        if len(self.cells) == 1:
            return {"only": self.definitions[0]}
        named = {"start": self.definitions[0], "end": self.definitions[-1]}
        return {**named, "middle": self.definitions[1]} if len(self.cells) > 2 else named


def definitions(cells: Sequence[Cell]) -> dict[int, Definition]:
    """A definition for each cell, by its `id`: as few as seem fit."""
    wires: dict[tuple[str, Form], list[tuple[Cell, list[Node]]]] = {}
    for cell in cells:
        for name, nodes in (("pre", cell.pre), *cell.wires.items(), ("after", cell.after)):
            wires.setdefault((name, _up_to(name, cell.form)), []).append((cell, nodes))
    found: dict[int, dict[str, Chain]] = {id(cell): {} for cell in cells}
    for (name, _), rows in wires.items():
        for number, chain in chains(name, rows, any_number=name in ("shortcut", "after")).items():
            found[number][name] = chain
    known: dict[tuple[Form, tuple[int, ...]], Definition] = {}
    by_cell = {}
    for cell in cells:
        own = found[id(cell)]
        key = cell.form, tuple(map(id, own.values()))
        definition = by_cell[id(cell)] = known.setdefault(key, Definition(cell.form, own))
        definition.cells.append(cell)
    return by_cell


def _up_to(name: str, form: Form) -> Form:
    """The part of a form that decides what a wire is: a block with an addition and one without share their branch."""
    names = [wire for wire, _ in form]
    if name == "shortcut" or name not in names:
        return form
    return tuple(entry for entry in form[: names.index(name) + 1] if entry[0] != "shortcut")


def stages(cells: Sequence[Cell], by_cell: dict[int, Definition], border: Border) -> list[Stage]:
    """The stages; each cell is told its place."""
    found: list[Stage] = []
    previous: Cell | None = None
    for cell in cells:
        definition = by_cell[id(cell)]
        if previous is None or cell.enter or _changes(previous, cell, border) or _fits_not(found[-1], definition):
            found.append(Stage([], []))
        found[-1].cells.append(cell)
        found[-1].definitions.append(definition)
        previous = cell
    for number, stage in enumerate(found, 1):
        stage.stride = stride_between(stage.cells[0].entry, stage.cells[0].exit) or 1
        for index, cell in enumerate(stage.cells):
            cell.stage, cell.index, cell.count = number, index, len(stage.cells)
    return found


def _changes(previous: Cell, cell: Cell, border: Border) -> bool:
    before, after = previous.exit.shape, cell.exit.shape
    return before[1:] != after[1:] if border == "size" else before != after


def _fits_not(stage: Stage, definition: Definition) -> bool:
    """Whether a stage whose last block is followed by one more would have two kinds of middle blocks."""
    return len(stage.definitions) > 2 and stage.definitions[-1] is not stage.definitions[1]


def stride_between(start: Node, end: Node) -> int | list[int] | None:
    """The quotient of how much each size has been divided; None where one is a vector or the map grows."""
    if start.reduction is None or end.reduction is None or len(start.reduction) != len(end.reduction):
        return 1 if start.reduction is end.reduction is None else None
    if any(e % s for e, s in zip(end.reduction, start.reduction, strict=True)):
        return None
    strides: list[Any] = [e // s for e, s in zip(end.reduction, start.reduction, strict=True)]
    return int(strides[0]) if len(set(strides)) == 1 else [int(stride) for stride in strides]
