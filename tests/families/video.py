"""Video networks: R(2+1)D-18, SlowFast on ResNet-50."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.families.units import Summed, unit

PLANE = (1, 2, 2)


def planar(inputs: int, middle: int, out: int, stride: int) -> list[nn.Module]:
    """A convolution over the plane, then one over time."""
    time = nn.Conv3d(middle, out, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False)
    return [unit(inputs, middle, (1, 3, 3), (1, stride, stride), dim=3), time, nn.BatchNorm3d(out)]


def r2plus1d_18() -> nn.Module:
    layers: list[nn.Module] = [unit(3, 45, (1, 7, 7), PLANE, dim=3), unit(45, 64, (3, 1, 1), dim=3)]
    channels = 64
    for width, first in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first, 1):
            middle = (channels * width * 27) // (channels * 9 + 3 * width)  # as many weights as 3x3x3 would have
            branch = nn.Sequential(
                *planar(channels, middle, width, stride), nn.ReLU(), *planar(width, middle, width, 1)
            )
            same = stride == 1 and channels == width
            shortcut = nn.Identity() if same else unit(channels, width, 1, stride, dim=3, activation=None)
            layers += [Summed(branch, shortcut), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(512, 400))


def bottleneck(inputs: int, inner: int, time: int, stride: int) -> nn.Module:
    branch = nn.Sequential(
        unit(inputs, inner, (time, 1, 1), dim=3),
        unit(inner, inner, (1, 3, 3), (1, stride, stride), dim=3),
        unit(inner, 4 * inner, 1, dim=3, activation=None),
    )
    shortcut: nn.Module = nn.Identity()
    if inputs != 4 * inner:
        shortcut = unit(inputs, 4 * inner, 1, (1, stride, stride), dim=3, activation=None)
    return nn.Sequential(Summed(branch, shortcut), nn.ReLU())


def stages(inputs: int, width: int, times: tuple[int, ...], fused: int) -> nn.ModuleList:
    """Stages of bottlenecks; before each but the first, `fused` times its predecessor's inner channels come in."""
    found = nn.ModuleList()
    for stage, (count, time) in enumerate(zip((3, 4, 6, 3), times, strict=True)):
        inner = width * 2**stage
        blocks = [bottleneck(inputs, inner, time, 1 if stage == 0 else 2)]
        blocks += [bottleneck(4 * inner, inner, time, 1) for _ in range(count - 1)]
        found.append(nn.Sequential(*blocks))
        inputs = 4 * inner + fused * inner
    return found


class SlowFast(nn.Module):
    """8x8: the fast pathway reads every frame, the slow one every fourth, and before each stage what the fast gives."""

    def __init__(self) -> None:
        super().__init__()
        pool = nn.MaxPool3d((1, 3, 3), PLANE, (0, 1, 1))
        self.fast_stem = nn.Sequential(unit(3, 8, (5, 7, 7), PLANE, dim=3), pool)
        self.fast = stages(8, 8, (3, 3, 3, 3), 0)
        self.slow_stem = nn.Sequential(unit(3, 64, (1, 7, 7), PLANE, dim=3), pool)
        self.slow = nn.ModuleList()
        for channels, stage in zip((8, 32, 64, 128), stages(80, 64, (1, 1, 3, 3), 1), strict=True):
            self.slow.append(nn.ModuleList([unit(channels, 2 * channels, (7, 1, 1), (4, 1, 1), dim=3), stage]))
        self.head = nn.Sequential(nn.Dropout(), nn.Linear(2304, 400))

    def forward(self, x: Tensor) -> Tensor:
        slow, fast = self.slow_stem(x[:, :, ::4]), self.fast_stem(x)
        for (fuse, slow_stage), fast_stage in zip(self.slow, self.fast, strict=True):
            slow = slow_stage(torch.cat([slow, fuse(fast)], 1))
            fast = fast_stage(fast)
        return self.head(torch.cat([slow.mean((2, 3, 4)), fast.mean((2, 3, 4))], 1))
