"""A network of archspec's under names that are not its own: a flat graph whose nodes are numbered, in another order of
operands, as a tracer might give it of someone else's module."""

from __future__ import annotations

from dataclasses import replace

import archspec
from archspec.graph import Graph


def renamed(graph: Graph, name: str = "theirs") -> tuple[Graph, dict[str, str]]:
    """The graph with other names and additions the other way round, and its names by the new ones."""
    new = {
        old: "input" if not node.inputs else f"n{i}.{node.op.key}" for i, (old, node) in enumerate(graph.nodes.items())
    }
    nodes = []
    for node in graph:
        inputs = tuple(new[source] for source in node.inputs)
        nodes.append(replace(node, name=new[node.name], inputs=inputs[::-1] if node.op.key == "add" else inputs))
    outputs = {label: new[end] for label, end in graph.outputs.items()}
    return Graph(name, nodes, outputs, graph.init), {new[old]: old for old in new}


def small(name: str, **overrides: object) -> archspec.Spec:
    """A network of the zoo's image families with few blocks, few classes, small images."""
    given = {"input.size": [64, 64], "classes": 10, "counts": [2, 3, 2, 2], **overrides}
    return archspec.load(name, **given)
