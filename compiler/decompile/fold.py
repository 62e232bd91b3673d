"""Folding: a graph of operators becomes a spec, proven by its expansion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from archspec.compiler.analysis.signature import signature
from archspec.compiler.decompile.document import Writer
from archspec.compiler.decompile.following import following, trunks
from archspec.compiler.decompile.gaps import Side, assigned
from archspec.compiler.decompile.kinds import is_known
from archspec.compiler.decompile.layout import Layout, layout
from archspec.compiler.decompile.lifted import Long, lifted
from archspec.compiler.decompile.spine import needed, spine
from archspec.compiler.decompile.stages import Border
from archspec.compiler.decompile.wires import in_sequence, in_wires
from archspec.compiler.expand import expand
from archspec.graph import Graph, Node
from archspec.language.schema import Init
from archspec.language.spec import Spec, from_data
from archspec.ops import Module
from archspec.syntax.errors import Problem, SpecError
from archspec.syntax.writer import yaml_text
from archspec.topologies import STANDARD

Document = dict[str, Any]

_WAYS: tuple[tuple[Side, Border], ...] = (
    ("pre", "shape"), ("after", "shape"), ("pre", "size"), ("after", "size"),
)  # fmt: skip


def fold(graph: Graph) -> Spec:
    """A spec whose expansion computes what the graph does: one of equal signature, which is proven here.

    Only operators and wiring are read, no names and no blocks. What repeats becomes stages of blocks, what fits no rule
    the graph form, with a wire for every sequence of operators. Linear in operators and operands.

    Raises `TypeError` for anything but a graph, `SpecError` for what no spec can say: an operator that the language
    has no word for, operators that no output needs, a graph beyond the limits of the language.
    """
    if not isinstance(graph, Graph):
        raise TypeError("fold takes a graph: archspec.fold(archspec.expand(...))")
    _check(graph)
    found = _first_proven([*_staged(graph), *_followed(graph)], graph)
    if found is None:
        found = _first_proven([in_sequence(graph) or in_wires(graph)], graph)
    if found is None:
        raise SpecError([Problem("the language has no text for this network, even operator by operator")])
    return found[1]


def _first_proven(ways: Sequence[Document], graph: Graph) -> tuple[Document, Spec, Graph] | None:
    """The shortest of these ways to say a graph whose expansion has its signature, with its spec and expansion."""
    wanted, opening = signature(graph), _opening(graph)
    trust = any(isinstance(node.op, Module) and node.op.trusted_only for node in graph)
    for way in sorted(ways, key=lambda sections: len(yaml_text(sections))):
        try:
            spec = from_data({**opening, **way}, graph.name, Path.cwd(), trust=trust, rules=STANDARD)
            expanded = expand(spec)
        except SpecError:  # a rule that does not hold everywhere
            continue
        if signature(expanded) == wanted:
            return way, spec, expanded
    return None


def _followed(graph: Graph) -> Iterator[Document]:
    """The graph as stages and a graph that follows them."""
    for trunk in trunks(graph):
        found = _first_proven(list(_staged(trunk)), trunk)
        if found is not None:
            yield {**found[0], **following(graph, trunk, found[2])}


def _check(graph: Graph) -> None:
    """Raises `SpecError` for a graph that no spec says."""
    foreign = next((node for node in list(graph)[1:] if not is_known(node.op)), None)
    if foreign is not None:
        message = f"the language has no operator '{foreign.op.key}', so no spec can say this network"
        raise SpecError([Problem(message, where=foreign.name)])
    read = needed(graph.nodes, graph.outputs.values()) | {graph.input.name}
    idle = [name for name in graph.nodes if name not in read]
    if idle:
        raise SpecError([Problem(f"no output needs this ({len(idle)} operators lead nowhere)", where=idle[0])])


def _opening(graph: Graph) -> Document:
    channels, *size = graph.input.shape
    opening: Document = {"archspec": 1, "name": graph.name, "input": {"channels": channels, "size": size}}
    filling, usual = graph.init.model_dump(), Init().model_dump()
    changed = {
        kind: {name: value for name, value in own.items() if value != usual[kind][name]}
        for kind, own in filling.items() if own != usual[kind]
    }  # fmt: skip
    return {**opening, "init": changed} if changed else opening


def _staged(graph: Graph) -> Iterator[Document]:
    """The graph as stem, stages and head, in each way that differs from those before."""
    if list(graph.outputs) != ["output"] or graph.outputs["output"] != next(reversed(graph.nodes)):
        return
    written: list[Document] = []
    for found, longs, known in _layouts(graph):
        for side, border in _WAYS:
            sections = Writer(assigned(found, side), border, longs, known).document()
            if sections is not None and sections not in written:
                written.append(sections)
                yield sections


def _layouts(graph: Graph) -> Iterator[tuple[Layout, list[Long], dict[str, Node]]]:
    """The layouts of a graph without its long shortcuts, with these, and of the graph as it is if it has such."""
    whole = list(graph)[1:]
    nodes, longs = lifted(graph.input, whole)
    for part, taken in [(nodes, longs), (whole, [])][: 1 + bool(longs)]:
        found = layout(spine(graph.input, part))
        if found is not None:
            yield found, taken, {node.name: node for node in (graph.input, *part)}
