"""A graph run node by node with torch.nn.functional alone: what every way of running a network is compared with.

It reads the nodes' operators and nothing of the compiler: no calls, no generated code, no module of archspec's own.
`module:` is the one operator that is torch's class itself, made afresh and given its weights.

    run = interpret(graph, network.state_dict(), x)                     # evaluation
    run = interpret(graph, state, x, training=True, draws=draws)        # dropout and drop_path as told
    torch.manual_seed(3); run = interpret(graph, state, x, training=True)   # drawn, as a network called after this seed

The dtype is that of the weights and of x.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import comb, prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from archspec.graph import Graph, Node


@dataclass(frozen=True)
class Run:
    """What one pass gave."""

    outputs: dict[str, Tensor]
    """By label; a single one is called `output`."""
    values: dict[str, Tensor]
    """Every node's output, by name; (N, *shape)."""
    buffers: dict[str, Tensor]
    """Buffers of the state as they are afterwards: running statistics in training."""
    draws: dict[str, Tensor]
    """What `dropout` (a mask of its input's shape) and `drop_path` (one for the batch, or for each sample) kept."""
    resting: frozenset[str]
    """Nodes that only a dropped branch needs, which a network called as such does not run."""


def interpret(
    graph: Graph, state: Mapping[str, Tensor], x: Tensor, *, training: bool = False,
    draws: Mapping[str, Tensor] | None = None, rests: bool = True,
) -> Run:  # fmt: skip
    """Runs a graph on x, (N, *input), with the weights of a state dict, which stays as it is.

    In training, `draws` says what each dropout and drop_path keeps (1) and drops (0), by node; None draws from torch's
    global CPU generator as a network does that is called: first one number for each drop_path that decides for the
    mini-batch, sorted by name, then the others as they are met. A random `module` always draws from there. With
    `rests`, what only a dropped branch needs draws nothing and leaves its statistics alone.
    """
    gates = sorted(node.name for node in graph if _decides(node))
    found: dict[str, Tensor] = dict(draws or {})
    if training and draws is None and gates:
        numbers = torch.rand(len(gates))
        for name, number in zip(gates, numbers, strict=True):
            found[name] = (number < graph[name].op.survival).reshape(1).to(x.dtype)  # type: ignore[attr-defined]
    resting: frozenset[str] = frozenset()
    if training and rests:
        resting = frozenset().union(*(skipped(graph, name) for name in gates if not found[name].any()))
    values: dict[str, Tensor] = {}
    buffers = {name: value.detach().clone() for name, value in state.items() if _is_buffer(name)}
    for node in graph:
        if node.op.key == "input":
            values[node.name] = x
            continue
        mine = training and node.name not in resting
        given = Given(node, state, buffers, mine, training, found, draws is not None)
        values[node.name] = RULES[node.op.key](given, *(values[source] for source in node.inputs))
    outputs = {label: values[name] for label, name in graph.outputs.items()}
    return Run(outputs, values, buffers, found, resting)


def random_draws(graph: Graph, batch: int, generator: torch.Generator, dtype: torch.dtype) -> dict[str, Tensor]:
    """Draws for every dropout and drop_path of a graph."""
    found: dict[str, Tensor] = {}
    for node in graph:
        op: Any = node.op
        if op.key == "dropout":
            shape = (batch, *graph[node.inputs[0]].shape)
            found[node.name] = (torch.rand(shape, generator=generator) >= op.p).to(dtype)
        elif op.key == "drop_path":
            count = 1 if op.unit == "batch" else batch
            found[node.name] = (torch.rand(count, generator=generator) < op.survival).to(dtype)
    return found


def skipped(graph: Graph, gate: str) -> Collection[str]:
    """The nodes of a block that only its branch needs, which `gate` ends: none where zeros take another part in it."""
    unit = graph[gate].unit
    nodes = [node for node in graph if node.unit == unit and node.op.key != "input"]
    if sum(map(_decides, nodes)) > 1:
        return ()
    zero, spoiled = {gate}, set[str]()
    for node in nodes:
        zeros = zero.intersection(node.inputs)
        if node.name == gate:
            continue
        plain = node.op.key == "add" and node.op.weights is None  # type: ignore[attr-defined]
        if zeros and (node.op.key in ("multiply", "scale") or (plain and zeros == set(node.inputs))):
            zero.add(node.name)
        elif spoiled.intersection(node.inputs) or (zeros and not plain):
            spoiled.add(node.name)
    within = {node.name for node in nodes}
    ends = [
        node.name for node in nodes
        if node.name in graph.outputs.values() or any(user not in within for user in graph.users[node.name])
    ]  # fmt: skip
    if (zero | spoiled).intersection(ends):
        return ()
    needed = set(ends)
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(source for source in node.inputs if source not in zero)
    return within - needed


def _decides(node: Node) -> bool:
    """Whether a node drops for the whole mini-batch."""
    return node.op.key == "drop_path" and node.op.unit == "batch"  # type: ignore[attr-defined]


def _is_buffer(name: str) -> bool:
    return name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Given:
    """What a rule may use: the node, its weights, buffers to write to, and draws."""

    node: Node
    state: Mapping[str, Tensor]
    buffers: dict[str, Tensor]
    training: bool
    """Whether the node trains."""
    step: bool
    """Whether the network does: a node may rest."""
    draws: dict[str, Tensor]
    told: bool
    """Whether draws must be there."""

    @property
    def op(self) -> Any:
        return self.node.op

    def weight(self, name: str = "weight") -> Tensor | None:
        return self.state.get(f"{self.node.name}.{name}")


def _sizes(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple) else (int(value),) * rank


def _over(rank: int, name: str) -> Any:
    """Torch's function for maps of so many dimensions."""
    return getattr(F, name.format(rank))


def _conv(given: Given, x: Tensor) -> Tensor:
    op, rank = given.op, x.ndim - 2
    kernel, dilation = _sizes(op.kernel, rank), _sizes(op.dilation, rank)
    centred = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    padding = centred if op.padding is None else _sizes(op.padding, rank)
    if op.padding_mode != "zeros":
        x = F.pad(x, [size for size in reversed(padding) for _ in range(2)], mode=op.padding_mode)
        padding = (0,) * rank
    weight = given.weight()
    assert weight is not None
    if op.standardize:
        dims = tuple(range(1, weight.ndim))
        deviation = (weight.var(dims, correction=0, keepdim=True) + 1e-5).sqrt()
        weight = (weight - weight.mean(dims, keepdim=True)) / deviation
    return _over(rank, "conv{}d")(
        x, weight, given.weight("bias"), stride=_sizes(op.stride, rank), padding=padding, dilation=dilation,
        groups=op.groups,
    )  # fmt: skip


def _conv_transpose(given: Given, x: Tensor) -> Tensor:
    op, rank = given.op, x.ndim - 2
    function = _over(rank, "conv_transpose{}d")
    weight, bias, stride = given.weight(), given.weight("bias"), _sizes(op.stride, rank)
    if op.padding is not None:
        return function(x, weight, bias, stride=stride, padding=_sizes(op.padding, rank), groups=op.groups)
    whole = function(x, weight, bias, stride=stride, groups=op.groups)
    for dim, (k, s) in enumerate(zip(_sizes(op.kernel, rank), stride, strict=True), start=2):
        whole = whole.narrow(dim, (k - s + 1) // 2, x.shape[dim] * s)
    return whole


def _blur_pool(given: Given, x: Tensor) -> Tensor:
    k, rank = given.op.kernel, x.ndim - 2
    row = torch.tensor([comb(k - 1, i) for i in range(k)], dtype=x.dtype) / 2 ** (k - 1)
    weight = row
    for _ in range(rank - 1):
        weight = weight[..., None] * row
    x = F.pad(x, ((k - 1) // 2, k // 2) * rank, mode="reflect")
    function = _over(rank, "conv{}d")
    weight = weight.expand(x.shape[1], 1, *weight.shape)
    return function(x, weight, stride=_sizes(given.op.stride, rank), groups=x.shape[1])


def _scale(given: Given, x: Tensor) -> Tensor:
    return x * _by_channel(given.weight(), x) if given.op.learned else x * given.op.by


def _rms_norm(given: Given, x: Tensor) -> Tensor:
    y = x / (x.square().mean(1, keepdim=True) + given.op.eps).sqrt()
    return y if given.weight() is None else y * _by_channel(given.weight(), x)


def _by_channel(numbers: Tensor | None, like: Tensor) -> Tensor:
    assert numbers is not None
    return numbers.reshape(-1, *(1,) * (like.ndim - 2))


def _local_response_norm(given: Given, x: Tensor) -> Tensor:
    op, before = given.op, given.op.size // 2
    squares = F.pad(x.square().movedim(1, -1), (before, (op.size - 1) // 2))
    mean = squares.unfold(-1, op.size, 1).sum(-1).movedim(-1, 1) / op.size
    return x / (op.k + op.alpha * mean) ** op.beta


def _upsample(given: Given, x: Tensor) -> Tensor:
    if given.op.mode == "nearest":
        for dim in range(2, x.ndim):
            x = x.repeat_interleave(given.op.factor, dim)
        return x
    size = [side * given.op.factor for side in x.shape[2:]]
    return F.interpolate(x, size=size, mode={3: "linear", 4: "bilinear", 5: "trilinear"}[x.ndim])


def _channel_shuffle(given: Given, x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], given.op.groups, -1, *x.shape[2:]).transpose(1, 2).reshape(x.shape)


def _bn(given: Given, x: Tensor) -> Tensor:
    mean, var, count = (
        f"{given.node.name}.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
    )  # fmt: skip
    training = given.training and not given.op.frozen
    if training:
        given.buffers[count] += 1
    return F.batch_norm(
        x, given.buffers[mean], given.buffers[var], given.weight(), given.weight("bias"), training,
        given.op.momentum, given.op.eps,
    )  # fmt: skip


def _layer_norm(given: Given, x: Tensor) -> Tensor:
    last = x.movedim(1, -1)
    y = F.layer_norm(last, (x.shape[1],), given.weight(), given.weight("bias"), given.op.eps)
    return y.movedim(-1, 1)


def _max_pool(given: Given, x: Tensor) -> Tensor:
    function = _over(x.ndim - 2, "max_pool{}d")
    return function(x, **_window(given, x))


def _avg_pool(given: Given, x: Tensor) -> Tensor:
    function = _over(x.ndim - 2, "avg_pool{}d")
    return function(x, count_include_pad=given.op.count_padding, **_window(given, x))


def _window(given: Given, x: Tensor) -> dict[str, Any]:
    op, rank = given.op, x.ndim - 2
    kernel = _sizes(op.kernel, rank)
    stride = kernel if op.stride is None else _sizes(op.stride, rank)
    padding = tuple((k - 1) // 2 for k in kernel) if op.padding is None else _sizes(op.padding, rank)
    return {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": op.ceil_mode}


def _subsample(given: Given, x: Tensor) -> Tensor:
    steps = _sizes(given.op.stride, x.ndim - 2)
    return x[(slice(None), slice(None), *(slice(None, None, step) for step in steps))]


def _add(given: Given, *inputs: Tensor) -> Tensor:
    weights = given.op.weights
    if weights is not None:
        start = [weights.init] * len(inputs) if isinstance(weights.init, float) else list(weights.init)
        numbers = given.weight() if weights.learned else torch.tensor(start, dtype=inputs[0].dtype)
        if weights.normalize == "softmax":
            numbers = F.softmax(numbers, 0)
        elif weights.normalize == "sum":
            numbers = F.relu(numbers) / (F.relu(numbers).sum(0) + 1e-4)
        numbers = numbers.reshape(*numbers.shape[:1], -1, *(1,) * (inputs[0].ndim - 2))
        inputs = tuple(x * number for x, number in zip(inputs, numbers, strict=True))
    total = inputs[0]
    for other in inputs[1:]:
        total = total + other
    return total


def _select(given: Given, *inputs: Tensor) -> Tensor:
    maps, logits = inputs[: len(inputs) // 2], inputs[len(inputs) // 2 :]
    shares = F.softmax(torch.stack(logits), 0)
    products = [x * share.reshape(*share.shape, *(1,) * (x.ndim - 2)) for x, share in zip(maps, shares, strict=True)]
    return torch.stack(products).sum(0)


def _multiply(given: Given, *inputs: Tensor) -> Tensor:
    product = inputs[0]
    for other in inputs[1:]:
        rank = max(product.ndim, other.ndim)
        product, other = (part.reshape(*part.shape, *(1,) * (rank - part.ndim)) for part in (product, other))
        product = product * other
    return product


def _pad_channels(given: Given, x: Tensor) -> Tensor:
    return torch.cat([x, x.new_zeros(x.shape[0], given.op.out - x.shape[1], *x.shape[2:])], 1)


def _dropout(given: Given, x: Tensor) -> Tensor:
    p = given.op.p
    if not given.training or p == 0:
        return x
    if p == 1:
        return x * 0
    if given.told:
        return x * given.draws[given.node.name] / (1 - p)
    y = F.dropout(x, p, training=True)
    given.draws[given.node.name] = (y != 0).to(x.dtype)
    return y


def _drop_path(given: Given, x: Tensor) -> Tensor:
    op = given.op
    if not given.step:
        return x if op.rescale else x * op.survival
    if given.node.name not in given.draws:
        given.draws[given.node.name] = (torch.rand(x.shape[0]) < op.survival).to(x.dtype)
    keep = given.draws[given.node.name]
    if op.rescale:
        keep = keep / op.survival if op.survival else keep * 0
    return x * keep.to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))


def _module(given: Given, x: Tensor) -> Tensor:
    op, prefix = given.op, f"{given.node.name}."
    package, _, name = (op.type if "." in op.type else f"torch.nn.{op.type}").rpartition(".")
    with torch.random.fork_rng(devices=[]):  # its own weights are drawn, and replaced
        layer = getattr(importlib.import_module(package), name)(**dict(op.args), **dict(op.words))
    layer = layer.to(x.dtype).train(given.training)
    own = {key.removeprefix(prefix): value for key, value in given.state.items() if key.startswith(prefix)}
    own |= {key.removeprefix(prefix): value for key, value in given.buffers.items() if key.startswith(prefix)}
    y: Tensor = torch.func.functional_call(layer, own, (x.clone(),))  # statistics are written to the buffers given
    return y


RULES: dict[str, Any] = {
    "conv": _conv,
    "linear": lambda given, x: F.linear(x, given.weight(), given.weight("bias")),
    "bn": _bn,
    "group_norm": lambda given, x: F.group_norm(
        x, given.op.groups, given.weight(), given.weight("bias"), given.op.eps
    ),
    "layer_norm": _layer_norm,
    "relu": lambda given, x: F.relu(x),
    "leaky_relu": lambda given, x: F.leaky_relu(x, given.op.slope),
    "prelu": lambda given, x: F.prelu(x, given.weight()),
    "elu": lambda given, x: F.elu(x, given.op.alpha),
    "silu": lambda given, x: F.silu(x),
    "gelu": lambda given, x: F.gelu(x, approximate=given.op.approximate),
    "sigmoid": lambda given, x: F.sigmoid(x),
    "tanh": lambda given, x: F.tanh(x),
    "softmax": lambda given, x: F.softmax(x, 1),
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "global_avg_pool": lambda given, x: x.flatten(2).mean(2),
    "add": _add,
    "multiply": _multiply,
    "select": _select,
    "concat": lambda given, *inputs: torch.cat(inputs, 1),
    "flatten": lambda given, x: x.reshape(x.shape[0], prod(x.shape[1:])),
    "scale": _scale,
    "conv_transpose": _conv_transpose,
    "rms_norm": _rms_norm,
    "local_response_norm": _local_response_norm,
    "relu6": lambda given, x: x.clamp(0, 6),
    "hardswish": lambda given, x: F.hardswish(x),  # torch has a sixth in float32, whatever the dtype
    "hardsigmoid": lambda given, x: F.hardsigmoid(x),
    "mish": lambda given, x: x * torch.tanh(F.softplus(x)),
    "blur_pool": _blur_pool,
    "global_max_pool": lambda given, x: x.flatten(2).amax(2),
    "channel_mean": lambda given, x: x.mean(1, keepdim=True),
    "channel_max": lambda given, x: x.amax(1, keepdim=True),
    "slice": lambda given, x: x[:, given.op.start : given.op.stop],
    "channel_shuffle": _channel_shuffle,
    "upsample": _upsample,
    "one_minus": lambda given, x: 1 - x,
    "pad_channels": _pad_channels,
    "subsample": _subsample,
    "identity": lambda given, x: x,
    "dropout": _dropout,
    "drop_path": _drop_path,
    "module": _module,
}  # fmt: skip
"""How each operator of `archspec.ops` computes: a missing one is a failing test."""
