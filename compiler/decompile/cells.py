"""Cells: parts of a graph that can be blocks, each as wires of operators, the names canonical.

Two cells of one form, `Cell.form`, differ only by what stands on their wires.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from zlib import crc32

from archspec.compiler.decompile.kinds import Kind, flavour, kinds
from archspec.compiler.decompile.spine import Part, spine
from archspec.graph import Node

Form: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
"""The wires in order, each with those it reads; `input` is the cell's."""

RESIDUAL: Form = (("branch", ("input",)), ("shortcut", ("input",)))
PLAIN: Form = (("branch", ("input",)),)


@dataclass(eq=False)
class Cell:
    """A block to be: its wires, what leads into it, what follows it, and where it stands."""

    entry: Node
    form: Form
    wires: dict[str, list[Node]]
    """The operators of each wire; in the residual form the closing addition is not among them."""
    exit: Node
    """What gives the cell's signal, before `after`."""
    nodes: tuple[Node, ...]
    pre: list[Node] = field(default_factory=list)
    shared: bool = False
    """Whether the shortcut reads what `pre` gives, too."""
    after: list[Node] = field(default_factory=list)
    enter: list[Node] = field(default_factory=list)
    stage: int = 0
    index: int = 0
    count: int = 0

    @property
    def address(self) -> str:
        return f"stage{self.stage}.{self.index}"

    @property
    def begin(self) -> str:
        """The signal that enters the block, after the stage's `enter`."""
        first = self.pre or self.wires.get("opening") or (self.wires["branch"] if self.form == PLAIN else [])
        return first[0].inputs[0] if first else self.entry.name

    @property
    def last(self) -> Node:
        """What gives the signal after the cell."""
        return self.after[-1] if self.after else self.exit


@dataclass
class _Strand:
    sources: list[str]
    nodes: list[Node]


def plain(parts: Sequence[Part]) -> Cell:
    """Operators in sequence, as a block without an addition: what a block with one has on its branch."""
    nodes = [node for part in parts for node in part.nodes]
    if all(part.single for part in parts):
        return Cell(parts[0].entry, PLAIN, {"branch": nodes}, nodes[-1], tuple(nodes))
    made = cell(Part(parts[0].entry, tuple(nodes)))
    *before, (_, sources) = made.form
    made.form = (*before, ("branch", sources), ("output", ("branch",)))
    made.wires = {**made.wires, "branch": made.wires["output"], "output": []}
    return made


def cell(part: Part) -> Cell:
    """A part as wires: in residual form where two ways, of one operator after another, meet in an addition."""
    strands = _strands(part)
    closing = strands[part.exit.name]
    short = _shortcut(part, strands)
    if short is not None and len(strands) <= 3 and len(closing.nodes) == 1:
        ways = [strands[name] if name in strands else _Strand([part.entry.name], []) for name in closing.sources]
        if all(way.sources == [part.entry.name] for way in ways):
            long, shortcut = ways[1 - short], ways[short]
            wires = {"branch": long.nodes, "shortcut": shortcut.nodes}
            return Cell(part.entry, RESIDUAL, wires, part.exit, part.nodes)
    return _graph(part, strands, closing.sources[short] if short is not None else None)


def _strands(part: Part) -> dict[str, _Strand]:
    """Operators in sequence, by the name of the last of each sequence."""
    inside = dict.fromkeys(node.name for node in part.nodes)
    reads: dict[str, int] = dict.fromkeys(inside, 0)
    for node in part.nodes:
        for source in node.inputs:
            if source in reads:
                reads[source] += 1
    ends: dict[str, _Strand] = {}
    for node in part.nodes:
        (source, *others) = node.inputs
        before = ends.get(source) if not others and reads.get(source) == 1 else None
        if before is None:
            ends[node.name] = _Strand(list(node.inputs), [node])
        else:
            del ends[source]
            before.nodes.append(node)
            ends[node.name] = before
    return ends


def _shortcut(part: Part, strands: dict[str, _Strand]) -> int | None:
    """Which operand of the closing addition goes from the entry past all else; None if none does."""
    closing = strands[part.exit.name]
    if closing.nodes[0].op.key != "add" or len(closing.sources) != 2:
        return None
    weights = []
    reads = Counter(source for strand in strands.values() for source in strand.sources)
    for name in closing.sources:
        way = strands.get(name)
        if way is None:
            weights.append((name != part.entry.name, 0, 0))
        else:
            other = way.sources != [part.entry.name] or reads[name] > 1
            weights.append((other, sum(node.op.role == "weight" for node in way.nodes), len(way.nodes)))
    if weights[0] == weights[1] and not weights[0][2]:  # the signal and itself, or both from elsewhere
        return None
    short = 1 if weights[1] <= weights[0] else 0
    return None if weights[short][0] else short


def _graph(part: Part, strands: dict[str, _Strand], shortcut: str | None) -> Cell:
    """The graph form, the wires in an order that depends on their structure alone."""
    marks: dict[str, int] = {part.entry.name: 0}
    for name, strand in strands.items():
        below = [marks[source] for source in strand.sources]
        key = (kinds(strand.nodes), tuple(sorted(below) if strand.nodes[0].op.key == "add" else below))
        marks[name] = crc32(repr(key).encode())  # the same in every process; a collision costs an order
    for strand in strands.values():
        if strand.nodes[0].op.key == "add" and strand is not strands[part.exit.name]:
            strand.sources.sort(key=marks.__getitem__)
    closing = strands[part.exit.name]
    if shortcut is not None:
        closing.sources.sort(key=lambda name: name == shortcut)
    elif closing.nodes[0].op.key == "add":
        closing.sources.sort(key=marks.__getitem__)
    order = _ordered(part.exit.name, strands)
    names = _names(order, strands, closing, shortcut, part.entry.name)
    if shortcut == part.entry.name:  # a wire of no operators, as its siblings may have some
        order.insert(-1, "")
        strands = {**strands, "": _Strand([shortcut], [])}
        names[""] = "shortcut"
        closing.sources[closing.sources.index(shortcut)] = ""
    form = tuple((names[name], tuple(names[source] for source in strands[name].sources)) for name in order)
    wires = {names[name]: strands[name].nodes for name in order}
    return Cell(part.entry, form, wires, part.exit, part.nodes)


def _ordered(exit: str, strands: dict[str, _Strand]) -> list[str]:
    """The strands that lead to the exit, each after what it reads, found from the exit operand by operand."""
    order: list[str] = []
    seen: set[str] = set()
    waiting = [(exit, False)]
    while waiting:
        name, done = waiting.pop()
        if done:
            order.append(name)
        elif name in strands and name not in seen:
            seen.add(name)
            waiting.append((name, True))
            waiting += [(source, False) for source in reversed(strands[name].sources)]
    return order


def _names(
    order: Sequence[str], strands: dict[str, _Strand], closing: _Strand, shortcut: str | None, entry: str
) -> dict[str, str]:
    names = {entry: "input"}
    numbered = 0
    for name in order:
        last = strands[name].nodes[-1].op.key
        if strands[name] is closing:
            names[name] = "output"
        elif name == shortcut:
            names[name] = "shortcut"
        elif shortcut is not None and name in closing.sources:
            names[name] = "branch"
        elif "sigmoid" in last and "gate" not in names.values():
            names[name] = "gate"
        else:
            numbered += 1
            names[name] = f"part{numbered}"
    return names


def branch_parts(cell: Cell) -> tuple[Kind, ...]:
    """What stands on the branch of a cell that closes with an addition, one after another; empty for other cells."""
    if "shortcut" not in cell.wires:
        return ()
    aside = {node.name for node in cell.wires["shortcut"]} | {cell.exit.name}
    return tuple(part_kind(part) for part in spine(cell.entry, [node for node in cell.nodes if node.name not in aside]))


def part_kind(part: Part) -> Kind:
    """Equal for parts of one structure: kernels count, other numbers do not."""
    if part.single:
        return flavour(part.exit)
    made = cell(part)
    return made.form, tuple(tuple(map(flavour, nodes)) for nodes in made.wires.values())
