"""Small pieces the reference networks are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Stride = int | tuple[int, ...]


def conv(
    i: int, o: int, kernel: int | tuple[int, ...], stride: Stride = 1, *, groups: int = 1, dim: int = 2
) -> nn.Module:
    """A convolution without bias that pads to the same size."""
    sizes = kernel if isinstance(kernel, tuple) else (kernel,) * dim
    layer = nn.Conv3d if dim == 3 else nn.Conv2d
    return layer(i, o, sizes, stride, padding=tuple(k // 2 for k in sizes), groups=groups, bias=False)


def bn(channels: int, dim: int = 2) -> nn.Module:
    return nn.BatchNorm3d(channels) if dim == 3 else nn.BatchNorm2d(channels)


def strided(stride: Stride) -> bool:
    return max(stride) > 1 if isinstance(stride, tuple) else stride > 1


class OptionA(nn.Module):
    """Every stride-th pixel, zeros for the new channels."""

    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.stride, self.new = stride, o - i

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        zeros = x.new_zeros(x.shape[0], self.new, *x.shape[2:])
        return torch.cat([x, zeros], dim=1)


def option(kind: str, i: int, o: int, stride: Stride, dim: int = 2) -> nn.Module | None:
    """A shortcut of He et al.: A, B, C, a bare projection, the max-pool projection of iResNet, or none at all."""
    changed = i != o or strided(stride)
    match kind:
        case "none":
            return None
        case "A":
            assert isinstance(stride, int)
            return OptionA(i, o, stride) if changed else nn.Identity()
        case "B":
            return nn.Sequential(conv(i, o, 1, stride, dim=dim), bn(o, dim)) if changed else nn.Identity()
        case "C":
            return nn.Sequential(conv(i, o, 1, stride, dim=dim), bn(o, dim))
        case "bare":
            return conv(i, o, 1, stride, dim=dim) if changed else nn.Identity()
        case "pooled":
            layers: list[nn.Module] = []
            if strided(stride):
                layers.append((nn.MaxPool3d if dim == 3 else nn.MaxPool2d)(3, stride, 1))
            if i != o:
                layers += [conv(i, o, 1, dim=dim), bn(o, dim)]
            return nn.Sequential(*layers)
    raise AssertionError(kind)


class Body(nn.Module):
    """A block in two steps: `joint(x)`, everything up to the closing addition, and `after`, what follows it."""

    after: nn.Module

    def joint(self, x: Tensor) -> Tensor:
        raise AssertionError

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.joint(x))


class Span(nn.Module):
    """Blocks under one level shortcut of RoR: x goes through the parts, and g(x) joins the last block's addition."""

    def __init__(self, parts: Sequence[nn.Module], g: nn.Module | None) -> None:
        super().__init__()
        self.parts, self.g = nn.ModuleList(parts), g

    def joint(self, x: Tensor) -> Tensor:
        y = x
        for part in self.parts[:-1]:
            y = part(y)
        y = self.parts[-1].joint(y)
        return y if self.g is None else y + self.g(x)

    @property
    def after(self) -> nn.Module:
        return self.parts[-1].after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.joint(x))


class Net(nn.Module):
    """Stem, body, head."""

    def __init__(self, stem: nn.Module, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.stem, self.body, self.head = stem, body, head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)))


class Pool(nn.Module):
    """Mean over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mean(2)


class Calls(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def classifier(channels: int, classes: int, *before: nn.Module) -> nn.Module:
    return nn.Sequential(*before, Pool(), nn.Linear(channels, classes))


def image_stem(dim: int = 2, pool: bool = True) -> nn.Module:
    """The stem of the image frame, or of its three-dimensional form."""
    kernel, stride = ((5, 7, 7), (1, 2, 2)) if dim == 3 else ((7, 7), (2, 2))
    layers: list[nn.Module] = [conv(3, 64, kernel, stride, dim=dim), bn(64, dim), nn.ReLU()]
    if pool and dim == 3:
        layers.append(nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
    elif pool:
        layers.append(nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(*layers)


def cifar_stem(bare: bool = False) -> nn.Module:
    return conv(3, 16, 3) if bare else nn.Sequential(conv(3, 16, 3), bn(16), nn.ReLU())


def vgg19(classes: int, spatial: int) -> nn.Module:
    """VGG-19 as Fig. 3 of He et al. draws it; `spatial` is the side of the last map."""
    layers: list[nn.Module] = []
    widths = [3, 64, 64, 128, 128, *[256] * 4, *[512] * 8]
    for k, (i, o) in enumerate(pairwise(widths), start=1):
        layers += [nn.Conv2d(i, o, 3, padding=1), nn.ReLU()]
        if k in (2, 4, 8, 12, 16):
            layers.append(nn.MaxPool2d(2))
    hidden = [nn.Linear(512 * spatial**2, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), *hidden, nn.Dropout(0.5), nn.Linear(4096, classes))


def drop_branch(x: Tensor, survival: float, training: bool) -> Tensor:
    """Stochastic depth as first defined: the whole mini-batch, no rescaling; evaluation takes the expectation."""
    if not training:
        return x * survival
    return x if torch.rand(1).item() < survival else x * 0


def relu(x: Tensor) -> Tensor:
    return F.relu(x)
