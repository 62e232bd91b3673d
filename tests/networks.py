"""What tests of the compiler share: a graph from a text, and graphs and problems in a form to compare by eye."""

from __future__ import annotations

from functools import cache
from textwrap import dedent
from typing import Any

import pytest

from archspec.compiler.expand import expand
from archspec.graph import Graph
from archspec.language.spec import Spec, from_source, load
from archspec.syntax.errors import Problem, Source, SpecError


def spec_of(text: str, **options: Any) -> Spec:
    return from_source(Source("test.yaml", dedent(text)), **options)


def graph_of(text: str, **options: Any) -> Graph:
    return expand(spec_of(text, **options))


def problems_of(text: str, **options: Any) -> list[Problem]:
    """What is wrong with a text that must not expand."""
    with pytest.raises(SpecError) as caught:
        graph_of(text, **options)
    return list(caught.value.problems)


def problem_of(text: str, **options: Any) -> Problem:
    """The one thing wrong with a text."""
    (problem,) = problems_of(text, **options)
    return problem


@cache
def zoo_graph(name: str) -> Graph:
    """A network of the zoo, expanded once for all tests of a process: graphs do not change."""
    return expand(load(name))


def reload(graph: Graph, **options: Any) -> Graph:
    return expand(from_source(Source("reload.yaml", graph.to_spec_text()), **options))


def drawn(graph: Graph, prefix: str = "") -> str:
    """The nodes whose names begin with `prefix`, one a line: `name = operator(fields) <- inputs`."""
    lines = []
    for node in list(graph)[1:]:
        if node.name.startswith(prefix):
            fields = ", ".join(f"{name}={value}" for name, value in node.op.written().items())
            shown = f"{node.op.key}({fields})" if fields else node.op.key
            lines.append(f"{node.name} = {shown} <- {', '.join(node.inputs)}")
    return "\n".join(lines)


def text_of(lines: str) -> str:
    """A drawing as a test writes it, without its indentation."""
    return dedent(lines).strip("\n").rstrip()


def ancestors(graph: Graph, name: str) -> set[str]:
    """Everything a node depends on, by brute force."""
    found: set[str] = set()
    queue = [name]
    while queue:
        for source in graph[queue.pop()].inputs:
            if source not in found:
                found.add(source)
                queue.append(source)
    return found


def assert_sound(graph: Graph) -> None:
    """What holds of every graph: topological order, positive shapes, nothing that leads nowhere."""
    seen: set[str] = set()
    for node in graph:
        assert set(node.inputs) <= seen, node
        assert all(size > 0 for size in node.shape), node
        assert node.params >= 0
        assert node.macs >= 0
        seen.add(node.name)
    assert graph.input.inputs == ()
    assert all(node.inputs for node in list(graph)[1:])
    needed = set(graph.outputs.values()).union(*(ancestors(graph, name) for name in graph.outputs.values()))
    assert needed | {"input"} == set(graph.nodes)
    for name in graph.nodes:
        parts = name.split(".")
        assert not any(".".join(parts[:end]) in graph.nodes for end in range(1, len(parts))), name
