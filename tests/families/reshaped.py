"""Residual networks of other shapes: Res2Net (arXiv 1904.01169), DPN (1707.01629), ConvNeXt (2201.03545), PyramidNet
(1610.02915); and learned weights on branches and shortcuts: ReZero (2003.04887), SkipInit (2002.10444), LayerScale
(2103.17239), LAuReL (2411.07501), DenseFormer (2402.02622), RoR's levels."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from reference.layers import bn, cifar_stem, conv, conv1, conv3, option
from reference.resnet import Basic
from torch import Tensor, nn
from torch.nn import functional as F

from tests.families import residual
from tests.families.attentive import Residual, activated, bottleneck, image
from tests.families.layers import Span, classifier


class Factor(nn.Module):
    """A learned number for the whole map, or one per channel."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight[:, None, None] * x


def weighted_resnet50(per_channel: bool) -> nn.Module:
    def make(i: int, width: int, stride: int) -> nn.Module:
        factor = Factor(4 * width if per_channel else 1)
        body = nn.Sequential(*bottleneck(i, width, 4 * width, stride), factor)
        return Residual(body, option("B", i, 4 * width, stride))

    return image(make)


class Scaled(nn.Module):
    """Res2Net's bottleneck: a quarter of the channels after the other, each with what the one before it gave."""

    def __init__(self, i: int, width: int, stride: int) -> None:
        super().__init__()
        self.part, first = 26 * width // 64, i != 4 * width
        inner = 4 * self.part
        self.reduce = nn.Sequential(*activated(conv1(i, inner), inner))
        self.scales = nn.ModuleList(
            nn.Sequential(*activated(conv3(self.part, self.part, stride), self.part)) for _ in range(3)
        )
        self.alone, self.pool = first, nn.AvgPool2d(3, stride, 1) if first else nn.Identity()
        self.expand = nn.Sequential(conv1(inner, 4 * width), bn(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = self.reduce(x).split(self.part, 1)
        found: list[Tensor] = []
        for part, scale in zip(parts, self.scales, strict=True):
            found.append(scale(part if self.alone or not found else part + found[-1]))
        return self.expand(torch.cat([*found, self.pool(last)], 1))


def res2net50() -> nn.Module:
    return image(lambda i, width, stride: Residual(Scaled(i, width, stride), option("B", i, 4 * width, stride)))


def before(i: int, o: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    """DPN's convolution, after its normalisation and activation."""
    return nn.Sequential(nn.BatchNorm2d(i, 1e-3), nn.ReLU(), conv(i, o, kernel, stride, groups=groups))


class DualPath(nn.Module):
    """The first `width` channels add up, the others grow."""

    def __init__(self, i: int, width: int, growth: int, stride: int, first: bool) -> None:
        super().__init__()
        self.width, inner = width, 2 * width
        self.past = before(i, width + 2 * growth, 1, stride) if first else nn.Identity()
        layers = before(i, inner, 1), before(inner, inner, 3, stride, 32), nn.BatchNorm2d(inner, 1e-3), nn.ReLU()
        self.new = nn.Sequential(*layers)
        self.added, self.grown = conv1(inner, width), conv1(inner, growth)

    def forward(self, x: Tensor) -> Tensor:
        past, new = self.past(x), self.new(x)
        parts = past[:, : self.width] + self.added(new), past[:, self.width :], self.grown(new)
        return torch.cat(parts, 1)


def dpn68() -> nn.Module:
    stem = nn.Sequential(conv3(3, 10, 2), nn.BatchNorm2d(10, 1e-3), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    blocks, channels = [], 10
    for stage, (count, growth) in enumerate(zip([3, 4, 12, 3], [16, 32, 32, 64], strict=True)):
        width = 64 * 2**stage
        for index in range(count):
            stride = 2 if stage and index == 0 else 1
            blocks.append(DualPath(channels, width, growth, stride, index == 0))
            channels = width + (3 + index) * growth
    return nn.Sequential(stem, *blocks, classifier(channels, 1000, nn.BatchNorm2d(channels, 1e-3), nn.ReLU()))


class Norm(nn.LayerNorm):
    """Over the channels of each position."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, -1)).transpose(1, -1)


class ConvNeXtBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        mixing = nn.Conv2d(width, width, 7, padding=3, groups=width), Norm(width)
        pointwise = nn.Conv2d(width, 4 * width, 1), nn.GELU(), nn.Conv2d(4 * width, width, 1)
        self.body = nn.Sequential(*mixing, *pointwise, Factor(width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def convnext_tiny() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 96, 4, 4), Norm(96)]
    for stage, count in enumerate([3, 3, 9, 3]):
        width = 96 * 2**stage
        layers += [Norm(width // 2), nn.Conv2d(width // 2, width, 2, 2)] if stage else []
        layers += [ConvNeXtBlock(width) for _ in range(count)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(768, 1e-6), nn.Linear(768, 1000))


class Pyramid(nn.Module):
    """PyramidNet's block: its input, with zeros for new channels, is added."""

    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(bn(i), *activated(conv3(i, o, stride), o), conv3(o, o), bn(o))
        self.stride, self.new = stride, o - i

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + F.pad(F.avg_pool2d(x, self.stride, ceil_mode=True), (0, 0, 0, 0, 0, self.new))


def pyramidnet110_a48() -> nn.Module:
    widths = [round(16 + 48 * number / 54) for number in range(55)]
    blocks = [Pyramid(widths[number], widths[number + 1], 2 if number in (18, 36) else 1) for number in range(54)]
    return nn.Sequential(conv3(3, 16), bn(16), *blocks, classifier(64, 10, bn(64), nn.ReLU()))


class LaurelBlock(nn.Module):
    """relu(f(x) + x + B A x), with A and B of a low rank; option A where the shape changes."""

    def __init__(self, i: int, width: int, stride: int, rank: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*activated(conv3(i, width, stride), width), conv3(width, width), bn(width))
        self.shortcut = option("A", i, width, stride) or nn.Identity()
        self.low_rank = nn.Sequential(conv1(i, rank, stride), conv1(rank, width))

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x) + self.shortcut(x) + self.low_rank(x)).relu()


def cifar_laurel110() -> nn.Module:
    blocks, channels = [], 16
    for width in (16, 32, 64):
        for index in range(18):
            blocks.append(LaurelBlock(channels, width, 2 if index == 0 and width > 16 else 1, 4))
            channels = width
    return nn.Sequential(cifar_stem(), *blocks, classifier(64, 10))


class Averaged(nn.Module):
    """Blocks each followed by a learned average of its output (first) and all before it, option A between shapes."""

    def __init__(self, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.averages = nn.ParameterList(torch.empty(count) for count in range(2, len(self.blocks) + 2))

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for block, average in zip(self.blocks, self.averages, strict=True):
            found.append(block(x))
            last = found[-1]
            if last.shape != found[0].shape:
                new = last.shape[1] - found[0].shape[1]
                found[0] = F.pad(found[0][:, :, ::2, ::2], (0, 0, 0, 0, 0, new))
            x = sum(w * y for w, y in zip(average, [last, *found[:-1]], strict=True))
        return x


def cifar_denseformer110() -> nn.Module:
    stages, channels = [], 16
    for width in (16, 32, 64):
        strides = [1 if width == 16 else 2, *[1] * 17]
        stages.append(Averaged([Basic(channels if i == 0 else width, width, s, "A") for i, s in enumerate(strides)]))
        channels = width
    return nn.Sequential(cifar_stem(), *stages, classifier(64, 10))


class Weighted(nn.Module):
    """RoR-3, the projection of every level times a number of its own."""

    def __init__(self) -> None:
        super().__init__()
        network = residual.cifar(residual.basic("B"), 18, m=3)
        root, *stages = (module for module in network.modules() if isinstance(module, Span))
        for span in (*stages, root):
            span.g = nn.Sequential(span.g, Factor())
        # Parameters go by the order of registration: the levels' stand behind those of the first stage.
        self.first, self.levels = nn.ModuleList([network.stem, *stages[0].parts]), nn.ModuleList()
        self.levels.extend(span.g for span in (*stages, root))
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)
