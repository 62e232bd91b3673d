"""ResNet (arXiv 1512.03385), the stride of bottlenecks on the 3x3; ResNeXt, ResGroup and wide ones by their widths."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from reference.layers import BOTTLE, WIDTHS, Bottle, Stages, Stride, bn, classifier, conv1, conv3, image_stem, option


class Residual(nn.Module):
    """relu(branch(x) + shortcut(x)), in parts, for the variants that put something between them."""

    out: int
    """Channels of the output."""
    projection: nn.Module | None
    """The shortcut; None is the identity."""

    def __init__(self, plain: bool = False) -> None:
        super().__init__()
        self.plain = plain  # no shortcut at all
        self.relu = nn.ReLU(inplace=True)

    def branch(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def shortcut(self, x: Tensor) -> Tensor:
        return x if self.projection is None else self.projection(x)

    def joint(self, x: Tensor) -> Tensor:
        """Up to the addition."""
        out = self.branch(x)
        if not self.plain:
            out += self.shortcut(x)
        return out

    def after(self, x: Tensor) -> Tensor:
        """What follows the addition."""
        return self.relu(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.joint(x))


class Basic(Residual):
    """3x3, 3x3, each with a batch norm. `kind` of shortcut: B is a projection where the shape changes."""

    def __init__(self, inputs: int, width: int, stride: Stride, kind: str = "B") -> None:
        super().__init__(plain=kind == "none")
        self.out = width
        self.conv1, self.bn1 = conv3(inputs, width, stride), bn(width)
        self.conv2, self.bn2 = conv3(width, width), bn(width)
        self.projection = None if self.plain else option(kind, inputs, width, stride)

    def branch(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))


class Bottleneck(Residual):
    """1x1, 3x3, 1x1, each with a batch norm."""

    def __init__(self, inputs: int, width: int, stride: Stride, form: Bottle = BOTTLE, kind: str = "B") -> None:
        super().__init__()
        inner, dim = int(width * form.inner), form.dim
        self.out = int(width * form.outer)
        self.conv1, self.bn1 = conv1(inputs, inner, dim=dim), bn(inner, dim)
        self.conv2, self.bn2 = conv3(inner, inner, stride, groups=form.groups(inner), dim=dim), bn(inner, dim)
        self.conv3, self.bn3 = conv1(inner, self.out, dim=dim), bn(self.out, dim)
        self.projection = option(kind, inputs, self.out, stride, dim)

    def branch(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))


class ResNet(Stages):
    """An image or video ResNet: `counts` blocks by stage. `cut`: as many stages, and no head."""

    def __init__(
        self, counts: Sequence[int], classes: int = 1000, *,
        block: Callable[[int, int, Stride], nn.Module] = Bottleneck, strides: Sequence[Stride] = (1, 2, 2, 2),
        dim: int = 2, pool: bool = True, cut: int | None = None,
    ) -> None:  # fmt: skip
        stages, channels = [], 64
        for count, width, stride in zip(counts[:cut], WIDTHS[:cut], strides[:cut], strict=True):
            blocks = []
            for index in range(count):
                blocks.append(block(channels, width, stride if index == 0 else 1))
                channels = int(blocks[-1].out)
            stages.append(nn.Sequential(*blocks))
        head = classifier(channels, classes, dim) if cut is None else nn.Identity()
        super().__init__(image_stem(dim, pool), stages, head)
