"""Where two networks part: the first operator of one, in the order of the network, that the other has nowhere.

What goes into a node determines its hash (compiler/analysis/signature). So the first node of ours whose hash is not
among theirs is where the networks part: all that it reads they have too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from archspec.compiler.analysis.signature import merkle, operator_text
from archspec.graph import Graph, Node
from archspec.ops import show_shape

_NESTED = 3  # operators shown one in another


@dataclass(frozen=True)
class Parting:
    """The first block at which two networks part, and what each side does there."""

    block: str
    """Its address in ours."""
    theirs: str
    """What theirs does there, as `adds relu(x)`; `x` is what the block reads."""
    ours: str

    def __str__(self) -> str:
        return f"{self.block}: theirs {self.theirs}, ours {self.ours}"


def parting(ours: Graph, theirs: Graph) -> Parting | None:
    """Where two networks part, in the order of ours; None where each has all that the other has. Linear."""
    mine, other = merkle(ours), merkle(theirs)
    known = {mark: name for name, mark in mine.items()}
    if other[theirs.input.name] != mine[ours.input.name]:
        sizes = [f"reads {show_shape(graph.input.shape)}" for graph in (theirs, ours)]
        return Parting("input", *sizes)
    there = set(other.values())
    first = next((node for node in ours if mine[node.name] not in there), None)
    new = [
        node for node in theirs
        if other[node.name] not in known and all(other[name] in known for name in node.inputs)
    ]  # fmt: skip
    reads = {node.name: [known[other[name]] for name in node.inputs] for node in new}
    if first is None:
        if not new:
            return _outputs(ours, theirs, mine, other)
        node, unit = new[0], ours[reads[new[0].name][0]].unit
        return Parting(unit, f"goes on with {_told(ours, node, reads[node.name], unit)}", "does not")
    candidates = [node for node in new if set(reads[node.name]) & set(first.inputs)]
    if not candidates:
        what = _told(ours, first, first.inputs, first.unit)
        return Parting(first.unit, "does not", f"has {what}")
    match = max(candidates, key=lambda node: (node.op.key == first.op.key, _shared(reads[node.name], first.inputs)))
    return Parting(first.unit, *_sides(ours, first, match, reads[match.name]))


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    return sum((Counter(one) & Counter(other)).values())


def _sides(ours: Graph, first: Node, match: Node, reads: Sequence[str]) -> tuple[str, str]:
    """What theirs and ours do at the node where they part; of additions, only the operands that differ."""
    unit = first.unit
    if first.op.key == match.op.key == "add":
        sides = []
        for mine, other in ((reads, first.inputs), (first.inputs, reads)):
            own = Counter(mine) - Counter(other)
            sides.append(f"adds {' and '.join(_value(ours, name, unit) for name in own.elements()) or 'nothing more'}")
        return sides[0], sides[1]
    return f"has {_told(ours, match, reads, unit)}", f"has {_told(ours, first, first.inputs, unit)}"


def _told(graph: Graph, node: Node, reads: Sequence[str], unit: str) -> str:
    """An operator with what it reads, as `conv(kernel=1, out=64) of x`."""
    return f"{operator_text(node.op)} of {', '.join(_value(graph, name, unit) for name in reads)}"


def _value(graph: Graph, name: str, unit: str) -> str:
    """A value in a few words: `x` is what the block reads first, an operator without weights stands with its operand,
    anything else by its name."""
    around, end = "", ""
    for _ in range(_NESTED):
        node = graph[name]
        if node.unit != unit or node.params or len(node.inputs) != 1:
            break
        around, end, name = f"{around}{node.op.key}(", f"{end})", node.inputs[0]
    if graph[name].unit != unit:
        return f"{around}{'x' if name == _entry(graph, unit) else name}{end}"
    return f"{around}{graph[name].local}{end}"


def _entry(graph: Graph, unit: str) -> str | None:
    """What a unit reads first from outside."""
    nodes = graph.units().get(unit, ())
    return next((name for node in nodes for name in node.inputs if graph[name].unit != unit), None)


def _outputs(ours: Graph, theirs: Graph, mine: dict[str, bytes], other: dict[str, bytes]) -> Parting | None:
    """Networks of one content that give different parts of it."""
    given = [
        {label if len(graph.outputs) > 1 else "": marks[name] for label, name in graph.outputs.items()}
        for graph, marks in ((theirs, other), (ours, mine))
    ]
    if given[0] == given[1]:
        return None
    names = [f"gives {', '.join(graph.outputs.values())}" for graph in (theirs, ours)]
    return Parting(ours[next(iter(ours.outputs.values()))].unit, *names)
