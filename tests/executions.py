"""Every way to run a network, compared with an interpreter of its graph that knows torch.nn.functional alone."""

from __future__ import annotations

import copy
import importlib.util
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from interpreter import Run, interpret
from networks import graph_of, reload
from torch import Tensor, nn
from torch.nn import functional as F

import archspec
from archspec.compiler.emit import emit
from archspec.compiler.lower import Network
from archspec.graph import Graph

EXACT, FOLDED = 1e-9, 1e-7
"""How far results in float64 may be from the interpreter's, as a part of the largest number."""
SEEDS = (3, 4)
"""Of training steps: with each, other branches are dropped."""


class DifferenceError(AssertionError):
    """A way to run a network gave something else than the interpreter."""


def check(text: str, folder: Path, compiled: bool = False) -> Graph:
    """Runs the network of a spec in every way, in evaluation and in training; returns its graph.

    Raises `DifferenceError` where two do not agree, and whatever a way raises that does not run.
    """
    with drawn_by_place():
        return _checked(graph_of(text), folder, compiled)


def _checked(graph: Graph, folder: Path, compiled: bool) -> Graph:
    again = reload(graph)
    if again != graph or again.to_spec_text() != graph.to_spec_text():
        raise DifferenceError("the canonical text loads to another graph")
    torch.manual_seed(0)
    network = archspec.build(graph, dtype=torch.float64)
    unsettle(network)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(2, *graph.input.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = interpret(graph, state, x)
    steps = {seed: _step(graph, state, x, seed) for seed in SEEDS}
    for way, other in ways(graph, again, network, folder):
        if set(other.state_dict()) != set(state):
            raise DifferenceError(f"{way}: other keys in the state dict")
        other.load_state_dict(state)
        _agree(way, _named(other.eval(), x), expected.outputs)
        for seed, (run, gradients) in steps.items():
            other.load_state_dict(state)
            other.zero_grad()
            _train(f"{way}, step of seed {seed}", other, x, seed, run, gradients)
    network.load_state_dict(state)
    optimized = archspec.optimize(network.eval())
    _agree("optimize", _named(optimized, x), expected.outputs, FOLDED)
    _agree("what was optimized", _named(network, x), expected.outputs)
    if compiled:
        torch.compiler.reset()
        archspec.compile(network, backend="eager")
        _agree("compile", _named(network.eval(), x), expected.outputs)
        network.zero_grad()
        run, gradients = steps[SEEDS[0]]
        _train("compile, step", network, x, SEEDS[0], run, gradients)
    return graph


def ways(graph: Graph, again: Graph, network: Network, folder: Path) -> Iterator[tuple[str, nn.Module]]:
    """The network, and others that must be the same, by how they were made."""
    yield "build", network
    yield "build by operator", archspec.build(graph, granularity="op", dtype=torch.float64)
    yield "build from the canonical text", archspec.build(again, dtype=torch.float64)
    yield "deepcopy", copy.deepcopy(network)
    yield "pickle", pickle.loads(pickle.dumps(network))
    yield "model.py", imported(emit(graph), folder).Network().double()


@contextmanager
def drawn_by_place() -> Iterator[None]:
    """Lets dropout draw for each number by its place: torch's draws in the order of memory, which layouts change."""
    original = F.dropout

    def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or not p:
            return input
        kept = (torch.rand(input.shape) >= p).to(input.dtype) / (1 - p) if p < 1 else torch.zeros_like(input)
        return input.mul_(kept) if inplace else input * kept

    F.dropout = dropout  # type: ignore[assignment]
    try:
        yield
    finally:
        F.dropout = original


def unsettle(network: nn.Module) -> None:
    """Moves weights and statistics from where they start, where a layer may be as good as none."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.copy_(0.5 + torch.rand(value.shape, generator=generator, dtype=value.dtype))
            elif value.is_floating_point():
                value.add_(0.2 * torch.randn(value.shape, generator=generator, dtype=value.dtype))


def imported(text: str, folder: Path) -> ModuleType:
    """The module a text is, from a file that is there no longer than it takes."""
    path = folder / "emitted_model.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("emitted_model", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules.pop("emitted_model", None)
    spec.loader.exec_module(module)
    path.unlink()
    return module


def _named(network: Callable[[Tensor], Any], x: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        outputs = network(x.clone())
    return outputs if isinstance(outputs, dict) else {"output": outputs}


def _loss(outputs: Mapping[str, Tensor]) -> Tensor:
    return sum(((value * value.detach().cos()).sum() for value in outputs.values()), torch.zeros(()))


def _step(graph: Graph, state: Mapping[str, Tensor], x: Tensor, seed: int) -> tuple[Run, dict[str, Tensor | None]]:
    """A training step of the interpreter: what it gives and leaves, and gradients."""
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    weights = {
        name: value.clone().requires_grad_() for name, value in state.items() if name.rpartition(".")[2] not in buffers
    }
    torch.manual_seed(seed)
    run = interpret(graph, {**state, **weights}, x, training=True)
    loss = _loss(run.outputs)
    given = torch.autograd.grad(loss, list(weights.values()), allow_unused=True) if loss.requires_grad else ()
    return run, dict(zip(weights, given, strict=False))


def _train(
    way: str, network: nn.Module, x: Tensor, seed: int, run: Run, gradients: Mapping[str, Tensor | None]
) -> None:  # fmt: skip
    """Compares a training step's outputs, statistics and gradients with the interpreter's."""
    torch.manual_seed(seed)
    outputs = network.train()(x.clone())
    outputs = outputs if isinstance(outputs, dict) else {"output": outputs}
    _agree(way, outputs, run.outputs)
    loss = _loss(outputs)
    if loss.requires_grad:
        loss.backward()
    state = network.state_dict()
    _agree(f"{way}: statistics", {name: state[name] for name in run.buffers}, run.buffers)
    for name, parameter in network.named_parameters():
        ours, theirs = parameter.grad, gradients.get(name)
        zero = torch.zeros_like(parameter)  # a branch dropped and one that was never run have the same gradient
        _agree(f"{way}: gradient", {name: zero if ours is None else ours}, {name: zero if theirs is None else theirs})


def _agree(way: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], tolerance: float = EXACT) -> None:
    if list(ours) != list(theirs):
        raise DifferenceError(f"{way}: outputs {list(ours)}, not {list(theirs)}")
    for name, expected in theirs.items():
        value = ours[name]
        if value.shape != expected.shape or value.dtype != expected.dtype:
            raise DifferenceError(
                f"{way}: {name} is {value.dtype} of {tuple(value.shape)}, not {tuple(expected.shape)}"
            )
        if not expected.numel():
            continue
        scale = max(1.0, expected.abs().max().item())
        difference = (value - expected).abs().max().item()
        if not difference <= tolerance * scale:
            raise DifferenceError(f"{way}: {name} differs by {difference:.3g} of {scale:.3g}")
