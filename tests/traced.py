"""A traced module held against itself: the network of its graph, with its weights, computes what it computes."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

import archspec
from archspec.compiler.trace import moved, trace
from archspec.graph import Graph

TOLERANCE = 1e-6


def retold(module: nn.Module, shape: tuple[int, ...], granularity: str = "block") -> tuple[Graph, nn.Module]:
    """The graph of a module, and the network of that with the module's weights."""
    graph = trace(module, torch.empty(1, *shape))
    network = archspec.build(graph, granularity=granularity, dtype=torch.float64)  # type: ignore[arg-type]
    network.load_state_dict(moved(graph, module), strict=True)
    return graph, network


def scrambled(module: nn.Module) -> nn.Module:
    """The module in float64 with weights and statistics that nothing is the same in."""
    generator = torch.Generator().manual_seed(5)
    module = module.double()
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point() and tensor.numel():
                drawn = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
                fan = max(1, tensor[0].numel()) if tensor.ndim > 1 else 1
                positive = name.endswith("running_var") or tensor.ndim < 2
                tensor.copy_(0.5 + drawn if positive else (2 * drawn - 1) * (3 / fan) ** 0.5)
    return module


def flat(output: object) -> list[Tensor]:
    """Output tensors in their order."""
    if isinstance(output, Tensor):
        return [output]
    return list(output.values() if isinstance(output, dict) else output)  # type: ignore[call-overload]


def largest_difference(module: nn.Module, shape: tuple[int, ...], batch: int = 3) -> float:
    """The largest relative difference between a module and the network of its graph: outputs, gradients of the input
    and of every parameter, statistics afterwards, in training and in evaluation mode."""
    scrambled(module)
    graph, network = retold(module, shape)
    worst = 0.0
    keys = {f"{name}.{own}": theirs for name, each in graph.weights.items() for own, theirs in each.items()}
    for training in (True, False):
        x = torch.randn(batch, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        found = []
        for each in (module, network):
            each = copy.deepcopy(each).train(training)
            own = x.clone().requires_grad_()
            torch.manual_seed(3)
            outputs = flat(each(own.clone()))  # some write to their input
            loss = sum((o * torch.linspace(0.5, 1.5, o.numel(), dtype=o.dtype).view_as(o)).sum() for o in outputs)
            loss.backward()  # type: ignore[union-attr]
            first = {id(p): name for name, p in reversed(list(each.named_parameters(remove_duplicate=False)))}
            names = {name: first[id(p)] for name, p in each.named_parameters(remove_duplicate=False)}
            gradients = {name: p.grad for name, p in each.named_parameters() if p.grad is not None}
            state = dict(each.named_buffers(remove_duplicate=False))
            found.append((outputs, own.grad, gradients, state, names))
        (outputs, grad, gradients, state, names), (ours, our_grad, our_gradients, our_state, _) = found
        assert len(outputs) == len(ours)
        for one, other in [*zip(outputs, ours, strict=True), (grad, our_grad)]:
            assert one.shape == other.shape
            worst = max(worst, relative(one, other))
        summed: dict[str, Tensor] = {}  # of the copies of what several operators share
        for name, value in our_gradients.items():
            theirs = names[keys[name]]
            summed[theirs] = summed.get(theirs, torch.zeros(())) + value.reshape(gradients[theirs].shape)
        assert summed.keys() == gradients.keys()
        pairs = [(value, gradients[name]) for name, value in summed.items()]
        pairs += [(value, state[keys[name]]) for name, value in our_state.items() if name in keys]
        for one, other in pairs:
            worst = max(worst, relative(one.reshape(other.shape), other))
    return worst


def relative(one: Tensor, other: Tensor) -> float:
    """The largest difference, in units of the largest number (1 at least)."""
    one, other = one.detach().double(), other.detach().double()
    if not one.numel():
        return 0.0
    return float((one - other).abs().max() / max(1.0, float(other.abs().max())))
