"""Networks of blocks with several branches or trees: GoogLeNet, Inception v3, FractalNet, DLA-34."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from tests.families.units import Beside, Size, head, unit

inception_unit = partial(unit, eps=1e-3)
Row = tuple[int, Size] | tuple[int, Size, int]
"""Channels, kernel, and a stride where there is no padding."""


def chain(inputs: int, *rows: Row) -> nn.Sequential:
    """Convolutions in a row, each with norm and activation."""
    layers = []
    for row in rows:
        options = {"stride": row[2], "padding": 0} if len(row) == 3 else {}
        layers.append(inception_unit(inputs, row[0], row[1], **options))
        inputs = row[0]
    return nn.Sequential(*layers)


def googlenet() -> nn.Module:
    """Of table 1, with batch norms and with 3x3 in the place of 5x5."""
    pool = partial(nn.MaxPool2d, stride=2, ceil_mode=True)
    layers: list[nn.Module] = [inception_unit(3, 64, 7, 2), pool(3), chain(64, (64, 1), (192, 3)), pool(3)]
    channels = 192
    table = (
        (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), 3,
        (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), 2,
        (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
    )  # fmt: skip
    for row in table:
        if isinstance(row, int):
            layers.append(pool(row))
            continue
        one, three_reduce, three, five_reduce, five, pooled = row
        layers.append(
            Beside(
                chain(channels, (one, 1)),
                chain(channels, (three_reduce, 1), (three, 3)),
                chain(channels, (five_reduce, 1), (five, 3)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), chain(channels, (pooled, 1))),
            )
        )
        channels = one + three + five + pooled
    return nn.Sequential(*layers, *head(1024, 1000, nn.Dropout(0.2)))


def mean(inputs: int, out: int) -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(3, 1, 1), chain(inputs, (out, 1)))


def square(inputs: int, pooled: int) -> nn.Module:
    third = chain(inputs, (64, 1), (96, 3), (96, 3))
    return Beside(chain(inputs, (64, 1)), chain(inputs, (48, 1), (64, 5)), third, mean(inputs, pooled))


def factorized(n: int) -> nn.Module:
    return Beside(
        chain(768, (192, 1)),
        chain(768, (n, 1), (n, (1, 7)), (192, (7, 1))),
        chain(768, (n, 1), (n, (7, 1)), (n, (1, 7)), (n, (7, 1)), (192, (1, 7))),
        mean(768, 192),
    )


def expanded(inputs: int) -> nn.Module:
    def fork() -> nn.Module:
        return Beside(chain(384, (384, (1, 3))), chain(384, (384, (3, 1))))

    return Beside(
        chain(inputs, (320, 1)),
        nn.Sequential(chain(inputs, (384, 1)), fork()),
        nn.Sequential(chain(inputs, (448, 1), (384, 3)), fork()),
        mean(inputs, 192),
    )


class InceptionV3(nn.Module):
    """With its auxiliary head, which reads the last 17x17 map."""

    def __init__(self) -> None:
        super().__init__()
        pool = partial(nn.MaxPool2d, 3, 2)
        self.body = nn.Sequential(
            chain(3, (32, 3, 2), (32, 3, 1), (64, 3)), pool(), chain(64, (80, 1, 1), (192, 3, 1)), pool(),
            square(192, 32), square(256, 64), square(288, 64),
            Beside(chain(288, (384, 3, 2)), chain(288, (64, 1), (96, 3), (96, 3, 2)), pool()),
            *(factorized(n) for n in (128, 160, 160, 192)),
        )  # fmt: skip
        fourth = chain(768, (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2))
        self.end = nn.Sequential(
            Beside(chain(768, (192, 1), (320, 3, 2)), fourth, pool()), expanded(1280), expanded(2048),
            *head(2048, 1000, nn.Dropout(0.5)),
        )  # fmt: skip
        self.aux = nn.Sequential(nn.AvgPool2d(5, 3), chain(768, (128, 1, 1), (768, 5, 1)), *head(768, 1000))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.body(x)
        return {"output": self.end(x), "aux": self.aux(x)}


class Fractal(nn.Module):
    """f_C of FractalNet as columns: column k convolves every 2^k steps; where several end, their mean goes on."""

    def __init__(self, inputs: int, out: int, columns: int, dropout: float) -> None:
        super().__init__()
        self.columns = columns
        rows = []
        for step in range(1, 2 ** (columns - 1) + 1):
            ending = [k for k in range(columns) if step % 2**k == 0]
            layers = [unit(inputs if step == 2**k else out, out, 3).append(nn.Dropout(dropout)) for k in ending]
            rows.append(nn.ModuleList(layers))
        self.rows = nn.ModuleList(rows)

    def forward(self, x: Tensor) -> Tensor:
        reached = [x] * self.columns
        for row in self.rows:
            ended = [layer(reached[k]) for k, layer in enumerate(row)]
            reached[: len(ended)] = [torch.stack(ended).mean(0)] * len(ended)
        return reached[0]


def fractalnet_cifar10() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for i, width in enumerate((64, 128, 256, 512, 512)):
        layers += [Fractal(channels, width, 3, 0.1 * i), nn.MaxPool2d(2)]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


class Tree(nn.Module):
    """Two blocks, or two trees, under a root that reads them and what the trees before them gave."""

    def __init__(self, levels: int, inputs: int, out: int, stride: int, *, whole: bool = False, given: int = 0) -> None:
        super().__init__()
        self.whole = whole  # whether the root reads what the tree reads, too
        self.pool = nn.MaxPool2d(stride) if stride > 1 else nn.Identity()
        given += inputs if whole else 0
        if levels == 1:
            self.first: nn.Module = self.block(inputs, out, stride)
            self.project = unit(inputs, out, 1, activation=None) if inputs != out else nn.Identity()
            self.second: nn.Module = self.block(out, out, 1)
            self.root = unit(2 * out + given, out, 1)
        else:
            self.first = Tree(levels - 1, inputs, out, stride)
            self.second = Tree(levels - 1, out, out, 1, given=given + out)

    @staticmethod
    def block(inputs: int, out: int, stride: int) -> nn.Module:
        return nn.Sequential(unit(inputs, out, 3, stride), unit(out, out, 3, activation=None))

    def forward(self, x: Tensor, given: tuple[Tensor, ...] = ()) -> Tensor:
        pooled = self.pool(x)
        given = (*given, pooled) if self.whole else given
        if isinstance(self.first, Tree):
            first = self.first(x)
            return self.second(first, (*given, first))
        first = torch.relu(self.first(x) + self.project(pooled))
        second = torch.relu(self.second(first) + first)
        return self.root(torch.cat([second, first, *given], 1))


def dla34() -> nn.Module:
    trees = [Tree(1, 32, 64, 2), Tree(2, 64, 128, 2, whole=True), Tree(2, 128, 256, 2, whole=True)]
    stem = [unit(3, 16, 7), unit(16, 16, 3), unit(16, 32, 3, 2)]
    return nn.Sequential(*stem, *trees, Tree(1, 256, 512, 2, whole=True), *head(512, 1000))
