"""What the hand-written networks share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)
CIFAR_WIDTHS = (16, 32, 64)
Stride = int | tuple[int, ...]


def conv(
    inputs: int, outputs: int, kernel: int | tuple[int, ...], stride: Stride = 1, *, groups: int = 1, dim: int = 2
) -> nn.Module:
    """A convolution without bias that pads to the same size."""
    sizes = kernel if isinstance(kernel, tuple) else (kernel,) * dim
    layer = nn.Conv3d if dim == 3 else nn.Conv2d
    return layer(inputs, outputs, sizes, stride, padding=tuple(k // 2 for k in sizes), groups=groups, bias=False)


def conv1(inputs: int, outputs: int, stride: Stride = 1, *, dim: int = 2) -> nn.Module:
    return conv(inputs, outputs, 1, stride, dim=dim)


def conv3(inputs: int, outputs: int, stride: Stride = 1, *, groups: int = 1, dim: int = 2) -> nn.Module:
    return conv(inputs, outputs, 3, stride, groups=groups, dim=dim)


def bn(channels: int, dim: int = 2) -> nn.Module:
    return nn.BatchNorm3d(channels) if dim == 3 else nn.BatchNorm2d(channels)


def strided(stride: Stride) -> bool:
    return max(stride) > 1 if isinstance(stride, tuple) else stride > 1


@dataclass(frozen=True)
class Bottle:
    """A bottleneck's channels in multiples of the stage's width, the groups of its 3x3, and its dimensions."""

    inner: float = 1
    outer: float = 4
    groups: Callable[[int], int] = lambda inner: 1
    dim: int = 2


BOTTLE = Bottle()


class OptionA(nn.Module):
    """Every stride-th pixel, zeros for the new channels."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, self.new = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        zeros = x.new_zeros(x.shape[0], self.new, *x.shape[2:])
        return torch.cat([x, zeros], dim=1)


def option(kind: str, inputs: int, outputs: int, stride: Stride, dim: int = 2) -> nn.Module | None:
    """A shortcut of He et al. (A, B, C), a bare projection, or iResNet's that pools; None where it is the identity."""
    changed = inputs != outputs or strided(stride)
    match kind:
        case "A":
            assert isinstance(stride, int)
            return OptionA(inputs, outputs, stride) if changed else None
        case "B":
            return option("C", inputs, outputs, stride, dim) if changed else None
        case "C":
            return nn.Sequential(conv1(inputs, outputs, stride, dim=dim), bn(outputs, dim))
        case "bare":
            return conv1(inputs, outputs, stride, dim=dim) if changed else None
        case "pooled":
            layers: list[nn.Module] = []
            if strided(stride):
                layers.append((nn.MaxPool3d if dim == 3 else nn.MaxPool2d)(3, stride, 1))
            if inputs != outputs:
                layers += [conv1(inputs, outputs, dim=dim), bn(outputs, dim)]
            return nn.Sequential(*layers) if layers else None
    raise AssertionError(kind)


class Stages(nn.Module):
    """A stem, stages of blocks, a head."""

    def __init__(self, stem: nn.Module, stages: Sequence[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.Sequential(*stages)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


def image_stem(dim: int = 2, pool: bool = True) -> nn.Sequential:
    """The stem of image networks, or of their three-dimensional form."""
    kernel, stride = ((5, 7, 7), (1, 2, 2)) if dim == 3 else ((7, 7), (2, 2))
    layers: list[nn.Module] = [conv(3, 64, kernel, stride, dim=dim), bn(64, dim), nn.ReLU(inplace=True)]
    if pool and dim == 3:
        layers.append(nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
    elif pool:
        layers.append(nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(*layers)


def cifar_stem() -> nn.Sequential:
    return nn.Sequential(conv3(3, 16), nn.BatchNorm2d(16), nn.ReLU(inplace=True))


def classifier(channels: int, classes: int, dim: int = 2) -> nn.Sequential:
    """The mean over all positions, and a linear layer; with dropout where the input is video."""
    if dim == 3:
        return nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(channels, classes))
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def initialise(network: nn.Module) -> None:
    """He normal by fan-out for convolutions; batch norms and linear layers start as torch's do."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
