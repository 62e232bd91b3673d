"""Stages as features, and strides that become dilation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from reference.named import NamedResNet, lively
from reference.renamed import small

import archspec
from archspec.graph import Feature

X = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
CUTS = [((False, False, False), 32), ((False, False, True), 16), ((False, True, True), 8), ((True, True, True), 4)]


def test_stages_by_name_with_channels_and_strides() -> None:
    backbone = archspec.features(small("resnet50"))
    assert backbone.architecture.maps() == {
        "stage1": Feature(256, 4, (16, 16)), "stage2": Feature(512, 8, (8, 8)),
        "stage3": Feature(1024, 16, (4, 4)), "stage4": Feature(2048, 32, (2, 2)),
    }  # fmt: skip
    with torch.no_grad():
        found = backbone.eval()(X)
    assert {name: tuple(value.shape[1:]) for name, value in found.items()} == {
        name: (each.channels, *each.size) for name, each in backbone.architecture.maps().items()
    }
    assert not any(key.startswith("head") for key in backbone.state_dict())


def test_features_are_what_the_classifier_computes_on_its_way() -> None:
    """Against forward hooks on a network built by hand, whose weights both get."""
    module = lively(NamedResNet([2, 3, 2, 2], 10)).eval()
    classifier = archspec.build(small("resnet50"))
    archspec.load_weights(classifier, module.state_dict())
    seen: dict[str, torch.Tensor] = {}
    for stage in (2, 4):
        module.get_submodule(f"layer{stage}").register_forward_hook(
            lambda _, __, out, name=f"stage{stage}": seen.__setitem__(name, out)
        )
    backbone = archspec.features(classifier, [2, 4]).eval()  # a built network's weights come along
    with torch.no_grad():
        module(X)
        found = backbone(X)
    assert list(found) == ["stage2", "stage4"]
    for name, value in found.items():
        torch.testing.assert_close(value, seen[name], rtol=1e-5, atol=1e-5)


def test_the_last_stages_and_one_alone() -> None:
    backbone = archspec.build(small("resnet18"), features=[2])
    assert not any(key.startswith(("stage3", "head")) for key in backbone.state_dict())
    with torch.no_grad():
        assert backbone(X).shape == (2, 128, 8, 8)


@pytest.mark.parametrize(
    ("name", "stages", "told"),
    [("resnet18", [5], "has no stage 5; it has 1, 2, 3, 4"), ("resnet18", [], "no stage is named"),
     ("unet", None, None), ("squeezenet1_1", None, None)],
)  # fmt: skip
def test_stages_that_there_are_not(name: str, stages: Any, told: str | None) -> None:
    if told is None:
        assert archspec.features(name, stages, device="meta").architecture.maps()
        return
    with pytest.raises(ValueError, match=told):
        archspec.features(small(name), stages)


def test_networks_without_stages() -> None:
    with pytest.raises(ValueError, match="'flat' has no stages"):
        archspec.features(archspec.loads("archspec: 1\nname: flat\ninput: {size: [8, 8]}\ngraph: {output: [bn]}"))


@pytest.mark.parametrize("basic", [False, True])
@pytest.mark.parametrize(("dilate", "stride"), CUTS)
def test_output_stride_is_torchvisions_replace_stride_with_dilation(
    basic: bool, dilate: tuple[bool, bool, bool], stride: int
) -> None:
    name = "resnet18" if basic else "resnet50"
    module = lively(NamedResNet([1, 2, 2, 2], 10, basic=basic, dilate=dilate)).eval()
    network = archspec.build(small(name, counts=[1, 2, 2, 2], output_stride=stride)).eval()
    archspec.load_weights(network, module.state_dict())
    with torch.no_grad():
        expected = module(X)
        torch.testing.assert_close(network(X), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    assert max(max(node.reduction) for node in network.architecture if node.reduction) == stride


@pytest.mark.parametrize("name", ["resnet50", "preresnet50", "resnext50_32x4d", "ror3_image34", "mobilenet_v2"])
def test_what_was_there_is_still_there(name: str) -> None:
    """The principle of atrous convolution: on every stride-th position, the denser map is the sparser one."""
    overrides = {"input.size": [64, 64], "classes": 10}
    sparse = lively(archspec.build(archspec.load(name, **overrides))).eval()
    dense = archspec.build(archspec.load(name, **overrides, output_stride=8)).eval()
    dense.load_state_dict(sparse.state_dict())
    last = max(node.stage for node in sparse.architecture if node.stage)
    with torch.no_grad():
        one, other = (archspec.features(network, [last]).eval()(X) for network in (sparse, dense))
    assert other.shape[-1] == 8
    every = 8 // one.shape[-1]
    torch.testing.assert_close(other[..., ::every, ::every], one, rtol=1e-4, atol=1e-4 * float(one.abs().max()))


def test_counts_stay_and_costs_grow() -> None:
    one, other = archspec.expand("resnet50"), archspec.expand("resnet50", output_stride=8)
    assert one.params == other.params
    assert other.macs > one.macs
    assert [node.name for node in one] == [node.name for node in other]
    assert archspec.signature(archspec.expand("resnet50", output_stride=32)) == archspec.signature(one)


REFUSED = [
    ("densenet121", 8, "changes the size of the map"), ("resnet50_fpn", 8, "upsample cannot be spread"),
    ("vgg19", 8, "changes the size of the map"), ("resnet50", 3, "strides give 2 or more"),
    ("resnet50", 0, "a whole number"), ("resnet50", True, "a whole number"), ("resnet50", 2.5, "a whole number"),
    ("resnet50", "none", "unknown name 'none'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stride", "told"), REFUSED)
def test_what_cannot_be_dilated_is_told(name: str, stride: Any, told: str) -> None:
    with pytest.raises(archspec.SpecError, match=told) as error:
        archspec.expand(name, output_stride=stride)
    assert error.value.problems[0].span is not None


def test_flattened_maps_are_refused() -> None:
    text = """
archspec: 1
input: {size: [16, 16]}
output_stride: 2
stem: [conv: {out: 4, kernel: 3, stride: 2}, conv: {out: 4, kernel: 3, stride: 2}]
head: [flatten, linear: {out: 2}]
"""
    with pytest.raises(archspec.SpecError, match="a denser map would be a longer vector"):
        archspec.expand(archspec.loads(text))


def test_written_padding_grows_with_the_rate() -> None:
    text = """
archspec: 1
input: {size: [16, 16]}
output_stride: 1
stem:
  - max_pool: {kernel: 3, stride: 2}
  - conv: {out: 4, kernel: [3, 5], padding: [1, 2], stride: [2, 1], dilation: [1, 2]}
  - bn
  - conv: {out: 4, kernel: 3, padding: 2, dilation: 2}
head: [global_avg_pool]
"""
    with pytest.raises(archspec.SpecError):  # [3, 5] with dilation 2 needs a padding of 4 to keep the size
        archspec.expand(archspec.loads(text.replace("stride: [2, 1]", "stride: [2, 2]")))
    graph = archspec.expand(archspec.loads(text))
    first, second = graph["stem.conv1"].op, graph["stem.conv2"].op
    assert (first.stride, first.dilation, first.padding) == (1, (2, 4), (2, 4))
    assert (second.dilation, second.padding) == ((8, 4), (8, 4))
