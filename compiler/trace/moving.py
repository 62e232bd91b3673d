"""Weights of a traced module under the names of its graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archspec.compiler.lower.modules import target
from archspec.graph import Graph
from archspec.ops import ModuleCall


def moved(graph: Graph, module: nn.Module) -> dict[str, Tensor]:
    """The state dict of `archspec.build(graph)` with the weights of the module that the graph was traced from: the
    module's own tensors, as views of the shapes the graph has for them.

    Raises `KeyError` where the module has other names.
    """
    tensors = dict(module.state_dict(keep_vars=True)) | dict(module.named_buffers(remove_duplicate=False))
    shapes: dict[ModuleCall, dict[str, tuple[int, ...]]] = {}
    state = {}
    for name, own in graph.weights.items():
        node = graph[name]
        call = node.op.call(graph.input_shapes(node))
        assert isinstance(call, ModuleCall)
        if call not in shapes:
            with torch.device("meta"):
                made = target(call.target)(**dict(call.arguments))
            shapes[call] = {key: tuple(tensor.shape) for key, tensor in made.state_dict().items()}
        for key, theirs in own.items():
            state[f"{name}.{key}"] = tensors[theirs].reshape(shapes[call][key])
    return state
