"""Residual networks with the names that other libraries give them, written by hand: iduta/iresnet (the authors' code of
iResNet), pytorchcv, and fb.resnet.torch as converted from Lua."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class IdutaBlock(nn.Module):
    """A bottleneck of a stage: bn0 where it opens with a batch norm, bn3 before the addition of the first block and
    after that of the last. Its ReLUs work in place."""

    def __init__(self, inputs: int, width: int, stride: int, index: int, last: bool) -> None:
        super().__init__()
        self.index, self.last = index, last
        if index > 1:
            self.bn0 = nn.BatchNorm2d(inputs)
        self.conv1, self.bn1 = conv(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3 = conv(width, 4 * width, 1)
        if index == 0 or last:
            self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if index == 0:
            pool = [nn.MaxPool2d(3, stride, 1)] if stride > 1 else []
            self.downsample = nn.Sequential(*pool, conv(inputs, 4 * width, 1), nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        if self.index:
            x = self.relu(self.bn0(x) if self.index > 1 else x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.conv3(self.relu(self.bn2(self.conv2(out))))
        if self.index == 0:
            out = self.bn3(out)
        out += identity if self.downsample is None else self.downsample(identity)
        return self.relu(self.bn3(out)) if self.last else out


class Iduta(nn.Module):
    def __init__(self, counts: Sequence[int], classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = conv(3, 64, 7, 2), nn.BatchNorm2d(64), nn.ReLU(inplace=True)
        inputs = 64
        for stage, (count, width) in enumerate(zip(counts, WIDTHS, strict=True)):
            blocks = []
            for index in range(count):
                blocks.append(IdutaBlock(inputs, width, 2 if index == 0 else 1, index, index == count - 1))
                inputs = 4 * width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class ConvBn(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, activate: bool = True) -> None:
        super().__init__()
        self.add_module("conv", conv(inputs, outputs, kernel, stride))
        self.add_module("bn", nn.BatchNorm2d(outputs))
        if activate:
            self.add_module("activ", nn.ReLU(inplace=True))


class CvUnit(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.resized = inputs != outputs or stride != 1
        if self.resized:
            self.identity_conv = ConvBn(inputs, outputs, 1, stride, activate=False)
        self.body = nn.Sequential()
        self.body.add_module("conv1", ConvBn(inputs, outputs, 3, stride))
        self.body.add_module("conv2", ConvBn(outputs, outputs, 3, activate=False))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + (self.identity_conv(x) if self.resized else x))


class PyTorchCv(nn.Module):
    """As pytorchcv's: the shortcut's modules come first; in the older releases the other way round."""

    def __init__(self, counts: Sequence[int], classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential()
        stem = nn.Sequential()
        stem.add_module("conv", ConvBn(3, 64, 7, 2))
        stem.add_module("pool", nn.MaxPool2d(3, 2, 1))
        self.features.add_module("init_block", stem)
        inputs = 64
        for stage, (count, width) in enumerate(zip(counts, WIDTHS, strict=True)):
            units = nn.Sequential()
            for index in range(count):
                units.add_module(f"unit{index + 1}", CvUnit(inputs, width, 2 if index == 0 and stage else 1))
                inputs = width
            self.features.add_module(f"stage{stage + 1}", units)
        self.output = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.features(x).mean((2, 3)))


class Branches(nn.Sequential):
    """Lua's ConcatTable and CAddTable."""

    def forward(self, x: Tensor) -> Tensor:
        one, other = self
        return one(x) + other(x)


def facebook(counts: Sequence[int], classes: int) -> nn.Sequential:
    layers: list[nn.Module] = [conv(3, 64, 7, 2), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, (count, width) in enumerate(zip(counts, WIDTHS, strict=True)):
        blocks = nn.Sequential()
        for index in range(count):
            stride = 2 if index == 0 and stage else 1
            branch = nn.Sequential(
                conv(inputs, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(), conv(width, width, 3),
                nn.BatchNorm2d(width),
            )  # fmt: skip
            changed = inputs != width or stride > 1
            shortcut = (
                nn.Sequential(conv(inputs, width, 1, stride), nn.BatchNorm2d(width)) if changed else nn.Identity()
            )
            blocks.append(nn.Sequential(Branches(branch, shortcut), nn.Identity(), nn.ReLU()))
            inputs = width
        layers.append(blocks)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))
