"""The training loop that everyone writes, and pairs of equal networks to compare it on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from small import network
from torch import Tensor, nn

Made = Callable[[Any], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Made] = {
    "plain": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-2, nesterov=True),
    "dampened": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, dampening=0.5),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-2, capturable=True),
}


def by_hand(
    net: nn.Module, optimizer: torch.optim.Optimizer, data: list[tuple[Tensor, Tensor]], autocast: bool = False
) -> list[Tensor]:
    """Losses of the loop that everyone writes."""
    losses = []
    for x, target in data:
        optimizer.zero_grad()
        with torch.autocast(x.device.type, torch.bfloat16) if autocast else nullcontext():
            loss = nn.functional.cross_entropy(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def assert_same(one: nn.Module, other: nn.Module, **tolerance: float) -> None:
    for (name, a), (_, b) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
        torch.testing.assert_close(a, b, msg=lambda text, name=name: f"{name}: {text}", **tolerance)


EXACT = {"atol": 0.0, "rtol": 0.0}
CLOSE = {"atol": 1e-5, "rtol": 1e-4}  # the CPU's kernels differ by the alignment of memory


def pair(make: Made, extra: str = "", **options: Any) -> tuple[Any, Any]:
    """Two equal networks with their optimizers."""
    nets = network(extra, **options), network(extra, **options)
    return tuple((net, make(net.parameters())) for net in nets)  # type: ignore[return-value]
