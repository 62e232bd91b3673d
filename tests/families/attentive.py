"""ResNet-50s whose blocks weigh their channels, branches or positions: SENet (arXiv 1709.01507), CBAM (1807.06521),
SKNet (1903.06586) and ResNeSt (2004.08955)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from reference.layers import bn, conv1, conv3, image_stem, option
from torch import Tensor, nn

from tests.families.layers import classifier

Make = Callable[[int, int, int], nn.Module]
"""(input channels, width of the stage, stride) -> block"""


class Residual(nn.Module):
    """relu(body(x) + shortcut(x))."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x) + self.shortcut(x)).relu()


def activated(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, bn(channels), nn.ReLU()]


def bottleneck(i: int, inner: int, outer: int, stride: int, groups: int = 1) -> list[nn.Module]:
    middle = activated(conv3(inner, inner, stride, groups=groups), inner)
    return [*activated(conv1(i, inner), inner), *middle, conv1(inner, outer), bn(outer)]


def image(make: Make, stem: nn.Module | None = None, counts: Sequence[int] = (3, 4, 6, 3)) -> nn.Module:
    """Bottlenecks in the image frame."""
    blocks, channels = [], 64
    for count, width in zip(counts, [64, 128, 256, 512], strict=True):
        for index in range(count):
            blocks.append(make(channels, width, 2 if index == 0 and width > 64 else 1))
            channels = 4 * width
    return nn.Sequential(stem or image_stem(), *blocks, classifier(2048, 1000))


class Excited(nn.Module):
    """Every channel times a number made from all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = nn.Linear(channels, channels // 16), nn.ReLU(), nn.Linear(channels // 16, channels), nn.Sigmoid()
        self.gate = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x.mean((2, 3)))[:, :, None, None]


def seresnext50() -> nn.Module:
    def make(i: int, width: int, stride: int) -> nn.Module:
        body = nn.Sequential(*bottleneck(i, 2 * width, 4 * width, stride, 32), Excited(4 * width))
        return Residual(body, option("B", i, 4 * width, stride))

    return image(make)


class Attended(nn.Module):
    """CBAM: channels gated by one perceptron of their means and of their maxima, then positions by a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = nn.Conv2d(channels, channels // 16, 1), nn.ReLU(), nn.Conv2d(channels // 16, channels, 1)
        self.perceptron = nn.Sequential(*layers)
        self.positions = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3, bias=False), bn(1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        mean, peak = x.mean((2, 3), keepdim=True), x.flatten(2).max(2).values[:, :, None, None]
        x = x * torch.sigmoid(self.perceptron(mean) + self.perceptron(peak))
        return x * self.positions(torch.stack([x.max(1).values, x.mean(1)], 1))


def cbam_resnet50(counts: Sequence[int] = (3, 4, 6, 3)) -> nn.Module:
    def make(i: int, width: int, stride: int) -> nn.Module:
        body = nn.Sequential(*bottleneck(i, width, 4 * width, stride), Attended(4 * width))
        return Residual(body, option("B", i, 4 * width, stride))

    return image(make, counts=counts)


class Choice(nn.Module):
    """Two maps, weighted channel by channel by a softmax of two linear functions of what the sum's means give."""

    def __init__(self, channels: int, hidden: int, bias: bool) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(nn.Linear(channels, hidden, bias), nn.BatchNorm1d(hidden), nn.ReLU())
        self.logits = nn.ModuleList(nn.Linear(hidden, channels, bias) for _ in range(2))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, 2, C, H, W) -> (N, C, H, W)."""
        squeezed = self.squeeze(maps.sum(1).mean((2, 3)))
        shares = torch.stack([logits(squeezed) for logits in self.logits], 1).softmax(1)
        return torch.einsum("nbchw,nbc->nchw", maps, shares)


class Selective(nn.Module):
    """SKNet's unit: kernels of two sizes, one of them dilated, and a choice between them."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*activated(nn.Conv2d(channels, channels, 3, stride, d, d, 32, bias=False), channels))
            for d in (1, 2)
        )
        self.choice = Choice(channels, max(channels // 16, 32), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.choice(torch.stack([branch(x) for branch in self.branches], 1))


def sknet50() -> nn.Module:
    def make(i: int, width: int, stride: int) -> nn.Module:
        inner, outer = 2 * width, 4 * width
        body = [*activated(conv1(i, inner), inner), Selective(inner, stride), conv1(inner, outer), bn(outer)]
        return Residual(nn.Sequential(*body), option("B", i, outer, stride))

    return image(make)


def deep_stem() -> nn.Module:
    layers: list[nn.Module] = []
    for i, o, stride in ((3, 32, 2), (32, 32, 1), (32, 64, 1)):
        layers += activated(conv3(i, o, stride), o)
    return nn.Sequential(*layers, nn.MaxPool2d(3, 2, 1))


def averaged(i: int, o: int, stride: int) -> nn.Module | None:
    """ResNet-D's shortcut: a mean in the place of the projection's stride."""
    if i == o:
        return None
    return nn.Sequential(nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False), conv1(i, o), bn(o))


def resnet50d() -> nn.Module:
    def make(i: int, width: int, stride: int) -> nn.Module:
        body = nn.Sequential(*bottleneck(i, width, 4 * width, stride))
        return Residual(body, averaged(i, 4 * width, stride))

    return image(make, deep_stem())


class SplitAttention(nn.Module):
    """ResNeSt's unit: one convolution in two groups gives both maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(*activated(conv3(channels, 2 * channels, groups=2), 2 * channels))
        self.choice = Choice(channels, channels // 2, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.choice(self.maps(x).unflatten(1, (2, -1)))


def resnest50() -> nn.Module:
    def make(i: int, width: int, stride: int) -> nn.Module:
        pool = [nn.AvgPool2d(3, 2, 1)] if stride == 2 else []
        body = [
            *activated(conv1(i, width), width),
            SplitAttention(width),
            *pool,
            conv1(width, 4 * width),
            bn(4 * width),
        ]
        return Residual(nn.Sequential(*body), averaged(i, 4 * width, stride))

    return image(make, deep_stem())
