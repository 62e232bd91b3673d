"""What the variants of the reference networks share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Body(nn.Module):
    """A block in two steps: `joint(x)`, everything up to the closing addition, and `after`, what follows it."""

    out: int
    """Channels of the output."""
    survival: float | None = None
    """Probability that stochastic depth keeps the branch."""
    kept = True
    """Whether this step does."""

    def joint(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def after(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.joint(x))


class Span(Body):
    """Blocks under one level shortcut of RoR: x goes through the parts, and g(x) joins the last block's addition."""

    def __init__(self, parts: Sequence[nn.Module], g: nn.Module | None) -> None:
        super().__init__()
        self.parts, self.g = nn.ModuleList(parts), g

    def joint(self, x: Tensor) -> Tensor:
        y = x
        for part in self.parts[:-1]:
            y = part(y)
        y = self.parts[-1].joint(y)
        return y if self.g is None else y + self.g(x)

    def after(self, x: Tensor) -> Tensor:
        return self.parts[-1].after(x)


class Net(nn.Module):
    """Stem, body, head."""

    def __init__(self, stem: nn.Module, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.stem, self.body, self.head = stem, body, head

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self._draw()
        return self.head(self.body(self.stem(x)))

    def _draw(self) -> None:
        """Decides which blocks survive this step: all at once, in the order of the blocks' names, by letter."""
        blocks = [module for module in self.modules() if isinstance(module, Body) and module.survival is not None]
        of_a_stage = len(blocks) // 3 or 1
        names = {f"stage{i // of_a_stage + 1}.{i % of_a_stage}.": block for i, block in enumerate(blocks)}
        for name, number in zip(sorted(names), torch.rand(len(names)).tolist(), strict=True):
            names[name].kept = number < names[name].survival


class Pool(nn.Module):
    """Mean over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mean(2)


def classifier(channels: int, classes: int, *before: nn.Module) -> nn.Module:
    return nn.Sequential(*before, Pool(), nn.Linear(channels, classes))


def vgg19(classes: int, spatial: int) -> nn.Module:
    """VGG-19 as Fig. 3 of He et al. draws it; `spatial` is the side of the last map."""
    layers: list[nn.Module] = []
    widths = [3, 64, 64, 128, 128, *[256] * 4, *[512] * 8]
    for k, (i, o) in enumerate(pairwise(widths), start=1):
        layers += [nn.Conv2d(i, o, 3, padding=1), nn.ReLU()]
        if k in (2, 4, 8, 12, 16):
            layers.append(nn.MaxPool2d(2))
    hidden = [nn.Linear(512 * spatial**2, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), *hidden, nn.Dropout(0.5), nn.Linear(4096, classes))


def drop_branch(x: Tensor, block: Body) -> Tensor:
    """Stochastic depth as first defined: the whole mini-batch, no rescaling; evaluation takes the expectation."""
    assert block.survival is not None
    return x * (block.kept if block.training else block.survival)
