"""The predicted memory of a training step against the allocator's count of one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from gates import choose
from hypothesis import given, settings
from networks import graph_of
from strategies import Drawn, specs
from torch import Tensor, nn

import archspec
from archspec.compiler.analysis.checkpoints import auto
from archspec.compiler.analysis.segments import Segment, every
from archspec.compiler.analysis.training import training_memory
from archspec.compiler.lower import Network
from archspec.execution.allocated import peak_allocated
from archspec.execution.checkpointing import Checkpointed
from archspec.graph import Graph

SMALL: dict[str, Any] = {"input.size": [64, 64], "classes": 10, "counts": [1, 2, 1, 1]}
FAMILIES: dict[str, tuple[dict[str, Any], int]] = {  # each family once, small: what to change, and the batch
    "resnet50": (SMALL, 4),
    "resnet34_a": (SMALL, 4),
    "preresnet50": (SMALL, 4),
    "iresnet50": (SMALL, 4),
    "iresgroup50": ({**SMALL, "counts": [1, 1, 1, 1]}, 4),
    "resnext50_32x4d": (SMALL, 4),
    "wrn16_4": ({"k": 2}, 8),
    "wrn28_10_dropout": ({"k": 1}, 8),
    "ror3_110": ({"depth": 32}, 8),
    "ror5_110": ({"depth": 56}, 4),
    "preror3_164": ({"depth": 26}, 8),
    "ror3_wrn40_2": ({"depth": 16}, 8),
    "cifar_resnet20": ({}, 8),
    "cifar_iresnet164": ({"depth": 47}, 4),
    "cifar_resnet110_exclusive": ({"depth": 20}, 4),
    "resnet3d50": ({"classes": 10, "input.size": [4, 32, 32], "counts": [1, 1, 1, 1]}, 2),
}


def measured(network: Network, segments: tuple[Segment, ...], x: Tensor) -> int:
    """The peak of a second step, which finds the parameters' gradients there."""
    body = Checkpointed(network, segments) if segments else None
    target = torch.zeros(len(x), dtype=torch.long)

    def step() -> None:
        output = body(network, x) if body else network(x)
        nn.functional.cross_entropy(output, target).backward()  # type: ignore[no-untyped-call]

    step()
    return peak_allocated(step)


def saved_by(network: Network, x: Tensor) -> int:
    """Bytes in the storages that autograd saves, but for parameters, buffers and the input."""
    saved: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.numel() > 1:  # numbers such as a factor
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = network(x)
    for own in (*network.parameters(), *network.buffers(), x):
        saved.pop(own.untyped_storage().data_ptr(), None)
    del output
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


def built(graph: Graph) -> Network:
    torch.manual_seed(0)
    network = archspec.build(graph).train()
    choose(network, ())  # of stochastic depth: all survive
    return network


@pytest.mark.parametrize("name", FAMILIES)
def test_a_step_takes_what_is_predicted(name: str) -> None:
    changes, batch = FAMILIES[name]
    graph = archspec.expand(archspec.load(name, **changes))
    network, x = built(graph), torch.randn(batch, *graph.input.shape)
    plain = training_memory(graph, batch=batch)
    assert plain.saved == saved_by(network, x)
    assert plain.peak == pytest.approx(measured(network, (), x), rel=0.03)
    for segments in (every(graph, 1), every(graph, 3), auto(graph, batch=batch)):
        checkpointed = training_memory(graph, batch=batch, segments=segments)
        assert checkpointed.peak == pytest.approx(measured(network, segments, x), rel=0.03), segments
        assert checkpointed.peak <= 1.02 * plain.peak


@settings(max_examples=25)
@given(specs())
def test_what_random_networks_save_is_predicted(drawn: Drawn) -> None:
    graph = graph_of(drawn.text)
    assert training_memory(graph, batch=3).saved == saved_by(built(graph), torch.randn(3, *graph.input.shape))


def net(body: str) -> Graph:
    return graph_of(f"archspec: 1\ninput: {{channels: 4, size: [8, 8]}}\ngraph:\n{body}")


MAP = 4 * 8 * 8 * 4
"""Bytes of a map of the input's size."""


def test_by_hand() -> None:
    """conv -> bn -> relu (in place): the convolution's output and the ReLU's are kept."""
    graph = graph_of("""
        archspec: 1
        input: {channels: 4, size: [8, 8]}
        stem: [conv: {out: 4, kernel: 3}, bn, relu]
        stages: {repeat: 1, blocks: one}
        blocks: {one: {branch: [conv: {out: 4, kernel: 3}], after: []}}
        head: [global_avg_pool]
    """)
    memory = training_memory(graph, batch=1)
    statistics = 2 * 4 * 4
    assert memory.saved == MAP + MAP + statistics
    assert memory.parameters == memory.gradients == memory.momentum == 4 * (144 + 8 + 144)
    assert memory.total == 3 * memory.parameters + memory.peak
    assert training_memory(graph, batch=5).saved == 5 * 2 * MAP + statistics
    assert training_memory(graph, batch=5, item_bytes=2).saved == (5 * 2 * MAP + statistics) // 2


def test_the_peak_of_backward_by_hand() -> None:
    """tanh -> tanh -> tanh of a scaled map: three outputs kept, and two gradients at once."""
    graph = net("""
      first.bn: [bn]
      first.chain: {from: first.bn, ops: [tanh: {name: a}, tanh: {name: b}, tanh: {name: c}]}
      output: {from: first.chain, ops: [scale: {by: 2}]}
    """)
    memory = training_memory(graph, batch=1)
    statistics = 2 * 4 * 4
    assert memory.saved == 3 * MAP + statistics
    # The caller holds the output; the loss gives its gradient; the scale's backward makes another.
    assert memory.peak == 4 * MAP + 2 * MAP + statistics


def test_what_a_segment_recomputes_is_counted() -> None:
    graph = archspec.expand("cifar_resnet20")
    segments = every(graph, 3)
    inside = {unit for segment in segments for unit in segment.units}
    memory = training_memory(graph, batch=2, segments=segments)
    assert memory.recomputed == sum(node.macs for node in graph if node.unit in inside)
    assert training_memory(graph, batch=2).recomputed == 0
    assert training_memory(graph, batch=2, segments=()) == training_memory(graph, batch=2)


@pytest.mark.parametrize(
    "units", [(), ("stage1.1", "stage1.0"), ("stage1.0", "stage1.2"), ("nowhere",), ("stage1.0", "stage1.0")]
)
def test_segments_must_be_runs_of_units(units: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no run of units in order"):
        training_memory(archspec.expand("cifar_resnet20"), batch=1, segments=[Segment(units, (), ())])


def test_segments_must_follow_each_other() -> None:
    graph = archspec.expand("cifar_resnet20")
    first, second, *_ = every(graph, 2)
    with pytest.raises(ValueError, match="no run of units in order"):
        training_memory(graph, batch=1, segments=[second, first])
    with pytest.raises(ValueError, match="one sample at least, not 0"):
        training_memory(graph, batch=0)


def test_outputs_on_the_way_and_dead_ends_of_a_part_do_no_harm() -> None:
    graph = archspec.expand(archspec.load("cifar_resnet20", outputs={"logits": "head", "c2": "stage2"}))
    memory = training_memory(graph, batch=4, segments=every(graph, 2))
    assert memory.peak > memory.saved > 0
    part = Graph("part", list(graph), {"output": "stage1.2.after.relu"})
    assert training_memory(part, batch=4).peak > 0
