"""Nodes of one graph and of another that is the same computation, and where two that are not part."""

from __future__ import annotations

import pytest
from reference.renamed import renamed, small

import archspec
from archspec.compiler.analysis.correspondence import correspondence
from archspec.compiler.analysis.parting import parting

TWINS = """\
archspec: 1
input: {channels: 4, size: [8, 8]}
graph:
  a: [conv: {out: 4, kernel: 3}, bn]
  b: [conv: {out: 4, kernel: 3}, bn]
  c: {from: a, ops: [relu]}
  sum: {from: [a, b, c], ops: [add]}
  output: {from: [sum, b], ops: [concat]}
"""


@pytest.mark.parametrize(
    "name", ["resnet50", "iresnet50", "ror3_110", "densenet121", "googlenet", "fractalnet_cifar10", "slowfast_r50",
             "ssd300_resnet50", "shufflenet_v2_x1_0", "resnet50_fpn"],
)  # fmt: skip
def test_a_renamed_graph_corresponds(name: str) -> None:
    graph = archspec.expand(name)
    theirs, names = renamed(graph)
    found = correspondence(graph, theirs)
    assert found is not None
    for node in graph:  # the map need not be the one that renamed it, where branches are alike; it has to be one
        match = theirs[found[node.name]]
        assert match.op == node.op
        assert sorted(found[source] for source in node.inputs) == sorted(match.inputs)
    assert len(set(found.values())) == len(graph)
    assert parting(graph, theirs) is None
    if name == "resnet50":
        assert {old: names[new] for old, new in found.items()} == {node.name: node.name for node in graph}


def test_twins_are_told_apart_by_their_readers() -> None:
    graph = archspec.expand(archspec.loads(TWINS))
    theirs, names = renamed(graph)
    found = correspondence(graph, theirs)
    assert found is not None
    assert all(names[new] == old for old, new in found.items())


@pytest.mark.parametrize("change", ["blocks.middle.branch", "stages.width", "counts", "paths.final"])
def test_other_graphs_do_not_correspond(change: str) -> None:
    value = {"blocks.middle.branch": ["relu", {"use": "convolutions"}], "stages.width": [64, 128, 256, 500],
             "counts": [2, 3, 2, 3], "paths.final": ["relu"]}[change]  # fmt: skip
    one, other = archspec.expand(small("iresnet50")), archspec.expand(small("iresnet50", **{change: value}))
    assert correspondence(one, renamed(other)[0]) is None
    assert parting(one, renamed(other)[0]) is not None


PARTINGS = [
    ("iresnet50", {"released": True}, "stage1.1: theirs adds relu(x), ours adds x"),
    ("resnet50", {"paths.bottleneck": [
        {"conv": {"out": "inner", "kernel": 1, "stride": "stride"}}, {"use": "between"},
        {"conv": {"out": "inner", "kernel": 3, "groups": "groups"}}, {"use": "between"},
        {"conv": {"out": "outer", "kernel": 1}}]},
     "stage2.0: theirs has conv(kernel=1, out=128, stride=2) of x, ours has conv(kernel=1, out=128) of x"),
    ("resnet50", {"paths.activation": ["bn", "silu"]}, "stem: theirs has silu() of bn, ours has relu() of bn"),
    ("resnet18", {"paths.option": "A", "counts": [1, 1, 1, 1]},
     "stage2.0: theirs has subsample(stride=2) of x, ours has conv(kernel=1, out=128, stride=2) of x"),
    ("resnet50", {"head": ["global_avg_pool", {"dropout": {"p": 0.5}}, {"linear": {"out": 10}}]},
     "head: theirs has dropout() of global_avg_pool(x), ours has linear(out=10) of global_avg_pool(x)"),
    ("resnet50", {"classes": 7},
     "head: theirs has linear(out=7) of global_avg_pool(x), ours has linear(out=10) of global_avg_pool(x)"),
    ("resnet50", {"input.size": [32, 32]}, "input: theirs reads 3x32x32, ours reads 3x64x64"),
    ("resnet50", {"counts": [2, 4, 2, 2]}, "stage3.0: "),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "told"), PARTINGS)
def test_the_first_block_where_they_part(name: str, change: dict[str, object], told: str) -> None:
    counts = {"counts": change["counts"]} if told.startswith("stage2.0: theirs has sub") else {}
    ours = archspec.expand(small(name, **counts))
    theirs = renamed(archspec.expand(small(name, **change)))[0]
    assert str(parting(ours, theirs)).startswith(told)


def test_one_unit_raw_and_the_other_activated() -> None:
    """pytorchcv's preresnet110 adds the raw input in its first block, the paper's the activated one."""
    ours = archspec.expand("cifar_preresnet110")
    theirs = archspec.expand(archspec.load("cifar_preresnet110", **{"blocks.residual.shared": "changed"}))
    assert str(parting(ours, renamed(theirs)[0])) == "stage1.0: theirs adds x, ours adds relu(pre.bn)"


def test_3002_layers_in_time() -> None:
    import time

    graph = archspec.expand("cifar_iresnet3002")
    theirs = renamed(graph)[0]
    start = time.perf_counter()
    assert correspondence(graph, theirs) is not None
    assert parting(graph, theirs) is None
    assert time.perf_counter() - start < 8  # under 2 s on a free core
