"""Every network of the zoo against a hand-written one: equal outputs in training mode, in float64.

Both get weights drawn from a generator seeded by each tensor's shape, so that neither names nor order matter. The
deepest nets of a family, which repeat the blocks of the shallower ones, are compared by count of parameters alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import torch
from reference.iresnet import BasicIResNet, CifarIResNet, IResNet, ResStage
from reference.layers import Bottle
from reference.wrn import WRN
from torch import nn

import archspec
from archspec.language import zoo
from tests.families import mobile
from tests.families import preactivation as pre
from tests.families import residual as post
from tests.families.layers import vgg19
from tests.test_families_beyond import REFERENCES as BEYOND
from tests.test_families_residual import REFERENCES as RESIDUAL

DEPTH = {
    50: [3, 4, 6, 3],
    101: [3, 4, 23, 3],
    152: [3, 8, 36, 3],
    200: [3, 24, 36, 3],
    302: [4, 34, 58, 4],
    404: [4, 46, 80, 4],
}
BASIC = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3]}
SIZES = {"image": [64, 64], "cifar": [8, 8], "video": [4, 32, 32]}
Reference = tuple[str, Callable[[], nn.Module]]


def by_32(inner: int) -> int:
    return inner // 32


def by_64(_: int) -> int:
    return 64


def references() -> dict[str, Reference]:
    """The frame and the hand-written network of every name."""
    found: dict[str, Reference] = {"vgg19": ("image", partial(vgg19, 1000, 2))}

    def image(name: str, make: Any, counts: list[int], **options: Any) -> None:
        found[name] = ("image", partial(post.image, make, counts, **options))

    def cifar(name: str, make: Any, blocks: int, **options: Any) -> None:
        found[name] = ("cifar", partial(post.cifar, make, blocks, **options))

    def wide(name: str, make: Any, blocks: int, **options: Any) -> None:
        found[name] = ("cifar", partial(pre.cifar, make, blocks, **options))

    for n, counts in BASIC.items():
        image(f"plain{n}", post.basic("none"), counts)
        image(f"resnet{n}", post.basic(), counts)
        image(f"ror3_image{n}", post.basic(), counts, m=3)
        found[f"iresnet{n}"] = ("image", partial(BasicIResNet, counts))
        for tag, factor in (("15", 1.5), ("2", 2), ("3", 3)):
            image(f"wrn{n}_{tag}", post.basic(factor=factor), counts)
    image("resnet34_a", post.basic("A"), BASIC[34])
    image("resnet34_c", post.basic("C"), BASIC[34])
    for n, counts in DEPTH.items():
        image(f"resnet{n}", post.bottleneck(), counts)
        image(f"ror3_image{n}", post.bottleneck(), counts, m=3)
        found[f"preresnet{n}"] = ("image", partial(pre.image_net, counts))
        found[f"resstage{n}"] = ("image", partial(ResStage, counts))
        found[f"iresnet{n}"] = ("image", partial(IResNet, counts))
        for groups, tag in ((by_32, ""), (by_64, "fix")):
            form = Bottle(4, 2, groups)
            image(f"resgroup{tag}{n}", post.bottleneck(form=form), counts)
            found[f"iresgroup{tag}{n}"] = ("image", partial(IResNet, counts, form=form))
    image("resnext50_32x4d", post.bottleneck(form=Bottle(inner=2, groups=lambda _: 32)), DEPTH[50])
    image("wrn50_2", post.bottleneck(form=Bottle(inner=2)), DEPTH[50])
    image("resmax50", post.bottleneck("pooled"), DEPTH[50], pool=False, strides=(2, 2, 2, 2))
    for n in (50, 101):
        image(f"ssd_resnet{n}_backbone", post.bottleneck(), DEPTH[n], strides=(1, 2, 1, 2), cut=3)
    for tag, form in (("iresnet", Bottle()), ("iresgroup", Bottle(4, 2, by_32))):
        backbone = partial(IResNet, DEPTH[50], form=form, strides=(2, 2, 1, 2), cut=3)
        found[f"ssd_{tag}50_backbone"] = ("image", backbone)
    video, strides = Bottle(dim=3), ((1, 2, 2), (1, 2, 2), 2, 2)
    resnet3d = partial(
        post.image, post.bottleneck(form=video), DEPTH[50], classes=400, dim=3, strides=(1, *strides[1:])
    )
    found["resnet3d50"] = ("video", resnet3d)
    found["iresnet3d50"] = ("video", partial(IResNet, DEPTH[50], 400, form=video, strides=strides))

    for n in (20, 32, 44, 56, 110, 1202):
        cifar(f"cifar_resnet{n}", post.basic("A"), (n - 2) // 6)
        cifar(f"cifar_plain{n}", post.basic("none"), (n - 2) // 6)
    cifar("cifar_resnet56_b", post.basic("B"), 9)
    cifar("cifar_resnet110_1layer", post.one_layer, 36)
    for n in (164, 1001):
        cifar(f"cifar_resnet{n}", post.bottleneck(), (n - 2) // 9)
        wide(f"cifar_preresnet{n}", pre.bottleneck(), (n - 2) // 9)
    wide("cifar_preresnet110", pre.wide(first_special=True), 18)
    for name in ("scale", "scale_both", "exclusive", "gated", "conv", "dropout"):
        cifar(f"cifar_resnet110_{name}", post.ablation(name, post.basic("A")), 18)
    for name in ("bn_after_add", "relu_before_add", "relu_only"):
        last = nn.ReLU() if name == "relu_only" else None
        cifar(f"cifar_resnet110_{name}", post.ablation(name, post.basic("A")), 18, last=last)
        cifar(f"cifar_resnet164_{name}", post.ablation(name, post.bottleneck()), 18, last=last)
    for n, counts in {164: [18] * 3, 1001: [111] * 3, 2000: [222] * 3, 3002: [333, 334, 333]}.items():
        found[f"cifar_iresnet{n}"] = ("cifar", partial(CifarIResNet, counts))

    for n, k in (
        (16, 4),
        (16, 8),
        (16, 10),
        (22, 8),
        (22, 10),
        (28, 10),
        (28, 12),
        (40, 1),
        (40, 2),
        (40, 4),
        (40, 8),
        (52, 1),
        (58, 4),
    ):
        found[f"wrn{n}_{k}"] = ("cifar", partial(WRN, n, k))
    wide("wrn28_10_dropout", pre.wide(dropout=0.3), 4, k=10)
    for n, kernels in ((40, (1, 3, 1)), (40, (3, 1)), (40, (1, 3)), (40, (3, 1, 1)), (28, (3, 3)), (22, (3, 1, 3))):
        wide(f"wrn{n}_2_b{''.join(map(str, kernels))}", pre.wide(kernels), (n - 4) // 6, k=2)
    for length in (1, 3, 4):
        wide(f"wrn40_2_b{'3' * length}", pre.wide((3,) * length), 36 // (3 * length), k=2)

    for n, m in ((110, 2), (110, 3), (164, 3), (182, 3), (218, 3), (164, 4), (110, 5)):
        cifar(f"ror{m}_{n}", post.basic("B"), (n - 2) // 6, m=m)
    for m in (3, 4):
        cifar(f"ror{m}_164_b333", post.basic("B", (3, 3, 3)), 18, m=m)
    for n in (110, 164, 218, 1202):
        wide(f"preror3_{n}", pre.wide(raw=True), (n - 2) // 6, m=3)
    for n, k in ((40, 2), (40, 4), (58, 2), (58, 4)):
        wide(f"ror3_wrn{n}_{k}", pre.wide(raw=True), (n - 4) // 6, k=k, m=3)
    for n in (110, 164):
        blocks = (n - 2) // 6
        cifar(f"ror3_{n}_sd", post.surviving(post.basic("B"), 3 * blocks), blocks, m=3)
    wide("preror3_164_sd", pre.wide(raw=True, total=81), 27, m=3)
    wide("ror3_wrn58_4_sd", pre.wide(raw=True, total=27), 9, k=4, m=3)
    return {name: reference for name, reference in found.items() if name in zoo.names()}


REFERENCES = references()
# Equal blocks in greater number, or of greater width, than in a sibling that is compared.
DEEP = ("1001", "1202", "2000", "3002", "152", "200", "302", "404", "218", "182")
WIDE = "wrn16_8 wrn16_10 wrn22_8 wrn22_10 wrn28_12 wrn40_8 wrn18_15 wrn34_15 wrn18_3 wrn34_2 wrn50_2 wrn28_10_dropout"
MORE = "resgroup101 resgroupfix101 iresgroup101 iresgroupfix101 ror3_image101 ror3_wrn58_2 ssd_resnet101_backbone"
COUNTED = {name for name in REFERENCES if any(depth in name for depth in DEEP)} | set(f"{WIDE} {MORE}".split())
# Enough of every family and frame for a first answer; the others take seconds each.
DEEPEST = {"cifar_iresnet3002", "cifar_iresnet2000", "preror3_1202", "cifar_resnet1202", "cifar_iresnet1001"}
LARGE = {"vgg19", "resnet3d50", "ror3_image34"} | {
    name for name in REFERENCES if name.endswith("101") or name.startswith(("wrn18", "wrn34", "resgroupfix"))
}


def shared_out(names: Iterable[str], slow: set[str]) -> list[Any]:
    """Names as parameters, some of them slow."""
    return [pytest.param(name, marks=pytest.mark.slow if name in slow else []) for name in sorted(names)]


def seed(models: Iterable[nn.Module]) -> None:
    """Draws every parameter from a generator seeded by its shape, each shape once."""
    drawn: dict[tuple[int, ...], torch.Tensor] = {}
    with torch.no_grad():
        for parameter in (parameter for model in models for parameter in model.parameters()):
            shape = tuple(parameter.shape)
            if shape not in drawn:
                drawn[shape] = values(shape)
            parameter.copy_(drawn[shape])


def values(shape: tuple[int, ...]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(size * 31**i for i, size in enumerate(shape)) % 2**31)
    normal = torch.randn(shape, generator=generator, dtype=torch.float64)
    return normal / normal[0].numel() ** 0.5 if len(shape) > 1 else 0.5 + 0.1 * normal


@pytest.fixture
def _uninitialised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights are not drawn: `seed` replaces them, and drawing is what takes longest."""
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)


def test_every_network_has_a_reference() -> None:
    assert set(zoo.names()) == set(REFERENCES) | set(mobile.NETWORKS) | set(BEYOND) | set(RESIDUAL)


@pytest.mark.parametrize("name", shared_out(REFERENCES, DEEPEST))
def test_parameters(name: str) -> None:
    frame, make = REFERENCES[name]
    with torch.device("meta"):
        model = make()
    shapes = sorted(tuple(parameter.shape) for parameter in model.parameters())
    ours = archspec.build(
        archspec.load(name, **({"input.size": SIZES[frame]} if name == "vgg19" else {})), device="meta"
    )
    assert sorted(tuple(parameter.shape) for parameter in ours.parameters()) == shapes


@pytest.mark.usefixtures("_uninitialised")
@pytest.mark.parametrize("name", shared_out(set(REFERENCES) - COUNTED, LARGE))
def test_outputs(name: str) -> None:
    frame, make = REFERENCES[name]
    torch.manual_seed(0)
    x = torch.randn(2, 3, *SIZES[frame], dtype=torch.float64)
    ours = archspec.build(archspec.load(name, **{"input.size": SIZES[frame]}), dtype=torch.float64).train()
    theirs = make().double().train()
    seed((ours, theirs))
    outputs = []
    for model in (ours, theirs):
        torch.manual_seed(1)  # the same draws for dropout and stochastic depth
        with torch.no_grad():
            outputs.append(model(x))
    assert outputs[0].shape == outputs[1].shape
    assert outputs[0].abs().max() > 1e-6
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-8, atol=1e-10)
