"""Folding: a graph of operators becomes a spec, proven by its expansion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from archspec.compiler.analysis.signature import signature
from archspec.compiler.decompile.document import Writer
from archspec.compiler.decompile.gaps import Side, assigned
from archspec.compiler.decompile.layout import layout
from archspec.compiler.decompile.spine import spine
from archspec.compiler.decompile.stages import Border
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
    wanted = signature(graph)
    for document in sorted(_staged(graph), key=lambda document: len(yaml_text(document))):
        spec = _proven(document, graph, wanted)
        if spec is not None:
            return spec
    raise ValueError("no")


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
    nodes = list(graph)[1:]
    found = layout(spine(graph.input, nodes))
    if found is None:
        return
    for side, border in _WAYS:
        yield {**_opening(graph), **Writer(assigned(found, side), border).document()}
