"""ResStage and iResNet (arXiv 2004.04989): stages of a start, middles and an end."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from reference.layers import (
    BOTTLE,
    CIFAR_WIDTHS,
    WIDTHS,
    Bottle,
    Stages,
    Stride,
    bn,
    cifar_stem,
    classifier,
    conv1,
    conv3,
    image_stem,
    option,
)


class Start(nn.Module):
    """1x1, 3x3, 1x1 ending in a batch norm, beside a projection: one that pools before it changes the channels."""

    def __init__(
        self, inputs: int, width: int, stride: Stride, form: Bottle = BOTTLE, projection: str = "pooled"
    ) -> None:
        super().__init__()
        inner, outputs, dim = int(width * form.inner), int(width * form.outer), form.dim
        self.conv1, self.bn1 = conv1(inputs, inner, dim=dim), bn(inner, dim)
        self.conv2, self.bn2 = conv3(inner, inner, stride, groups=form.groups(inner), dim=dim), bn(inner, dim)
        self.conv3, self.bn3 = conv1(inner, outputs, dim=dim), bn(outputs, dim)
        self.relu = nn.ReLU(inplace=True)
        self.projection = option(projection, inputs, outputs, stride, dim)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.projection is None else self.projection(x)
        return out


def opened(x: Tensor, norm: nn.Module | None, released: bool) -> Tensor:
    """What a block after the start begins with; its input is overwritten in the released code without a batch norm."""
    return nn.functional.relu(x, inplace=released) if norm is None else nn.functional.relu(norm(x), inplace=True)


class Middle(nn.Module):
    """Pre-activated 1x1, 3x3, 1x1; without the leading batch norm where the block before ended in one.

    `released`: as in the authors' released code, the ReLU that then comes first works in place, on what the identity
    shortcut carries.
    """

    def __init__(self, channels: int, width: int, leading: bool, form: Bottle = BOTTLE, released: bool = False) -> None:
        super().__init__()
        self.released = released
        inner, dim = int(width * form.inner), form.dim
        self.bn1 = bn(channels, dim) if leading else None
        self.conv1 = conv1(channels, inner, dim=dim)
        self.bn2, self.conv2 = bn(inner, dim), conv3(inner, inner, groups=form.groups(inner), dim=dim)
        self.bn3, self.conv3 = bn(inner, dim), conv1(inner, channels, dim=dim)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = opened(x, self.bn1, self.released)
        out = self.conv1(out)
        out = self.conv2(self.relu(self.bn2(out)))
        out = self.conv3(self.relu(self.bn3(out)))
        out += x
        return out


class End(Middle):
    """A middle followed by a batch norm and a ReLU."""

    def __init__(self, channels: int, width: int, leading: bool, form: Bottle = BOTTLE, released: bool = False) -> None:
        super().__init__(channels, width, leading, form, released)
        self.closing = bn(channels, form.dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.closing(super().forward(x)))


class BasicStart(nn.Module):
    """As a start, of two 3x3."""

    def __init__(self, inputs: int, width: int, stride: Stride) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3(inputs, width, stride), bn(width)
        self.conv2, self.bn2 = conv3(width, width), bn(width)
        self.relu = nn.ReLU(inplace=True)
        self.projection = option("pooled", inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.projection is None else self.projection(x)
        return out


class BasicEnd(nn.Module):
    """As an end, of two 3x3; as a middle without `closing`."""

    def __init__(self, width: int, leading: bool, closing: bool = True, released: bool = False) -> None:
        super().__init__()
        self.released = released
        self.bn1, self.conv1 = bn(width) if leading else None, conv3(width, width)
        self.bn2, self.conv2 = bn(width), conv3(width, width)
        self.relu = nn.ReLU(inplace=True)
        self.closing = bn(width) if closing else None

    def forward(self, x: Tensor) -> Tensor:
        out = opened(x, self.bn1, self.released)
        out = self.conv2(self.relu(self.bn2(self.conv1(out))))
        out += x
        return out if self.closing is None else self.relu(self.closing(out))


def stages_of(
    counts: Sequence[int], widths: Sequence[int], strides: Sequence[Stride], channels: int, form: Bottle = BOTTLE,
    projection: str = "pooled", released: bool = False,
) -> list[nn.Sequential]:  # fmt: skip
    """Stages of two blocks at least."""
    stages = []
    for count, width, stride in zip(counts, widths, strides, strict=True):
        blocks: list[nn.Module] = [Start(channels, width, stride, form, projection)]
        channels = int(width * form.outer)
        blocks += [Middle(channels, width, index > 1, form, released) for index in range(1, count - 1)]
        blocks.append(End(channels, width, count > 2, form, released))
        stages.append(nn.Sequential(*blocks))
    return stages


class IResNet(Stages):
    """An image or video iResNet: no pool in the stem, stride 2 in every stage. `cut`: as many stages, and no head."""

    def __init__(
        self, counts: Sequence[int], classes: int = 1000, *, form: Bottle = BOTTLE,
        strides: Sequence[Stride] = (2, 2, 2, 2), cut: int | None = None, released: bool = False,
    ) -> None:  # fmt: skip
        stages = stages_of(counts[:cut], WIDTHS[:cut], strides[:cut], 64, form, released=released)
        head = classifier(int(512 * form.outer), classes, form.dim) if cut is None else nn.Identity()
        super().__init__(image_stem(form.dim, pool=False), stages, head)


class BasicIResNet(Stages):
    """An image iResNet of blocks of two 3x3."""

    def __init__(self, counts: Sequence[int], classes: int = 1000, released: bool = False) -> None:
        stages, channels = [], 64
        for count, width in zip(counts, WIDTHS, strict=True):
            blocks: list[nn.Module] = [BasicStart(channels, width, 2)]
            blocks += [BasicEnd(width, index > 1, index == count - 1, released) for index in range(1, count)]
            stages.append(nn.Sequential(*blocks))
            channels = width
        super().__init__(image_stem(pool=False), stages, classifier(512, classes))


class ResStage(Stages):
    """iResNet's stages in ResNet's frame: a pool in the stem, and option C where a stage starts."""

    def __init__(self, counts: Sequence[int], classes: int = 1000, released: bool = False) -> None:
        stages = stages_of(counts, WIDTHS, (1, 2, 2, 2), 64, projection="C", released=released)
        super().__init__(image_stem(), stages, classifier(2048, classes))


class CifarIResNet(Stages):
    """A CIFAR iResNet: three stages of bottlenecks."""

    def __init__(self, counts: Sequence[int], classes: int = 10) -> None:
        super().__init__(cifar_stem(), stages_of(counts, CIFAR_WIDTHS, (1, 2, 2), 16), classifier(256, classes))


class IResNet50(IResNet):
    """iResNet-50: a network by itself, for `archspec bench --against`."""

    def __init__(self) -> None:
        super().__init__([3, 4, 6, 3])


class CifarIResNet164(CifarIResNet):
    """iResNet-164 on CIFAR-10."""

    def __init__(self) -> None:
        super().__init__([18, 18, 18])
