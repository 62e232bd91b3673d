"""Post-activation networks: ResNet and its ablations, with blocks of `reference.resnet`, and RoR's levels over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from reference.layers import BOTTLE, Bottle, Stride, bn, cifar_stem, conv, conv1, image_stem, option
from reference.resnet import Basic, Bottleneck, Residual, ResNet
from torch import Tensor, nn

from tests.families.layers import Body, Net, Span, classifier, drop_branch

Block = Residual | Body
Make = Callable[[int, int, Stride, int], Block]
"""(input channels, width, stride, number in the network) -> block; the block tells its output channels as `out`."""


class Chain(Residual):
    """Convolutions of any kernels, as B(3,3,3), or one alone."""

    def __init__(self, inputs: int, width: int, stride: Stride, kernels: Sequence[int], kind: str) -> None:
        super().__init__()
        self.out = width
        layers: list[nn.Module] = []
        for k, kernel in enumerate(kernels):
            layers += [conv(inputs if k == 0 else width, width, kernel, stride if k == 0 else 1), bn(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.projection = option(kind, inputs, width, stride)

    def branch(self, x: Tensor) -> Tensor:
        return self.layers(x)


def basic(kind: str = "B", kernels: Sequence[int] = (3, 3), factor: float = 1) -> Make:
    """The basic block; `kernels` (3, 3, 3) is B(3,3,3), `factor` widens it."""

    def make(i: int, width: int, stride: Stride, _: int) -> Block:
        width = int(width * factor)
        return Basic(i, width, stride, kind) if kernels == (3, 3) else Chain(i, width, stride, kernels, kind)

    return make


def bottleneck(kind: str = "B", form: Bottle = BOTTLE) -> Make:
    return lambda i, width, stride, _: Bottleneck(i, width, stride, form, kind)


def one_layer(i: int, width: int, stride: Stride, _: int) -> Block:
    """A block of a single convolution."""
    return Chain(i, width, stride, [3], "A")


class Ablated(Body):
    """An ablation of He et al. (arXiv 1603.05027) of a block: Fig. 2 (shortcuts) and Fig. 4 (orders)."""

    def __init__(self, name: str, block: Residual, inputs: int, stride: Stride) -> None:
        super().__init__()
        self.name, self.block, self.out = name, block, block.out
        self.dropout = nn.Dropout(0.5)
        self.gate = nn.Conv2d(inputs, block.out, 1, stride) if name in ("exclusive", "gated") else None
        self.closing: nn.Module = nn.Identity()
        if name == "conv":
            block.projection = option("C", inputs, block.out, stride)
        if name == "bn_after_add":
            last = "bn3" if isinstance(block, Bottleneck) else "bn2"
            self.closing = getattr(block, last)
            setattr(block, last, nn.Identity())

    def joint(self, x: Tensor) -> Tensor:
        branch, shortcut = self.block.branch, self.block.shortcut
        match self.name:
            case "scale":
                return branch(x) + 0.5 * shortcut(x)
            case "scale_both":
                return 0.5 * branch(x) + 0.5 * shortcut(x)
            case "dropout":
                return branch(x) + self.dropout(shortcut(x))
            case "exclusive" | "gated":
                assert self.gate is not None
                g = torch.sigmoid(self.gate(x))
                return (g * branch(x) if self.name == "exclusive" else branch(x)) + (1 - g) * shortcut(x)
            case "relu_before_add":
                return branch(x).relu() + shortcut(x)
            case "relu_only":
                return branch(x.relu()) + shortcut(x)
        return branch(x) + shortcut(x)

    def after(self, x: Tensor) -> Tensor:
        return x if self.name in ("relu_before_add", "relu_only") else self.closing(x).relu()


def ablation(name: str, make: Make) -> Make:
    def changed(i: int, width: int, stride: Stride, number: int) -> Block:
        block = make(i, width, stride, number)
        assert isinstance(block, Residual)
        return Ablated(name, block, i, stride)

    return changed


class Surviving(Body):
    """A block under stochastic depth."""

    def __init__(self, block: Residual, survival: float) -> None:
        super().__init__()
        self.block, self.survival, self.out = block, survival, block.out

    def joint(self, x: Tensor) -> Tensor:
        return drop_branch(self.block.branch(x), self) + self.block.shortcut(x)

    def after(self, x: Tensor) -> Tensor:
        return self.block.after(x)


def surviving(make: Make, total: int, last: float = 0.5) -> Make:
    """Blocks under stochastic depth: p_l = 1 - (l / L)(1 - p_L)."""

    def changed(i: int, width: int, stride: Stride, number: int) -> Block:
        block = make(i, width, stride, number)
        assert isinstance(block, Residual)
        return Surviving(block, 1 - number / total * (1 - last))

    return changed


def stages(
    make: Make, channels: int, counts: Sequence[int], widths: Sequence[int], strides: Sequence[Stride]
) -> list[list[Block]]:
    """Blocks by stage; the first of each takes its stride."""
    found, number = [], 0
    for count, width, stride in zip(counts, widths, strides, strict=True):
        blocks = []
        for index in range(count):
            number += 1
            blocks.append(make(channels, width, stride if index == 0 else 1, number))
            channels = blocks[-1].out
        found.append(blocks)
    return found


def levels(found: Sequence[Sequence[Block]], m: int, channels: int, strides: Sequence[Stride], with_bn: bool) -> Span:
    """RoR-m over blocks: a span for the root, one for each stage, and halves of those above, each with its g."""

    def project(i: int, o: int, stride: int) -> nn.Module:
        return nn.Sequential(conv1(i, o, stride), bn(o)) if with_bn else conv1(i, o, stride)

    def span(blocks: Sequence[Block], i: int, stride: int, level: int) -> nn.Module:
        if len(blocks) == 1:
            return blocks[0]
        out = blocks[-1].out
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
        entering, total = blocks[-1].out, total * stride
    return Span(parts, project(channels, entering, total) if m > 1 else None)


def image(make: Make, counts: Sequence[int], *, m: int = 1, **options: object) -> nn.Module:
    """A network in the image frame; `options` are those of `ResNet`."""
    if m == 1:
        return ResNet(counts, block=lambda i, width, stride: make(i, width, stride, 0), **options)  # type: ignore[arg-type]
    strides = (1, 2, 2, 2)
    found = stages(make, 64, counts, [64, 128, 256, 512], strides)
    return Net(image_stem(), levels(found, m, 64, strides, with_bn=True), classifier(found[-1][-1].out, 1000))


def cifar(make: Make, blocks: int, *, classes: int = 10, m: int = 1, last: nn.Module | None = None) -> nn.Module:
    """A network in the CIFAR frame with as many blocks in each of three stages."""
    found = stages(make, 16, [blocks] * 3, [16, 32, 64], [1, 2, 2])
    body: nn.Module = nn.Sequential(*(block for stage in found for block in stage))
    if m > 1:
        body = levels(found, m, 16, [1, 2, 2], with_bn=True)
    return Net(cifar_stem(), body, classifier(found[-1][-1].out, classes, *([last] if last is not None else [])))
