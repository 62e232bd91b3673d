"""Nodes and graphs: what they tell of themselves, against brute force; their cost in the number of blocks."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import ancestors, assert_sound, graph_of, reload

from archspec.graph import Graph, Node, Source
from archspec.language.schema import Init
from archspec.ops import BY_KEY

RELU, ADD, CONV = BY_KEY["relu"](), BY_KEY["add"](), BY_KEY["conv"](out=2, kernel=1)


def node(name: str, *inputs: str, op: Any = RELU, shape: tuple[int, ...] = (2, 3, 4)) -> Node:
    return Node(name, op, inputs, shape, 0, 0, (1,) * (len(shape) - 1) or None)


@pytest.mark.parametrize(
    ("name", "unit", "local", "path", "stage", "block", "level"),
    [
        ("input", "input", "input", "", None, None, None),
        ("stem.conv", "stem", "conv", "", None, None, None),
        ("head.linear", "head", "linear", "", None, None, None),
        ("stage1.0.branch.conv2", "stage1.0", "branch.conv2", "branch", 1, 0, None),
        ("stage12.345.shortcut.bn", "stage12.345", "shortcut.bn", "shortcut", 12, 345, None),
        ("stage2.3.add", "stage2.3", "add", "", 2, 3, None),
        ("stage2.3.after.relu", "stage2.3", "after.relu", "after", 2, 3, None),
        ("stage2.3.concat", "stage2.3", "concat", "", 2, 3, None),
        ("stage2.enter.max_pool", "stage2.enter", "max_pool", "", 2, None, None),
        ("levels.root.conv", "levels.root", "conv", "", None, None, 1),
        ("levels.stage3.bn", "levels.stage3", "bn", "", None, None, 2),
        ("levels.stage3_2.bn", "levels.stage3_2", "bn", "", None, None, 3),
        ("levels.stage3_2_1.bn", "levels.stage3_2_1", "bn", "", None, None, 4),
        ("skips.stage1_2_to_stage3_0.conv", "skips.stage1_2_to_stage3_0", "conv", "", None, None, None),
        ("skips.stem_to_stage1_2.conv", "skips.stem_to_stage1_2", "conv", "", None, None, None),
        # flat graphs may call their nodes anything
        ("relu", "relu", "relu", "", None, None, None),
        ("features.0.conv", "features", "0.conv", "0", None, None, None),
        ("stage1", "stage1", "stage1", "", None, None, None),
        ("stage1.body.conv", "stage1", "body.conv", "body", 1, None, None),
        ("stages.1.conv", "stages", "1.conv", "1", None, None, None),
    ],
)
def test_what_a_name_tells(
    name: str, unit: str, local: str, path: str, stage: int | None, block: int | None, level: int | None
) -> None:
    known = node(name)
    assert (known.unit, known.local, known.path) == (unit, local, path)
    assert (known.stage, known.block, known.level) == (stage, block, level)


def test_a_node_is_immutable_and_knows_its_size() -> None:
    one = node("a", shape=(2, 3, 4))
    assert one.size == 24
    assert node("b", shape=(7,)).size == 7
    with pytest.raises(FrozenInstanceError):
        one.name = "b"  # type: ignore[misc]
    assert hash(one) == hash(node("a", shape=(2, 3, 4)))


ROR = """
archspec: 1
input: {{channels: 3, size: [8, 8]}}
stem: [conv: {{out: 4, kernel: 3}}]
stages: {{repeat: {repeat}, blocks: basic}}
blocks: {{basic: {{branch: [conv: {{out: 4, kernel: 3}}, bn, relu, conv: {{out: 4, kernel: 3}}], after: [relu]}}}}
levels: {{m: {m}}}
head: [global_avg_pool, linear: {{out: 2}}]
{rest}
"""


def ror(*repeat: int, rest: str = "", m: int = 3) -> Graph:
    return graph_of(ROR.format(repeat=list(repeat), rest=rest, m=m))


def test_units_are_blocks_shortcuts_and_the_rest() -> None:
    graph = ror(2, 4, m=4)
    assert [(name, len(nodes)) for name, nodes in graph.units().items()] == [
        ("stem", 1),
        ("stage1.0", 6),
        ("stage1.1", 6), ("levels.stage1", 2),
        ("stage2.0", 6),
        ("stage2.1", 6), ("levels.stage2_1", 2),
        ("stage2.2", 6),
        ("stage2.3", 6), ("levels.stage2_2", 2), ("levels.stage2", 2), ("levels.root", 2),
        ("head", 2),
    ]  # fmt: skip
    assert sum(map(len, graph.units().values())) == len(graph) - 1
    assert graph.kinds == {f"stage{s}.{b}": "basic" for s, n in ((1, 2), (2, 4)) for b in range(n)}


def test_counts() -> None:
    graph = ror(1, 2)
    assert graph.params == sum(n.params for n in graph)
    # stem, 2 per block, a projection for stage 2 and for the root, the linear; the longest path leaves those two out
    assert graph.weight_layers == 1 + 2 * 3 + 2 + 1
    assert graph.layers == 1 + 2 * 3 + 1
    assert graph.macs == 64 * (3 * 4 * 9 + 6 * 4 * 4 * 9 + 2 * 4 * 4) + 8
    assert graph.params == 3 * 4 * 9 + 6 * 4 * 4 * 9 + 3 * 8 + 2 * (16 + 8) + 10


@st.composite
def wirings(draw: st.DrawFn) -> Graph:
    """Random graphs of convolutions, activations and additions, some of them outputs."""
    nodes = [Node("input", Source(sample=(2, 3, 4)), (), (2, 3, 4), 0, 0, (1, 1))]
    for i in range(draw(st.integers(1, 14))):
        op = draw(st.sampled_from([RELU, CONV, ADD]))
        count = draw(st.integers(2, 4)) if op is ADD else 1
        sources = [draw(st.sampled_from(nodes)).name for _ in range(count)]
        nodes.append(node(f"n{i}", *sources, op=op))
    read = {source for known in nodes for source in known.inputs}
    return Graph("random", nodes, {f"o{i}": n.name for i, n in enumerate(nodes) if n.name not in read})


@given(wirings())
def test_layers_are_the_longest_path(graph: Graph) -> None:
    dag: networkx.DiGraph[str] = networkx.DiGraph()
    for known in graph:
        dag.add_edges_from((source, known.name, {"weight": int(known.op is CONV)}) for source in known.inputs)
    assert graph.layers == networkx.dag_longest_path_length(dag, weight="weight")
    assert graph.weight_layers == sum(known.op is CONV for known in graph)


@given(wirings())
def test_the_dag_is_the_wiring(graph: Graph) -> None:
    assert list(graph.dag) == list(graph.nodes)
    assert set(graph.dag.edges) == {(source, known.name) for known in graph for source in known.inputs}
    assert networkx.is_directed_acyclic_graph(graph.dag)
    assert all(graph.dag.nodes[name]["node"] is graph[name] for name in graph.nodes)
    for known in graph:
        assert networkx.ancestors(graph.dag, known.name) == ancestors(graph, known.name)


@given(wirings())
def test_users_are_the_inputs_seen_from_the_other_side(graph: Graph) -> None:
    expected: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for known in graph:
        for source in known.inputs:
            expected[source].append(known.name)
    assert graph.users == expected
    assert sum(map(len, graph.users.values())) == sum(len(known.inputs) for known in graph)


@given(wirings())
def test_networkx_reads_its_data(graph: Graph) -> None:
    data = json.loads(json.dumps(graph.to_dict()))
    read = networkx.node_link_graph(data, edges="edges")
    assert list(read) == list(graph.nodes)
    for known in graph:
        operands = [(edge["operand"], source) for source, _, edge in read.in_edges(known.name, data=True)]
        assert tuple(source for _, source in sorted(operands)) == known.inputs
        told = read.nodes[known.name]
        assert (told["op"], told["shape"], told["inputs"]) == (known.op.key, list(known.shape), list(known.inputs))
    assert read.graph["outputs"] == graph.outputs


@given(wirings())
def test_random_wirings_survive_their_text(graph: Graph) -> None:
    again = reload(graph)
    assert [(n.name, n.op, n.inputs) for n in again] == [
        (n.name, n.op if n.name != "input" else Source(sample=(2, 3, 4)), n.inputs) for n in graph
    ]
    assert again.outputs == graph.outputs


def test_data_tells_where_and_what() -> None:
    graph = ror(1, 2)
    told = {entry["id"]: entry for entry in graph.to_dict()["nodes"]}
    conv = told["stage2.1.branch.conv2"]
    assert (conv["op"], conv["fields"], conv["stage"], conv["block"]) == ("conv", {"out": 4, "kernel": 3}, 2, 1)
    assert (conv["path"], conv["level"], conv["params"], conv["macs"]) == ("branch", None, 144, 9216)
    assert conv["source"].startswith("test.yaml:")
    assert told["levels.stage2.conv"]["level"] == 2
    assert told["input"]["op"] == "input"


def test_the_dag_is_frozen() -> None:
    dag = ror(1, 2).dag
    with pytest.raises(networkx.NetworkXError):
        dag.add_node("x")
    with pytest.raises(networkx.NetworkXError):
        dag.remove_edge("input", "stem.conv")
    assert dag.name == "spec"


def test_equality_is_of_what_is_computed() -> None:
    graph = ror(1, 2)
    nodes = list(graph)
    assert graph == Graph("renamed", nodes, graph.outputs, graph.init)
    assert graph == Graph("spec", [replace(n, span=None) for n in nodes], graph.outputs)
    assert graph == ror(1, 2, rest="params: {unused: 3}")
    assert graph != Graph("spec", nodes[:-1], {"output": nodes[-2].name})
    assert graph != Graph("spec", nodes, {"logits": graph.outputs["output"]})
    assert graph != Graph("spec", nodes, {"output": "stem.conv"})
    assert graph != Graph("spec", [*nodes[:-1], replace(nodes[-1], name="head.fc")], {"output": "head.fc"})
    assert graph != Graph("spec", nodes, graph.outputs, Init.model_validate({"conv": {"method": "default"}}))
    assert graph != ror(1, 3)
    assert graph != "a graph"
    assert graph == graph_of(graph.to_spec_text())


def test_provenance_leads_to_the_line() -> None:
    graph = ror(1, 2)
    lines = ROR.splitlines()
    for name, word in (("stem.conv", "stem"), ("stage2.1.branch.bn", "blocks"), ("head.linear", "head")):
        span = graph[name].span
        assert span is not None
        assert lines[span.line - 1].startswith(f"{word}:")


def test_graphs_are_copied_and_pickled() -> None:
    graph = ror(2, 2)
    assert graph.layers == pickle.loads(pickle.dumps(graph)).layers
    assert pickle.loads(pickle.dumps(graph)) == graph
    assert copy.deepcopy(graph) is graph
    with pytest.raises(TypeError):
        hash(graph)


def calls(work: Callable[[], Any]) -> int:
    """Python functions called, which unlike time is the same in every run."""
    count = 0

    def see(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("rest", ["", "skips: [{rule: every, step: 5, path: C}]", "drop_path: {survival: 0.5}"])
def test_cost_is_linear_in_blocks(rest: str) -> None:
    def cost(blocks: int) -> int:
        return calls(lambda: ror(blocks, blocks, rest=rest, m=4))

    small, middle, large = cost(100), cost(200), cost(400)
    assert large - middle < 2.1 * (middle - small)


@pytest.mark.parametrize(
    "read",
    [
        lambda graph: graph.layers,
        lambda graph: graph.users,
        lambda graph: graph.units(),
        lambda graph: graph.to_dict(),
        lambda graph: graph.to_spec_text(),
        lambda graph: reload(graph),
    ],
    ids=["layers", "users", "units", "to_dict", "to_spec_text", "reload"],
)
def test_reading_is_linear_in_blocks(read: Callable[[Graph], Any]) -> None:
    def cost(blocks: int) -> int:
        graph = ror(blocks, blocks, m=4)
        read(Graph(graph.name, graph, graph.outputs))  # fills caches that networks share
        return calls(lambda: read(graph))

    small, middle, large = cost(40), cost(80), cost(160)
    assert large - middle < 2.1 * (middle - small) + 10


def test_depth_costs_no_recursion() -> None:
    blocks = 20_000
    text = ROR.format(repeat=[blocks], rest="outputs: {y: head, mid: stage1.10000}", m=4)
    text = text.replace("conv: {out: 4, kernel: 3}, bn, relu, conv: {out: 4, kernel: 3}", "conv: {out: 4, kernel: 1}")
    graph = graph_of(text)
    assert graph == pickle.loads(pickle.dumps(graph))
    assert graph.layers == blocks + 2
    # Per block a convolution, an addition and an activation; and the projections of the levels: 1 + 1 + 2 spans.
    assert len(graph) == 1 + 1 + 3 * blocks + 2 * 4 + 2
    assert networkx.is_directed_acyclic_graph(graph.dag)
    assert len(graph.users) == len(graph.to_dict()["nodes"]) == len(graph)
    assert repr(graph) == f"Graph('spec', {len(graph) - 1} operators, {graph.params:,} parameters)"


def test_length_of_text_costs_no_recursion() -> None:
    graph = graph_of("""
        archspec: 1
        input: {channels: 1, size: [2, 2]}
        stages: {repeat: 20000, blocks: plain}
        blocks: {plain: {branch: [relu], shortcut: none}}
        """)
    assert len(graph) == 20_001
    assert reload(graph) == graph


def test_a_small_one_is_sound() -> None:
    assert_sound(ror(3, 1, 2, m=4))
