"""Random small networks: what their graphs say is what torch sees. That they compute it: tests/test_executions.py."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from networks import graph_of
from strategies import Drawn, anything_at_all
from torch import fx

import archspec
from archspec.compiler.lower import Network


class Watcher(fx.Interpreter):
    """Runs a network operator by operator and notes the shape each node gives, without the batch."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.seen: dict[str, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.op != "output":
            self.seen[n.meta["archspec"]["address"]] = tuple(value.shape[1:])
        return value


@settings(max_examples=60)
@given(anything_at_all())
def test_the_graph_tells_the_truth(drawn: Drawn) -> None:
    """Shapes and parameters of its nodes are those torch sees when it runs them, which meta tensors are enough for."""
    graph = graph_of(drawn.text)
    network = archspec.build(graph, granularity="op", device="meta")
    watcher = Watcher(network)
    watcher.run(torch.empty(2, *graph.input.shape, device="meta"))
    assert watcher.seen == {node.name: node.shape for node in graph}
    assert graph.params == sum(parameter.numel() for parameter in network.parameters())
    for node in graph:
        if node.params:
            module = network.get_submodule(node.name)
            assert sum(parameter.numel() for parameter in module.parameters()) == node.params
    assert {name.rpartition(".")[0] for name, _ in network.named_parameters()} == {n.name for n in graph if n.params}
