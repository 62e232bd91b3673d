"""Networks that are chains of like blocks: DenseNet, Darknet-53 and its cross-stage form, RepVGG, HarDNet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from tests.families.units import Beside, Summed, head, unit

LEAKY = partial(nn.LeakyReLU, 0.1)


def activated(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU()]


def densenet(stem: Sequence[nn.Module], channels: int, counts: Sequence[int], growth: int, classes: int) -> nn.Module:
    """DenseNet-BC: a block gives what it read and its features; a transition halves channels and sides."""
    layers = [*stem]
    for stage, count in enumerate(counts):
        if stage:
            layers += [*activated(channels), nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
            channels //= 2
        for _ in range(count):
            new = nn.Sequential(
                *activated(channels), nn.Conv2d(channels, 4 * growth, 1, bias=False),
                *activated(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
            )  # fmt: skip
            layers.append(Beside(nn.Identity(), new))
            channels += growth
    return nn.Sequential(*layers, *activated(channels), *head(channels, classes))


def densenet121() -> nn.Module:
    stem = [*unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    return densenet(stem, 64, (6, 12, 24, 16), 32, 1000)


def densenet_bc100_k12() -> nn.Module:
    return densenet([nn.Conv2d(3, 24, 3, padding=1, bias=False)], 24, (16, 16, 16), 12, 10)


def dark(channels: int, inner: int) -> nn.Module:
    """1x1, 3x3, around them the identity; activations before the addition."""
    branch = nn.Sequential(unit(channels, inner, 1, activation=LEAKY), unit(inner, channels, 3, activation=LEAKY))
    return Summed(branch, nn.Identity())


STAGES = ((1, 64), (2, 128), (8, 256), (8, 512), (4, 1024))


def darknet53() -> nn.Module:
    layers: list[nn.Module] = [unit(3, 32, 3, activation=LEAKY)]
    for count, width in STAGES:
        layers.append(unit(width // 2, width, 3, 2, activation=LEAKY))
        layers += [dark(width, width // 2) for _ in range(count)]
    return nn.Sequential(*layers, *head(1024, 1000))


class CrossStage(nn.Module):
    """The second half of the channels through the blocks, the first half around them; what merges reads the second
    half first."""

    def __init__(self, count: int, inputs: int, width: int, half: int, inner: int) -> None:
        super().__init__()
        self.down = unit(inputs, width, 3, 2, activation=LEAKY)
        self.widen = unit(width, 2 * half, 1, activation=LEAKY)
        self.blocks = nn.Sequential(*(dark(half, inner) for _ in range(count)))
        self.transition = unit(half, half, 1, activation=LEAKY)
        self.merging = unit(2 * half, width, 1, activation=LEAKY)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.widen(self.down(x)).chunk(2, 1)
        return self.merging(torch.cat([self.transition(self.blocks(second)), first], 1))


def cspdarknet53() -> nn.Module:
    stages = [
        CrossStage(count, width // 2, width, 64 if width == 64 else width // 2, width // 2) for count, width in STAGES
    ]
    return nn.Sequential(unit(3, 32, 3, activation=LEAKY), *stages, *head(1024, 1000))


def repvgg_a0() -> nn.Module:
    """In training form: 3x3, 1x1 and identity, each with a batch norm, the identity where the shape stays."""
    layers: list[nn.Module] = []
    channels = 3
    for count, width in ((1, 48), (2, 48), (4, 96), (14, 192), (1, 1280)):
        for stride in (2, *[1] * (count - 1)):
            same = [nn.BatchNorm2d(width)] if stride == 1 else []
            three, one = (unit(channels, width, kernel, stride, activation=None) for kernel in (3, 1))
            layers += [Summed(three, one, *same), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers, *head(1280, 1000))


def links(layer: int) -> list[int]:
    """The layers that layer k of a harmonic dense block reads: k - 2^i for every 2^i that divides k; 0 is the input.

    The last one comes first, as in the authors' code; the others in order, where that has them backwards: its weights
    are these with their input channels permuted.
    """
    return [layer - 1, *(layer - 2**i for i in range(9, 0, -1) if layer % 2**i == 0)]


class Harmonic(nn.Module):
    """A harmonic dense block of `count` layers and what gathers its last and its odd layers, in this order."""

    def __init__(self, inputs: int, growth: int, count: int, out: int) -> None:
        super().__init__()
        sizes, layers = [inputs], []
        for layer in range(1, count + 1):
            width = growth * 1.7 ** (len(links(layer)) - 1)
            sizes.append(int(int(width + 1) / 2) * 2)
            layers.append(unit(sum(sizes[k] for k in links(layer)), sizes[-1], 3, activation=nn.ReLU6))
        self.layers = nn.ModuleList(layers)
        self.kept = [count, *range(1, count, 2)]
        self.gather = unit(sum(sizes[k] for k in self.kept), out, 1, activation=nn.ReLU6)

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for number, layer in enumerate(self.layers, start=1):
            found.append(layer(torch.cat([found[k] for k in links(number)], 1)))
        return self.gather(torch.cat([found[k] for k in self.kept], 1))


def hardnet68() -> nn.Module:
    layers: list[nn.Module] = [
        unit(3, 32, 3, 2, activation=nn.ReLU6), unit(32, 64, 3, activation=nn.ReLU6), nn.MaxPool2d(3, 2, 1),
    ]  # fmt: skip
    rows = ((8, 14, 128, True), (16, 16, 256, False), (16, 20, 320, True), (16, 40, 640, True), (4, 160, 1024, False))
    channels = 64
    for count, growth, out, pooled in rows:
        layers += [Harmonic(channels, growth, count, out), *([nn.MaxPool2d(2)] if pooled else [])]
        channels = out
    return nn.Sequential(*layers, *head(1024, 1000, nn.Dropout(0.1)))
