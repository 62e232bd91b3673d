"""From a spine to a layout: what comes before the blocks, the blocks in a row, and what follows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from archspec.compiler.decompile.cells import Cell, branch_parts, cell, part_kind, plain
from archspec.compiler.decompile.kinds import Kind, flavour, kinds
from archspec.compiler.decompile.spine import Part
from archspec.graph import Node

_LONGEST_PERIOD = 4
_LONGEST_PATTERN = 64
_MOST_WIRES = 128
"""What has more is no block that anybody would write."""


@dataclass
class Layout:
    """Stem, cells and head. `gaps` are the operators between one cell and the next, and those after the last."""

    stem: list[Node]
    cells: list[Cell]
    gaps: list[list[Node]]


def layout(parts: Sequence[Part]) -> Layout | None:
    """The layout of a spine; None for one without anything that could be a block."""
    found = _around_regions(parts) if any(not part.single for part in parts) else _chain(parts)
    if found is None or not found[1] or max(len(made.form) for made, _ in found[1]) > _MOST_WIRES:
        return None
    stem, cells = found[0], found[1]
    return Layout(stem, [made for made, _ in cells], [gap for _, gap in cells])


Found = tuple[list[Node], list[tuple[Cell, list[Node]]]]


def _around_regions(parts: Sequence[Part]) -> Found:
    """Blocks are the parts with ways side by side; those that only multiply are gates within blocks, if others are."""
    closings = {part.exit.op.key for part in parts if not part.single}
    blocks = closings - {"multiply"} or closings
    found_as_is = _pieces(parts, blocks)
    pieces = _with_plain(found_as_is)
    if len(pieces) == len(found_as_is):  # no blocks without an addition: then layers may open blocks
        pieces = _pieces(_grown(parts, blocks), blocks)
    stem: list[Node] = []
    found: list[tuple[Cell, list[Node]]] = []
    for piece in pieces:
        if isinstance(piece, Part) and not piece.single:
            piece = cell(piece)
        if isinstance(piece, Cell):
            found.append((piece, []))
        else:
            (found[-1][1] if found else stem).append(piece.exit)
    return stem, found


def _pieces(parts: Sequence[Part], blocks: set[str]) -> list[Cell | Part]:
    return [cell(part) if not part.single and part.exit.op.key in blocks else part for part in parts]


def _grown(parts: Sequence[Part], blocks: set[str]) -> Sequence[Part]:
    """Layers that stand before most of the parts with ways side by side become parts of these."""
    gaps: list[list[Part]] = [[]]
    regions: list[Part] = []
    for part in parts:
        if not part.single and part.exit.op.key in blocks:
            regions.append(part)
            gaps.append([])
        else:
            gaps[-1].append(part)
    leads = Counter(lead for gap in gaps[:-1] if (lead := _lead(gap)))
    common, count = leads.most_common(1)[0] if leads else ((), 0)
    if not common or count < 2 or 2 * count < len(regions):
        return parts
    grown: list[Part] = []
    for gap, region in zip(gaps, regions, strict=False):
        if _lead(gap) == common:
            gap, taken = gap[: -len(common)], gap[-len(common) :]
            nodes = tuple(node for part in taken for node in part.nodes)
            region = Part(taken[0].entry, nodes + region.nodes)
        grown += [*gap, region]
    return grown + gaps[-1]


def _lead(gap: Sequence[Part]) -> tuple[Kind, ...]:
    """What of a gap, from its last run of layers on, could be the beginning of the block after it."""
    first = len(gap)
    for i in range(len(gap) - 1, -1, -1):
        if not gap[i].single or gap[i].exit.op.role not in ("weight", "norm", "activation"):
            break
        if gap[i].exit.op.role == "weight":
            first = i
    return kinds([part.exit for part in gap[first:]])


def _with_plain(pieces: Sequence[Cell | Part]) -> list[Cell | Part]:
    """Sequences between blocks that are as the branch of the block before or after become blocks of their own."""
    gaps: list[list[Part]] = [[]]
    blocks: list[Cell] = []
    for piece in pieces:
        if isinstance(piece, Cell):
            blocks.append(piece)
            gaps.append([])
        else:
            gaps[-1].append(piece)
    patterns = [(), *map(branch_parts, blocks), ()]
    result: list[Cell | Part] = []
    for i, gap in enumerate(gaps):
        result += _matched(gap, (patterns[i + 1], patterns[i]))
        result += blocks[i : i + 1]
    return result


def _matched(gap: Sequence[Part], patterns: Sequence[tuple[Kind, ...]]) -> list[Cell | Part]:
    """The parts of a gap, found from its end on, with those that are as a pattern put together."""
    wanted = [pattern for pattern in patterns if 1 < len(pattern) <= _LONGEST_PATTERN]
    keys = [part_kind(part) for part in gap] if wanted else []
    found: list[Cell | Part] = []
    end = len(gap)
    while end:
        start = next((end - len(p) for p in wanted if len(p) <= end and tuple(keys[end - len(p) : end]) == p), end - 1)
        found.append(plain(gap[start:end]) if start < end - 1 else gap[start])
        end = start
    return found[::-1]


def _chain(parts: Sequence[Part]) -> Found | None:
    """Of a network without ways side by side: blocks begin at its layers, as many layers each as its period has."""
    nodes = [part.exit for part in parts]
    starts = [i for i, node in enumerate(nodes) if node.op.role == "weight" and len(node.shape) > 1]
    flavours = [flavour(nodes[i]) for i in starts]
    first, last, period = _run(flavours)
    if last - first < 2 * period:
        return None
    starts = [*starts, next((i for i, node in enumerate(nodes) if i > starts[-1] and len(node.shape) == 1), len(nodes))]
    found = []
    for layer in range(first, last, period):
        begin, end = starts[layer], starts[layer + period]
        stop = starts[layer + period - 1] + 1
        found.append((plain(parts[begin:stop]), nodes[stop:end]))
    found[-1] = (found[-1][0], nodes[starts[last - 1] + 1 :])
    return nodes[: starts[first]], found


def _run(flavours: Sequence[Kind]) -> tuple[int, int, int]:
    """Where the longest periodic run of layers begins and ends, in whole periods, and its period."""
    best = (0, 0, 1)
    for period in range(1, _LONGEST_PERIOD + 1):
        start = 0
        for i in range(period, len(flavours) + 1):
            if i < len(flavours) and flavours[i] == flavours[i - period]:
                continue
            end = i - (i - start) % period
            if (end - start) > 1.2 * (best[1] - best[0]):
                best = (start, end, period)
            start = i - period + 1
    return best
