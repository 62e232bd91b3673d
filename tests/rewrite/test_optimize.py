"""What is left out of a graph for inference, against a rewriting that looks at one operator at a time."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from networks import assert_sound, drawn, graph_of, reload, text_of
from shrunk import shrunk
from strategies import Drawn, specs

import archspec
from archspec.compiler.rewrite.optimize import Folding, optimize
from archspec.graph import Graph, Node
from archspec.language import zoo


def left_by_hand(graph: Graph) -> set[str]:
    """Names of the nodes that stay, by removing any that can go until none can."""
    inputs = {node.name: list(node.inputs) for node in graph}
    outputs = list(graph.outputs.values())

    def reads(name: str) -> list[str]:
        return [reader for reader, sources in inputs.items() for source in sources if source == name]

    def padded(node: Node) -> bool:
        kernel, dilation, padding = (getattr(node.op, name, 1) for name in ("kernel", "dilation", "padding"))
        if node.op.key == "linear":
            return False
        if padding is None:
            largest = max(kernel) if isinstance(kernel, tuple) else kernel
            return largest > 2 or (largest == 2 and dilation != 1)
        return padding not in (0, (0, 0), (0, 0, 0))

    def can_go(node: Node) -> bool:
        key = node.op.key
        if key in ("dropout", "identity") or (key == "drop_path" and node.op.rescale):  # type: ignore[attr-defined]
            return True
        if key not in ("bn", "scale", "drop_path"):
            return False
        (source,), readers = inputs[node.name], reads(node.name)
        if graph[source].op.role == "weight" and reads(source) == [node.name] and source not in outputs:
            return True
        if len(readers) != 1 or node.name in outputs or graph[readers[0]].op.role != "weight":
            return False
        return key != "bn" or not padded(graph[readers[0]])

    while gone := next((name for name in inputs if can_go(graph[name])), None):
        (source,) = inputs.pop(gone)
        for sources in inputs.values():
            sources[:] = [source if name == gone else name for name in sources]
        outputs = [source if name == gone else name for name in outputs]
    return set(inputs)


def assert_optimized(graph: Graph) -> Graph:
    optimized = optimize(graph)
    result = optimized.graph
    assert set(result.nodes) == left_by_hand(graph)
    assert_sound(result)
    assert reload(result) == result
    steps = [folding.step for folding in optimized.foldings]
    assert len(set(steps)) == len(steps)
    assert set(steps).isdisjoint(result.nodes)
    biases = 0
    for node in result:
        before = graph[node.name]
        assert (node.shape, node.macs, node.reduction, node.span) == (
            before.shape, before.macs, before.reduction, before.span,
        )  # fmt: skip
        biases += node.params - before.params
        assert node.params in (before.params, before.params + node.shape[0])
    assert result.params == graph.params + biases - sum(
        graph[name].params for name in set(graph.nodes) - set(result.nodes)
    )
    assert {label: result[name].shape for label, name in result.outputs.items()} == graph.output_shapes()
    assert (result.name, result.init, result.kinds) == (graph.name, graph.init, graph.kinds)
    again = optimize(result)
    assert again.graph == result
    assert not again.foldings
    return result


@pytest.mark.parametrize("name", zoo.names())
def test_every_network_of_the_zoo(name: str) -> None:
    assert_optimized(shrunk(name))


@settings(max_examples=60)
@given(specs())
def test_random_networks(spec: Drawn) -> None:
    assert_optimized(graph_of(spec.text))


BLOCK = """
archspec: 1
name: net
input: {channels: 4, size: [8, 8]}
stem: [conv: {out: 4, kernel: 3}, bn, relu, dropout]
stages: {repeat: [1], blocks: block}
blocks:
  block:
    branch: [bn, conv: {out: 8, kernel: 1, bias: true, bias_init: 1}, bn, relu, conv: {out: 8, kernel: 3}]
    shortcut: [scale: {by: 2}, conv: {out: 8, kernel: 3, stride: stride}]
drop_path: {survival: 0.5}
head: [bn, relu, global_avg_pool, linear: {out: 2, bias: false}, bn, identity]
"""


def test_what_is_folded_into_what() -> None:
    graph = graph_of(BLOCK)
    optimized = optimize(graph)
    assert drawn(optimized.graph) == text_of("""
        stem.conv = conv(out=4, kernel=3, bias=True) <- input
        stem.relu = relu <- stem.conv
        stage1.0.branch.conv1 = conv(out=8, kernel=1, bias=True, bias_init=1.0) <- stem.relu
        stage1.0.branch.relu = relu <- stage1.0.branch.conv1
        stage1.0.branch.conv2 = conv(out=8, kernel=3) <- stage1.0.branch.relu
        stage1.0.shortcut.conv = conv(out=8, kernel=3) <- stem.relu
        stage1.0.add = add <- stage1.0.branch.conv2, stage1.0.shortcut.conv
        head.bn1 = bn <- stage1.0.add
        head.relu = relu <- head.bn1
        head.global_avg_pool = global_avg_pool <- head.relu
        head.linear = linear(out=2) <- head.global_avg_pool
    """)
    assert optimized.foldings == (
        Folding("stem.bn", "stem.conv", before=False),
        Folding("stage1.0.branch.bn2", "stage1.0.branch.conv1", before=False),
        Folding("stage1.0.branch.drop_path", "stage1.0.branch.conv2", before=False),
        Folding("head.bn2", "head.linear", before=False),
        Folding("stage1.0.shortcut.scale", "stage1.0.shortcut.conv", before=True),
        Folding("stage1.0.branch.bn1", "stage1.0.branch.conv1", before=True),
    )
    assert optimized.graph.outputs == {"output": "head.linear"}
    assert graph == graph_of(BLOCK)


FOLDED = {  # batch norms before and after, as counted by hand from the papers' blocks
    "resnet50": (53, 0),  # each follows a convolution
    "preresnet50": (49, 16),  # 16 follow an addition
    "iresnet50": (53, 12),  # one a block, less one a stage
    "wrn28_10": (25, 12),
    "cifar_iresnet3002": (3004, 997),  # as above, of 1000 blocks
    "ror3_110": (115, 0),
    "vgg19": (0, 0),
}


@pytest.mark.parametrize("name", FOLDED)
def test_batch_norms_left_at_full_size(name: str) -> None:
    graph = archspec.expand(name)
    counts = tuple(sum(node.op.key == "bn" for node in g) for g in (graph, optimize(graph).graph))
    assert counts == FOLDED[name]


def test_it_needs_no_torch() -> None:
    code = (
        "import archspec, sys\nfrom archspec.compiler.rewrite.optimize import optimize\n"
        "optimize(archspec.expand('resnet18'))\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
