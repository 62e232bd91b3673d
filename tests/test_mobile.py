"""The networks of `families.mobile` against the zoo's: equal logits in training mode, in float64, weight by weight."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import archspec
from tests.families.mobile import NETWORKS, efficientnet


def parameters(network: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in network.parameters()]


@pytest.mark.parametrize("name", NETWORKS)
def test_logits(name: str) -> None:
    torch.manual_seed(0)
    theirs = NETWORKS[name]().double().train()
    ours = archspec.build(archspec.load(name, **{"input.size": [64, 64]}), dtype=torch.float64).train()
    assert parameters(ours) == parameters(theirs)
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            if other.ndim == 1:  # scales and shifts too differ from layer to layer
                other.add_(0.1 * torch.rand_like(other))
            mine.copy_(other)
        x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
        outputs = []
        for model in (ours, theirs):
            torch.manual_seed(1)  # the same draws for dropout
            outputs.append(model(x))
    scale = outputs[1].abs().max()
    assert outputs[0].shape == (2, 1000)
    assert scale > 1e-3
    assert (outputs[0] - outputs[1]).abs().max() <= 1e-12 * max(1.0, scale)


@pytest.mark.parametrize(("overrides", "stem", "widths", "depths", "count"), [
    ({"depth": 1.1, "size": 240},
     32, (16, 24, 40, 80, 112, 192, 320), (2, 3, 3, 4, 4, 5, 2), 7_794_184),
    ({"width": 1.2, "depth": 1.4, "size": 300},
     40, (24, 32, 48, 96, 136, 232, 384), (2, 3, 3, 5, 5, 6, 2), 12_233_232),
    ({"width": 1.4, "depth": 1.8, "size": 380},
     48, (24, 32, 56, 112, 160, 272, 448), (2, 4, 4, 6, 6, 8, 2), 19_341_616),
])  # fmt: skip
def test_efficientnet_scales(
    overrides: dict[str, Any], stem: int, widths: tuple[int, ...], depths: tuple[int, ...], count: int
) -> None:
    """B1, B3 and B4, each by its params: every tensor's shape, and the count that is known of it."""
    with torch.device("meta"):
        theirs = efficientnet(stem, widths, depths, 0.4)
    spec = archspec.load("efficientnet_b0", **overrides)
    graph = archspec.expand(spec)
    assert graph.params == count
    assert graph.input.shape == (3, *[overrides["size"]] * 2)
    assert parameters(archspec.build(spec, device="meta")) == parameters(theirs)


REGNETX = {
    "800mf": ((16, 56, 35.73, 2.28, 16), (64, 128, 288, 672), (1, 3, 7, 5), 7_259_656),
    "1.6gf": ((18, 80, 34.01, 2.25, 24), (72, 168, 408, 912), (2, 4, 10, 2), 9_190_136),
    "3.2gf": ((25, 88, 26.31, 2.25, 48), (96, 192, 432, 1008), (2, 6, 15, 2), 15_296_552),
    "8gf": ((23, 80, 49.56, 2.88, 120), (80, 240, 720, 1920), (2, 5, 15, 1), 39_572_648),
}
REGNETY = {
    "800mf": ((14, 56, 38.84, 2.4, 16), (64, 144, 320, 784), (1, 3, 8, 2), 6_432_512),
    "1.6gf": ((27, 48, 20.71, 2.65, 24), (48, 120, 336, 888), (2, 6, 17, 2), 11_202_430),
    "3.2gf": ((21, 80, 42.63, 2.66, 24), (72, 216, 576, 1512), (2, 5, 13, 1), 19_436_338),
}
SCALES = [("x", *row) for row in REGNETX.values()] + [("y", *row) for row in REGNETY.values()]


@pytest.mark.parametrize(("kind", "params", "widths", "depths", "count"), SCALES)
def test_regnet_widths(kind: str, params: tuple[float, ...], widths: Any, depths: Any, count: int) -> None:
    """Widths and depths of other RegNets come from the formula, at the parameters that their paper prints."""
    names = ("depth", "w_0", "w_a", "w_m", "group")
    graph = archspec.expand(archspec.load(f"regnet{kind}_400mf", **dict(zip(names, params, strict=True))))
    blocks = [node for node in graph if node.op.key == "relu" and node.path == "after"]
    assert tuple(dict.fromkeys(node.shape[0] for node in blocks)) == widths
    assert tuple(sum(node.shape[0] == width for node in blocks) for width in widths) == depths
    assert graph.params == count
