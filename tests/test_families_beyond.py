"""Networks beyond residual ones against hand-written ones: equal outputs in training mode, in float64, to 1e-12.

The weights of the hand-written network, all drawn, are moved among tensors of one shape in the order of the modules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import archspec
from tests.families import branched, chained, highres, pyramids, signals, units, video
from tests.families.moved import move

Make = Callable[[], nn.Module]
# The network, and a size it is compared at: small, but with more than one number behind every mean of a batch norm.
REFERENCES: dict[str, tuple[Make, list[int]]] = {
    "densenet121": (chained.densenet121, [64, 64]),
    "densenet_bc100_k12": (chained.densenet_bc100_k12, [8, 8]),
    "darknet53": (chained.darknet53, [64, 64]),
    "cspdarknet53": (chained.cspdarknet53, [64, 64]),
    "repvgg_a0": (chained.repvgg_a0, [64, 64]),
    "hardnet68": (chained.hardnet68, [64, 64]),
    "vgg16_bn": (partial(units.vgg16_bn, 1), [32, 32]),
    "googlenet": (branched.googlenet, [64, 64]),
    "inception_v3": (branched.InceptionV3, [299, 299]),  # the least that the auxiliary head can read
    "fractalnet_cifar10": (branched.fractalnet_cifar10, [32, 32]),
    "dla34": (branched.dla34, [64, 64]),
    "unet": (pyramids.UNet, [32, 32]),
    "resnet50_fpn": (pyramids.Pyramid, [64, 64]),
    "bifpn": (pyramids.BiFPN, [128, 128]),
    "ssd300_resnet50": (pyramids.SSD, [257, 257]),  # the least that leaves a sixth map
    "hrnet_w18": (highres.HRNet, [64, 64]),
    "resnet1d_18": (signals.resnet1d_18, [64]),
    "r2plus1d_18": (video.r2plus1d_18, [8, 16, 16]),
    "slowfast_r50": (video.SlowFast, [8, 64, 64]),
}
# Parameters, multiply-accumulates and layers at the size of the spec, as other libraries count them.
FIGURES = {
    "densenet121": (7_978_856, 2_834_161_664, 121),
    "densenet_bc100_k12": (769_162, 287_929_692, 100),
    "darknet53": (41_609_928, 7_109_156_864, 53),
    "cspdarknet53": (27_642_184, 6_533_652_480, 68),
    "repvgg_a0": (9_108_968, 1_512_581_120, 23),
    "hardnet68": (17_565_348, 4_246_114_304, 68),
    "vgg16_bn": (138_365_992, 15_470_264_320, 16),
    "googlenet": (6_624_904, 1_498_376_192, 22),
    "inception_v3": (27_161_264, 5_713_216_096 + 25 * 768 * 128 + 25 * 128 * 768 + 768 * 1000, 48),  # and its head
    "fractalnet_cifar10": (33_724_618, 845_222_912, 21),
    "dla34": (15_742_104, 3_060_043_776, 34),
    "unet": (31_036_546, 48_096_083_968, 19 + 4),  # and the transposed convolutions
    "resnet50_fpn": (26_852_416, 36_201_037_824, 51),
    "ssd300_resnet50": (22_894_902, 20_150_906_112, 51),
    "hrnet_w18": (21_299_004, 4_283_537_072, 101),
    "resnet1d_18": (3_851_397, 865_885_696, 18),
    "r2plus1d_18": (31_505_325, 40_519_080_960, 35),
    "slowfast_r50": (34_566_488, 50_308_583_424, 51),
}


def real(model: nn.Module) -> nn.Module:
    """A network built without numbers, in training mode, with memory for them: no time goes into other draws."""
    model = model.to_empty(device="cpu").train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.reset_running_stats()
    return model


def draw(model: nn.Module) -> None:
    """Weights that keep signals as large as they are, scales around 1, shifts around 0."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                bound = math.sqrt(6 / parameter[0].numel())
                parameter.uniform_(-bound, bound)
            else:
                mean = float(name.endswith("weight"))
                parameter.uniform_(mean - 0.2, mean + 0.2)


def outputs_of(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    torch.manual_seed(2)  # the same draws for dropout
    with torch.no_grad():
        found = model(x)
    return found if isinstance(found, dict) else {"output": found}


@pytest.mark.parametrize("name", FIGURES)
def test_counts(name: str) -> None:
    graph = archspec.expand(name)
    assert (graph.params, graph.macs, graph.layers) == FIGURES[name]


@pytest.mark.parametrize("name", REFERENCES)
def test_outputs(name: str) -> None:
    make, size = REFERENCES[name]
    with torch.device("meta"):
        theirs = real(make().double())
    draw(theirs)
    spec = archspec.load(name, **{"input.size": size})
    ours = real(archspec.build(spec, device="meta", dtype=torch.float64))
    move(theirs, ours)
    torch.manual_seed(1)
    x = torch.randn(2, *archspec.expand(spec).input.shape, dtype=torch.float64)
    found, wanted = outputs_of(ours, x), outputs_of(theirs, x)
    assert found.keys() == wanted.keys()
    for label, value in wanted.items():
        assert found[label].shape == value.shape
        assert 0.1 < value.abs().max() < 1000
        torch.testing.assert_close(found[label], value, rtol=1e-12, atol=1e-12 * value.abs().max().item())
