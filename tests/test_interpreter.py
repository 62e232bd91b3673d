"""The interpreter that networks are compared with knows every operator, and agrees with networks as they are built."""

from __future__ import annotations

import pytest
import torch
from emitted import CASES, graph_for, named
from interpreter import RULES, interpret

import archspec
from archspec.ops import BY_KEY


def test_it_has_a_rule_for_every_operator() -> None:
    assert set(RULES) == set(BY_KEY)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_it_agrees_with_built_networks(name: str, training: bool) -> None:
    graph = graph_for(name)
    torch.manual_seed(0)
    network = archspec.build(graph, dtype=torch.float64).train(training)
    x = torch.randn(3, *graph.input.shape, dtype=torch.float64)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torch.manual_seed(4)
    run = interpret(graph, before, x, training=training)
    torch.manual_seed(4)
    for label, value in named(network(x)).items():
        torch.testing.assert_close(value, run.outputs[label])
    for key, value in run.buffers.items():
        torch.testing.assert_close(network.state_dict()[key], value)
