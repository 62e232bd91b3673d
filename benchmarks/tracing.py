"""How long tracing a module takes, against torch.export alone: a pre-activation network of 3002 layers by default."""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor, nn

from archspec.compiler.trace import trace

BATCH = 101


class Block(nn.Module):
    """A pre-activated bottleneck."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, inner, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(inner), nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(inner), nn.Conv2d(inner, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(torch.relu(self.bn1(x)))
        out = self.conv2(torch.relu(self.bn2(out)))
        return x + self.conv3(torch.relu(self.bn3(out)))


def network(blocks: int) -> nn.Module:
    """A network of three layers a block, and two more."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.Sequential(*(Block(16, 4) for _ in range(blocks))),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=1000)
    blocks = parser.parse_args().blocks
    module = network(blocks)
    trace(network(1), torch.empty(1, 3, 32, 32))  # what is loaded once
    start = time.perf_counter()
    torch.export.export(module, (torch.empty(BATCH, 3, 32, 32),), strict=False)
    alone = time.perf_counter() - start
    start = time.perf_counter()
    graph = trace(module, torch.empty(1, 3, 32, 32))
    whole = time.perf_counter() - start
    print(f"{graph.layers} layers, {len(graph)} operators: torch.export {alone:.1f} s, trace {whole:.1f} s, ", end="")
    print(f"{whole / alone:.2f} of it")


if __name__ == "__main__":
    main()
