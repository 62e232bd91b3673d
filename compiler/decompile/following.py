"""A network of which only the first part is stages: the rest as wires that read the stages by their addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archspec.compiler.analysis.signature import merkle
from archspec.compiler.decompile.spine import needed
from archspec.compiler.decompile.wires import wires
from archspec.graph import Graph


def trunks(graph: Graph) -> Iterator[Graph]:
    """What may be the part in stages: all that the output which needs most is computed from, and what a network
    computes before it first enlarges a map."""
    if len(graph.outputs) > 1:
        sizes = {name: len(needed(graph.nodes, [name])) for name in dict.fromkeys(graph.outputs.values())}
        yield _up_to(graph, max(sizes, key=sizes.__getitem__))
    enlarging = next((node for node in graph if max(node.op.expansion(2)) > 1), None)
    if enlarging is not None and enlarging.inputs[0] != graph.input.name:
        yield _up_to(graph, enlarging.inputs[0])


def _up_to(graph: Graph, end: str) -> Graph:
    read = needed(graph.nodes, [end]) | {graph.input.name}
    return Graph(graph.name, [node for node in graph if node.name in read], {"output": end})


def following(graph: Graph, trunk: Graph, expanded: Graph) -> dict[str, Any]:
    """The sections `graph` and `outputs` beside the stages that `expanded` is the expansion of."""
    known = {mark: name for name, mark in merkle(expanded).items()}
    short = _addresses(expanded)
    places = {name: short[known[mark]] for name, mark in merkle(trunk).items()}
    rest = [node for node in graph if node.name not in trunk.nodes]
    single = list(graph.outputs) == ["output"]
    written, names = wires(rest, places, graph)
    sections: dict[str, Any] = {"graph": written} if written else {}
    if not single or graph.outputs["output"] in trunk.nodes:
        sections["outputs"] = {label: names[name] for label, name in graph.outputs.items()}
    return sections


def _addresses(graph: Graph) -> Mapping[str, str]:
    """The shortest address of each node: of what it is the last."""
    last: dict[str, str] = {}
    for name in graph.nodes:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            last[".".join(parts[:length])] = name
    found: dict[str, str] = {}
    for address, name in sorted(last.items(), key=lambda item: item[0].count(".")):
        found.setdefault(name, address)
    return found
