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
_VARIANTS = 50
_CELLS = 20_000
"""Bounds of what is tried: kinds of sequences to merge with, and cells of the table that merges two."""


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
    groups: list[list[tuple[Kind, ...]]] = []
    for variant, _ in sorted(counts.items(), key=lambda item: -item[1]):
        for i, variants in enumerate(groups[:_VARIANTS]):
            if _mergeable([*variants, variant], any_number):
                groups[i] = [*variants, variant]
                break
        else:
            groups.append([variant])
    found: dict[tuple[Kind, ...], Chain] = {}
    for variants in groups:
        found |= dict.fromkeys(variants, Chain(wire, merged(variants) or ()))
    by_cell: dict[int, Chain] = {}
    for cell, nodes in cells:
        chain = by_cell[id(cell)] = found[kinds(nodes)]
        chain.members.append((cell, placed(nodes, chain.kinds)))
    return by_cell


def _mergeable(variants: Sequence[tuple[Kind, ...]], any_number: bool) -> bool:
    if not any_number and _layers(variants[0]) != _layers(variants[-1]):
        return False
    sequence = merged(variants)
    if sequence is None:
        return False
    filled = Counter(place for variant in variants for place in _places(variant, sequence))
    return any_number or sum(count < len(variants) for count in filled.values()) <= _OPTIONAL


def merged(variants: Sequence[tuple[Kind, ...]]) -> tuple[Kind, ...] | None:
    """A short sequence that holds all of these in their order; None where they are too long to look for one."""
    whole = variants[0]
    for variant in variants[1:]:
        if len(whole) * len(variant) > _CELLS:
            return None
        whole = _supersequence(whole, variant)
    filled = {place for variant in variants for place in _places(variant, whole)}
    return tuple(whole[place] for place in sorted(filled))


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


