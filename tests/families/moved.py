"""Weights from one network to another, whatever their names."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn


def move(source: nn.Module, target: nn.Module) -> None:
    """Every parameter's numbers, in order among those of one shape; either network has what the other has."""
    found: dict[torch.Size, list[Tensor]] = defaultdict(list)
    for parameter in source.parameters():
        found[parameter.shape].append(parameter)
    with torch.no_grad():
        for parameter in target.parameters():
            assert found[parameter.shape], tuple(parameter.shape)
            parameter.copy_(found[parameter.shape].pop(0))
    assert not any(found.values())
