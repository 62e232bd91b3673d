"""Networks with next to nothing in them, which all of archspec takes: stages without blocks, no operators."""

from __future__ import annotations

import copy
import itertools
import pickle

import pytest
import torch
from networks import graph_of, problems_of

import archspec
from archspec.compiler.analysis.analyze import analyze
from archspec.topologies import RuleError, cross_stage, ror

HEAD = "archspec: 1\ninput: {channels: 3, size: [16, 16]}\n"
STAGED = """params: {counts: %s}
stem: [conv: {out: 4, kernel: 3}]
stages: {repeat: counts, width: [4, 8, 8], stride: [1, 2, 2], blocks: basic, enter: [null, into, into]}
blocks: {basic: {branch: [conv: {out: width, kernel: 3, stride: stride}, bn], shortcut: B}}
paths: {into: [relu]}
"""
REST = """drop_path: {survival: 0.5}
skips: [{rule: dense, path: B}]
outputs: {a: stage1, b: stage2, c: stage3, d: head}
head: [global_avg_pool, linear: {out: 2}]
"""
COUNTS = list(itertools.product((0, 1, 3), repeat=3))
BARE = {
    "no operators": HEAD,
    "an empty head": HEAD + "head: []\n",
    "the flat form": HEAD + "graph: {output: input}\n",
    "all switched off": HEAD + "stem: [relu: {when: false}]\n",
    "all stages empty": HEAD + "stages: {repeat: [0, 0], blocks: b}\nblocks: {b: {branch: [bn]}}\n",
    "no parameters": HEAD + "stem: [relu, max_pool: {kernel: 2}]\n",
    "a param-free block": HEAD + "stages: {repeat: 2, blocks: b}\nblocks: {b: {branch: [relu]}}\n",
}


def staged(counts: tuple[int, ...], rest: str = "") -> str:
    return HEAD + STAGED % list(counts) + rest


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_a_stage_without_blocks_is_not_there(counts: tuple[int, ...]) -> None:
    """Neither its stride, nor what runs on entering it; the other stages keep their numbers."""
    graph = graph_of(staged(counts, REST))
    present = [number for number, count in enumerate(counts, 1) if count]
    assert sorted({node.name.split(".")[0] for node in graph if node.name.startswith("stage")}) == [
        f"stage{number}" for number in present
    ]
    halvings = sum(number > 1 for number in present)
    last = [4, *(8 if number > 1 else 4 for number in present)][-1]
    assert graph[graph.outputs["c"]].shape == (last, 16 >> halvings, 16 >> halvings)
    ends = [node.name for node in graph if node.name == "stem.conv" or node.name.endswith(".add")]
    for label, stage in (("a", 1), ("b", 2), ("c", 3)):
        given = graph.outputs[label]
        until = [number for number in present if number <= stage]
        assert given in ends
        assert given.startswith(f"stage{until[-1]}." if until else "stem")


@pytest.mark.parametrize("counts", [(0, 2, 0), (2, 0, 2), (0, 0, 0), (0, 0, 1)], ids=str)
def test_it_runs_prints_and_is_drawn(counts: tuple[int, ...]) -> None:
    everything(staged(counts, REST))


@pytest.mark.parametrize("text", BARE.values(), ids=BARE)
def test_the_barest_networks_run_print_and_are_drawn(text: str) -> None:
    everything(text)


def everything(text: str) -> None:
    spec = archspec.loads(text)
    graph = archspec.expand(spec)
    assert archspec.expand(archspec.loads(graph.to_spec_text(), name=graph.name)) == graph
    assert archspec.summarize(spec).params == sum(node.params for node in graph)
    for told in (archspec.summarize(spec), archspec.check(spec), analyze(graph), archspec.table(spec)):
        assert str(told)
    assert len(archspec.signature(graph)) == 32
    assert archspec.diff(spec, "cifar_resnet20")
    for detail in ("auto", "stage", "block", "op"):
        assert archspec.render(graph, detail=detail).text.startswith("digraph")
    assert archspec.render([graph, graph]).text
    network = archspec.build(spec)
    by_operator = archspec.build(spec, granularity="op")
    by_operator.load_state_dict(network.state_dict())
    namespace: dict[str, object] = {}
    exec(archspec.emit(spec), namespace)
    x = torch.randn(2, *graph.input.shape)
    known = values(network.eval()(x))
    assert [tuple(y.shape[1:]) for y in known] == [graph[name].shape for name in graph.outputs.values()]
    for other in (
        by_operator.eval(), copy.deepcopy(network), pickle.loads(pickle.dumps(network)), archspec.optimize(network),
    ):  # fmt: skip
        for one, two in zip(known, values(other(x)), strict=True):
            torch.testing.assert_close(one, two)
    assert str(archspec.probe(spec, batch=2))


def values(output: object) -> list[torch.Tensor]:
    return list(output.values()) if isinstance(output, dict) else [output]  # type: ignore[list-item]


@pytest.mark.parametrize("text", BARE.values(), ids=BARE)
def test_a_training_step_around_a_network_without_parameters(text: str) -> None:
    network = archspec.build(archspec.loads(text)).train()
    outside = torch.nn.Linear(3, 2)
    before = outside.weight.detach().clone()

    def loss(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outside(y.mean((2, 3))), target)

    step = archspec.TrainingStep(network, torch.optim.SGD(outside.parameters(), lr=0.1), loss)
    value = step(torch.randn(4, 3, 16, 16), torch.zeros(4, dtype=torch.long))
    assert torch.isfinite(value)
    assert not torch.equal(before, outside.weight)


def test_levels_and_skips_go_round_stages_without_blocks() -> None:
    shortcuts = "levels: {m: 2}\nskips: [{from: stage2, to: stage3.1, path: B}]\n"
    graph = graph_of(staged((2, 0, 2), shortcuts))
    joins = [name for name in graph["stage3.1.add"].inputs if name.startswith(("levels", "skips", "stage"))]
    assert joins[0] == "stage3.1.branch.bn"
    assert "skips.stage1_1_to_stage3_1.bn" in joins
    assert "levels.root.bn" in joins
    (problem,) = problems_of(staged((0, 0, 0), "levels: {m: 2}\n"))
    assert problem.message == "levels: m = 2 does not fit: the largest number of levels here is 1"
    (problem,) = problems_of(staged((2, 0, 2), "skips: [{from: stage2.0, to: stage3.1, path: B}]\n"))
    assert problem.message == "there is no block 'stage2.0' to skip from"


def test_rules_count_stages_by_their_numbers() -> None:
    points = ["stem", "stage1.0", "stage1.1", "stage3.0", "stage3.1"]
    assert list(cross_stage(points, spans=[[0, 3], [1, 3], [1, 2], [2, 3]])) == [
        ("stem", "stage3.1"), ("stage1.1", "stage3.1"), ("stage1.1", "stage3.1"),
    ]  # fmt: skip
    with pytest.raises(RuleError, match="of 3, not"):
        list(cross_stage(points, spans=[[0, 4]]))
    assert list(ror(points, m=3)) == [("stem", "stage3.1"), ("stem", "stage1.1"), ("stage1.1", "stage3.1")]


@pytest.mark.parametrize("until", ["stage2", "stage1"])
def test_a_network_may_be_cut_at_a_stage_without_blocks(until: str) -> None:
    graph = graph_of(staged((1, 0, 2), f"until: {until}\n"))
    assert list(graph.outputs.values()) == ["stage1.0.add"]
