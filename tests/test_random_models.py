"""Random small networks: however they are built, they compute the same, and what their graphs say is so."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import torch
from hypothesis import given, settings
from networks import graph_of, reload
from strategies import Drawn, specs
from torch import Tensor, fx

import archspec
from archspec.compiler.lower import Network
from archspec.graph import Graph


def built(graph: Graph, granularity: Any = "block") -> Network:
    torch.manual_seed(0)
    return archspec.build(graph, granularity=granularity, dtype=torch.float64)


def batch(graph: Graph) -> Tensor:
    return torch.randn(2, *graph.input.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def outputs_of(network: Network, x: Tensor) -> dict[str, Tensor]:
    """What a network gives, by name; from one seed, since some drop paths."""
    torch.manual_seed(2)
    value = network(x)
    return value if isinstance(value, dict) else {"output": value}


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


@settings(max_examples=60)
@given(specs())
def test_every_way_to_build_computes_the_same(drawn: Drawn) -> None:
    """By blocks, by operators, both again from the canonical text; in evaluation and in training, with gradients."""
    graph = graph_of(drawn.text)
    again = reload(graph)
    first = built(graph)
    others = [built(graph, "op"), built(again), built(again, "op")]
    for other in others:
        same(other.state_dict(), first.state_dict())
    x = batch(graph)
    with torch.no_grad():
        expected = outputs_of(first.eval(), x)
        for other in others:
            same(outputs_of(other.eval(), x), expected)
    results = []
    for network in (first, *others):
        network.skips_dropped = False  # by operators there is no block to pass by (test_stochastic_depth.py)
        trained = outputs_of(network.train(), x)
        sum((value * value.detach().cos()).sum() for value in trained.values()).backward()
        results.append((trained, dict(network.named_buffers()), [p.grad for p in network.parameters()]))
    for outputs, buffers, gradients in results[1:]:
        same(outputs, results[0][0])
        same(buffers, results[0][1])
        for gradient, reference in zip(gradients, results[0][2], strict=True):
            assert (gradient is None) == (reference is None)
            if reference is not None:
                scale = max(1.0, reference.abs().max().item())
                torch.testing.assert_close(gradient, reference, rtol=1e-8, atol=1e-9 * scale)


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


@settings(max_examples=100)
@given(specs())
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


@settings(max_examples=30)
@given(specs())
def test_copies_compute_the_same(drawn: Drawn) -> None:
    graph = graph_of(drawn.text)
    network = built(graph).eval()
    x = batch(graph)
    with torch.no_grad():
        expected = outputs_of(network, x)
        for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
            same(outputs_of(twin, x), expected)
