"""ResStage and iResNet (Duta et al., arXiv 2004.04989): each stage a Start, Middles and an End."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from tests.families.layers import Net, Pool, Stride, bn, cifar_stem, classifier, conv, image_stem, option

Convolutions = Callable[[int, int, Stride], tuple[list[nn.Module], list[int]]]
"""(input channels, width, stride) -> convolutions and their output channels."""


def basic(i: int, width: int, stride: Stride) -> tuple[list[nn.Module], list[int]]:
    return [conv(i, width, 3, stride), conv(width, width, 3)], [width, width]


def bottleneck(
    inner: float = 1, outer: float = 4, groups: Callable[[int], int] = lambda a: 1, dim: int = 2
) -> Convolutions:
    def make(i: int, width: int, stride: Stride) -> tuple[list[nn.Module], list[int]]:
        a, o = int(width * inner), int(width * outer)
        grouped = conv(a, a, 3, stride, groups=groups(a), dim=dim)
        return [conv(i, a, 1, dim=dim), grouped, conv(a, o, 1, dim=dim)], [a, a, o]

    return make


class Start(nn.Module):
    """conv (BN ReLU conv)* BN, plus the projection; no activation after the sum."""

    def __init__(
        self, make: Convolutions, i: int, width: int, stride: Stride, projection: str, dim: int, alone: bool
    ) -> None:
        super().__init__()
        convolutions, channels = make(i, width, stride)
        self.out = channels[-1]
        layers: list[nn.Module] = []
        for layer, o in zip(convolutions, channels, strict=True):
            layers += [layer, bn(o, dim), nn.ReLU()]
        self.branch = nn.Sequential(*layers[:-1])
        self.projection = option(projection, i, self.out, stride, dim)
        self.close = nn.Sequential(bn(self.out, dim), nn.ReLU()) if alone else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        assert self.projection is not None
        return self.close(self.branch(x) + self.projection(x))


class Middle(nn.Module):
    """(BN ReLU conv)* plus x; the first after a Start begins without BN, an End closes with BN ReLU."""

    def __init__(self, make: Convolutions, channels: int, width: int, dim: int, *, second: bool, end: bool) -> None:
        super().__init__()
        convolutions, outs = make(channels, width, 1)
        layers: list[nn.Module] = [] if second else [bn(channels, dim)]
        for k, (layer, o) in enumerate(zip(convolutions, outs, strict=True)):
            layers += [nn.ReLU(), layer] if k == 0 else [bn(outs[k - 1], dim), nn.ReLU(), layer]
            del o
        self.branch, self.out = nn.Sequential(*layers), channels
        self.close = nn.Sequential(bn(channels, dim), nn.ReLU()) if end else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.close(x + self.branch(x))


def staged(make: Convolutions, i: int, counts: Sequence[int], widths: Sequence[int], strides: Sequence[Stride],
           projection: str, dim: int = 2) -> tuple[nn.Module, int]:  # fmt: skip
    """The stages, and their output channels."""
    blocks: list[nn.Module] = []
    for count, width, stride in zip(counts, widths, strides, strict=True):
        blocks.append(Start(make, i, width, stride, projection, dim, alone=count == 1))
        i = int(blocks[-1].out)
        for index in range(1, count):
            blocks.append(Middle(make, i, width, dim, second=index == 1, end=index == count - 1))
    return nn.Sequential(*blocks), i


def image(make: Convolutions, counts: Sequence[int], *, improved: bool = True, classes: int = 1000, dim: int = 2,
          strides: Sequence[Stride] | None = None, cut: int = 4) -> nn.Module:  # fmt: skip
    """ResStage, or iResNet (`improved`): no stem pool, stride 2 in stage 1, the max-pool projection."""
    strides = strides or ((2, 2, 2, 2) if improved else (1, 2, 2, 2))
    projection = "pooled" if improved else "C"
    body, out = staged(make, 64, counts[:cut], [64, 128, 256, 512][:cut], strides[:cut], projection, dim)
    head = classifier(out, classes) if cut == 4 else nn.Identity()
    if dim == 3:
        head = nn.Sequential(Pool(), nn.Dropout(0.5), nn.Linear(out, classes))
    return Net(image_stem(dim, pool=not improved), body, head)


def cifar(counts: Sequence[int], classes: int = 10) -> nn.Module:
    """iResNet in the CIFAR frame."""
    body, out = staged(bottleneck(), 16, counts, [16, 32, 64], [1, 2, 2], "pooled")
    return Net(cifar_stem(), body, classifier(out, classes))
