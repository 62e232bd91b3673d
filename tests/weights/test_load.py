"""Weights from elsewhere: matched by names, by order, by structure; proven by running both sides; or refused."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from reference.iresnet import IResNet
from reference.named import NamedResNet, lively
from reference.renamed import renamed, small
from torch import Tensor, nn

import archspec
from archspec import WeightsError
from archspec.weights import load as loading
from archspec.weights.foreign import Foreign

COUNTS = [2, 3, 2, 2]
X = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def build(name: str = "resnet50", **overrides: Any) -> archspec.Network:
    torch.manual_seed(0)
    return archspec.build(small(name, **overrides))


def theirs(**options: Any) -> nn.Module:
    torch.manual_seed(1)
    return lively(NamedResNet(COUNTS, 10, **options)).eval()


def gap(ours: nn.Module, other: nn.Module, x: Tensor = X) -> float:
    with torch.no_grad():
        expected = other.eval()(x)
        return float((ours.eval()(x) - expected).abs().max() / expected.abs().max())


@contextmanager
def unchanged(network: nn.Module) -> Iterator[None]:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    yield
    after = network.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


@pytest.mark.parametrize("name", ["resnet50", "resnet18"])
def test_a_state_dict_with_the_names_of_torchvision(name: str) -> None:
    module, network = theirs(basic=name == "resnet18"), build(name)
    assert gap(network, module) > 1e-2
    done = archspec.load_weights(network, module.state_dict())
    assert gap(network, module) < 2e-6
    assert done.how == "by the names of torchvision"
    assert done.verified is None
    assert "not prove equal networks" in str(done)
    assert done.tensors == len(network.state_dict())


def test_counters_of_batch_norms_come_along_and_need_not_be_there() -> None:
    module, network = theirs(basic=True), build("resnet18")
    state = module.state_dict()
    state["bn1.num_batches_tracked"] += 7
    archspec.load_weights(network, state)
    assert network.state_dict()["stem.bn.num_batches_tracked"] == 7
    archspec.load_weights(network, {key: value for key, value in state.items() if "num_batches" not in key})


@pytest.mark.parametrize("wrapped", ["state_dict", "model", "module."])
def test_wrapped_state_dicts(wrapped: str) -> None:
    module, network = theirs(basic=True), build("resnet18")
    state: Any = module.state_dict()
    state = (
        {f"module.{key}": value for key, value in state.items()}
        if wrapped == "module."
        else {wrapped: state, "epoch": 3}
    )
    archspec.load_weights(network, state)
    assert gap(network, module) < 2e-6


def test_our_own_names() -> None:
    one, other = build("iresnet50"), build("iresnet50")
    lively(one)
    done = archspec.load_weights(other, one.state_dict())
    assert done.how == "by the names of archspec"
    assert gap(other, one) == 0


def test_names_that_are_nobodys_go_in_order() -> None:
    module, network = theirs(basic=True), build("resnet18")
    state = {f"x{key}".replace("layer", "part"): value for key, value in module.state_dict().items()}
    done = archspec.load_weights(network, state)
    assert done.how == "in order of the layers"
    assert gap(network, module) < 2e-6


def test_a_module_is_proven_by_running_both() -> None:
    module, network = theirs(reordered=True), build()
    module.train()
    done = archspec.load_weights(network, module)
    assert done.verified is not None
    assert "layers alike" in done.verified
    assert done.largest is not None
    assert done.largest < 2e-6
    assert module.training  # as it was
    assert module.layer1[0].training
    assert gap(network, module) < 2e-6


def test_a_network_of_ours_is_a_module_too() -> None:
    one, other = build("iresnet50"), archspec.build(small("iresnet50"), granularity="op")
    done = archspec.load_weights(other, one)
    assert done.how == "by structure"
    assert gap(other, one) < 1e-6


def test_what_only_training_knows_may_differ() -> None:
    trained, other = {"paths.activation": [{"bn": {"momentum": 0.01, "scale_init": 0.5}}, "relu"]}, {}
    one, network = lively(build("resnet18", **trained)), build("resnet18", **other)
    done = archspec.load_weights(network, one)
    assert done.how == "by structure"
    assert gap(network, one) == 0
    epsilon = build("resnet18", **{"paths.activation": [{"bn": {"eps": 1e-3}}, "relu"]})
    with unchanged(network), pytest.raises(WeightsError, match=r"stem: theirs has bn\(eps=0\.001\) of conv"):
        archspec.load_weights(network, epsilon)


TRACED = pytest.mark.skipif(find_spec("archspec.compiler.trace") is None, reason="needs the tracer")


@TRACED
@pytest.mark.parametrize(
    ("name", "make", "told"),
    [("iresnet50", lambda: IResNet(COUNTS, 10, released=True), "stage1.1: theirs adds relu(x), ours adds x"),
     ("resnet50", lambda: NamedResNet(COUNTS, 10, stride_first=True),
      "stage2.0: theirs has conv(kernel=1, out=128, stride=2) of x, ours has conv(kernel=1, out=128) of x")],
)  # fmt: skip
def test_of_a_traced_module_both_sides_operators_are_told(name: str, make: Callable[[], nn.Module], told: str) -> None:
    network = build(name)
    with unchanged(network), pytest.raises(WeightsError) as error:
        archspec.load_weights(network, lively(make()))
    assert told in str(error.value)


@TRACED
def test_a_module_without_our_names_is_matched_by_structure() -> None:
    module, network = lively(IResNet(COUNTS, 10, released=True)).train(), build("iresnet50", released=True)
    done = archspec.load_weights(network, module)
    assert done.how == "by structure"
    assert done.largest is not None
    assert done.largest < 2e-6
    assert module.training
    assert gap(network, module) < 2e-6


class Branching(NamedResNet):
    """What cannot be traced: its way depends on the data."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() > -1e9 else -x)


def test_a_module_that_cannot_be_traced_is_matched_by_names_and_proven_all_the_same() -> None:
    module, network = lively(Branching(COUNTS, 10, basic=True)), build("resnet18")
    done = archspec.load_weights(network, module)
    assert done.how == "by the names of torchvision"
    assert done.verified is not None
    assert gap(network, module) < 2e-6


WRONG = {
    "the code of iResNet": ("iresnet50", lambda: IResNet(COUNTS, 10, released=True), {"released": True},
                            "stage1.1", "stage1.1: theirs adds relu(x), ours adds x"),
    "stride on the 1x1": ("resnet50", lambda: NamedResNet(COUNTS, 10, stride_first=True), {"paths.bottleneck": [
        {"conv": {"out": "inner", "kernel": 1, "stride": "stride"}}, {"use": "between"},
        {"conv": {"out": "inner", "kernel": 3, "groups": "groups"}}, {"use": "between"},
        {"conv": {"out": "outer", "kernel": 1}}]},
        "stage2.0",
        "stage2.0: theirs has conv(kernel=1, out=128, stride=2) of x, ours has conv(kernel=1, out=128) of x"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_fits_and_is_wrong_is_refused_with_its_block(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal shapes in equal order, another function: from the module itself, where it cannot be traced."""
    monkeypatch.setattr(loading, "foreign", lambda *_: None)
    name, make, _, block, _ = WRONG[case]
    torch.manual_seed(1)
    module, network = lively(make()), build(name)
    with unchanged(network), pytest.raises(WeightsError, match=rf"They part at {block}: "):
        archspec.load_weights(network, module)


@pytest.mark.parametrize("case", WRONG)
def test_by_structure_the_operators_of_both_sides_are_told(case: str) -> None:
    name, _, change, _, told = WRONG[case]
    network, other = build(name), build(name, **change)
    with unchanged(network), pytest.raises(WeightsError) as error:
        archspec.load_weights(network, other)
    assert told in str(error.value)


def test_the_third_that_fits_and_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pre-activation net whose first block adds the raw input, as pytorchcv's preresnet110 does."""
    spec = archspec.load("cifar_preresnet110", depth=14)
    network = archspec.build(spec)
    other = archspec.build(archspec.load("cifar_preresnet110", depth=14, **{"blocks.residual.shared": "changed"}))
    archspec.load_weights(network, other.state_dict())  # fits: nothing is known of the other network
    with unchanged(network), pytest.raises(WeightsError) as error:
        archspec.load_weights(network, other)
    assert "stage1.0: theirs adds x, ours adds relu(pre.bn)" in str(error.value)
    untraced = nn.Sequential(other)
    monkeypatch.setattr(loading, "foreign", lambda *_: None)
    with unchanged(network), pytest.raises(WeightsError, match=r"part at stage1\.0: what stage1\.1\.pre\.bn"):
        archspec.load_weights(network, untraced)


def foreign(spec: archspec.Spec) -> tuple[nn.Module, Foreign]:
    """A module under other names, in another order of its tensors, and the graph that a tracer would find."""
    graph, _ = renamed(archspec.expand(spec))
    module = archspec.build(graph, granularity="op")
    state = {node.name: {key: f"net.{node.name}.{key}" for key in module.get_submodule(node.name).state_dict()}
             for node in graph if node.params}  # fmt: skip
    wrapped = nn.Module()
    wrapped.net = module
    wrapped._modules["net"]._modules = dict(reversed(module._modules.items()))
    wrapped.forward = module.forward  # type: ignore[method-assign]
    return wrapped, Foreign(graph, state)


@pytest.mark.parametrize("name", ["resnet50", "iresnet50", "iresgroup50"])
def test_a_traced_module_is_matched_by_structure(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, traced = foreign(small(name))
    lively(module)
    monkeypatch.setattr(loading, "foreign", lambda *_: traced)
    network = build(name)
    done = archspec.load_weights(network, module)
    assert done.how == "by structure"
    assert done.largest is not None
    assert done.largest < 2e-6
    assert gap(network, module) < 2e-6


def test_a_graph_that_is_not_what_its_module_computes_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer that overlooks the ReLU in place would call the released code the paper's network."""
    module, _ = foreign(small("iresnet50", released=True))
    graph, _ = renamed(archspec.expand(small("iresnet50")))
    theirs_in_order = [node for node in module.net.architecture if node.params]  # type: ignore[union-attr]
    layers = zip((node for node in graph if node.params), theirs_in_order, strict=True)
    keys = {mine.name: {key: f"net.{other.name}.{key}" for key in module.net.get_submodule(other.name).state_dict()}
            for mine, other in layers}  # type: ignore[union-attr]  # fmt: skip
    monkeypatch.setattr(loading, "foreign", lambda *_: Foreign(graph, keys))
    network = build("iresnet50")
    with unchanged(network), pytest.raises(WeightsError, match=r"They part at stage1\.1: what stage1\."):
        archspec.load_weights(network, module)


def test_another_head() -> None:
    module, network = theirs(), build(classes=7)
    head = network.head.linear.weight.clone()  # type: ignore[union-attr]
    for source in (module.state_dict(), module):
        with pytest.raises(WeightsError, match=r"--head new|head\.linear \(weight 7x2048"):
            archspec.load_weights(network, source)
        done = archspec.load_weights(network, source, head="new")
        assert done.kept == ("head.linear.weight", "head.linear.bias")
        assert torch.equal(network.head.linear.weight, head)  # type: ignore[union-attr]
    assert done.verified is not None
    ours, other = copy.deepcopy(network), copy.deepcopy(module)
    ours.head.linear, other.fc = nn.Identity(), nn.Identity()  # type: ignore[union-attr]
    assert gap(ours, other) < 2e-6


def test_by_structure_another_head_is_advised() -> None:
    with pytest.raises(WeightsError, match=r"part at head: .*out=10.*, ours .*out=7.*; another head .*--head new"):
        archspec.load_weights(build("resnet18", classes=7), build("resnet18"))


def test_one_channel_gets_the_sum() -> None:
    module, network = theirs(), build(**{"input.channels": 1})
    gray = X[:, :1]
    with pytest.raises(WeightsError, match=r"stem\.conv \(weight 64x1x7x7\)"):
        archspec.load_weights(network, module.state_dict())
    for source in (module.state_dict(), module):
        archspec.load_weights(network, source, input="sum")
        with torch.no_grad():
            expected = module(gray.expand(-1, 3, -1, -1))
            assert (network.eval()(gray) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_as_far_as_it_goes() -> None:
    module, network = theirs(), build(counts=[2, 3, 2, 3], classes=7)
    with unchanged(network), pytest.raises(WeightsError):
        archspec.load_weights(network, module.state_dict())
    done = archspec.load_weights(network, module.state_dict(), strict=False)
    missing = {key.rpartition(".")[0] for key in done.missing}
    assert missing == {f"stage4.2.branch.{kind}{i}" for kind in ("conv", "bn") for i in (1, 2, 3)} | {"head.linear"}
    assert torch.equal(network.stem.conv.weight, module.conv1.weight)  # type: ignore[union-attr]


def test_a_probe_proves_or_refuses() -> None:
    module, network = theirs(), build()
    with torch.no_grad():
        probe = {"input": X, "output": module(X)}
    done = archspec.load_weights(network, module.state_dict(), probe=probe)
    assert done.verified is not None
    assert "probe" in done.verified
    with unchanged(network), pytest.raises(WeightsError, match="the networks are not one"):
        archspec.load_weights(
            network, theirs(stride_first=True).state_dict(), probe=probe | {"output": probe["output"] + 1}
        )
    with unchanged(network), pytest.raises(WeightsError, match="called 'input'"):
        archspec.load_weights(network, module.state_dict(), probe={"output": X})
    with unchanged(network), pytest.raises(WeightsError, match="no output 'output'"):
        archspec.load_weights(network, module.state_dict(), probe={"input": X, "output": X})


def test_another_network_names_both_sides() -> None:
    network = build("resnet18")
    with unchanged(network), pytest.raises(WeightsError) as error:
        archspec.load_weights(network, theirs().state_dict())
    told = "ours has stage1.0.branch.conv1 (weight 64x64x3x3), where theirs has layer1.0.conv1 (weight 64x64x1x1)"
    assert f"not the weights of 'resnet18': {told}" in str(error.value)
    with unchanged(network), pytest.raises(WeightsError) as error:
        archspec.load_weights(network, build("resnet50"))
    told = "stage1.0: theirs has conv(kernel=1, out=64) of x, ours has conv(kernel=3, out=64) of x"
    assert f"'resnet18' and 'resnet50' are not one network. They part at {told}" in str(error.value)


def test_a_backbone_takes_a_classifiers_weights() -> None:
    module, network = theirs(), build(until="stage3")
    done = archspec.load_weights(network, module.state_dict())
    assert "fc" in done.aside
    assert "layer4.0.conv1" in done.aside


def test_compiled_networks_are_compared_eagerly() -> None:
    module, network = theirs(basic=True), build("resnet18")
    archspec.compile(network, backend="eager", channels_last=False)
    assert archspec.load_weights(network, module).verified is not None
    assert network.execution is not None


def test_an_edited_network_is_told() -> None:
    network = build("resnet18")
    network.stem.conv.stride = (1, 1)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"stem\.conv: stride"):
        archspec.load_weights(network, theirs(basic=True))


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="head is"):
        archspec.load_weights(build("resnet18"), {}, head="other")  # type: ignore[arg-type]
