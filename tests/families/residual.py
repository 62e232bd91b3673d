"""Post-activation networks: ResNet, its ablations, Wide ResNet for images, ResGroup, RoR."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tests.families.layers import (
    Body,
    Calls,
    Net,
    Pool,
    Span,
    Stride,
    bn,
    cifar_stem,
    classifier,
    conv,
    drop_branch,
    image_stem,
    option,
    relu,
)

Make = Callable[[int, int, Stride, int], Body]
"""(input channels, width, stride, number in the network) -> block; the block tells its output channels as `out`."""


class Residual(Body):
    """relu(branch(x) + shortcut(x)), with the ablations' scalings and orders as options."""

    def __init__(
        self, branch: nn.Module, shortcut: nn.Module | None, out: int, *, after: nn.Module | None = None,
        survival: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.branch, self.shortcut, self.out, self.survival = branch, shortcut, out, survival
        self.after = nn.ReLU() if after is None else after

    def joint(self, x: Tensor) -> Tensor:
        y = self.branch(x)
        if self.survival is not None:
            y = drop_branch(y, self.survival, self.training)
        return y if self.shortcut is None else y + self.shortcut(x)


def basic(kind: str = "B", kernels: Sequence[int] = (3, 3), factor: float = 1) -> Make:
    """The basic block; `kernels` (3, 3, 3) is B(3,3,3), `factor` widens it."""

    def make(i: int, width: int, stride: Stride, _: int) -> Body:
        w = int(width * factor)
        layers: list[nn.Module] = []
        for k, kernel in enumerate(kernels):
            layers += [conv(i if k == 0 else w, w, kernel, stride if k == 0 else 1), bn(w), nn.ReLU()]
        return Residual(nn.Sequential(*layers[:-1]), option(kind, i, w, stride), w)

    return make


def bottleneck(
    kind: str = "B", inner: float = 1, outer: float = 4, groups: Callable[[int], int] = lambda inner: 1, dim: int = 2
) -> Make:
    """c1(inner) - c3(inner, stride, groups) - c1(outer); both in multiples of the stage's width."""

    def make(i: int, width: int, stride: Stride, _: int) -> Body:
        a, o = int(width * inner), int(width * outer)
        branch = nn.Sequential(
            conv(i, a, 1, dim=dim), bn(a, dim), nn.ReLU(),
            conv(a, a, 3, stride, groups=groups(a), dim=dim), bn(a, dim), nn.ReLU(),
            conv(a, o, 1, dim=dim), bn(o, dim),
        )  # fmt: skip
        return Residual(branch, option(kind, i, o, stride, dim), o)

    return make


def one_layer(i: int, width: int, stride: Stride, _: int) -> Body:
    """A block of a single convolution."""
    return Residual(nn.Sequential(conv(i, width, 3, stride), bn(width)), option("A", i, width, stride), width)


def ablation(name: str, make: Make) -> Make:
    """An ablation of He et al. (arXiv 1603.05027) on blocks of `make`: Fig. 2 (shortcuts) and Fig. 4 (orders)."""

    def changed(i: int, width: int, stride: Stride, number: int) -> Body:
        block = make(i, width, stride, number)
        assert isinstance(block, Residual)
        assert isinstance(block.branch, nn.Sequential)
        assert block.shortcut is not None
        match name:
            case "scale":
                block.shortcut = nn.Sequential(block.shortcut, Calls(lambda x: 0.5 * x))
            case "scale_both":
                block.shortcut = nn.Sequential(block.shortcut, Calls(lambda x: 0.5 * x))
                block.branch.append(Calls(lambda x: 0.5 * x))
            case "dropout":
                block.shortcut = nn.Sequential(block.shortcut, nn.Dropout(0.5))
            case "conv":
                block.shortcut = option("C", i, block.out, stride)
            case "exclusive" | "gated":
                return Gated(block, i, stride, exclusive=name == "exclusive")
            case "bn_after_add":
                block.after = nn.Sequential(block.branch.pop(-1), nn.ReLU())
            case "relu_before_add":
                block.branch.append(nn.ReLU())
                block.after = nn.Identity()
            case "relu_only":
                block.branch.insert(0, nn.ReLU())
                block.after = nn.Identity()
        return block

    return changed


class Gated(Body):
    """The shortcut times 1 - g(x); exclusive gating also multiplies the branch by g(x)."""

    def __init__(self, block: Residual, i: int, stride: Stride, exclusive: bool) -> None:
        super().__init__()
        self.block, self.out, self.exclusive = block, block.out, exclusive
        self.gate = nn.Conv2d(i, block.out, 1, stride)
        self.after = nn.ReLU()

    def joint(self, x: Tensor) -> Tensor:
        g = torch.sigmoid(self.gate(x))
        branch, shortcut = self.block.branch(x), self.block.shortcut
        assert shortcut is not None
        return (g * branch if self.exclusive else branch) + (1 - g) * shortcut(x)


def stages(
    make: Make, channels: int, counts: Sequence[int], widths: Sequence[int], strides: Sequence[Stride]
) -> list[list[Body]]:
    """Blocks by stage; the first of each takes its stride."""
    found, number = [], 0
    for count, width, stride in zip(counts, widths, strides, strict=True):
        blocks = []
        for index in range(count):
            number += 1
            blocks.append(make(channels, width, stride if index == 0 else 1, number))
            channels = int(blocks[-1].out)  # type: ignore[arg-type]
        found.append(blocks)
    return found


def levels(found: Sequence[Sequence[Body]], m: int, channels: int, strides: Sequence[Stride], with_bn: bool) -> Span:
    """RoR-m over blocks: a span for the root, one for each stage, and halves of those above, each with its g."""

    def project(i: int, o: int, stride: int) -> nn.Module:
        return nn.Sequential(conv(i, o, 1, stride), bn(o)) if with_bn else conv(i, o, 1, stride)

    def span(blocks: Sequence[Body], i: int, stride: int, level: int) -> nn.Module:
        if len(blocks) == 1:
            return blocks[0]
        out = int(blocks[-1].out)  # type: ignore[arg-type]
        g = project(i, out, stride)
        if level + 1 >= m:
            return Span(blocks, g)
        half = (len(blocks) + 1) // 2
        return Span([span(blocks[:half], i, stride, level + 1), span(blocks[half:], out, 1, level + 1)], g)

    parts: list[nn.Module] = []
    total, entering = 1, channels
    for blocks, stride in zip(found, strides, strict=True):
        assert isinstance(stride, int)
        parts.append(span(blocks, entering, stride, 2) if m > 2 else Span(blocks, None))
        entering, total = int(blocks[-1].out), total * stride  # type: ignore[arg-type]
    return Span(parts, project(channels, entering, total) if m > 1 else None)


def image(make: Make, counts: Sequence[int], *, classes: int = 1000, m: int = 1, pool: bool = True,
          strides: Sequence[Stride] = (1, 2, 2, 2), dim: int = 2, cut: int = 4,
          dropout: bool = False) -> nn.Module:  # fmt: skip
    """A network in the image frame; `cut` stages are kept, without a head if fewer than four."""
    found = stages(make, 64, counts[:cut], [64, 128, 256, 512][:cut], strides[:cut])
    body: nn.Module = nn.Sequential(*(block for blocks in found for block in blocks))
    if m > 1:
        body = levels(found, m, 64, strides, with_bn=True)
    out = int(found[-1][-1].out)  # type: ignore[arg-type]
    head = classifier(out, classes) if cut == 4 else nn.Identity()
    if dropout:
        head = nn.Sequential(Pool(), nn.Dropout(0.5), nn.Linear(out, classes))
    return Net(image_stem(dim, pool), body, head)


def cifar(make: Make, blocks: int, *, classes: int = 10, m: int = 1, last: nn.Module | None = None) -> nn.Module:
    """A network in the CIFAR frame with as many blocks in each of three stages."""
    found = stages(make, 16, [blocks] * 3, [16, 32, 64], [1, 2, 2])
    body: nn.Module = nn.Sequential(*(block for stage in found for block in stage))
    if m > 1:
        body = levels(found, m, 16, [1, 2, 2], with_bn=True)
    out = int(found[-1][-1].out)  # type: ignore[arg-type]
    return Net(cifar_stem(), body, classifier(out, classes, *([last] if last is not None else [])))


def surviving(make: Make, total: int, last: float = 0.5) -> Make:
    """Blocks under stochastic depth: p_l = 1 - (l / L)(1 - p_L)."""

    def changed(i: int, width: int, stride: Stride, number: int) -> Body:
        block = make(i, width, stride, number)
        assert isinstance(block, Residual)
        block.survival = 1 - number / total * (1 - last)
        return block

    return changed


def activated() -> nn.Module:
    return Calls(relu)
