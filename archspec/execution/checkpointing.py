"""Activation checkpointing (Chen et al., arXiv 1604.06174): segments whose inside is computed again in backward.

What running a segment twice would spoil is put back after the second run: batch normalisation's running statistics and
counts (torch's own checkpoint updates them twice, in silence), and every other buffer. The second run sees what the
first saw: the generators' state (torch's checkpoint does that) and the draws of stochastic depth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from archspec.compiler.checkpoints import Segment
from archspec.compiler.codegen import function_of
from archspec.compiler.layers import DropPath
from archspec.compiler.lower import Network, emit_unit
from archspec.compiler.outline import Unit, outline


@dataclass(frozen=True)
class _Part:
    """A run of units as one function of the network and the values it reads."""

    run: Callable[..., tuple[Any, ...]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ended: tuple[str, ...]
    """Values that nothing reads after it."""
    addresses: tuple[str, ...]
    """Its units, if it is checkpointed."""


class Checkpointed:
    """A network's forward, by segments: the same values, gradients and statistics in less memory.

    Without gradients, or in evaluation, nothing is checkpointed. Raises `ValueError` for a network by operators.
    """

    def __init__(self, network: Network, segments: Sequence[Segment]) -> None:
        if network.granularity != "block":
            raise ValueError("checkpointing works by block: build the network with granularity='block'")
        if network.edited:
            raise ValueError("checkpointing follows the spec's graph, and this network's fx graph has been edited")
        self.segments = tuple(segments)
        self._parts = _parts(network, self.segments)
        graph = network.architecture
        self._input, self._outputs = graph.input.name, dict(graph.outputs)

    def __call__(self, network: Network, x: Tensor) -> Any:
        if not (network.training and torch.is_grad_enabled()):
            return type(network).forward(network, x)
        values = {self._input: x}
        for part in self._parts:
            inputs = [values[name] for name in part.inputs]
            for name in part.ended:
                values.pop(name, None)
            if part.addresses:
                modules = [network.get_submodule(address) for address in part.addresses]
                given = checkpoint(part.run, network, *inputs, use_reentrant=False, context_fn=partial(_again, modules))
            else:
                given = part.run(network, *inputs)
            del inputs
            values.update(zip(part.outputs, given, strict=True))
        outputs = {label: values[name] for label, name in self._outputs.items()}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs


BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class _Replay:
    """The second run of a segment: with the draws of its first, and leaving every buffer as it was."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._modules = [module for root in modules for module in root.modules() if module._buffers]
        self._gates = [module for module in self._modules if isinstance(module, DropPath)]
        self._drawn = [gate.kept for gate in self._gates]

    def __enter__(self) -> None:
        self._later = [gate.kept for gate in self._gates]
        self._draw(self._drawn)
        self._kept: list[tuple[nn.Module, dict[str, Tensor | None]]] = []
        for module in self._modules:
            if isinstance(module, DropPath) or not module.training:
                continue
            self._kept.append((module, module._buffers))
            # What a batch norm gives in training does not depend on its statistics: it may write to anything.
            scratch = torch.empty_like if isinstance(module, BATCH_NORMS) else torch.clone
            module._buffers = {
                name: None if buffer is None else scratch(buffer) for name, buffer in module._buffers.items()
            }

    def __exit__(self, *error: object) -> None:
        self._draw(self._later)
        for module, buffers in self._kept:
            module._buffers = buffers

    def _draw(self, draws: Sequence[bool | None]) -> None:
        for gate, kept in zip(self._gates, draws, strict=True):
            gate.kept = kept


def _again(modules: Sequence[nn.Module]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts of a segment's first and second run."""
    return nullcontext(), _Replay(modules)


def _parts(network: Network, segments: Sequence[Segment]) -> tuple[_Part, ...]:
    """The network's units as functions, one per segment and one per run of units between segments."""
    graph = network.architecture
    place = {address: i for i, segment in enumerate(segments) for address in segment.units}
    runs: list[tuple[int | None, list[Unit]]] = []
    for unit in outline(graph):
        segment = place.get(unit.address)
        if not runs or runs[-1][0] != segment:
            runs.append((segment, []))
        runs[-1][1].append(unit)
    last = {name: i for i, (_, units) in enumerate(runs) for unit in units for name in unit.inputs}
    last |= dict.fromkeys(graph.outputs.values(), len(runs))
    parts = []
    for i, (segment, units) in enumerate(runs):
        own = {name for unit in units for name in unit.outputs}
        inputs = tuple(dict.fromkeys(name for unit in units for name in unit.inputs if name not in own))
        outputs = tuple(name for unit in units for name in unit.outputs if last.get(name, -1) > i)
        ended = tuple(name for name in inputs if last[name] == i)
        addresses = tuple(unit.address for unit in units) if segment is not None else ()
        parts.append(_Part(_function(network, units, inputs, outputs, i), inputs, outputs, ended, addresses))
    return tuple(parts)


def _function(
    network: Network, units: Sequence[Unit], inputs: Sequence[str], outputs: Sequence[str], number: int
) -> Callable[..., tuple[Any, ...]]:
    """The code of torch.fx for some units of a network."""
    graph = fx.Graph()
    values = {name: graph.placeholder(f"x{i}") for i, name in enumerate(inputs)}
    for unit in units:
        emit_unit(graph, network.architecture, unit, values)
    graph.output(tuple(values[name] for name in outputs))
    return function_of(graph, f"segment_{number}")
