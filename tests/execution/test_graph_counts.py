"""How often networks with stochastic depth are compiled: once per kind of block, whatever its number and the draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from networks import graph_of
from torch._dynamo.testing import CompileCounter

import archspec
from archspec.compiler.lower import Network, blocks
from archspec.compiler.lower.layers import DropPath


def net(unit: str, rescale: bool, repeat: int) -> Network:
    rule = f"{{survival: 0.3, unit: {unit}, rescale: {str(rescale).lower()}}}"
    text = f"""
    archspec: 1
    input: {{channels: 4, size: [4, 4]}}
    stages: {{repeat: {repeat}, blocks: block}}
    blocks: {{block: {{branch: [conv: {{out: 4, kernel: 1}}, bn], shortcut: B, after: [relu]}}}}
    drop_path: {rule}
    """
    return archspec.build(graph_of(text))


def regional(network: Network, counter: CompileCounter) -> Any:
    return archspec.compile(network, "regional", backend=counter, channels_last=False)


def whole(network: Network, counter: CompileCounter) -> Any:
    return archspec.compile(network, "whole", backend=counter, channels_last=False)


def by_torch(network: Network, counter: CompileCounter) -> Any:
    return torch.compile(network, backend=counter, fullgraph=True)


def block_by_block(network: Network, counter: CompileCounter) -> Any:
    for block in blocks(network).values():
        block.compile(backend=counter)
    return network


# In training, and in evaluation beside it: what is left of a dropped block is a graph of its own.
WAYS = {regional: (2, 1), whole: (1, 1), by_torch: (1, 1), block_by_block: (2, 1)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("unit", "rescale"), [("batch", False), ("batch", True), ("sample", True)])
def test_no_number_and_no_draw_compiles_anew(
    way: Callable[[Network, CompileCounter], Any], unit: str, rescale: bool
) -> None:
    torch._dynamo.reset()
    counter = CompileCounter()
    network = net(unit, rescale, 10)  # more blocks than dynamo compiles one code for
    x = torch.randn(3, 4, 4, 4, requires_grad=True)  # as what every later block reads does
    run = way(network, counter)
    training, evaluation = WAYS[way] if unit == "batch" else (1, 1)
    for survival in (None, 0.2):
        for gate in network.modules():
            if isinstance(gate, DropPath) and survival is not None:
                gate.survival = survival
        outputs = {float(run(x).detach().sum()) for _ in range(12)}
        assert len(outputs) > 5
        assert counter.frame_count == training
    network.eval()
    run(x)
    assert counter.frame_count == training + evaluation
    expected = archspec.build(network.architecture).eval()
    expected.load_state_dict(network.state_dict())
    for gate in expected.modules():
        if isinstance(gate, DropPath):
            gate.survival = 0.2
    torch.testing.assert_close(run(x), expected(x))
    torch._dynamo.reset()
