"""Networks that give maps: U-Net; a feature pyramid, BiFPN and SSD over ResNet-50."""

from __future__ import annotations

from functools import partial

import torch
from reference.resnet import ResNet
from torch import Tensor, nn
from torch.nn import functional as F

from tests.families.units import unit


def twice(inputs: int, out: int) -> nn.Sequential:
    return nn.Sequential(unit(inputs, out, 3), unit(out, out, 3))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = (64, 128, 256, 512, 1024)
        self.down = nn.ModuleList(twice(i, o) for i, o in zip((1, *widths[:-1]), widths, strict=True))
        self.up = nn.ModuleList(
            nn.ModuleList([nn.ConvTranspose2d(2 * width, width, 2, 2), twice(2 * width, width)])
            for width in reversed(widths[:-1])
        )
        self.last = nn.Conv2d(64, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        left = []
        for layers in self.down:
            x = layers(F.max_pool2d(x, 2) if left else x)
            left.append(x)
        for (up, layers), kept in zip(self.up, reversed(left[:-1]), strict=True):
            x = layers(torch.cat([kept, up(x)], 1))
        return self.last(x)


class Pyramid(nn.Module):
    """From the coarsest map down: what the map above gives, twice as large, plus the map's own projection."""

    def __init__(self) -> None:
        super().__init__()
        self.body = ResNet([3, 4, 6, 3], cut=4)
        channels = (256, 512, 1024, 2048)
        self.lateral = nn.ModuleList(nn.Conv2d(i, 256, 1) for i in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(256, 256, 3, padding=1) for _ in channels)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.body.stem(x)
        maps = []
        for stage in self.body.stages:
            x = stage(x)
            maps.append(x)
        merged = self.lateral[3](maps[3])
        found = {"p5": self.smooth[0](merged)}
        for i in (2, 1, 0):
            merged = F.interpolate(merged, scale_factor=2) + self.lateral[i](maps[i])
            found[f"p{i + 2}"] = self.smooth[3 - i](merged)
        return found


class Fusion(nn.Module):
    """Maps added with weights above 0 that are divided by their sum, then a separable convolution (EfficientDet)."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count))
        self.depthwise = nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False)
        self.pointwise, self.norm = nn.Conv2d(64, 64, 1), nn.BatchNorm2d(64)

    def forward(self, *maps: Tensor) -> Tensor:
        positive = F.relu(self.weight)
        x = sum(w * y for w, y in zip(positive, maps, strict=True)) / (positive.sum() + 1e-4)
        return self.norm(self.pointwise(self.depthwise(F.silu(x))))


class Round(nn.Module):
    """One round of BiFPN over maps from fine to coarse: down to the finest, and up again."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(Fusion(2) for _ in range(4))
        self.up = nn.ModuleList(Fusion(count) for count in (3, 3, 3, 2))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        middle = [maps[4]]
        for level, fusion in zip((3, 2, 1, 0), self.down, strict=True):
            middle.insert(0, fusion(maps[level], F.interpolate(middle[0], scale_factor=2)))
        found = [middle[0]]
        for level, fusion in zip((1, 2, 3, 4), self.up, strict=True):
            below = F.max_pool2d(found[-1], 3, 2, 1)
            found.append(fusion(maps[level], *middle[level : level + 1][: level < 4], below))
        return found


class BiFPN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = ResNet([3, 4, 6, 3], cut=4)
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, 64, 1), nn.BatchNorm2d(64)) for i in (512, 1024, 2048, 2048)
        )
        self.rounds = nn.ModuleList(Round() for _ in range(3))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.body.stem(x)
        maps = []
        for stage in self.body.stages:
            x = stage(x)
            maps.append(x)
        maps = [lateral(x) for lateral, x in zip(self.lateral, [*maps[1:], maps[3]], strict=True)]
        maps[3] = F.max_pool2d(maps[3], 3, 2, 1)
        maps.append(F.max_pool2d(maps[3], 3, 2, 1))
        for merged in self.rounds:
            maps = merged(maps)
        return {f"p{i}": x for i, x in enumerate(maps, start=3)}


class SSD(nn.Module):
    """Six maps, from stage 3 (with stride 1) on, each read by a 3x3 convolution for places and one for classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = ResNet([3, 4, 6, 3], strides=(1, 2, 1, 2), cut=3)
        widths, inner = (1024, 512, 512, 256, 256, 256), (256, 256, 128, 128, 128)
        self.more = nn.ModuleList()
        for k, (i, middle, o) in enumerate(zip(widths[:-1], inner, widths[1:], strict=True)):
            second = unit(middle, o, 3, 2) if k < 3 else unit(middle, o, 3, padding=0)
            self.more.append(nn.Sequential(unit(i, middle, 1), second))
        conv = partial(nn.Conv2d, kernel_size=3, padding=1)
        self.reads = nn.ModuleList(
            nn.ModuleList([conv(width, boxes * 4), conv(width, boxes * 81)])
            for width, boxes in zip(widths, (4, 6, 6, 6, 4, 4), strict=True)
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.body(x)
        found = {}
        for k, (places, classes) in enumerate(self.reads):
            x = self.more[k - 1](x) if k else x
            found |= {f"places{k + 1}": places(x), f"classes{k + 1}": classes(x)}
        return found
