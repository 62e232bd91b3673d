"""A whole graph in the graph form: a wire for every sequence of operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archspec.compiler.decompile.cells import Form
from archspec.compiler.decompile.kinds import is_light
from archspec.compiler.decompile.paths import Path, plain_path
from archspec.graph import Graph, Node


def in_sequence(graph: Graph) -> dict[str, Any] | None:
    """Stem and head of a graph without ways side by side; None for another."""
    nodes = list(graph)[1:]
    if list(graph.outputs) != ["output"] or len(nodes) == 0:
        return None
    before = graph.input.name
    for node in nodes:
        if node.inputs != (before,):
            return None
        before = node.name
    if graph.outputs["output"] != before:
        return None
    layers = [i for i, node in enumerate(nodes) if node.op.role == "weight" and len(node.shape) > 1]
    end = layers[-1] + 1 if layers else 0
    while end < len(nodes) and is_light(nodes[end]):
        end += 1
    sections = {"stem": plain_path(nodes[:end]), "head": plain_path(nodes[end:])}
    return {name: path for name, path in sections.items() if path}


def in_wires(graph: Graph) -> dict[str, Any]:
    """The graph form of a whole network."""
    written, names = wires(list(graph)[1:], {graph.input.name: "input"}, graph)
    if list(graph.outputs) != ["output"]:
        return {"graph": written, "outputs": {label: names[name] for label, name in graph.outputs.items()}}
    return {"graph": written or {"output": "input"}}


def wires(nodes: Sequence[Node], places: Mapping[str, str], graph: Graph) -> tuple[dict[str, Any], dict[str, str]]:
    """Wires of these nodes of a graph, and what each wire's last node, and each of `places` before them, is called.

    A wire ends where several read it, where an operator joins it with others, and at an output.
    """
    given = set(graph.outputs.values())
    ends: dict[str, list[Node]] = {}
    for node in nodes:
        source = node.inputs[0]
        goes_on = len(node.inputs) == 1 and source in ends and source not in given and len(graph.users[source]) == 1
        sequence = ends.pop(source) if goes_on else []
        sequence.append(node)
        ends[node.name] = sequence
    single = list(graph.outputs) == ["output"]
    names = dict(places)
    for i, name in enumerate(ends, 1):
        names[name] = "output" if single and name in given else f"wire{i}"
    written = {
        names[name]: wire(plain_path(sequence), [names[source] for source in sequence[0].inputs])
        for name, sequence in ends.items()
    }
    return written, names


def in_graph_form(form: Form, written: Mapping[str, Path | str]) -> dict[str, Any]:
    """The wires of a block; one that nothing ever stands on is left out, and what it reads is read instead."""
    meant = {"input": "input"}
    wires: dict[str, Any] = {}
    for name, sources in form:
        read = [meant[source] for source in sources]
        meant[name] = name if written[name] or name == "output" else read[0]
        if meant[name] == name:
            wires[name] = wire(written[name], read)
    return wires


def wire(path: Path | str, sources: Sequence[str]) -> Any:
    """A wire as a spec writes it: a path alone starts from the input, a name alone is what `output` gives."""
    if list(sources) == ["input"] and path:
        return path
    shown = sources[0] if len(sources) == 1 else list(sources)
    return {"from": shown, "ops": path} if path else shown
