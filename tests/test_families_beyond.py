"""Networks beyond residual ones against hand-written ones: equal outputs in training mode, in float64, to 1e-12.

The weights of the hand-written network, all drawn, are moved among tensors of one shape in the order of the modules.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import archspec
from archspec.language import zoo
from archspec.syntax.names import unusable
from tests.families import branched, chained, pyramids, units, video

Make = Callable[[], nn.Module]
# The network, and the input it is compared on: small, but with several numbers behind every mean of a batch norm.
REFERENCES: dict[str, tuple[Make, list[int]]] = {
    "densenet121": (chained.densenet121, [64, 64]),
    "densenet_bc100_k12": (chained.densenet_bc100_k12, [8, 8]),
    "darknet53": (chained.darknet53, [64, 64]),
    "cspdarknet53": (chained.cspdarknet53, [64, 64]),
    "repvgg_a0": (chained.repvgg_a0, [64, 64]),
    "hardnet68": (chained.hardnet68, [64, 64]),
    "vgg16_bn": (partial(units.vgg16_bn, 1), [32, 32]),
    "googlenet": (branched.googlenet, [64, 64]),
    "inception_v3": (branched.InceptionV3, [299, 299]),
    "fractalnet_cifar10": (branched.fractalnet_cifar10, [32, 32]),
    "dla34": (branched.dla34, [64, 64]),
    "unet": (pyramids.UNet, [32, 32]),
    "resnet50_fpn": (pyramids.Pyramid, [64, 64]),
    "ssd300_resnet50": (pyramids.SSD, [257, 257]),
    "r2plus1d_18": (video.r2plus1d_18, [8, 16, 16]),
    "slowfast_r50": (video.SlowFast, [8, 64, 64]),
}


def real(model: nn.Module) -> nn.Module:
    """A network built without numbers, in training mode, with memory for them: no time goes into other draws."""
    model = model.to_empty(device="cpu").train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
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


def move(source: nn.Module, target: nn.Module) -> None:
    """Every parameter's numbers, in order among those of one shape; each set has what the other has."""
    found: dict[torch.Size, list[Tensor]] = defaultdict(list)
    for parameter in source.parameters():
        found[parameter.shape].append(parameter)
    with torch.no_grad():
        for parameter in target.parameters():
            assert found[parameter.shape], tuple(parameter.shape)
            parameter.copy_(found[parameter.shape].pop(0))
    assert not any(found.values())


@pytest.mark.parametrize("name", REFERENCES)
def test_outputs(name: str) -> None:
    make, size = REFERENCES[name]
    with torch.device("meta"):
        theirs = real(make().double())
    draw(theirs)
    ours = real(archspec.build(archspec.load(name, **{"input.size": size}), device="meta", dtype=torch.float64))
    move(theirs, ours)
    torch.manual_seed(1)
    x = torch.randn(2, 1 if name == "unet" else 3, *size, dtype=torch.float64)
    outputs = []
    for model in (ours, theirs):
        torch.manual_seed(2)  # the same draws for dropout
        with torch.no_grad():
            found = model(x)
        outputs.append(found if isinstance(found, dict) else {"output": found})
    assert outputs[0].keys() == outputs[1].keys()
    for key, wanted in outputs[1].items():
        assert outputs[0][key].shape == wanted.shape
        assert 0.01 < wanted.abs().max() < 1e4
        difference = (outputs[0][key] - wanted).abs().max() / wanted.abs().max()
        print("DIFF", name, key, float(difference), float((outputs[0][key] - wanted).abs().max()), wanted.shape)
        assert difference < 1e-12
