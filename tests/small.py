"""Networks that are quick to run, and batches for them."""

from __future__ import annotations

from typing import Any

import torch
from networks import graph_of
from torch import Tensor

import archspec
from archspec.compiler.lower import Network

RESIDUAL = """
    archspec: 1
    input: {{channels: 3, size: [8, 8]}}
    stem: [conv: {{out: 8, kernel: 3}}, bn, relu]
    stages: {{repeat: [2, 2], width: [8, 16], stride: [1, 2], blocks: block}}
    blocks:
      block:
        branch: [conv: {{out: width, kernel: 3, stride: stride}}, bn, relu, conv: {{out: width, kernel: 3}}, bn]
        shortcut: B
        after: [relu]
    {extra}
    head: [global_avg_pool, linear: {{out: 5}}]
    """
DROPPING = "drop_path: {survival: 0.3, decay: linear}"


def network(extra: str = "", seed: int = 0, **options: Any) -> Network:
    torch.manual_seed(seed)
    return archspec.build(graph_of(RESIDUAL.format(extra=extra)), **options)


def batches(count: int, size: int = 4, device: str = "cpu", seed: int = 1) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        (torch.randn(size, 3, 8, 8, generator=generator), torch.randint(5, (size,), generator=generator))
        for _ in range(count)
    ]
    return [(x.to(device), target.to(device)) for x, target in drawn]
