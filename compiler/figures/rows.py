"""Where the operators of a block stand: the main path in column 0, chains of operators beside it, in rows.

A row in which a wire leaves or joins the main path is kept free of other operators, so that no wire crosses a box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archspec.compiler.figures.chain import Part
from archspec.graph import Node


@dataclass
class Rows:
    """Columns and rows of a block's operators. `taps` are the rows where wires leave after a node of the main path."""

    row: dict[str, int] = field(default_factory=dict)
    column: dict[str, int] = field(default_factory=dict)
    chains: list[list[str]] = field(default_factory=list)
    """Operators beside the main path, by column from 1; each reads the one before it."""
    taps: dict[str, int] = field(default_factory=dict)

    def head(self, name: str) -> bool:
        """Whether a node begins its chain."""
        return self.chains[self.column[name] - 1][0] == name

    def tail(self, name: str) -> bool:
        """Whether a node ends its chain."""
        return self.chains[self.column[name] - 1][-1] == name


def operands(part: Part, node: Node) -> list[str]:
    """What a node reads within its block, its input included; what comes in on lanes is left out."""
    inside = {member.name for member in part.nodes} | {part.main}
    return [name for name in dict.fromkeys(node.inputs) if name in inside]


def place_rows(part: Part, until: Sequence[Node]) -> Rows:
    """Rows of the operators of a block. `until` is its main path up to and with its closing."""
    track = {node.name for node in until}
    after = {node.name for node in part.anatomy.track} - track
    beside = [node for node in part.nodes if node.name not in track and node.name not in after]
    rows = Rows()
    _chains(part, beside, rows)
    read = _read_from_track(part, [*beside, *until], track)
    taken: dict[int, int] = {}
    kept: set[int] = set()
    last = -1  # the row the main path has reached
    if part.main in read:
        rows.taps[part.main], last = 0, 0
        kept.add(0)
    for node in part.nodes:
        if node.name in after:
            continue
        sources = [rows.taps.get(name, rows.row.get(name, -1)) for name in operands(part, node)]
        lowest = max(sources, default=-1)
        if node.name not in track:
            row = lowest + 1
            while row in kept:
                row += 1
            rows.row[node.name] = row
            taken[row] = taken.get(row, 0) + 1
            continue
        joining = len(operands(part, node)) > 1
        row = max(last, lowest) + 1
        if joining:
            row = _free(row, taken)
            extra = len(operands(part, node)) - 2
            kept |= set(range(row, row + extra + 1))
            row += extra
        rows.row[node.name], last = row, row
        if node.name in read:
            last = _free(row + 1, taken)
            rows.taps[node.name] = last
            kept.add(last)
    return rows


def _free(row: int, taken: Mapping[int, int]) -> int:
    """The first row from `row` on that is free, and below which none of it stands."""
    lowest = max((r for r in taken if r >= row), default=row - 1)
    return max(row, lowest + 1)


def _read_from_track(part: Part, nodes: Sequence[Node], track: set[str]) -> set[str]:
    """What of the main path is read by more than the next node of the main path."""
    read: set[str] = set()
    before = part.main
    for node in part.anatomy.track:
        for name in operands(part, node):
            if name != before and (name in track or name == part.main):
                read.add(name)
        before = node.name
    for node in nodes:
        if node.name not in track:
            read |= {name for name in operands(part, node) if name in track or name == part.main}
    return read


def _chains(part: Part, beside: Sequence[Node], rows: Rows) -> None:
    ends: dict[str, list[str]] = {}
    for node in beside:
        before = [ends[name] for name in operands(part, node) if name in ends]
        if before:
            chain = max(before, key=len)
            del ends[chain[-1]]
        else:
            chain = []
            rows.chains.append(chain)
        chain.append(node.name)
        ends[node.name] = chain
    rows.chains.sort(key=len)
    for number, chain in enumerate(rows.chains):
        rows.column |= dict.fromkeys(chain, number + 1)
