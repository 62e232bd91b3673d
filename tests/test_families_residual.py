"""Residual networks beyond the papers' against hand-written ones: equal outputs in training mode, in float64.

The numbers of the hand-written network, all drawn, are moved among parameters of one shape in the order of the modules:
no two layers have the same. Four samples, so that a batch norm of vectors has more than signs to give.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from networks import graph_of
from torch import nn

import archspec
from archspec.graph import Graph
from tests.families import attentive, reshaped
from tests.families.moved import move

REFERENCES: dict[
    str, tuple[Callable[[], nn.Module], int, int]
] = {  # the network, its parameters, the side of its input
    "seresnext50": (attentive.seresnext50, 27_559_896, 40),
    "resnet50d": (attentive.resnet50d, 25_576_264, 40),
    "sknet50": (attentive.sknet50, 27_479_784, 40),
    "resnest50": (attentive.resnest50, 27_483_240, 40),
    "res2net50": (reshaped.res2net50, 25_699_120, 40),
    "dpn68": (reshaped.dpn68, 12_611_602, 40),
    "resnet50_rezero": (partial(reshaped.weighted_resnet50, False), 25_557_032 + 16, 40),
    "resnet50_skipinit": (partial(reshaped.weighted_resnet50, False), 25_557_032 + 16, 40),
    "resnet50_layerscale": (partial(reshaped.weighted_resnet50, True), 25_557_032 + 15_104, 40),
    "convnext_tiny": (reshaped.convnext_tiny, 28_589_128, 64),
    "pyramidnet110_a48": (reshaped.pyramidnet110_a48, 1_772_706, 10),
    "cifar_laurel110": (reshaped.cifar_laurel110, 1_727_962 + 15_936, 10),
    "cifar_denseformer110": (reshaped.cifar_denseformer110, 1_727_962 + 3 * sum(range(2, 20)), 10),
    "ror3_110_weighted": (reshaped.Weighted, 1_734_906 + 4, 10),
}
# CBAM's perceptron has one set of weights for the means and the maxima of the channels. Weights cannot be shared, so
# both stand side by side in a map of two positions, which `module` alone can make: no spec of the zoo may import torch.
CBAM = """
archspec: 1
extends: resnet50
params: {counts: [1, 2, 1, 1]}
input: {size: [64, 64]}
stages: {blocks: attended}
blocks:
  attended:
    out: outer
    graph:
      maps:     [use: convolutions, use: closing]
      mean:     {from: maps, ops: [module: {type: AdaptiveAvgPool2d, args: {output_size: 1}}, use: left]}
      peak:     {from: maps, ops: [module: {type: AdaptiveMaxPool2d, args: {output_size: 1}}, use: right]}
      both:     {from: [mean, peak], ops: [add, use: perceptron]}
      gate:     {from: both, ops: [global_avg_pool, scale: {by: 2}, sigmoid]}
      gated:    {from: [maps, gate], ops: [multiply]}
      largest:  {from: gated, ops: [channel_max]}
      average:  {from: gated, ops: [channel_mean]}
      where:    {from: [largest, average], ops: [concat, conv: {out: 1, kernel: 7}, bn, sigmoid]}
      branch:   {from: [gated, where], ops: [multiply]}
      shortcut: option
      output:   {from: [branch, shortcut], ops: [add]}
    after: joint
paths:
  left:  [module: {type: ZeroPad2d, args: {padding: [0, 1, 0, 0]}}]
  right: [module: {type: ZeroPad2d, args: {padding: [1, 0, 0, 0]}}]
  perceptron: [conv: {out: channels // 16, kernel: 1, bias: true}, relu, conv: {out: outer, kernel: 1, bias: true}]
"""


def draw(model: nn.Module) -> None:
    """Weights that keep signals as large as they are, scales around 1, shifts around 0."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:  # a second way past every block, and nothing but weights on it, must not take over
                gain = 0.1 if "low_rank" in name else 1.0
                parameter.normal_(std=gain * math.sqrt(2 / parameter[0].numel()))
            else:
                parameter.normal_(mean=float(name.endswith("weight")), std=0.1)


def compare(make: Callable[[], nn.Module], graph: Graph) -> float:
    """The largest difference of outputs, relative to the largest output."""
    with torch.device("meta"):  # neither draws what is overwritten
        theirs = make().double().train()
    ours = archspec.build(graph, dtype=torch.float64, device="meta").train()
    for model in (theirs, ours):
        model.to_empty(device="cpu")
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.reset_running_stats()
    draw(theirs)
    move(theirs, ours)
    x = torch.randn(4, *graph.input.shape, dtype=torch.float64)
    with torch.no_grad():
        output, wanted = ours(x), theirs(x)
    assert output.shape == wanted.shape
    assert 0.01 < wanted.abs().max() < 1e4
    return float((output - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("name", REFERENCES)
def test_parameters(name: str) -> None:
    assert archspec.expand(archspec.load(name)).params == REFERENCES[name][1]


@pytest.mark.parametrize("name", REFERENCES)
def test_outputs(name: str) -> None:
    make, _, side = REFERENCES[name]
    assert compare(make, archspec.expand(archspec.load(name, **{"input.size": [side, side]}))) < 1e-12


def test_cbam_can_be_said_with_modules() -> None:
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in attentive.cbam_resnet50().parameters()) == 28_089_624
    assert compare(partial(attentive.cbam_resnet50, (1, 2, 1, 1)), graph_of(CBAM)) < 1e-12
