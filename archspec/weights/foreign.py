"""A module of someone else's as a graph, with the keys of the tensors that each of its nodes holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from archspec.compiler.lower import Network
from archspec.compiler.lower.holding import described
from archspec.compiler.trace import TraceError, trace
from archspec.graph import Graph, Node
from archspec.weights.comparison import evaluated, observe, suited
from archspec.weights.layers import COUNTERS, Layer, heads, own_layers


@dataclass(frozen=True)
class Foreign:
    """A graph and, by its nodes, keys of a state dict by the tensors' local names in ours (`weight`, `running_var`)."""

    graph: Graph
    keys: Mapping[str, Mapping[str, str]]

    def layers(self, state: Mapping[str, Tensor]) -> list[Layer]:
        """Its nodes that hold tensors, with those of a state dict."""
        return [
            Layer(node.name, {local: state[key] for local, key in self.keys[node.name].items() if key in state})
            for node in self.graph if self.keys.get(node.name)
        ]  # fmt: skip

    def modules(self) -> dict[str, str]:
        """By nodes, the module that holds all tensors of each, where one does."""
        found = {}
        for name, keys in self.keys.items():
            first, *others = dict.fromkeys(key.rpartition(".")[0] for key in keys.values())
            if not others:
                found[name] = first
        return found


def foreign(module: nn.Module, example: Tensor) -> Foreign | None:
    """The graph of a module: that of a network of ours, else by tracing it in evaluation mode; None where it cannot be
    traced, as with control flow that depends on data.

    Raises `ValueError` for a network of ours that is no longer what its graph says.
    """
    if isinstance(module, Network):
        keys = {layer.name: {key: f"{layer.name}.{key}" for key in layer.tensors} for layer in own_layers(module)}
        return Foreign(described(module), keys)
    with evaluated(module):
        try:
            graph = trace(module, suited(example, module))
        except TraceError:
            return None
    return Foreign(graph, graph.weights)


_TRAINING = ("momentum", "scale_init", "bias_init")
"""Fields that say how batch norms learn and how weights start, of which evaluation with given weights knows nothing."""


def opened(graph: Graph, head: bool, channels: bool) -> Graph:
    """A graph for comparing what weights mean: without what only training or initialisation knows, and where they may
    differ, without the last layers' outputs (`head`) and the input's channels (`channels`). It is for nothing else."""
    last = heads(graph) if head else set()

    def plain(node: Node) -> Node:
        fields = type(node.op).model_fields
        change = {name: fields[name].default for name in _TRAINING if name in fields}
        if node.name in last:
            change["out"] = 1
        if channels and not node.inputs:
            change["sample"] = (1, *node.shape[1:])
        changed = {name: value for name, value in change.items() if getattr(node.op, name) != value}
        return replace(node, op=node.op.model_copy(update=changed)) if changed else node

    return Graph(graph.name, map(plain, graph), graph.outputs)


def called_order(module: nn.Module, example: Tensor) -> list[str]:
    """Names of the modules that hold tensors themselves, in the order in which a forward pass calls them."""
    own = [
        name for name, part in module.named_modules()
        if any(key not in COUNTERS for key in (*part._parameters, *part._buffers))
    ]  # fmt: skip
    order: list[str] = []
    parts = dict(module.named_modules())
    handles = [
        parts[name].register_forward_pre_hook(lambda *_, name=name: order.append(name) if name not in order else None)
        for name in own
    ]
    try:
        observe(module, [], example)
    finally:
        for handle in handles:
            handle.remove()
    return order + [name for name in own if name not in order]
