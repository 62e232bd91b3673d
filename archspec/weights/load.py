"""Weights from elsewhere into a network: matched, checked, and where both sides can run, proven by running them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from archspec.compiler.analysis.correspondence import correspondence
from archspec.compiler.analysis.parting import parting
from archspec.compiler.lower import Network
from archspec.compiler.lower.edits import agreed, edits
from archspec.graph import Graph
from archspec.syntax.escape import terminal
from archspec.weights.assignment import Assigner, Assignment, Head, Input, Leave
from archspec.weights.comparison import ROUNDINGS, compare, evaluated
from archspec.weights.files import plain_keys, read
from archspec.weights.foreign import Foreign, called_order, foreign, opened
from archspec.weights.layers import grouped, own_layers
from archspec.weights.problem import WeightsError
from archspec.weights.transfer import Transfer

Source: TypeAlias = "str | os.PathLike[str] | Mapping[str, Tensor] | nn.Module"
Probe: TypeAlias = "str | os.PathLike[str] | Mapping[str, Tensor]"


def load_weights(
    network: Network, source: Source, *, head: Head = "same", input: Input = "same", strict: bool = True,
    probe: Probe | None = None,
) -> Transfer:  # fmt: skip
    """`archspec.load_weights`. Raises `WeightsError`, having changed nothing; `OSError`, `ValueError`."""
    if head not in ("same", "new") or input not in ("same", "sum"):
        raise ValueError("head is 'same' or 'new', and input 'same' or 'sum'")
    assigner = Assigner(network.architecture, own_layers(network), Leave(head, input, strict))
    if isinstance(source, nn.Module):
        return _from_module(network, assigner, source)
    name = "a state dict" if isinstance(source, Mapping) else os.fspath(source)
    tensors = plain_keys(source, name) if isinstance(source, Mapping) else read(source)
    theirs = grouped(tensors)
    if strict:
        found = assigner.by_names(theirs) or assigner.by_order(theirs)
    else:
        found = assigner.as_far_as_possible(theirs)
    before = _state(network)
    _apply(network, found)
    if probe is None:
        return _told(network, name, found, None, None)
    try:
        largest = _probed(network, probe)
    except BaseException:
        _restore(network, before)
        raise
    return _told(
        network, name, found, f"by the probe: its output is met to {largest:.1g} of its largest value", largest
    )


def _from_module(network: Network, assigner: Assigner, module: nn.Module) -> Transfer:
    graph, leave = network.architecture, assigner.leave
    agreed(network, (edit for edit in edits(network) if not edit.number), "Load the weights before editing it")
    name = type(module).__name__
    x = _example(network)
    wider = _widened(x, module) if leave.input == "sum" else x
    traced, state = foreign(module, wider), module.state_dict()
    if traced is None:
        called = {layer: place for place, layer in enumerate(called_order(module, wider))}
        layers = sorted(grouped(state), key=lambda layer: called.get(layer.name, len(called)))
        found = assigner.by_names(layers) or assigner.by_order(layers, "in the order of execution")
        modules = found.layers
    else:
        found = assigner.along(traced.layers(state), structural(graph, traced, leave), "by structure")
        held = traced.modules()
        modules = {mine: held[other] for mine, other in found.layers.items() if other in held}
    before = _state(network)
    _apply(network, found)
    try:
        runs = network if network.execution is None else deepcopy(network)  # a copy runs eagerly
        seen = compare(runs, module, modules, x, wider, ends=leave.head != "new")
        if seen.parted is not None:
            raise WeightsError(f"'{graph.name}' and {name} are not one network. They part at {seen.parted}")
    except BaseException:
        _restore(network, before)
        raise
    told = f"by running both: {seen.blocks} blocks and {seen.layers} layers alike to {seen.largest:.1g}"
    if seen.output is not None:
        told += f", the outputs to {seen.output:.1g}, of their largest values"
    return _told(network, name, found, told, seen.output)


def structural(graph: Graph, traced: Foreign, leave: Leave) -> dict[str, str]:
    """Their nodes by ours, by structure. Raises `WeightsError` with the first block at which the networks part."""
    ours, theirs = (opened(each, leave.head == "new", leave.input == "sum") for each in (graph, traced.graph))
    found = correspondence(ours, theirs)
    if found is None:
        where = parting(ours, theirs)
        told = (
            f"They part at {where}" if where else "No map leads from one to the other, though their operators are alike"
        )
        if leave.head == "same" and correspondence(*(opened(each, True, False) for each in (graph, traced.graph))):
            told += "; another head is kept by head='new' (--head new)"
        raise WeightsError(f"'{graph.name}' and '{traced.graph.name}' are not one network. {told}")
    return found


def _example(network: Network) -> Tensor:
    """Two samples that the network reads, the same every time."""
    first = next((value for value in network.parameters() if value.is_floating_point()), None)
    x = torch.randn(2, *network.architecture.input.shape, generator=torch.Generator().manual_seed(0))
    return x if first is None else x.to(first.device, first.dtype)


def _widened(x: Tensor, module: nn.Module) -> Tensor:
    """The input in as many channels as their first convolution reads."""
    first = next((value for value in module.parameters() if value.ndim > 2), None)
    return x if first is None else x.expand(x.shape[0], first.shape[1], *x.shape[2:]).contiguous()


def _probed(network: Network, probe: Probe) -> float:
    """The largest difference from what the probe says, relative to the largest value.

    Raises `WeightsError` where it is more than rounding.
    """
    given = plain_keys(probe, "the probe") if isinstance(probe, Mapping) else read(probe)
    if "input" not in given:
        raise WeightsError("a probe has a tensor called 'input' and theirs called 'output'")
    like = next(network.parameters())
    with evaluated(network), torch.no_grad():
        out = network(given["input"].to(like.device, like.dtype))
    outputs = out if isinstance(out, Mapping) else {"output": out}
    largest = 0.0
    for label, value in outputs.items():
        if label not in given or given[label].shape != value.shape:
            shapes = {key: tuple(tensor.shape) for key, tensor in given.items()}
            raise WeightsError(f"the probe has no output '{label}' of the shape {tuple(value.shape)}; it has {shapes}")
        expected = given[label].to(value.device, torch.float64)
        apart = float((value.double() - expected).abs().max())
        apart /= max(float(expected.abs().max()), 1e-30)
        if not apart <= ROUNDINGS * torch.finfo(like.dtype).eps:
            raise WeightsError(
                f"the tensors fit '{network.architecture.name}', but the networks are not one: on the probe's input "
                f"'{label}' differs by {apart:.2g} of its largest value"
            )
        largest = max(largest, apart)
    return largest


def _state(network: Network) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in network.state_dict().items()}


def _restore(network: Network, state: Mapping[str, Tensor]) -> None:
    network.load_state_dict(state)


def _apply(network: Network, found: Assignment) -> None:
    """Copies tensors into the network's own. What an assignment has fits: it was made for this network."""
    state: dict[str, Any] = network.state_dict()
    with torch.no_grad():
        for key, value in found.tensors.items():
            state[key].copy_(value)


def _told(
    network: Network, source: str, found: Assignment, verified: str | None, largest: float | None
) -> Transfer:  # fmt: skip
    layers = {key.rpartition(".")[0] for key in found.tensors}
    return Transfer(
        network.architecture.name, terminal(source), found.how, len(layers), len(found.tensors), verified, largest,
        tuple(found.kept), tuple(found.missing), tuple(found.aside),
    )  # fmt: skip
