"""Pre-activation networks: He et al. (arXiv 1603.05027), Wide ResNet, Pre-RoR and RoR-WRN."""

from __future__ import annotations

from collections.abc import Sequence

from reference.layers import Stride, bn, conv, conv3, image_stem, option, strided
from torch import Tensor, nn

from tests.families.layers import Body, Net, classifier, drop_branch
from tests.families.residual import Make, levels, stages


class Pre(Body):
    """Convolutions each after BN-ReLU; where `shared`, the shortcut reads the first activation, else the input."""

    def __init__(
        self, first: nn.Module, convolutions: nn.Module, shortcut: nn.Module, out: int, *, shared: bool,
        survival: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.first, self.convolutions, self.shortcut = first, convolutions, shortcut
        self.out, self.shared, self.survival = out, shared, survival

    def joint(self, x: Tensor) -> Tensor:
        activated = self.first(x)
        y = self.convolutions(activated)
        if self.survival is not None:
            y = drop_branch(y, self)
        return y + self.shortcut(activated if self.shared else x)


def activation(channels: int) -> nn.Module:
    return nn.Sequential(bn(channels), nn.ReLU())


def wide(kernels: Sequence[int] = (3, 3), dropout: float = 0.0, *, first_special: bool = False, raw: bool = False,
         total: int = 0) -> Make:  # fmt: skip
    """Blocks B(kernels) of one width. `raw`: option A on the raw input (RoR); `first_special`: the network's first
    block shares its activation though its shape does not change; `total` blocks under stochastic depth."""

    def make(i: int, width: int, stride: Stride, number: int) -> Body:
        layers: list[nn.Module] = [conv(i, width, kernels[0], stride)]
        for kernel in kernels[1:]:
            layers += [bn(width), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else []), conv(width, width, kernel)]
        changed = i != width or strided(stride)
        shortcut = option("A" if raw else "bare", i, width, stride) or nn.Identity()
        shared = not raw and (changed or (first_special and number == 1))
        survival = 1 - number / total * 0.5 if total else None
        return Pre(activation(i), nn.Sequential(*layers), shortcut, width, shared=shared, survival=survival)

    return make


def bottleneck(*, image: bool = False) -> Make:
    """1x1, 3x3 (stride), 1x1 with four times the width; in the image frame the stem has activated already."""

    def make(i: int, width: int, stride: Stride, number: int) -> Body:
        out = 4 * width
        layers = nn.Sequential(
            conv(i, width, 1), bn(width), nn.ReLU(),
            conv(width, width, 3, stride), bn(width), nn.ReLU(),
            conv(width, out, 1),
        )  # fmt: skip
        shortcut = option("bare", i, out, stride) or nn.Identity()
        first = nn.Identity() if image and number == 1 else activation(i)
        return Pre(first, layers, shortcut, out, shared=i != out or strided(stride) or number == 1)

    return make


def cifar(make: Make, blocks: int, *, k: int = 1, classes: int = 10, m: int = 1) -> nn.Module:
    """Bare stem, three stages of widths 16k, 32k, 64k, BN-ReLU before the pool; RoR's g is a bare projection."""
    found = stages(make, 16, [blocks] * 3, [16 * k, 32 * k, 64 * k], [1, 2, 2])
    body: nn.Module = nn.Sequential(*(block for stage in found for block in stage))
    if m > 1:
        body = levels(found, m, 16, [1, 2, 2], with_bn=False)
    out = found[-1][-1].out
    return Net(conv3(3, 16), body, classifier(out, classes, activation(out)))


def image_net(counts: Sequence[int]) -> nn.Module:
    """Pre-activation bottlenecks in the image frame."""
    found = stages(bottleneck(image=True), 64, counts, [64, 128, 256, 512], [1, 2, 2, 2])
    body = nn.Sequential(*(block for stage in found for block in stage))
    return Net(image_stem(), body, classifier(2048, 1000, activation(2048)))
