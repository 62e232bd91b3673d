"""The released variant of the ResStage family: what the authors' code computes, with its ReLU in place."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from reference.iresnet import BasicIResNet, IResNet, ResStage
from reference.layers import Bottle
from test_families import by_32, seed
from torch import nn

import archspec

COUNTS = [2, 3, 3, 2]
SMALL = {"counts": COUNTS, "input.size": [64, 64], "classes": 10}
FAMILIES = {
    "iresnet50": partial(IResNet, COUNTS, 10),
    "resstage50": partial(ResStage, COUNTS, 10),
    "iresgroup50": partial(IResNet, COUNTS, 10, form=Bottle(4, 2, by_32)),
}


def gap(ours: nn.Module, theirs: nn.Module, x: torch.Tensor) -> float:
    """The largest difference of outputs and of gradients of the input, in training mode."""
    seed((ours, theirs))
    found = []
    for model in (ours.train(), theirs.train()):
        given = x.clone().requires_grad_()
        out = model(given)
        out.square().sum().backward()
        found.append((out.detach(), given.grad / given.grad.abs().max()))
    return max((one - other).abs().max().item() for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_released_is_what_the_code_computes_and_the_paper_is_not(name: str) -> None:
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gaps = {}
    for released in (False, True):
        ours = archspec.build(archspec.load(name, **SMALL, released=released), dtype=torch.float64)
        gaps[released] = gap(ours, FAMILIES[name](released=True).double(), x)
    assert gaps[True] < 1e-10
    assert gaps[False] > 1e-3


def test_released_blocks_of_two_convolutions() -> None:
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    theirs = BasicIResNet(COUNTS, 10, released=True).double()
    specs = {released: archspec.load("iresnet18", **SMALL, released=released) for released in (False, True)}
    ours = {released: archspec.build(spec, dtype=torch.float64) for released, spec in specs.items()}
    assert gap(ours[True], theirs, x) < 1e-10
    assert gap(ours[False], theirs, x) > 1e-3


def test_it_keeps_names_counts_and_costs() -> None:
    paper, code = archspec.expand("iresnet50"), archspec.expand("iresnet50", released=True)
    assert {node.name for node in paper if node.params} == {node.name for node in code if node.params}
    assert (paper.params, paper.macs, len(paper)) == (code.params, code.macs, len(code))
    assert archspec.signature(paper) != archspec.signature(code)


def test_the_difference_tells_the_block_after_every_start() -> None:
    found = archspec.diff("iresnet50", archspec.load("iresnet50", released=True))
    assert [change.what for change in found.units] == [f"stage{stage}.1" for stage in (1, 2, 3, 4)]
    assert not found.equal
