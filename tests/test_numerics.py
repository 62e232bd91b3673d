"""Networks of the zoo equal hand-written modules: same weights, same outputs, same gradients, in float64."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from reference.iresnet import CifarIResNet, CifarIResNet164, IResNet, IResNet50
from reference.resnet import ResNet
from reference.wrn import WRN
from torch import Tensor, nn

import archspec

Names = tuple[tuple[str, str], ...]
# The names of a spec's layers, and those of the same layers in the hand-written networks; the first that fits counts.
NAMES = (
    (r"^stem\.conv$", "stem.0"),
    (r"^stem\.bn$", "stem.1"),
    (r"^stage(\d+)\.(\d+)\.branch\.(\w+)$", r"stages.\1.\2.\3"),
    (r"^stage(\d+)\.(\d+)\.shortcut\.(\w+)$", r"stages.\1.\2.projection.\3"),
    (r"^stage(\d+)\.(\d+)\.after\.bn$", r"stages.\1.\2.closing"),
    (r"^head\.linear$", "head.2"),
)
WRN_NAMES = (
    (r"^stem\.conv$", "stem"),
    (r"^stage(\d+)\.(\d+)\.pre\.bn$", r"stages.\1.\2.bn1"),
    (r"^stage(\d+)\.(\d+)\.branch\.bn1$", r"stages.\1.\2.bn2"),
    (r"^stage(\d+)\.(\d+)\.shortcut\.conv$", r"stages.\1.\2.projection"),
    (r"^head\.bn$", "head.0"),
    (r"^head\.linear$", "head.2.2"),
    *NAMES,
)
CASES = {
    "resnet50": ("resnet50", {}, lambda: ResNet([3, 4, 6, 3]), 33, NAMES),
    "iresnet50": ("iresnet50", {}, lambda: IResNet([3, 4, 6, 3]), 33, NAMES),
    "wrn28_10": ("wrn28_10", {}, lambda: WRN(28, 10), 8, WRN_NAMES),
    "wrn16_2": ("wrn28_10", {"depth": 16, "k": 2}, lambda: WRN(16, 2), 15, WRN_NAMES),
    "cifar_iresnet": ("cifar_iresnet3002", {"counts": [4, 2, 3]}, lambda: CifarIResNet([4, 2, 3]), 15, NAMES),
}


def theirs_of(name: str, names: Names) -> str:
    """Where a tensor of ours lies in the hand-written network, whose stages count from 0."""
    layer, _, tensor = name.rpartition(".")
    for pattern, replacement in names:
        if re.match(pattern, layer):
            theirs = re.sub(pattern, replacement, layer)
            theirs = re.sub(r"^stages\.(\d+)", lambda match: f"stages.{int(match.group(1)) - 1}", theirs)
            return f"{theirs}.{tensor}"
    raise AssertionError(f"{name} has no place in the reference")


def copy_weights(ours: nn.Module, theirs: nn.Module, names: Names) -> dict[str, str]:
    """Every tensor of ours goes to one of theirs, and none of theirs is left; returns which to which. A projection is
    an unnamed sequence over there: its layers are the only convolution and the only batch norm in it."""
    numbered = {
        f"{path}.{kind}": f"{path}.{number}"
        for path, module in theirs.named_modules() if path.endswith(".projection") and isinstance(module, nn.Sequential)
        for number, layer in enumerate(module)
        if (kind := {nn.Conv2d: "conv", nn.BatchNorm2d: "bn"}.get(type(layer)))
    }  # fmt: skip
    places = {}
    for name in ours.state_dict():
        layer, _, tensor = theirs_of(name, names).rpartition(".")
        places[name] = f"{numbered.get(layer, layer)}.{tensor}"
    theirs.load_state_dict({places[name]: value for name, value in ours.state_dict().items()}, strict=True)
    return places


@dataclass(frozen=True)
class Pair:
    """Two networks of the same weights, the names of the second's tensors by those of the first's, an input."""

    ours: nn.Module
    theirs: nn.Module
    places: dict[str, str]
    x: Tensor


@pytest.fixture(params=CASES)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Our network and the hand-written one with its weights, none of them special, and an input for both."""
    name, params, reference, size, names = CASES[request.param]
    torch.manual_seed(0)
    ours = archspec.build(archspec.load(name, **params), dtype=torch.float64)
    with torch.no_grad():
        for module in ours.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(std=0.1)
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
    build: Callable[[], nn.Module] = reference
    with torch.device("meta"):
        theirs = build().double()
    theirs = theirs.to_empty(device="cpu")
    places = copy_weights(ours, theirs, names)
    return Pair(ours, theirs, places, torch.randn(2, 3, size, size, dtype=torch.float64))


def close(actual: Tensor | None, expected: Tensor | None) -> None:
    assert actual is not None
    assert expected is not None
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9 * max(1.0, expected.abs().max().item()))


def test_network_equals_the_hand_written_one(pair: Pair) -> None:
    """In evaluation; in training, with the batch's statistics and what becomes of the running ones; and backward."""
    with torch.no_grad():
        out = pair.ours.eval()(pair.x)
        close(out, pair.theirs.eval()(pair.x))
        assert out.std() > 0
    results = []
    for network in (pair.ours.train(), pair.theirs.train()):
        leaf = pair.x.clone().requires_grad_()
        out = network(leaf)
        out.square().sum().backward()
        results.append((out, leaf.grad))
    for actual, expected in zip(*results, strict=True):
        close(actual, expected)
    theirs = dict(pair.theirs.named_parameters())
    for name, parameter in pair.ours.named_parameters():
        close(parameter.grad, theirs[pair.places[name]].grad)
    state = pair.theirs.state_dict()
    for name, value in pair.ours.state_dict().items():
        close(value, state[pair.places[name]])


def test_the_references_have_the_published_sizes() -> None:
    with torch.device("meta"):
        for build, expected in (
            (lambda: ResNet([3, 4, 6, 3]), 25_557_032),
            (lambda: ResNet([3, 4, 23, 3]), 44_549_160),
            (IResNet50, 25_557_032),
            (CifarIResNet164, archspec.summarize("cifar_iresnet164").params),
            (lambda: IResNet([4, 46, 80, 4]), 124_524_328),
            (lambda: WRN(28, 10), 36_479_194),
        ):
            assert sum(parameter.numel() for parameter in build().parameters()) == expected
