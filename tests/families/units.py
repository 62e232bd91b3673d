"""What the networks beyond residual ones share: a convolution with its norm and activation, and parts in parallel."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

Size = int | tuple[int, ...]


def unit(
    inputs: int, outputs: int, kernel: Size, stride: Size = 1, *, padding: Size | None = None, dim: int = 2,
    eps: float = 1e-5, activation: type[nn.Module] | partial[nn.Module] | None = nn.ReLU, bias: bool = False,
) -> nn.Sequential:  # fmt: skip
    """Convolution, batch norm, activation; pads to the same size unless told."""
    sizes = kernel if isinstance(kernel, tuple) else (kernel,) * dim
    around = tuple(size // 2 for size in sizes) if padding is None else padding
    conv = nn.Conv3d if dim == 3 else nn.Conv2d
    norm = nn.BatchNorm3d if dim == 3 else nn.BatchNorm2d
    layers: list[nn.Module] = [conv(inputs, outputs, sizes, stride, around, bias=bias), norm(outputs, eps=eps)]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class Beside(nn.Module):
    """The outputs of branches side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Summed(nn.Module):
    """The sum of the outputs of branches."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        out = self.branches[0](x)
        for branch in self.branches[1:]:
            out = out + branch(x)
        return out


def head(channels: int, classes: int, *before: nn.Module) -> list[nn.Module]:
    """The mean over all positions and a linear layer, with something between them."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *before, nn.Linear(channels, classes)]


def vgg16_bn(spatial: int) -> nn.Module:
    """Configuration D of VGG with batch norms; `spatial` is the side of the last map."""
    layers: list[nn.Module] = []
    channels = 3
    for count, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            layers.append(unit(channels, width, 3, bias=True))
            channels = width
        layers.append(nn.MaxPool2d(2))
    layers.append(nn.Flatten())
    for inputs in (512 * spatial**2, 4096):
        layers += [nn.Linear(inputs, 4096), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*layers, nn.Linear(4096, 1000))
