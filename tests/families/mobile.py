"""Networks for small machines, and others beyond the five papers: each as its authors or the common libraries print it.

Modules stand in the order in which a signal meets them, so that weights can be moved to a built network one by one.
Widths and depths are typed, never computed: a formula of a spec is held against the numbers it must give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from tests.families.layers import Pool, classifier

Activation = Callable[[], nn.Module]


def conv(
    i: int, o: int, k: int = 1, s: int = 1, g: int = 1, act: Activation | None = nn.ReLU, eps: float = 1e-5,
    pad: int | None = None,
) -> nn.Sequential:  # fmt: skip
    """A convolution, its normalisation, its activation."""
    layers: list[nn.Module] = [nn.Conv2d(i, o, k, s, k // 2 if pad is None else pad, groups=g, bias=False)]
    layers.append(nn.BatchNorm2d(o, eps=eps))
    return nn.Sequential(*layers, *([act()] if act else []))


class Joined(nn.Module):
    """The branch, with the input or its projection added."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, after: nn.Module | None = None) -> None:
        super().__init__()
        self.branch, self.shortcut, self.after = branch, shortcut, after

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch(x) + self.shortcut(x)
        return y if self.after is None else self.after(y)


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int, squeezed: int, act: Activation, last: Activation) -> None:
        super().__init__()
        outer = nn.Linear(squeezed, channels)
        self.layers = nn.Sequential(Pool(), nn.Linear(channels, squeezed), act(), outer, last())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.layers(x)[:, :, None, None]


class Concat(nn.Module):
    """Branches side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Channels(nn.Module):
    """Some of the channels."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.start : self.stop]


class Shuffle(nn.Module):
    """The channels as a matrix of `groups` rows, transposed."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)


def mobilenet_v1() -> nn.Module:
    layers: list[nn.Module] = [conv(3, 32, 3, 2)]
    pairs = [(32, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), *[(512, 512)] * 5]
    for i, o in [*pairs, (512, 1024), (1024, 1024)]:
        layers += [conv(i, i, 3, 2 if i < o and i > 32 else 1, g=i), conv(i, o)]
    return nn.Sequential(*layers, classifier(1024, 1000))


def inverted(
    i: int, o: int, inner: int, k: int, s: int, act: Activation, gate: nn.Module | None = None, eps: float = 1e-5
) -> nn.Module:
    """An inverted residual; a gate stands before its last convolution."""
    layers: list[nn.Module] = [conv(i, inner, act=act, eps=eps)] if inner != i else []
    layers += [conv(inner, inner, k, s, inner, act, eps), *([gate] if gate else [])]
    body = nn.Sequential(*layers, conv(inner, o, act=None, eps=eps))
    return Joined(body, nn.Identity()) if i == o and s == 1 else body


def mobilenet_v2() -> nn.Module:
    layers, i = [conv(3, 32, 3, 2, act=nn.ReLU6)], 32
    table = "1 16 1 1  6 24 2 2  6 32 3 2  6 64 4 2  6 96 3 1  6 160 3 2  6 320 1 1"
    for row in table.split("  "):
        t, c, n, s = map(int, row.split())
        for j in range(n):
            layers.append(inverted(i, c, t * i, 3, s if j == 0 else 1, nn.ReLU6))
            i = c
    return nn.Sequential(*layers, conv(320, 1280, act=nn.ReLU6), classifier_after_dropout(1280, 0.2))


def classifier_after_dropout(channels: int, p: float) -> nn.Module:
    return nn.Sequential(Pool(), nn.Dropout(p), nn.Linear(channels, 1000))


def mobilenet_v3_small() -> nn.Module:
    """Rows: kernel, inner channels, channels, those squeezed to (0: no gate), whether hardswish, stride."""
    i, layers = 16, [conv(3, 16, 3, 2, act=nn.Hardswish, eps=1e-3)]
    for k, inner, o, squeezed, swish, s in (
        (3, 16, 16, 8, False, 2), (3, 72, 24, 0, False, 2), (3, 88, 24, 0, False, 1), (5, 96, 40, 24, True, 2),
        (5, 240, 40, 64, True, 1), (5, 240, 40, 64, True, 1), (5, 120, 48, 32, True, 1), (5, 144, 48, 40, True, 1),
        (5, 288, 96, 72, True, 2), (5, 576, 96, 144, True, 1), (5, 576, 96, 144, True, 1),
    ):  # fmt: skip
        gate = Gate(inner, squeezed, nn.ReLU, nn.Hardsigmoid) if squeezed else None
        layers.append(inverted(i, o, inner, k, s, nn.Hardswish if swish else nn.ReLU, gate, 1e-3))
        i = o
    layers.append(conv(96, 576, act=nn.Hardswish, eps=1e-3))
    head = [Pool(), nn.Linear(576, 1024), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(1024, 1000)]
    return nn.Sequential(*layers, *head)


def efficientnet(stem: int, widths: Sequence[int], depths: Sequence[int], p: float) -> nn.Module:
    layers, i = [conv(3, stem, 3, 2, act=nn.SiLU)], stem
    for o, n, t, k, s in zip(widths, depths, (1, *[6] * 6), (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1), strict=True):
        for j in range(n):
            gate = Gate(t * i, i // 4, nn.SiLU, nn.Sigmoid)
            layers.append(inverted(i, o, t * i, k, s if j == 0 else 1, nn.SiLU, gate))
            i = o
    return nn.Sequential(*layers, conv(i, 4 * i, act=nn.SiLU), classifier_after_dropout(4 * i, p))


efficientnet_b0 = partial(efficientnet, 32, (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), 0.2)


def shufflenet_v1_g3() -> nn.Module:
    layers, i = [conv(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)], 24
    for o, n in ((240, 4), (480, 8), (960, 4)):
        for j in range(n):
            new, s = (o - i, 2) if j == 0 else (o, 1)
            mid = o // 4
            body = nn.Sequential(conv(i, mid, g=1 if i == 24 else 3), Shuffle(3), conv(mid, mid, 3, s, mid, None))
            body.append(conv(mid, new, g=3, act=None))
            if j:
                layers.append(Joined(body, nn.Identity(), nn.ReLU()))
            else:
                layers += [Concat(body, nn.AvgPool2d(3, 2, 1)), nn.ReLU()]
            i = o
    return nn.Sequential(*layers, classifier(960, 1000))


def shufflenet_v2_x1_0() -> nn.Module:
    layers, i = [conv(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)], 24
    for o, n in ((116, 4), (232, 8), (464, 4)):
        half = o // 2
        for j in range(n):
            first = j == 0
            right = [conv(i if first else half, half), conv(half, half, 3, 2 if first else 1, half, None)]
            right.append(conv(half, half))
            if first:
                left: nn.Module = nn.Sequential(conv(i, i, 3, 2, i, None), conv(i, half))
            else:
                left, right = Channels(0, half), [Channels(half, o), *right]
            layers += [Concat(left, nn.Sequential(*right)), Shuffle(2)]
            i = o
    return nn.Sequential(*layers, conv(464, 1024), classifier(1024, 1000))


def regnet(widths: Sequence[int], depths: Sequence[int], group: int, gated: bool) -> nn.Module:
    layers, i = [conv(3, 32, 3, 2)], 32
    for o, n in zip(widths, depths, strict=True):
        for j in range(n):
            s = 2 if j == 0 else 1
            gate = [Gate(o, i // 4, nn.ReLU, nn.Sigmoid)] if gated else []
            body = nn.Sequential(conv(i, o), conv(o, o, 3, s, o // group), *gate, conv(o, o, act=None))
            layers.append(Joined(body, nn.Identity() if j else conv(i, o, s=2, act=None), nn.ReLU()))
            i = o
    return nn.Sequential(*layers, classifier(i, 1000))


def squeezenet1_1() -> nn.Module:
    def layer(i: int, o: int, k: int = 1) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(i, o, k, padding=k // 2), nn.ReLU())

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool()]
    i = 64
    for number, s in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        if number in (2, 4):
            layers.append(pool())
        layers += [layer(i, s), Concat(layer(s, 4 * s), layer(s, 4 * s, 3))]
        i = 8 * s
    return nn.Sequential(*layers, nn.Dropout(0.5), layer(512, 1000), Pool())


def xception() -> nn.Module:
    def separable(i: int, o: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(i, i, 3, padding=1, groups=i, bias=False), conv(i, o, act=None))

    def block(*widths: int, relu: bool = True, down: bool = True) -> nn.Module:
        layers: list[nn.Module] = []
        for number, (i, o) in enumerate(pairwise(widths)):
            layers += [*([nn.ReLU()] if relu or number else []), separable(i, o)]
        if not down:
            return Joined(nn.Sequential(*layers), nn.Identity())
        body = nn.Sequential(*layers, nn.MaxPool2d(3, 2, 1))
        return Joined(body, conv(widths[0], widths[-1], s=2, act=None))

    entry = [conv(3, 32, 3, 2, pad=0), conv(32, 64, 3, pad=0), block(64, 128, 128, relu=False)]
    entry += [block(128, 256, 256), block(256, 728, 728)]
    middle = [block(728, 728, 728, 728, down=False) for _ in range(8)]
    exits = [block(728, 728, 1024), separable(1024, 1536), nn.ReLU(), separable(1536, 2048), nn.ReLU()]
    return nn.Sequential(*entry, *middle, *exits, classifier(2048, 1000))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet_v1": mobilenet_v1, "mobilenet_v2": mobilenet_v2, "mobilenet_v3_small": mobilenet_v3_small,
    "efficientnet_b0": efficientnet_b0, "shufflenet_v1_g3": shufflenet_v1_g3,
    "shufflenet_v2_x1_0": shufflenet_v2_x1_0, "squeezenet1_1": squeezenet1_1, "xception": xception,
    "regnetx_400mf": partial(regnet, (32, 64, 160, 400), (1, 2, 7, 12), 16, False),
    "regnety_400mf": partial(regnet, (48, 104, 208, 440), (1, 3, 6, 6), 8, True),
}  # fmt: skip
