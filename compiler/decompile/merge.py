"""Sequences of operators that differ little as one sequence, of which some operators are there only sometimes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from archspec.compiler.decompile.cells import Cell
from archspec.compiler.decompile.kinds import Kind, kinds
from archspec.graph import Node

_OPTIONAL = 3
"""So many operators of a sequence may be there only sometimes; a shortcut's all may."""
_VARIANTS = 40
_CELLS = 10_000
"""Bounds of what is tried: sequences to merge, and cells of the table that merges two."""


@dataclass(eq=False)
class Chain:
    """A sequence of kinds of operators, and what stands at each place of it in each of its cells."""

    wire: str
    kinds: tuple[Kind, ...]
    members: list[tuple[Cell, list[Node | None]]] = field(default_factory=list)


def chains(wire: str, cells: Sequence[tuple[Cell, list[Node]]], any_number: bool) -> dict[int, Chain]:
    """The sequences on a wire, merged into as few as seems fit; by the `id` of the cell.

    Layers are there always: only what stands around them may be optional. With `any_number`, all of it may.
    """
    counts = Counter(kinds(nodes) for _, nodes in cells)
    groups: list[tuple[tuple[Kind, ...], list[tuple[Kind, ...]]]] = []
    for variant, _ in sorted(counts.items(), key=lambda item: -item[1]):
        for i, (whole, variants) in enumerate(groups if len(counts) <= _VARIANTS else ()):
            if any_number or _layers(whole) == _layers(variant):
                longer, optional = _joined(whole, [*variants, variant])
                if longer is not None and (any_number or optional <= _OPTIONAL):
                    groups[i] = longer, [*variants, variant]
                    break
        else:
            groups.append((variant, [variant]))
    found: dict[tuple[Kind, ...], Chain] = {}
    for whole, variants in groups:
        found |= dict.fromkeys(variants, Chain(wire, whole))
    by_cell: dict[int, Chain] = {}
    for cell, nodes in cells:
        chain = by_cell[id(cell)] = found[kinds(nodes)]
        chain.members.append((cell, placed(nodes, chain.kinds)))
    return by_cell


def merged(variants: Sequence[tuple[Kind, ...]]) -> tuple[Kind, ...] | None:
    """A short sequence that holds all of these in their order; None where they are too many or too long to find one."""
    whole: tuple[Kind, ...] | None = variants[0] if len(variants) <= _VARIANTS else None
    for i in range(1, len(variants)):
        whole, _ = _joined(whole, variants[: i + 1]) if whole is not None else (None, 0)
    return whole


def _joined(whole: tuple[Kind, ...], variants: Sequence[tuple[Kind, ...]]) -> tuple[tuple[Kind, ...] | None, int]:
    """A sequence that holds all variants, `whole` holding all but the last, and how much of it is not in each."""
    if len(whole) * len(variants[-1]) > _CELLS:
        return None, 0
    longer = _supersequence(whole, variants[-1])
    filled = Counter(place for variant in variants for place in _places(variant, longer))
    optional = sum(count < len(variants) for count in filled.values())
    return tuple(longer[place] for place in sorted(filled)), optional


def placed(nodes: Sequence[Node], sequence: Sequence[Kind]) -> list[Node | None]:
    """Operators at their places in a sequence that holds their kinds."""
    row: list[Node | None] = [None] * len(sequence)
    for place, node in zip(_places(kinds(nodes), sequence), nodes, strict=True):
        row[place] = node
    return row


def _layers(sequence: Sequence[Kind]) -> list[Kind]:
    return [kind for kind in sequence if kind[0] in ("conv", "linear", "conv_transpose")]  # type: ignore[index]


def _places(variant: Sequence[Kind], sequence: Sequence[Kind]) -> list[int]:
    """Where in a sequence the operators of one of its variants stand: as far to the end as can be."""
    places = []
    place = len(sequence)
    for kind in reversed(variant):
        place -= 1
        while sequence[place] != kind:
            place -= 1
        places.append(place)
    return places[::-1]


def _supersequence(one: Sequence[Kind], other: Sequence[Kind]) -> tuple[Kind, ...]:
    """A shortest sequence that holds both in their order."""
    if one == other:
        return tuple(one)
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one) - 1, -1, -1):
        for j in range(len(other) - 1, -1, -1):
            lengths[i][j] = (
                lengths[i + 1][j + 1] + 1 if one[i] == other[j] else max(lengths[i + 1][j], lengths[i][j + 1])
            )
    found = []
    i = j = 0
    while i < len(one) and j < len(other):
        if one[i] == other[j]:
            found.append(one[i])
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            found.append(one[i])
            i += 1
        else:
            found.append(other[j])
            j += 1
    return (*found, *one[i:], *other[j:])
