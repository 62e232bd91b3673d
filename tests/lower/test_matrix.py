"""Every way of running a network, in both modes, in three dtypes, against an interpreter of the graph.

What stochastic depth drew is not asked: the outputs must be those of some draw, the statistics those of the same one,
and over several passes there must be several.
"""

from __future__ import annotations

import copy
import io
import itertools
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from emitted import CASES, TEXTS, graph_for, imported, named
from interpreter import RULES, Run, interpret
from networks import graph_of
from torch import Tensor, nn

import archspec
from archspec.compiler.emit import emit
from archspec.compiler.lower import Network
from archspec.compiler.lower.layers import DropPath
from archspec.graph import Graph
from archspec.ops import BY_KEY

TEXT = """
archspec: 1
name: matrix
input: {channels: 3, size: [6, 6]}
stem: [conv: {out: 4, kernel: 3}, bn, relu]
stages: {repeat: [1, 2], width: [4, 6], stride: [1, 2], blocks: [plain, {start: squeeze, middle: open}]}
blocks:
  plain: {branch: [conv: {out: width, kernel: 3}, bn], shortcut: B, after: [relu]}
  open:  {branch: [layer_norm, conv: {out: width, kernel: 1}, silu], shortcut: none}
  squeeze:
    graph:
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn, prelu]
      gate:   {from: branch, ops: [global_avg_pool, linear: {out: 2}, relu, linear: {out: width}, sigmoid]}
      scaled: {from: [gate, branch], ops: [multiply]}
      short:  [avg_pool: {kernel: 3, stride: stride}, conv: {out: width, kernel: 1}]
      output: {from: [scaled, short], ops: [add]}
head: [global_avg_pool, linear: {out: 3}]
"""
DROPS = {
    "none": "",
    "batch": "drop_path: {survival: 0.4, decay: constant}",
    "sample": "drop_path: {survival: 0.4, unit: sample, rescale: true}",
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
BATCH = 3


@cache
def graph_with(drop: str) -> Graph:
    return graph_of(TEXT + DROPS[drop])


@cache
def base(drop: str, granularity: Any = "block") -> Network:
    torch.manual_seed(0)
    return archspec.build(graph_with(drop), granularity=granularity)


@cache
def emitted_class(drop: str) -> Any:
    with TemporaryDirectory() as folder:
        return imported(emit(graph_with(drop)), Path(folder)).Network


def saved(network: nn.Module) -> Any:
    buffer = io.BytesIO()
    torch.save(network, buffer)
    return torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)


def emitted(network: Network) -> nn.Module:
    made = emitted_class("none" if not any("drop" in n for n in network.architecture.nodes) else _drop_of(network))
    module: nn.Module = made()
    module.load_state_dict(network.state_dict())
    return module.to(next(network.parameters()).dtype).train(network.training)


def _drop_of(network: Network) -> str:
    return next(drop for drop in DROPS if network.architecture == graph_with(drop))


def sequential(network: Any) -> nn.Module:
    parts = (network.stem, *network.stage1.children(), *network.stage2.children(), network.head)
    return nn.Sequential(*parts).train(network.training)


def by_operator(network: Network) -> nn.Module:
    other = copy.deepcopy(base(_drop_of(network), "op")).to(next(network.parameters()).dtype)
    other.load_state_dict(network.state_dict())
    return other.train(network.training)


def exported(network: nn.Module) -> nn.Module:
    x = torch.randn(BATCH, 3, 6, 6, dtype=next(network.parameters()).dtype)
    return torch.export.export(network, (x,)).module()


def graph_module(network: Network) -> nn.Module:
    return torch.fx.GraphModule(network, network.graph).train(network.training)


# Ways by whether they pass by what they drop; others compute it, and then replace it by zeros.
WAYS: dict[str, tuple[Callable[[Network], Any], bool]] = {
    "build": (lambda network: network, True),
    "forward": (lambda network: network.forward, True),
    "deepcopy": (copy.deepcopy, True),
    "pickle": (lambda network: pickle.loads(pickle.dumps(network)), True),
    "save": (saved, True),
    "graph": (graph_module, True),
    "sequential": (sequential, True),
    "emitted": (emitted, True),
    "emitted parts": (lambda network: sequential(emitted(network)), True),
    "op": (by_operator, True),
    "op graph": (lambda network: graph_module(by_operator(network)), False),  # type: ignore[arg-type]
    "traced": (torch.fx.symbolic_trace, False),
    "op traced": (lambda network: torch.fx.symbolic_trace(by_operator(network)), False),
    "scripted": (torch.jit.script, False),
    "exported": (exported, False),
}
SLOW = ("exported", "scripted")  # in float32 always, in other dtypes with `make test-all`


@cache
def expected(drop: str, dtype: torch.dtype, training: bool, rests: bool) -> list[Run]:
    """The runs of every possible draw."""
    graph = graph_with(drop)
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in base(drop).state_dict().items()}
    gates = [node.name for node in graph if node.op.key == "drop_path"]
    count = {"none": 0, "batch": 1, "sample": BATCH}[drop] if training else 0
    runs = []
    for bits in itertools.product([1, 0], repeat=count * len(gates)):
        draws = {
            gate: torch.tensor(bits[i * count : (i + 1) * count], dtype=dtype) for i, gate in enumerate(gates)
        }  # fmt: skip
        runs.append(interpret(graph, state, sample(dtype), training=training, draws=draws, rests=rests))
    return runs


def sample(dtype: torch.dtype) -> Tensor:
    return torch.randn(BATCH, 3, 6, 6, generator=torch.Generator().manual_seed(1)).to(dtype)


CELLS = [
    pytest.param(way, kind, marks=[pytest.mark.slow] if way in SLOW and kind != "float32" else [], id=f"{way}-{kind}")
    for way in WAYS for kind in DTYPES
]  # fmt: skip


@pytest.mark.parametrize("drop", DROPS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("way", "kind"), CELLS)
def test_every_way_is_the_graph(way: str, kind: str, training: bool, drop: str) -> None:
    dtype = DTYPES[kind]
    make, rests = WAYS[way]
    network = copy.deepcopy(base(drop)).to(dtype).train(training)
    run = make(network)
    runs = expected(drop, dtype, training, rests)
    assert len(runs) == ({"none": 1, "batch": 4, "sample": 64}[drop] if training else 1)
    tolerance = {"rtol": 3e-2, "atol": 3e-2} if dtype == torch.bfloat16 else {}
    initial = {key: value.clone() for key, value in network.state_dict().items()}
    found = set()
    torch.manual_seed(2)
    with torch.no_grad():
        for number in range(12 if len(runs) > 1 else 1):
            network.load_state_dict(initial)
            y = run(sample(dtype))
            assert y.dtype == dtype
            which = min(range(len(runs)), key=lambda i: (runs[i].outputs["output"] - y).abs().max())
            nearest = runs[which]
            torch.testing.assert_close(y, nearest.outputs["output"], **tolerance)
            found.add(which)
            holder = run if isinstance(run, nn.Module) else network
            buffers = dict(holder.named_buffers())
            if number == 0:  # afterwards, copies have gone on
                for key, value in nearest.buffers.items():
                    if key in buffers:
                        torch.testing.assert_close(buffers[key], value, **tolerance)
    assert len(found) > (1 if len(runs) > 1 else 0)
    if drop == "sample" and training:
        assert len(found) > 6


SOME = [pytest.param(name, marks=[] if name in TEXTS else [pytest.mark.slow], id=name) for name in CASES]


def test_the_interpreter_has_a_rule_for_every_operator() -> None:
    assert set(RULES) == set(BY_KEY)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("granularity", ["block", "op"])
def test_networks_of_all_kinds_are_their_graph(name: str, granularity: Any) -> None:
    """In both modes, with the draws that the language documents: of one seed, they are the interpreter's own."""
    graph = graph_for(name)
    torch.manual_seed(0)
    network = archspec.build(graph, dtype=torch.float64, granularity=granularity)
    x = torch.randn(3, *graph.input.shape, dtype=torch.float64)
    for training in (False, True):
        before = {key: value.clone() for key, value in network.train(training).state_dict().items()}
        torch.manual_seed(4)
        run = interpret(graph, before, x, training=training)
        torch.manual_seed(4)
        for label, value in named(network(x)).items():
            torch.testing.assert_close(value, run.outputs[label])
        for key, value in run.buffers.items():
            torch.testing.assert_close(network.state_dict()[key], value)


def ours(module: torch.nn.Module) -> bool:
    """Whether a layer is one that torch does not have."""
    return type(module).__module__ == DropPath.__module__


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("granularity", ["block", "op"])
def test_torch_traces_and_scripts_networks_of_all_kinds(name: str, granularity: Any) -> None:
    """A trace made in training evaluates as the network does, and gives the values between too."""
    graph = graph_for(name)
    torch.manual_seed(0)
    network = archspec.build(graph, granularity=granularity)
    x = torch.randn(2, *graph.input.shape)
    traced, scripted = torch.fx.symbolic_trace(network), torch.jit.script(network)
    with torch.no_grad():
        outputs = named(network.eval()(x))
        for other in (traced, scripted):
            other.load_state_dict(network.state_dict())
            for label, value in named(other.eval()(x)).items():
                torch.testing.assert_close(value, outputs[label])
        modules = dict(network.named_modules())
        seen = {}
        hooks = [
            module.register_forward_hook(lambda module, args, out, name=name: seen.__setitem__(name, out))
            for name, module in modules.items() if not any(module.children())
        ]  # fmt: skip
        network(x)
        for hook in hooks:
            hook.remove()
        taken = [node for node in traced.graph.nodes if node.op == "call_module"]
        assert {node.target for node in taken} == {
            name for name in seen if name and (type(modules[name]) is DropPath or not ours(modules[name]))
        }
        features = torch.fx.Graph()
        last = features.graph_copy(traced.graph, copies := {})
        assert last is not None
        features.output({str(node.target): copies[node] for node in taken})
        for name, value in torch.fx.GraphModule(traced, features).eval()(x).items():
            torch.testing.assert_close(value, seen[name])
