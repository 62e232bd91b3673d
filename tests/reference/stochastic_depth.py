"""Residual networks with stochastic depth (arXiv 1603.09382), told which blocks to keep.

Their layers are named as archspec names them, so that state dicts move.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reference.layers import conv1, conv3

WIDTHS = (4, 8)


class Block(nn.Module):
    """Two 3x3 convolutions; `pre`: each after batch norm and ReLU, and nothing after the addition."""

    def __init__(self, inputs: int, outputs: int, stride: int, pre: bool, rescale: bool, survival: float) -> None:
        super().__init__()
        self.pre, self.rescale, self.survival = pre, rescale, survival
        first, second = conv3(inputs, outputs, stride), conv3(outputs, outputs)
        if pre:
            layers = {"bn1": nn.BatchNorm2d(inputs), "relu1": nn.ReLU(), "conv1": first}
            layers |= {"bn2": nn.BatchNorm2d(outputs), "relu2": nn.ReLU(), "conv2": second}
        else:
            layers = {"conv1": first, "bn1": nn.BatchNorm2d(outputs), "relu": nn.ReLU()}
            layers |= {"conv2": second, "bn2": nn.BatchNorm2d(outputs)}
        self.branch = nn.Sequential(OrderedDict(layers))
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(
                OrderedDict(conv=conv1(inputs, outputs, stride), bn=nn.BatchNorm2d(outputs))
            )  # fmt: skip

    def forward(self, x: Tensor, kept: bool | Tensor) -> Tensor:
        """`kept`: for the mini-batch, or a mask of samples."""
        y = self.shortcut(x)
        if not self.training:
            y = y + (1 if self.rescale else self.survival) * self.branch(x)
        elif kept is not False:
            branch = self.branch(x) / (self.survival if self.rescale else 1)
            y = y + (branch if kept is True else branch * kept[:, None, None, None])
        return y if self.pre else y.relu()


class StochasticResNet(nn.Module):
    """Two stages of blocks that survive with probability 1 - l/L (1 - last)."""

    def __init__(self, counts: Sequence[int], pre: bool, rescale: bool, last: float) -> None:
        super().__init__()
        self.stem = nn.Sequential(OrderedDict(conv=conv3(3, WIDTHS[0]), bn=nn.BatchNorm2d(WIDTHS[0]), relu=nn.ReLU()))
        channels, number, stages = WIDTHS[0], 0, []
        for count, width in zip(counts, WIDTHS, strict=True):
            blocks = []
            for _ in range(count):
                number += 1
                survival = 1 - number / sum(counts) * (1 - last)
                blocks.append(Block(channels, width, 1 if channels == width else 2, pre, rescale, survival))
                channels = width
            stages.append(nn.ModuleList(blocks))
        self.stage1, self.stage2 = stages
        self.head = nn.Sequential(OrderedDict(linear=nn.Linear(channels, 3)))

    @property
    def blocks(self) -> list[Block]:
        return [*self.stage1, *self.stage2]  # type: ignore[list-item]

    def forward(self, x: Tensor, kept: Sequence[bool | Tensor]) -> Tensor:
        x = self.stem(x)
        for block, keep in zip(self.blocks, kept, strict=True):
            x = block(x, keep)
        return self.head(torch.mean(x, dim=(2, 3)))
