"""The tables of names, each against a module that has these names and computes by itself."""

from __future__ import annotations

import pytest
import torch
from reference.named import lively
from reference.named_elsewhere import Iduta, PyTorchCv, facebook
from reference.renamed import small
from torch import nn

import archspec
from archspec.weights.layers import own_layers
from archspec.weights.names import called, schemes

COUNTS = [1, 2, 2, 2]
X = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("scheme", "name", "make", "overrides"),
    [("pytorchcv", "resnet18", PyTorchCv, {}), ("fb.resnet", "resnet18", facebook, {}),
     ("iduta", "iresnet50", Iduta, {"released": True, "counts": [2, 3, 2, 2]})],
)  # fmt: skip
def test_weights_by_the_names_of_a_library(scheme: str, name: str, make: type, overrides: dict[str, object]) -> None:
    counts = overrides.get("counts", COUNTS)
    module: nn.Module = lively(make(counts, 10)).eval()
    network = archspec.build(small(name, **{"counts": counts, **overrides})).eval()
    done = archspec.load_weights(network, module.state_dict())
    assert done.how == f"by the names of {scheme}"
    with torch.no_grad():
        expected = module(X)
        assert (network(X) - expected).abs().max() < 2e-6 * expected.abs().max()


def test_the_released_weights_do_not_belong_to_the_paper() -> None:
    module = lively(Iduta([2, 3, 2, 2], 10))
    network = archspec.build(small("iresnet50"))
    archspec.load_weights(network, module.state_dict())  # they fit
    with pytest.raises(archspec.WeightsError, match=r"They part at stage1\.1"):
        archspec.load_weights(network, module)


TIMM = {
    "resnet50d": {"stem.conv2": "conv1.3", "stem.bn3": "bn1", "stage2.0.shortcut.conv": "layer2.0.downsample.1",
                  "stage2.1.branch.bn3": "layer2.1.bn3", "head.linear": "fc"},
    "seresnext50": {"stage1.2.gate.linear1": "layer1.2.se.fc1", "stage1.2.maps.conv3": "layer1.2.conv3"},
    "resnext50_32x4d": {"stage4.0.shortcut.bn": "layer4.0.downsample.1"},
}  # fmt: skip


@pytest.mark.parametrize("name", TIMM)
def test_names_of_timm(name: str) -> None:
    """A state dict with timm's names, as its documentation and checkpoints have them, finds its places."""
    network = archspec.build(name, device="meta")
    layers = own_layers(network)
    found = set()
    for part in ("stem", "block", "head"):
        for form in schemes()["timm"][part]:
            found |= {(layer.name, called(network.architecture[layer.name], form, 3)) for layer in layers}
    assert set(TIMM[name].items()) <= found


def test_names_of_pytorchcvs_pre_activation() -> None:
    graph = archspec.expand("cifar_preresnet164")
    form = schemes()["pytorchcv"]["block"][1]
    told = {name: called(graph[name], form, 3) for name in
            ("stage1.0.pre.bn", "stage1.0.branch.conv1", "stage1.0.branch.bn2", "stage1.0.shortcut.conv")}  # fmt: skip
    assert list(told.values()) == [
        "features.stage1.unit1.body.conv1.bn", "features.stage1.unit1.body.conv1.conv",
        "features.stage1.unit1.body.conv3.bn", "features.stage1.unit1.identity_conv",
    ]  # fmt: skip


def test_every_table_has_all_parts() -> None:
    assert next(iter(schemes())) == "torchvision"
    assert set(schemes()) == {"torchvision", "timm", "iduta", "pytorchcv", "fb.resnet"}
    for scheme in schemes().values():
        assert set(scheme) == {"stem", "block", "head"}
