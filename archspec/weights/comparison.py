"""Two networks run on one input, and compared layer by layer: where they first differ, by block.

Compared are the output of every layer that both have, what it reads (which is what the blocks before it gave), and the
outputs of the networks. Hooks copy what they see, since a later step may overwrite it in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from archspec.compiler.lower import Network
from archspec.graph import Graph
from archspec.ops import show_shape

ROUNDINGS = 1000
"""Roundings of the coarser dtype that two orders of one computation may lie apart, relative to the largest value."""


@dataclass(frozen=True)
class Comparison:
    """What running both has shown."""

    blocks: int
    """Blocks whose outputs were compared."""
    layers: int
    """Layers whose outputs were compared."""
    largest: float
    """Largest difference of any of these values, relative to the largest of its tensor."""
    output: float | None
    """The same of the networks' outputs; None where they were not compared."""
    parted: str | None = None
    """The first block whose values differ, with what differs; None where all agree."""


@dataclass
class _Seen:
    reads: Tensor | None = None
    gives: Tensor | None = None
    calls: int = 0


def compare(
    network: Network, theirs: nn.Module, layers: Mapping[str, str], x: Tensor, wider: Tensor, ends: bool = True
) -> Comparison:  # fmt: skip
    """Runs both in evaluation mode, ours on `x` and theirs on `wider`, and compares them: each of our layers with
    theirs in `layers`, and with `ends` the outputs. Modes stay as they were. Raises what running raises.
    """
    mine, out = observe(network, list(layers), x)
    other, given = observe(theirs, [layers[name] for name in layers], suited(wider, theirs))
    graph = network.architecture
    tolerance = ROUNDINGS * max(_rounding(network), _rounding(theirs))
    blocks: set[str] = set()
    compared, largest, parted = 0, 0.0, None
    for name, their_name in layers.items():
        ours, seen = mine[name], other[their_name]
        if ours.calls != 1 or seen.calls != 1:  # parts of a module that does not call it, or calls it twice
            continue
        compared += 1
        before = _source(graph, name)
        blocks |= {before} - {graph[name].unit}
        told = ((before, "reads", ours.reads, seen.reads), (graph[name].unit, "gives", ours.gives, seen.gives))
        for unit, verb, one, two in told:
            if one is None or two is None or (unit == graph.input.name and wider is not x):
                continue
            apart = _apart(one, two)
            largest = max(largest, apart)
            if apart > tolerance and parted is None:
                parted = f"{unit}: what {name} {verb} {_differs(one, two, apart)}"
    pairs = list(zip(_tensors(out), _tensors(given), strict=False))
    output = max((_apart(one, two) for one, two in pairs), default=float("inf")) if ends else None
    if output is not None and output > tolerance and parted is None:
        parted = f"the output, which {_differs(*pairs[0], output)}" if pairs else "the output: theirs gives no tensors"
    return Comparison(len(blocks), compared, largest, output, parted)


def _source(graph: Graph, name: str) -> str:
    """The unit that gave what a layer reads from outside its own, through steps without weights of its own unit."""
    node = graph[name]
    unit = node.unit
    while graph[node.inputs[0]].unit == unit and len(node.inputs) == 1 and not graph[node.inputs[0]].params:
        node = graph[node.inputs[0]]
        if not node.inputs:
            break
    return graph[node.inputs[0]].unit if node.inputs else unit


def observe(root: nn.Module, names: Sequence[str], x: Tensor) -> tuple[dict[str, _Seen], Any]:
    """What the modules of some names read and give in one forward pass in evaluation mode, and the output."""
    found = {name: _Seen() for name in names}
    handles = []
    modules = dict(root.named_modules())

    def watch(seen: _Seen) -> tuple[Any, Any]:
        def before(module: nn.Module, given: tuple[Any, ...]) -> None:
            seen.calls += 1
            seen.reads = given[0].detach().clone() if given and isinstance(given[0], Tensor) else None

        def after(module: nn.Module, given: tuple[Any, ...], out: Any) -> None:
            seen.gives = out.detach().clone() if isinstance(out, Tensor) else None

        return before, after

    try:
        for name, seen in found.items():
            if name in modules:
                before, after = watch(seen)
                handles += [modules[name].register_forward_pre_hook(before)]
                handles += [modules[name].register_forward_hook(after)]
        with evaluated(root), torch.no_grad():
            out = root(x)
    finally:
        for handle in handles:
            handle.remove()
    return found, out


@contextmanager
def evaluated(root: nn.Module) -> Iterator[None]:
    """A module in evaluation mode; every part of it is in its own mode again afterwards."""
    modes = [(module, module.training) for module in root.modules()]
    root.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def suited(x: Tensor, module: nn.Module) -> Tensor:
    """The input in the dtype and on the device of a module."""
    first = next((value for value in module.parameters() if value.is_floating_point()), None)
    return x if first is None else x.to(first.device, first.dtype)


def _rounding(module: nn.Module) -> float:
    return max(
        (torch.finfo(value.dtype).eps for value in module.parameters() if value.is_floating_point()), default=0.0
    )


def _difference(one: Tensor, other: Tensor) -> float:
    if one.shape != other.shape:
        return float("inf")
    mine, theirs = one.detach().cpu(), other.detach().cpu()
    if torch.equal(mine, theirs):
        return 0.0
    largest = float((mine - theirs).abs().max())
    if largest != largest:  # infinite alike is alike; else NaN
        largest = float(torch.where(mine == theirs, 0.0, (mine - theirs).abs()).max())
    return largest if largest == largest else float("inf")


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    apart = _difference(one, other)
    return apart / max(float(other.detach().abs().max()), 1e-30) if 0 < apart < float("inf") else apart


def _differs(one: Tensor, other: Tensor, apart: float) -> str:
    if one.shape != other.shape:
        return f"is {show_shape(tuple(one.shape[1:]))} in ours and {show_shape(tuple(other.shape[1:]))} in theirs"
    return f"differs by {apart:.2g} of its largest value"


def _tensors(out: Any) -> list[Tensor]:
    """The tensors of an output, in order."""
    if isinstance(out, Tensor):
        return [out]
    values = list(out.values()) if isinstance(out, Mapping) else list(out) if isinstance(out, list | tuple) else []
    return [tensor for value in values for tensor in _tensors(value)]
