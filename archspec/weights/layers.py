"""A network's layers with tensors, and the layers of a state dict: what weights are moved between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from archspec.compiler.lower import Network
from archspec.graph import Graph
from archspec.ops import Conv, show_shape
from archspec.syntax.escape import terminal

COUNTERS = ("num_batches_tracked",)
"""Buffers that count steps and take no part in what a network computes: they need not be there."""


@dataclass(frozen=True)
class Layer:
    """The tensors that lie under one address: `weight`, `bias`, `running_mean`, by their local names."""

    name: str
    tensors: Mapping[str, Tensor]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that are computed with."""
        return {key: tuple(value.shape) for key, value in self.tensors.items() if key not in COUNTERS}

    def __str__(self) -> str:
        shapes = ", ".join(f"{key} {show_shape(shape) or 1}" for key, shape in self.shapes.items())
        return f"{terminal(self.name) or 'the top level'} ({shapes})"


def own_layers(network: Network) -> list[Layer]:
    """A network's layers with tensors, in the order of the network, whatever modules stand there by now."""
    found = []
    for node in network.architecture:
        try:
            module: nn.Module = network.get_submodule(node.name)
        except AttributeError:
            continue
        tensors = module.state_dict()
        if tensors and node.inputs:
            found.append(Layer(node.name, tensors))
    return found


def grouped(tensors: Mapping[str, Tensor]) -> list[Layer]:
    """The layers of a state dict, in its order: tensors whose keys agree up to the last dot."""
    groups: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, _, local = key.rpartition(".")
        groups.setdefault(name, {})[local] = value
    return [Layer(name, group) for name, group in groups.items() if set(group) - set(COUNTERS)]


def heads(graph: Graph) -> set[str]:
    """The last layers: convolutions and linear layers that no other one follows."""
    followed: set[str] = set()
    after: dict[str, bool] = {}
    for node in reversed(list(graph)):
        after[node.name] = any(after[user] or graph[user].op.role == "weight" for user in graph.users[node.name])
        if after[node.name]:
            followed.add(node.name)
    return {node.name for node in graph if node.op.role == "weight" and node.name not in followed}


def first_convolutions(graph: Graph) -> set[str]:
    """The convolutions that read the network's input."""
    return {node.name for node in graph if isinstance(node.op, Conv) and node.inputs == (graph.input.name,)}


def counted(layers: Sequence[Layer]) -> str:
    """Layers and numbers, as messages tell them."""
    numbers = sum(value.numel() for layer in layers for key, value in layer.tensors.items() if key not in COUNTERS)
    return f"{len(layers)} layer{'s' * (len(layers) != 1)} of {numbers:,} numbers"
