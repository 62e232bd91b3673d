"""What tests of execution share: small networks of each family, and a training step's outcome in float64."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import archspec
from archspec.compiler.lower import Network

FAMILIES: dict[str, dict[str, Any]] = {
    "cifar_resnet110": {"depth": 8},
    "cifar_preresnet164": {"depth": 20},
    "wrn28_10": {"depth": 10, "k": 1},
    "ror3_110": {"depth": 20},
    "cifar_iresnet164": {"counts": [3, 2, 2]},
    "iresgroup50": {"counts": [1, 2, 1, 1], "input.size": [32, 32], "classes": 10},
    "iresnet3d50": {"counts": [1, 1, 1, 1], "input.size": [4, 32, 32], "classes": 5},
}
"""A network of each family, as small as its rules allow."""


def small(name: str, **overrides: Any) -> Network:
    """A network of the zoo, with weights from one seed, in float64 and training mode."""
    torch.manual_seed(0)
    given = {"input.size": [8, 8], **FAMILIES.get(name, {}), **overrides}
    network = archspec.build(archspec.load(name, **given), dtype=torch.float64)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout) and "dropout" not in name:
            module.p = 0.0  # compiled code draws other numbers than eager
    return network.train()


def batch(network: Network, samples: int = 3) -> Tensor:
    """Input for a network, from one seed."""
    shape = network.architecture.input.shape
    return torch.randn(samples, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(samples))


@dataclass(frozen=True)
class Outcome:
    """What a training step leaves behind, then what the network gives in evaluation."""

    output: Tensor
    gradients: dict[str, Tensor | None]
    buffers: dict[str, Tensor]
    evaluated: Tensor

    @classmethod
    def of(cls, network: Network, x: Tensor, seed: int = 1) -> Outcome:
        """Of one step, on weights left as they are."""
        network.train().zero_grad()
        torch.manual_seed(seed)
        output = network(x)
        (output * output.detach().cos()).sum().backward()
        gradients = {name: None if p.grad is None else p.grad.clone() for name, p in network.named_parameters()}
        buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
        with torch.no_grad():
            evaluated = network.eval()(x)
        return cls(output.detach(), gradients, buffers, evaluated)

    def same_as(self, other: Outcome, tolerance: float) -> None:
        """Raises `AssertionError` naming the first tensor that differs by more than a part of its largest value."""
        _same("output", self.output, other.output, tolerance)
        assert list(self.gradients) == list(other.gradients)
        for name, gradient in self.gradients.items():
            _same(f"gradient of {name}", gradient, other.gradients[name], tolerance)
        assert list(self.buffers) == list(other.buffers)
        for name, buffer in self.buffers.items():
            _same(name, buffer, other.buffers[name], tolerance)
        _same("evaluation", self.evaluated, other.evaluated, tolerance)


def _same(what: str, ours: Tensor | None, theirs: Tensor | None, tolerance: float) -> None:
    assert (ours is None) == (theirs is None), what
    if ours is None or theirs is None:
        return
    assert ours.shape == theirs.shape, what
    difference = (ours - theirs).abs().max().item() if ours.numel() else 0.0
    assert difference <= tolerance * max(1.0, theirs.abs().max().item()), f"{what} differs by {difference:.3g}"


def copied(network: Network) -> Network:
    """A copy to be run in another way."""
    return copy.deepcopy(network)
