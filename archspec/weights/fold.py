"""A built network for inference: the weights of its optimised graph (archspec.compiler.rewrite.optimize).

After a layer y = W x + b, the step a y + c gives W' = a W and b' = a b + c, by channels of the output. Before it, the
step a x + c gives W' = W a and b' = b + W c, by channels of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from archspec.compiler.lower import Network, lower
from archspec.compiler.lower.codegen import attach
from archspec.compiler.lower.edits import agreed, edits, hooked
from archspec.compiler.lower.holding import added, built
from archspec.compiler.lower.layers import DropPath
from archspec.compiler.rewrite.optimize import Folding, optimize
from archspec.graph import Node
from archspec.ops import ModuleCall, Scale

EXACT = torch.float64
"""What weights are folded in, whatever their own dtype."""


def fold(network: Network) -> Network:
    """A network that computes in evaluation what the given one does, lowered from its optimised graph.

    It is in evaluation mode, of the same granularity, devices and dtypes, and runs eagerly; siblings still share their
    classes, and what stays keeps its names and state-dict keys. It has its own tensors: the given network does not
    change, and later changes of one do not reach the other. It is not for training: its batch norms are constants.

    Statistics, weights, epsilons and survival probabilities are the network's present ones, and layers that nothing is
    folded into are the network's own, whatever they have become; weights that layers share are folded for each.
    Raises `ValueError` for a network whose fx graph or blocks have been edited, that has hooks, or modules beside its
    layers, or of which a layer that takes part, or is left out, is not the one its graph says.
    """
    agreed(built(network), hooked(network), "The optimised network would not call them: remove them first")
    agreed(network, added(network), "The optimised network would be without: take out what its forward does not call")
    optimized = optimize(network.architecture)
    graph = optimized.graph
    taken: dict[str, list[Folding]] = {}
    for folding in optimized.foldings:
        taken.setdefault(folding.layer, []).append(folding)
    part = [node for node in network.architecture if node.name in taken or node.name not in graph.nodes]
    changed = (edit for edit in edits(network, part) if not edit.number)
    agreed(network, changed, "Optimise the network before replacing or parametrising its layers")
    result = lower(graph, network.granularity, torch.device("meta"))
    copies: dict[int, Any] = {}
    with torch.no_grad():
        for node in list(graph)[1:]:
            if node.name in taken:
                _take_up(network, node, taken[node.name], result.get_submodule(node.name))
            elif isinstance(node.op.call(graph.input_shapes(node)), ModuleCall):
                attach(result, node.name, deepcopy(network.get_submodule(node.name), copies))
    return result.eval()


def _take_up(network: Network, node: Node, foldings: Sequence[Folding], into: Any) -> None:
    """Gives a layer of the optimised network the weights that the network's own has, with the steps folded in."""
    graph = network.architecture
    layer: Any = network.get_submodule(node.name)
    weight, bias = layer.weight.to(EXACT), None if layer.bias is None else layer.bias.to(EXACT)
    for folding in foldings:
        factor, shift = _constants(network, graph[folding.step], weight.device)
        if folding.before:
            groups = getattr(layer, "groups", 1)
            if shift is not None:
                shift = (weight * _by_input(shift, weight, groups)).flatten(1).sum(1)
            weight = weight * _by_input(factor, weight, groups)
        else:
            weight = weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))
            bias = None if bias is None else bias * factor
        if shift is not None:
            bias = shift if bias is None else bias + shift
    into.weight = nn.Parameter(torch.empty_like(layer.weight).copy_(weight), layer.weight.requires_grad)
    if bias is not None:
        like = layer.weight if layer.bias is None else layer.bias
        into.bias = nn.Parameter(bias.to(like.dtype, copy=True), like.requires_grad)


def _by_input(values: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Numbers of the input's channels, or one for all, as factors of weights of the shape (out, in / groups, *kernel).

    The outputs of a group read its own channels of the input.
    """
    out, each = weight.shape[:2]
    if values.numel() > 1:
        values = values.reshape(groups, 1, each).expand(groups, out // groups, each).reshape(out, each)
    return values.reshape(*values.shape, *(1,) * (weight.ndim - values.ndim))


def _constants(network: Network, step: Node, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """What a step multiplies each channel, or all, by, and what it adds, if anything."""
    if isinstance(step.op, Scale) and not step.op.learned:
        return torch.tensor([step.op.by], dtype=EXACT, device=device), None
    module: Any = network.get_submodule(step.name)
    if isinstance(step.op, Scale):
        return module.weight.to(EXACT), None
    if isinstance(module, DropPath):
        return torch.tensor([module.survival], dtype=EXACT, device=device), None
    factor = (module.running_var.to(EXACT) + module.eps).rsqrt()
    if module.weight is not None:
        factor = factor * module.weight.to(EXACT)
    shift = -module.running_mean.to(EXACT) * factor
    return factor, shift if module.bias is None else shift + module.bias.to(EXACT)
