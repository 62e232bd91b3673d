"""Networks of pytorchcv, traced: the network of the graph computes what they compute. Run by `make test-peers`.

Their last pool is for images of 224; for the smaller ones used here it is given a smaller window.
"""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import nn
from traced import TOLERANCE, largest_difference

pytest.importorskip("pytorchcv")

NETWORKS = """
    resnet.resnet10 resnet.resnet18 resnet.resnet50 resnet.resnet50b preresnet.preresnet18 preresnet.preresnet50
    resnext.resnext50_32x4d seresnet.seresnet18 seresnet.seresnet50 sepreresnet.sepreresnet18
    seresnext.seresnext50_32x4d senet.senet16 ibnresnet.ibn_resnet50 ibnresnext.ibn_resnext50_32x4d
    ibndensenet.ibn_densenet121 airnet.airnet50_1x64d_r2 airnext.airnext50_32x4d_r2 bamresnet.bam_resnet50
    cbamresnet.cbam_resnet18 sknet.sknet50 pyramidnet.pyramidnet101_a360 diracnetv2.diracnet18v2
    densenet.densenet121 condensenet.condensenet74_c4_g4 sparsenet.sparsenet121 peleenet.peleenet wrn.wrn50_2
    dpn.dpn68 darknet53.darknet53 squeezenext.sqnxt23_w1 shufflenet.shufflenet_g3_wd4
    shufflenetv2.shufflenetv2_wd2 mobilenet.mobilenet_wd4 mobilenetv2.mobilenetv2_wd4
    mobilenetv3.mobilenetv3_small_w7d20 efficientnet.efficientnet_b0 regnet.regnetx002 regnet.regnety002
    resnet_cifar.resnet20_cifar10 preresnet_cifar.preresnet20_cifar10 seresnet_cifar.seresnet20_cifar10
    sepreresnet_cifar.sepreresnet20_cifar10 densenet_cifar.densenet40_k12_cifar10 ror_cifar.ror3_56_cifar10
    nin_cifar.nin_cifar10 rir_cifar.rir_cifar10
""".split()
FEW = ("resnet.resnet10", "preresnet.preresnet18", "seresnet.seresnet18", "shufflenetv2.shufflenetv2_wd2")
"""Those also counted as traced from a module in evaluation mode."""


def network(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A network with random weights, and the shape of a sample for it."""
    file, function = name.split(".")
    torch.manual_seed(0)
    made: nn.Module = getattr(importlib.import_module(f"pytorchcv.models.{file}"), function)()
    size = 32 if "cifar" in file else 64
    for layer in made.modules():
        if size == 64 and isinstance(layer, nn.AvgPool2d) and layer.kernel_size == 7:
            layer.kernel_size = 2
    return made, (3, size, size)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_pytorchcv_computes_the_same(name: str) -> None:
    made, sample = network(name)
    assert largest_difference(made, sample, batch=2) < TOLERANCE


@pytest.mark.parametrize("name", FEW)
def test_the_mode_it_is_traced_in_makes_no_difference(name: str) -> None:
    made, sample = network(name)
    assert largest_difference(made.eval(), sample, batch=2) < TOLERANCE
