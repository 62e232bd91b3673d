"""iResNet (arXiv 2004.04989): stages of a start, middles and an end, with a pooling projection."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from reference.layers import CIFAR_WIDTHS, WIDTHS, Stages, classifier, conv1, conv3


class Start(nn.Module):
    """1x1, 3x3, 1x1 ending in a batch norm, beside a projection that pools before it changes the channels."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1, self.bn1 = conv1(inputs, width), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv3(width, width, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv1(width, outputs), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        pool = [nn.MaxPool2d(3, stride, 1)] if stride != 1 else []
        self.projection = nn.Sequential(*pool, conv1(inputs, outputs), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += self.projection(x)
        return out


class Middle(nn.Module):
    """Pre-activated 1x1, 3x3, 1x1; without the leading batch norm where the block before ended in one."""

    def __init__(self, channels: int, width: int, leading: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels) if leading else None
        self.conv1 = conv1(channels, width)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), conv3(width, width)
        self.bn3, self.conv3 = nn.BatchNorm2d(width), conv1(width, channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = nn.functional.relu(x) if self.bn1 is None else self.relu(self.bn1(x))
        out = self.conv1(out)
        out = self.conv2(self.relu(self.bn2(out)))
        out = self.conv3(self.relu(self.bn3(out)))
        out += x
        return out


class End(Middle):
    """A middle followed by a batch norm and a ReLU."""

    def __init__(self, channels: int, width: int, leading: bool) -> None:
        super().__init__(channels, width, leading)
        self.closing = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.closing(super().forward(x)))


def stages_of(
    counts: Sequence[int], widths: Sequence[int], strides: Sequence[int], channels: int
) -> list[nn.Sequential]:
    """Stages of two blocks at least."""
    stages = []
    for count, width, stride in zip(counts, widths, strides, strict=True):
        blocks: list[nn.Module] = [Start(channels, width, stride)]
        channels = 4 * width
        blocks += [Middle(channels, width, leading=index > 1) for index in range(1, count - 1)]
        blocks.append(End(channels, width, leading=count > 2))
        stages.append(nn.Sequential(*blocks))
    return stages


class IResNet(Stages):
    """An image iResNet: no pool in the stem, stride 2 in every stage."""

    def __init__(self, counts: Sequence[int], classes: int = 1000) -> None:
        stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True))
        super().__init__(stem, stages_of(counts, WIDTHS, (2, 2, 2, 2), 64), classifier(2048, classes))


class CifarIResNet(Stages):
    """A CIFAR iResNet: three stages of bottlenecks."""

    def __init__(self, counts: Sequence[int], classes: int = 10) -> None:
        stem = nn.Sequential(conv3(3, 16), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        super().__init__(stem, stages_of(counts, CIFAR_WIDTHS, (1, 2, 2), 16), classifier(256, classes))


class IResNet50(IResNet):
    """iResNet-50: a network by itself, for `archspec bench --against`."""

    def __init__(self) -> None:
        super().__init__([3, 4, 6, 3])


class CifarIResNet164(CifarIResNet):
    """iResNet-164 on CIFAR-10."""

    def __init__(self) -> None:
        super().__init__([18, 18, 18])
