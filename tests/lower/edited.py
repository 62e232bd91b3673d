"""A small network with every kind of layer that folding meets, and the edits that people make to networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from networks import graph_of
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

import archspec
from archspec.compiler.lower import Network, blocks

SPEC = """
    archspec: 1
    name: edited
    input: {channels: 3, size: [8, 8]}
    stem: [conv: {out: 8, kernel: 3}, bn, relu]
    stages: {repeat: [2], width: [8], blocks: block}
    blocks:
      block:
        pre: [bn, relu, identity]
        branch:
          - conv: {out: width, kernel: 3}
          - bn
          - dropout: {p: 0.2}
          - prelu
          - conv: {out: width, kernel: 1, bias: true}
          - module: {type: Hardswish}
        shortcut: [scale: {by: 0.5}, conv: {out: width, kernel: 1}, layer_norm]
    drop_path: {survival: 0.5, unit: sample}
    head: [bn, conv: {out: 8, kernel: 1}, global_avg_pool, dropout, linear: {out: 5}]
    """


def network(granularity: Any = "block", seed: int = 0) -> Network:
    """With statistics and scales that are not trivial, in evaluation."""
    torch.manual_seed(seed)
    built = archspec.build(graph_of(SPEC), granularity=granularity)
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, -1.5, 1.5)
    return built.eval()


def batch(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class LowRank(nn.Module):
    """A layer with an adapter beside it, as fine-tuning puts it there."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base, self.down, self.up = base, nn.Linear(8, 2, bias=False), nn.Linear(2, 5, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x))


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


class Doubled(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class Tied(nn.Module):
    """Two layers of one weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.first(x))
        return y


def twice(module: nn.Module) -> None:
    """Gives a module a forward of its own: twice its class's."""
    own = type(module).forward
    module.forward = MethodType(lambda self, *x: 2 * own(self, *x), module)  # type: ignore[method-assign]


def put(address: str, made: Callable[[nn.Module], nn.Module]) -> Callable[[Network], None]:
    """Replaces a module."""

    def edit(net: Network) -> None:
        net.set_submodule(address, made(net.get_submodule(address)))

    return edit


def have(address: str, work: Callable[[Any], Any]) -> Callable[[Network], None]:
    """Does something to a module."""
    return lambda net: work(net.get_submodule(address))


def setting(**fields: Any) -> Callable[[Any], None]:
    def work(module: Any) -> None:
        for name, value in fields.items():
            setattr(module, name, value)

    return work


def quantised(net: Network) -> None:
    head = nn.Sequential(OrderedDict(linear=net.get_submodule("head.linear")))
    net.set_submodule("head.linear", torch.ao.quantization.quantize_dynamic(head, {nn.Linear})[0])


class Scaled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 3 * weight


CONV, FIRST = "stem.conv", "stage1.0.branch.conv1"
LAYERS: dict[str, tuple[str, Callable[[Network], None]]] = {
    "another_kernel": (CONV, put(CONV, lambda _: nn.Conv2d(3, 8, 7, padding=3, bias=False))),
    "another_stride": (CONV, have(CONV, setting(stride=(2, 2)))),
    "another_dilation": (FIRST, have(FIRST, setting(dilation=(2, 2), padding=(2, 2)))),
    "another_padding": (FIRST, have(FIRST, setting(padding_mode="circular"))),
    "another_bias": (FIRST, put(FIRST, lambda _: nn.Conv2d(8, 8, 3, padding=1))),
    "groups": (FIRST, put(FIRST, lambda _: nn.Conv2d(8, 8, 3, padding=1, groups=2, bias=False))),
    "subclass": (CONV, put(CONV, lambda _: Doubled(3, 8, 3, padding=1, bias=False))),
    "no_norm": ("stem.bn", put("stem.bn", lambda _: nn.Identity())),
    "group_norm": ("stem.bn", put("stem.bn", lambda _: nn.GroupNorm(2, 8))),
    "no_statistics": ("stem.bn", put("stem.bn", lambda _: nn.BatchNorm2d(8, track_running_stats=False).eval())),
    "no_scale": ("stem.bn", put("stem.bn", lambda _: nn.BatchNorm2d(8, affine=False).eval())),
    "instead_of_dropout": ("head.dropout", put("head.dropout", lambda _: Double())),
    "instead_of_drop_path": ("stage1.0.branch.drop_path", put("stage1.0.branch.drop_path", lambda _: Double())),
    "forward": (CONV, have(CONV, twice)),
    "hook": (FIRST, have(FIRST, lambda m: m.register_forward_hook(lambda module, x, y: 2 * y))),
    "parametrised": (CONV, have(CONV, lambda m: parametrize.register_parametrization(m, "weight", Scaled()))),
    "weight_norm": (CONV, have(CONV, parametrizations.weight_norm)),
    "weight_norm_old": (CONV, have(CONV, nn.utils.weight_norm)),
    "spectral_norm": (FIRST, have(FIRST, nn.utils.spectral_norm)),
    "pruned": (FIRST, have(FIRST, lambda m: prune.l1_unstructured(m, "weight", amount=0.5))),
    "child": (CONV, have(CONV, lambda m: m.add_module("adapter", nn.Conv2d(3, 8, 1)))),
    "head": ("head.linear", put("head.linear", lambda _: nn.Linear(8, 7))),
    "low_rank": ("head.linear", put("head.linear", LowRank)),
    "quantised": ("head.linear", quantised),
    "slope": ("stage1.1.branch.prelu", put("stage1.1.branch.prelu", lambda _: nn.PReLU(1))),
    "opaque": ("stage1.1.branch.module", put("stage1.1.branch.module", lambda _: nn.ReLU6())),
    "norm_of_shortcut": ("stage1.0.shortcut.layer_norm", have("stage1.0.shortcut.layer_norm", setting(eps=0.5))),
}  # fmt: skip
"""Edits of layers by name, with the address where each is to be found."""
SAME: dict[str, Callable[[Network], Any]] = {
    "as_built": lambda net: None,
    "frozen": lambda net: net.requires_grad_(False),
    "channels_last": lambda net: net.to(memory_format=torch.channels_last),
    "double": lambda net: net.double().float(),
    "trained": lambda net: (net.train(), net(batch(4)).sum().backward(), net.eval()),
    "loaded": lambda net: net.load_state_dict(network(seed=1).state_dict()),
    "assigned": lambda net: net.load_state_dict(network(seed=1).state_dict(), assign=True),
    "compiled": lambda net: archspec.compile(net, backend="eager"),
    "compiled_whole": lambda net: archspec.compile(net, "whole", backend="eager"),
    "checkpointed": lambda net: archspec.compile(net, "eager", checkpoint=1),
    "tagged": lambda net: setattr(net.get_submodule(CONV), "note", "my favourite"),
}  # fmt: skip
"""What people do to networks that leaves them what their graphs say."""


def replace_block(net: Network) -> None:
    net.set_submodule("stage1.1", Double())


def reroute_block(net: Network) -> None:
    twice(blocks(net)["stage1.1"])


def reroute_network(net: Network) -> None:
    twice(net)


def edit_graph(net: Network) -> None:
    end = next(node for node in net.graph.nodes if node.op == "output")
    with net.graph.inserting_before(end):
        end.args = (net.graph.call_function(torch.neg, (end.args[0],)),)
    net.recompile()


WHOLE: dict[str, tuple[str, Callable[[Network], None]]] = {
    "block": ("stage1.1", replace_block),
    "rerouted_block": ("stage1.1", reroute_block),
    "rerouted": ("the network", reroute_network),
    "graph": ("the network", edit_graph),
}
"""Edits of blocks and of the network itself."""
EDITS = {**LAYERS, **WHOLE}
SECOND = "stage1.1.branch.conv1"
SHARED: dict[str, tuple[str, Callable[[Network], Any]]] = {
    "tied": (SECOND, lambda net: setattr(net.get_submodule(SECOND), "weight", net.get_submodule(FIRST).weight)),
    "one_layer": (SECOND, lambda net: net.set_submodule(SECOND, net.get_submodule(FIRST))),
    "one_norm": (
        "stage1.1.pre.bn",
        lambda net: net.set_submodule("stage1.1.pre.bn", net.get_submodule("stage1.0.pre.bn")),
    ),
    "one_memory": (
        SECOND,
        lambda net: setattr(net.get_submodule(SECOND).weight, "data", net.get_submodule(FIRST).weight.data),
    ),
    "one_statistic": (
        "stage1.0.branch.bn",
        lambda net: setattr(
            net.get_submodule("stage1.0.branch.bn"), "running_mean", net.get_submodule("stem.bn").running_mean
        ),
    ),
}
ADDED: dict[str, tuple[str, Callable[[Network], Any]]] = {
    "child": ("the network", lambda net: net.add_module("extra", nn.Linear(2, 3))),
    "child_of_stage": ("stage1", lambda net: net.stage1.add_module("extra", nn.Linear(2, 3))),
    "child_of_block": ("stage1.1", have("stage1.1", lambda m: m.add_module("extra", nn.Linear(2, 3)))),
    "child_of_path": ("stage1.1.branch", have("stage1.1.branch", lambda m: m.add_module("extra", nn.Linear(2, 3)))),
    "parameter": ("the network", lambda net: net.register_parameter("temperature", nn.Parameter(torch.ones(1)))),
    "parameter_of_block": (
        "stage1.1",
        have("stage1.1", lambda m: m.register_parameter("t", nn.Parameter(torch.ones(1)))),
    ),
    "buffer": ("head", have("head", lambda m: m.register_buffer("seen", torch.zeros(1)))),
}
"""What networks are given to hold beside what computes."""
NOT_BY_OPERATOR = ("block", "rerouted_block")
"""What only a network of blocks can be edited by."""


def edited(name: str, granularity: Any = "block") -> Network:
    """A network so edited; the same each time, down to the weights of new layers."""
    net = network(granularity)
    torch.manual_seed(2)
    EDITS[name][1](net)
    return net
