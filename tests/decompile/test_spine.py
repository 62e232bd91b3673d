"""The spine against its definition, by brute force on random graphs; and what is taken off before it is looked for."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from networks import graph_of, zoo_graph
from strategies import Drawn, anything_at_all

from archspec.compiler.decompile.lifted import lifted
from archspec.compiler.decompile.spine import spine
from archspec.graph import Graph


def on_every_way(graph: Graph, output: str) -> list[str]:
    """The nodes without which nothing leads from the input to the output."""
    found = []
    for name in graph.nodes:
        reached = {graph.input.name} - {name}
        for node in graph:
            if node.name != name and not reached.isdisjoint(node.inputs):
                reached.add(node.name)
        if output not in reached:
            found.append(name)
    return found


@settings(max_examples=25)
@given(anything_at_all())
def test_the_spine_is_what_every_way_passes(drawn: Drawn) -> None:
    graph = graph_of(drawn.text, trust=True)
    last = next(reversed(graph.nodes))
    if list(graph.outputs.values()) != [last]:
        return
    parts = spine(graph.input, list(graph)[1:])
    assert [graph.input.name, *(part.exit.name for part in parts)] == on_every_way(graph, last)
    assert [node.name for part in parts for node in part.nodes] == list(graph.nodes)[1:]
    assert all(part.entry is before.exit for before, part in pairwise(parts))


def test_levels_are_taken_off_whole() -> None:
    graph = zoo_graph("ror3_110")
    nodes, longs = lifted(graph.input, list(graph)[1:])
    assert {node.name for node in graph} - {node.name for node in nodes} - {"input"} == {
        name for name in graph.nodes if name.startswith("levels.")
    }
    assert [(long.source, long.target) for long in longs] == [
        ("stem.relu", "stage1.17.add"), ("stage1.17.after.relu", "stage2.17.add"),
        ("stage2.17.after.relu", "stage3.17.add"), ("stem.relu", "stage3.17.add"),
    ]  # fmt: skip
    assert all(len(node.inputs) == 2 for node in nodes if node.op.key == "add")


def test_a_sum_of_ways_that_start_together_is_left_alone() -> None:
    graph = zoo_graph("repvgg_a0")
    assert lifted(graph.input, list(graph)[1:]) == (list(graph)[1:], [])
