"""Networks folded for inference give what they gave, whatever their statistics; every one of the zoo, made small."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from emitted import imported
from folded import NORMS, assert_same, assert_siblings, batch, built, outputs_of, text
from hypothesis import given, settings
from networks import graph_of
from shrunk import shrunk
from strategies import Drawn, specs
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

import archspec
from archspec.compiler.emit import emit
from archspec.compiler.lower import blocks
from archspec.compiler.lower.layers import DropPath
from archspec.language import zoo
from archspec.weights.fold import fold


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", zoo.names())
def test_every_network_of_the_zoo(name: str) -> None:
    network = built(shrunk(name))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded = fold(network)
    assert_same(network, folded)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert set(folded.state_dict()) - set(before) <= {f"{node.name}.bias" for node in folded.architecture}
    assert_siblings(network, folded)


@settings(max_examples=25)
@given(specs())
def test_random_networks(drawn: Drawn) -> None:
    graph = graph_of(drawn.text)
    for granularity in ("block", "op"):
        network = built(graph, granularity)
        folded = fold(network)
        ours, theirs = outputs_of(folded, batch(network)), outputs_of(network, batch(network))
        assert list(ours) == list(theirs)
        for label, value in theirs.items():
            torch.testing.assert_close(ours[label], value, rtol=1e-8, atol=1e-9 * max(1.0, value.abs().max().item()))


CONV3 = "conv: {out: 4, kernel: 3}"
CONV1 = "conv: {out: 6, kernel: 1}"
PATHS = {
    "after": (f"{CONV3}, bn", 0),
    "biased": ("conv: {out: 6, kernel: 3, bias: true}, bn", 0),
    "grouped": ("conv: {out: 6, kernel: 3, groups: 2, stride: 2}, bn", 0),
    "before": (f"bn, {CONV1}", 0),
    "before_grouped": ("bn, conv: {out: 6, kernel: 3, padding: 0, groups: 2}", 0),
    "before_biased": ("bn, conv: {out: 6, kernel: 3, padding: 0, dilation: 2, bias: true}", 0),
    "before_padded": (f"bn, {CONV3}", 1),
    "padded_in_one_dimension": ("bn, conv: {out: 6, kernel: [1, 3]}", 1),
    "between": (f"{CONV3}, bn, {CONV1}", 0),
    "both": (f"bn, {CONV1}, bn", 0),
    "chain": (f"{CONV3}, bn: {{eps: 0.1}}, bn: {{affine: false}}, bn", 0),
    "chain_before": (f"bn: {{eps: 0.1}}, scale: {{by: -2}}, bn, {CONV1}, relu", 0),
    "scaled_before_padded": (f"relu, bn, scale: {{by: -2}}, {CONV3}", 1),
    "plain_scale": (f"scale: {{by: 3}}, {CONV3}, scale: {{by: 0.5}}, relu, scale: {{by: 2}}", 0),
    "scaled_biased": ("relu, scale: {by: 3}, conv: {out: 4, kernel: 3, bias: true}", 0),
    "activated": (f"{CONV3}, relu, bn, relu, {CONV1}", 1),
    "pooled": (f"{CONV3}, max_pool: {{kernel: 2}}, bn", 1),
    "linear": ("global_avg_pool, linear: {out: 5}, bn, relu, linear: {out: 3, bias: false}, bn, softmax", 0),
    "before_linear": ("flatten, bn, linear: {out: 3}", 0),
    "dropped": (f"{CONV3}, dropout, bn, dropout, relu, identity, {CONV1}, dropout", 0),
    "mirrored": ("bn, conv: {out: 6, kernel: 3, padding_mode: reflect}", 0),
    "frozen": (f"{CONV3}, bn: {{frozen: true}}, relu, bn: {{frozen: true}}, {CONV1}", 0),
    "learned": (
        f"{CONV3}, scale: {{by: 2, learned: true}}, relu, scale: {{by: 1, learned: true, per: channel}}, {CONV3}",
        0,
    ),
    "standardised": ("conv: {out: 4, kernel: 3, standardize: true}, bn", 1),
    "nothing": ("dropout, identity", 0),
    "opaque": (f"{CONV3}, bn, module: {{type: ReLU}}, module: {{type: Dropout}}", 0),
}


@pytest.mark.parametrize("granularity", ["block", "op"])
@pytest.mark.parametrize("case", PATHS)
def test_paths(case: str, granularity: str) -> None:
    ops, left = PATHS[case]
    network = built(text(ops), granularity)
    folded = fold(network)
    assert_same(network, folded)
    assert sum(isinstance(module, NORMS) for module in folded.modules()) == left


def test_three_dimensions() -> None:
    network = built(
        text("conv: {out: 6, kernel: [1, 3, 3], groups: 2}, bn, relu, bn, conv: {out: 4, kernel: 1}", (3, 8, 8))
    )
    assert_same(network, fold(network))
    assert not any(isinstance(module, NORMS) for module in fold(network).modules())


def test_it_is_what_torch_makes_of_a_pair() -> None:
    network = built(text(f"{CONV3}, bn: {{eps: 0.01}}, relu, global_avg_pool, linear: {{out: 3}}, bn", more=""))
    folded = fold(network)
    conv = fuse_conv_bn_eval(network.get_submodule("head.conv"), network.get_submodule("head.bn1"))
    linear = fuse_linear_bn_eval(network.get_submodule("head.linear"), network.get_submodule("head.bn2"))
    for expected, name in ((conv, "head.conv"), (linear, "head.linear")):
        torch.testing.assert_close(folded.get_submodule(name).weight, expected.weight)
        torch.testing.assert_close(folded.get_submodule(name).bias, expected.bias)
    assert list(folded.state_dict()) == [
        f"head.{name}.{part}" for name in ("conv", "linear") for part in ("weight", "bias")
    ]


BRANCHES = {"post": f"{CONV3}, bn", "pre": f"bn, relu, {CONV3}", "open": f"{CONV3}, relu"}


def residual(branch: str, rescale: bool = False, unit: str = "batch") -> str:
    rule = f"{{survival: 0.5, unit: {unit}, rescale: {str(rescale).lower()}}}"
    return (
        "archspec: 1\nname: dropped\ninput: {channels: 4, size: [8, 8]}\nstages: {repeat: [3, 2], blocks: block}\n"
        f"blocks: {{block: {{branch: [{BRANCHES[branch]}]}}}}\ndrop_path: {rule}\n"
        "stem: [relu]\nhead: [relu]\n"
    )


@pytest.mark.parametrize("unit", ["batch", "sample"])
@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("branch", BRANCHES)
def test_stochastic_depth(branch: str, rescale: bool, unit: str) -> None:
    """Without rescaling it multiplies in evaluation: by the convolution's weights, or as it was, by its own number."""
    network = built(residual(branch, rescale, unit))
    for module in network.modules():
        if isinstance(module, DropPath):
            module.survival = 0.3  # which the graph does not know
    folded = fold(network)
    assert_same(network, folded)
    left = [module for module in folded.modules() if isinstance(module, DropPath)]
    assert len(left) == (5 if branch == "open" and not rescale else 0)
    assert {module.survival for module in left} <= {0.3}
    assert len({type(block) for block in blocks(folded).values()}) == len({type(b) for b in blocks(network).values()})


def test_a_convolution_read_twice_keeps_its_batch_norms() -> None:
    network = built("""
        archspec: 1
        name: flat
        input: {channels: 4, size: [8, 8]}
        graph:
          c:       [conv: {out: 4, kernel: 1}]
          a:       {from: c, ops: [bn]}
          b:       {from: c, ops: [bn]}
          both:    {from: [a, b], ops: [add]}
          c2:      {from: both, ops: [conv: {out: 4, kernel: 1}]}
          shared:  {from: both, ops: [bn]}
          d:       {from: shared, ops: [conv: {out: 4, kernel: 1}]}
          e:       {from: shared, ops: [conv: {out: 4, kernel: 1}]}
          stage1.0.x: {from: c2, ops: [bn]}
          stage1.x: {from: stage1.0.x, ops: [relu]}
          twice:   {from: [d, d], ops: [multiply]}
          output:  {from: [stage1.x, twice, e], ops: [add]}
    """)
    folded = fold(network)
    assert_same(network, folded)
    assert [node.name for node in folded.architecture if node.op.key == "bn"] == ["a", "b", "shared"]


def test_outputs() -> None:
    """A batch norm that is an output goes into its convolution; a convolution that is one keeps its value."""
    more = f"""
stem: [conv: {{out: 4, kernel: 1}}]
stages: {{repeat: [2], blocks: block}}
blocks: {{block: {{branch: [bn, {CONV3}, bn], shortcut: none}}}}
outputs: {{a: stem, b: stage1.0, c: head}}
"""
    network = built(text("bn, dropout", more=more))
    folded = fold(network)
    assert_same(network, folded)
    graph = folded.architecture
    assert graph.outputs == {"a": "stem.conv", "b": "stage1.0.branch.conv", "c": "stage1.1.branch.conv"}
    assert [node.name for node in graph if node.op.key == "bn"] == ["stage1.0.branch.bn1", "stage1.1.branch.bn1"]


def test_names_are_kept() -> None:
    network = built(shrunk("cifar_resnet110"))
    folded = fold(network)
    assert list(blocks(folded)) == list(blocks(network))
    expected = []
    for key in network.state_dict():
        if "conv" in key:
            expected += [key, key.replace("weight", "bias")]
        elif "bn" not in key:
            expected.append(key)
    assert list(folded.state_dict()) == expected


def test_copies_and_emitted_code(tmp_path: Path) -> None:
    network = built(shrunk("iresnet50"))
    folded = fold(network)
    x = batch(folded)
    expected = outputs_of(folded, x)["output"]
    for twin in (copy.deepcopy(folded), pickle.loads(pickle.dumps(folded))):
        assert torch.equal(outputs_of(twin, x)["output"], expected)
        assert twin.architecture == folded.architecture
        assert [type(block) for block in blocks(twin).values()] == [type(block) for block in blocks(folded).values()]
    model = imported(emit(folded.architecture), tmp_path).Network().eval()
    model.load_state_dict(folded.state_dict())
    assert torch.equal(outputs_of(model, x)["output"], expected)
    again = fold(folded)
    assert again.architecture == folded.architecture
    assert torch.equal(outputs_of(again, x)["output"], expected)


def test_dtype_layout_and_what_learns() -> None:
    network = built(shrunk("resnet18"), dtype=torch.float32).to(memory_format=torch.channels_last)
    network.requires_grad_(False)
    network.get_submodule("head.linear").requires_grad_(True)
    folded = fold(network)
    conv = folded.get_submodule("stage1.0.branch.conv1")
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert {parameter.dtype for parameter in folded.parameters()} == {torch.float32}
    assert {name for name, p in folded.named_parameters() if p.requires_grad} == {
        "head.linear.weight",
        "head.linear.bias",
    }
    x = batch(network).float()
    torch.testing.assert_close(outputs_of(folded, x), outputs_of(network, x), rtol=1e-3, atol=1e-4)
    halved = fold(copy.deepcopy(network).bfloat16())
    assert {parameter.dtype for parameter in halved.parameters()} == {torch.bfloat16}
    assert fold(archspec.build(network.architecture, device="meta")).get_submodule("stem.conv").bias.is_meta


def test_the_networks_own_numbers_count() -> None:
    """Those set on the modules since it was built, of batch norms that stay too."""
    network = built(text(f"{CONV3}, bn, relu, bn"))
    for name in ("head.bn1", "head.bn2"):
        network.get_submodule(name).eps = 0.5
    assert_same(network, fold(network))
    network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    assert not isinstance(network.get_submodule("head.bn1"), NORMS)
    assert_same(network, fold(network))


def test_a_compiled_network_can_be_folded() -> None:
    network = archspec.compile(built(shrunk("resnet18")), channels_last=False)
    folded = fold(network)
    assert folded.execution is None
    assert_same(archspec.compile(network, "eager"), folded)


def test_what_cannot_be_folded_is_refused() -> None:
    network = built(text(f"{CONV3}, bn, relu"))
    handle = network.get_submodule("head").register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match="head: it has hooks"):
        fold(network)
    handle.remove()
    nn.utils.parametrizations.weight_norm(network.get_submodule("head.conv"))
    with pytest.raises(ValueError, match=r"head\.conv: it is a ParametrizedConv2d, where the graph has a Conv2d"):
        fold(network)
    network = built(text(f"{CONV3}, bn, relu"))
    network.get_submodule("head.bn").running_mean = None
    with pytest.raises(ValueError, match=r"head\.bn: running_mean is none, where the graph has 4"):
        fold(network)
    network = built(text(f"{CONV3}, bn, relu"), "op")
    relu = next(node for node in network.graph.nodes if node.op == "call_function")
    relu.target = torch.tanh
    relu.kwargs = {}
    network.recompile()
    with pytest.raises(ValueError, match="has been edited"):
        fold(network)
