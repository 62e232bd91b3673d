"""HRNet-W18: streams of four resolutions, each of which keeps adding what the others give."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.families.units import Summed, head, unit

WIDTHS = (18, 36, 72, 144)


def basic(width: int) -> nn.Sequential:
    branch = nn.Sequential(unit(width, width, 3), unit(width, width, 3, activation=None))
    return nn.Sequential(Summed(branch, nn.Identity()), nn.ReLU())


def four(width: int) -> list[nn.Module]:
    return [basic(width) for _ in range(4)]


def bottleneck(inputs: int, inner: int) -> nn.Sequential:
    branch = nn.Sequential(unit(inputs, inner, 1), unit(inner, inner, 3), unit(inner, 4 * inner, 1, activation=None))
    same = inputs == 4 * inner
    shortcut = nn.Identity() if same else unit(inputs, 4 * inner, 1, activation=None)
    return nn.Sequential(Summed(branch, shortcut), nn.ReLU())


def carrier(source: int, target: int) -> nn.Module:
    """What takes one stream's map to the size and the channels of another."""
    i, o = WIDTHS[source], WIDTHS[target]
    if source > target:
        larger = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(unit(i, o, 1, activation=None), larger)
    steps = [unit(i, i, 3, 2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, unit(i, o, 3, 2, activation=None))


class Exchange(nn.Module):
    """Every stream becomes the sum of all, each carried to its size."""

    def __init__(self, streams: int) -> None:
        super().__init__()
        self.streams = streams
        self.carriers = nn.ModuleDict({
            f"{source}_{target}": carrier(source, target)
            for target in range(streams) for source in range(streams) if source != target
        })  # fmt: skip

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        found = []
        for target in range(self.streams):
            parts = [
                maps[source] if source == target else self.carriers[f"{source}_{target}"](maps[source])
                for source in range(self.streams)
            ]
            found.append(F.relu(torch.stack(parts).sum(0)))
        return found


class HRNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        blocks = [bottleneck(64, 64), *(bottleneck(256, 64) for _ in range(3))]
        self.stem = nn.Sequential(unit(3, 64, 3, 2), unit(64, 64, 3, 2), *blocks)
        self.first = nn.ModuleList(
            nn.Sequential(unit(256, width, 3, stride), *four(width)) for width, stride in ((18, 1), (36, 2))
        )
        self.steps = nn.ModuleList()
        counts = (2, 3, 3, 3, 3, 4, 4, 4)
        for now, then in zip(counts, (*counts[1:], None), strict=True):
            if then is None:
                streams = [bottleneck(i, o) for i, o in zip(WIDTHS, (32, 64, 128, 256), strict=True)]
            else:
                streams = [nn.Sequential(*four(width)) for width in WIDTHS[:now]]
                if then > now:  # a further stream begins at what the coarsest gives
                    i, o = WIDTHS[now - 1], WIDTHS[now]
                    streams.append(nn.Sequential(unit(i, o, 3, 2), *four(o)))
            self.steps.append(nn.ModuleList([Exchange(now), nn.ModuleList(streams)]))
        self.down = nn.ModuleList(unit(width, 2 * width, 3, 2, bias=True) for width in (128, 256, 512))
        self.final = nn.Sequential(unit(1024, 2048, 1, bias=True), *head(2048, 1000))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        maps = [stream(x) for stream in self.first]
        for exchange, streams in self.steps:
            maps = exchange(maps)
            maps += [maps[-1]] * (len(streams) - len(maps))
            maps = [stream(map_) for stream, map_ in zip(streams, maps, strict=True)]
        y = maps[0]
        for down, other in zip(self.down, maps[1:], strict=True):
            y = other + down(y)
        result: Tensor = self.final(y)
        return result
