"""Folding: a graph of operators becomes a spec, proven by its expansion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from archspec.compiler.analysis.signature import signature
from archspec.compiler.decompile.document import Writer
from archspec.compiler.decompile.gaps import Side, assigned
from archspec.compiler.decompile.kinds import is_known
from archspec.compiler.decompile.layout import layout
from archspec.compiler.decompile.lifted import lifted
from archspec.compiler.decompile.spine import needed, spine
from archspec.compiler.decompile.stages import Border
from archspec.compiler.decompile.wires import in_sequence, in_wires
from archspec.compiler.expand import expand
from archspec.graph import Graph, Node
from archspec.language.spec import Spec, from_data
from archspec.syntax.errors import SpecError
from archspec.syntax.writer import yaml_text
from archspec.topologies import STANDARD

_WAYS: tuple[tuple[Side, Border], ...] = (
    ("pre", "shape"), ("after", "shape"), ("pre", "size"), ("after", "size"),
)  # fmt: skip


def fold(graph: Graph) -> Spec:
    """A spec whose expansion computes what the graph does: equal signatures, proven here.

    Names and scopes of the graph are not read, only operators and wiring. Repeated blocks become stages, what fits no
    rule the graph form: a wire for every sequence of operators. Linear in operators and operands.

    Raises `ValueError` for what no spec can say: an operator that the language has no word for, operators that no
    output needs, and a graph larger than the limits of the language.
    """
    _check(graph)
    wanted = signature(graph)
    documents = sorted(_staged(graph), key=lambda document: len(yaml_text(document)))
    for document in (*documents, {**_opening(graph), **(in_sequence(graph) or in_wires(graph))}):
        spec = _proven(document, graph, wanted)
        if spec is not None:
            return spec
    raise ValueError(f"{graph.name} cannot be said in the language, even operator by operator")


def _check(graph: Graph) -> None:
    """Raises `ValueError` for a graph that no spec says."""
    foreign = next((node for node in list(graph)[1:] if not is_known(node.op)), None)
    if foreign is not None:
        raise ValueError(f"{foreign.name}: the language has no operator '{foreign.op.key}', so no spec can say this graph")
    idle = len(graph) - len(needed(graph.nodes, graph.outputs.values()) | {graph.input.name})
    if idle:
        raise ValueError(f"{graph.name}: {idle} operators lead to no output, which no spec may say")


def _proven(document: dict[str, Any], graph: Graph, wanted: str) -> Spec | None:
    try:
        spec = from_data(document, graph.name, Path.cwd(), trust=True, rules=STANDARD)
        found = signature(expand(spec))
    except SpecError as error:
        import os
        if os.environ.get("FOLD_DEBUG"): print(yaml_text(document), error)
        return None
    import os
    if found != wanted and os.environ.get("FOLD_DEBUG"): print("DIFFERENT", yaml_text(document))
    return spec if found == wanted else None


def _opening(graph: Graph) -> dict[str, Any]:
    channels, *size = graph.input.shape
    return {"archspec": 1, "name": graph.name, "input": {"channels": channels, "size": size}}


def _staged(graph: Graph) -> Iterator[dict[str, Any]]:
    if list(graph.outputs) != ["output"] or graph.outputs["output"] != next(reversed(graph.nodes)):
        return
    nodes, longs = lifted(graph.input, list(graph)[1:])
    found = layout(spine(graph.input, nodes))
    if found is None:
        return
    known = {node.name: node for node in (graph.input, *nodes)}
    for side, border in _WAYS:
        sections = Writer(assigned(found, side), border, longs, known).document()
        if sections is not None:
            yield {**_opening(graph), **sections}
