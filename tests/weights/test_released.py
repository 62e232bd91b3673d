"""The released variant of the ResStage family: what the authors' code computes, with its ReLU in place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from reference.iresnet import BasicIResNet, IResNet, ResStage
from reference.layers import Bottle
from test_families import by_32, seed
from torch import nn

import archspec

COUNTS = [2, 3, 2, 2]
CUT = {"counts": COUNTS, "input.size": [32, 32], "until": "stage2"}
WHOLE = {"counts": COUNTS, "input.size": [32, 32], "classes": 10}
Make = Callable[[], nn.Module]
CASES: dict[str, tuple[dict[str, Any], Make]] = {
    "iresnet50": (CUT, partial(IResNet, COUNTS, cut=2, released=True)),
    "iresgroup50": (CUT, partial(IResNet, COUNTS, cut=2, form=Bottle(4, 2, by_32), released=True)),
    "resstage50": (WHOLE, partial(ResStage, COUNTS, 10, released=True)),
    "iresnet18": (WHOLE, partial(BasicIResNet, COUNTS, 10, released=True)),
}


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def computed(model: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The output, and the gradient of its squares at the input, in training mode."""
    given = x.clone().requires_grad_()
    out = model.double().train()(given)
    (gradient,) = torch.autograd.grad(out.square().sum(), given)
    return out.detach(), gradient / gradient.abs().max()


@pytest.mark.parametrize("name", CASES)
def test_released_is_what_the_code_computes_and_the_paper_is_not(
    name: str, x: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_"):  # `seed` replaces what they draw
        monkeypatch.setattr(nn.init, method, lambda tensor, *_, **__: tensor)
    overrides, make = CASES[name]
    paper, ours = (archspec.build(archspec.load(name, **overrides, released=kind)) for kind in (False, True))
    theirs = make()
    seed((paper, ours, theirs))
    expected, wrong, right = computed(theirs, x), computed(paper, x), computed(ours, x)
    for one, other, third in zip(expected, right, wrong, strict=True):
        assert (one - other).abs().max() < 1e-10
        assert (one - third).abs().max() > 1e-3


def test_it_keeps_names_counts_and_costs() -> None:
    paper, code = archspec.expand("iresnet50"), archspec.expand("iresnet50", released=True)
    assert {node.name for node in paper if node.params} == {node.name for node in code if node.params}
    assert (paper.params, paper.macs, len(paper)) == (code.params, code.macs, len(code))
    assert archspec.signature(paper) != archspec.signature(code)


def test_the_difference_tells_the_block_after_every_start() -> None:
    found = archspec.diff("iresnet50", archspec.load("iresnet50", released=True))
    assert [change.what for change in found.units] == [f"stage{stage}.1" for stage in (1, 2, 3, 4)]
    assert not found.equal
