"""Networks with arbitrary statistics, and what holds of them folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from networks import graph_of
from torch import Tensor, nn

import archspec
from archspec.compiler.lower import Network, blocks
from archspec.compiler.lower.layers import FrozenBatchNorm, Scale
from archspec.compiler.rewrite.optimize import optimize
from archspec.graph import Graph

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, FrozenBatchNorm)


def randomised(network: Network, seed: int = 0) -> Network:
    """The network with arbitrary statistics, scales, shifts and biases, so that no mistake is multiplied by zero."""
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor: Tensor, least: float, most: float) -> None:
        tensor.copy_(least + (most - least) * torch.rand(tensor.shape, generator=generator))

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, NORMS):
                draw(module.running_mean, -1, 1)
                draw(module.running_var, 0.5, 2)
                if getattr(module, "affine", True):
                    draw(module.weight, -1.5, 1.5)
            if isinstance(module, Scale):
                draw(module.weight, -1.5, 1.5)
            if isinstance(getattr(module, "bias", None), nn.Parameter):
                draw(module.bias, -1, 1)
    return network.eval()


def built(graph: Graph | str, granularity: Any = "block", **options: Any) -> Network:
    torch.manual_seed(0)
    source = graph if isinstance(graph, Graph) else graph_of(graph)
    return randomised(archspec.build(source, granularity=granularity, **options))


def outputs_of(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        value = network(x.clone())
    return value if isinstance(value, dict) else {"output": value}


def batch(network: Network) -> Tensor:
    return torch.randn(2, *network.architecture.input.shape, generator=torch.Generator().manual_seed(1))


def assert_same(network: Network, folded: Network) -> None:
    """The same outputs in float64, none of them trivial; the graph is the module's."""
    ours, theirs = outputs_of(folded, batch(network)), outputs_of(network, batch(network))
    assert list(ours) == list(theirs)
    for label, value in theirs.items():
        scale = value.abs().max().item()
        assert 0 < scale < float("inf")
        torch.testing.assert_close(ours[label], value, rtol=1e-9, atol=1e-10 * scale)
    assert folded.architecture == optimize(network.architecture).graph
    assert folded.granularity == network.granularity
    memory = {value.data_ptr() for value in network.state_dict().values()}
    assert not any(value.data_ptr() in memory for value in folded.state_dict().values())
    assert not any(module.training for module in folded.modules())
    assert sum(parameter.numel() for parameter in folded.parameters()) == folded.architecture.params


def assert_siblings(network: Network, folded: Network) -> None:
    """Blocks that share a class still do."""
    classes: dict[type, set[type]] = {}
    for address, block in blocks(folded).items():
        classes.setdefault(type(network.get_submodule(address)), set()).add(type(block))
    assert all(len(kinds) == 1 for kinds in classes.values())


def text(ops: str, size: Sequence[int] = (8, 8), more: str = "") -> str:
    """A network of one path."""
    return f"archspec: 1\nname: path\ninput: {{channels: 4, size: {list(size)}}}\nhead: [{ops}]\n{more}"
