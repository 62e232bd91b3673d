"""Lowering: a graph becomes an executable torch.fx.GraphModule.

At block granularity the nodes of the top-level graph are the network's units (stem, blocks, level and skip
projections, head), instances of one class per structural signature. At op granularity they are the operators. Both
have the same state-dict keys, and the same weights from one seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from operator import getitem
from typing import Any, Literal, TypeAlias

import torch
from torch import fx, nn

from archspec.compiler.analysis.outline import Unit, outline
from archspec.compiler.lower.codegen import Block, annotate, assemble, attach, block_class, emit_call, identifier
from archspec.compiler.lower.gates import Gates
from archspec.compiler.lower.holding import differences
from archspec.compiler.lower.modules import Factory
from archspec.compiler.lower.running import Execution, Instead
from archspec.graph import Graph, Node
from archspec.ops import ModuleCall
from archspec.syntax.escape import identifier as python_name

Granularity: TypeAlias = Literal["block", "op"]
_Made: TypeAlias = dict[str, tuple[nn.Module, ModuleCall, tuple[tuple[str, float], ...]]]


@dataclass(frozen=True)
class Architecture:
    """What a built network was lowered from."""

    graph: Graph
    granularity: Granularity
    code: str = ""
    """The forward as generated; a network whose forward differs has been edited since."""
    gates: Gates = field(default_factory=Gates)
    """What draws at the beginning of a step."""


class Network(fx.GraphModule):
    """A built network: a GraphModule that also knows the graph it came from, and copies and pickles as such."""

    __jit_unused_properties__ = [  # noqa: RUF012
        *fx.GraphModule.__jit_unused_properties__, "architecture", "granularity", "edited", "execution",
    ]  # fmt: skip

    skips_dropped: bool = True
    """Whether a block that stochastic depth drops for the whole mini-batch is passed by (drawn on the host, once per
    step), or computed and multiplied by zero (drawn on the device, for a forward compiled or captured as a whole)."""
    drop_generator: torch.Generator | None = None
    """Where stochastic depth draws from on the host; None is torch's global CPU generator. Ranks of data-parallel
    training need equal draws: give each a generator of one seed."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The forward, with hooks; in training, stochastic depth's draws come first, one of each for the whole step."""
        origin: Architecture = self.meta["archspec"]
        if not self.training or not origin.gates.names:
            return super().__call__(*args, **kwargs)
        x = next(iter((*args, *kwargs.values())), None)
        dropped = origin.gates.draw(self, x, self.drop_generator, self.skips_dropped) if x is not None else ()
        if not dropped or not origin.gates.branches or self.edited:
            return super().__call__(*args, **kwargs)
        with origin.gates.resting(self, dropped):
            return super().__call__(*args, **kwargs)

    @property
    def architecture(self) -> Graph:
        """The archspec graph this network was built from."""
        graph: Graph = self.meta["archspec"].graph
        return graph

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the network's figure, or what it is no longer that a figure would show."""
        edit = next(differences(self), None)
        if edit is None:
            return self.architecture._repr_mimebundle_(include, exclude)
        return {"text/plain": f"{type(self).__name__}, edited since it was built from its graph: {edit}"}

    @property
    def granularity(self) -> Granularity:
        """Whether the nodes of its fx graph are blocks or operators."""
        kind: Granularity = self.meta["archspec"].granularity
        return kind

    @property
    def edited(self) -> bool:
        """Whether its fx graph has been changed since it was built."""
        origin: Architecture = self.meta["archspec"]
        return bool(self.code != origin.code)

    @property
    def execution(self) -> Execution | None:
        """How it runs, once `archspec.compile` has set that; None: eagerly, as built, and as a copy does."""
        known: Execution | None = self.__dict__.get("execution")
        if known is None or known.mode != "regional":
            return known
        together = {address for run in known.segments for address in run.units} if known.budget is not None else set()
        addresses = (unit.address for unit in outline(self.architecture) if not unit.single)
        return replace(known, foreign=tuple(each for each in addresses if each not in together and self._foreign(each)))

    def _foreign(self, address: str) -> bool:
        """Whether what stands in a block's place is no block, or one that was put there after compiling."""
        try:
            block = self.get_submodule(address)
        except AttributeError:
            return False
        names: tuple[str, ...] = getattr(type(block), "computing", ())
        return not any(isinstance(block.__dict__.get(name), Instead) for name in names)

    def __copy__(self) -> fx.GraphModule:
        """Another network over the same modules; one whose fx graph has been edited is copied as any GraphModule is."""
        origin: Architecture = self.meta["archspec"]
        if self.edited:
            copied: fx.GraphModule = super().__copy__()
            return copied
        network = _rebuild(origin.graph, origin.granularity, self._modules)
        network.__dict__.update(self._state())
        return network

    def _state(self) -> dict[str, Any]:
        """What a copy has beside what it is rebuilt from."""
        return {
            name: value for name, value in self.__dict__.items()
            if name not in _REBUILT and not isinstance(value, Instead)
        }  # fmt: skip

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        """A copy with all that a module's copy has: a GraphModule's own loses forward hooks and plain attributes."""
        copied: Network = super().__deepcopy__(memo)  # type: ignore[assignment]
        type(copied).__name__ = type(self).__name__
        for name, value in self._state().items():
            copied.__dict__[name] = deepcopy(value, memo)
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuilds from the architecture, so that names, provenance and shared classes survive; a network whose fx
        graph has been edited pickles as any GraphModule does."""
        origin: Architecture = self.meta["archspec"]
        if self.edited:
            reduced: tuple[Any, ...] = super().__reduce__()
            return reduced
        return _rebuild, (origin.graph, origin.granularity, self._modules), self._state()


_REBUILT = ("_graph", "_modules", "meta", "_code", "execution")


def _rebuild(graph: Graph, granularity: Granularity, modules: Mapping[str, nn.Module | None]) -> Network:
    root = nn.Module()
    root._modules.update(modules)
    return _network(graph, granularity, root, outline(graph))


def lower(
    graph: Graph, granularity: Granularity = "block", device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Network:  # fmt: skip
    """The network of a graph, initialised as its `init` says from torch's global generator.

    `device` and `dtype` default to torch's own (`torch.device` contexts count); on the meta device nothing is filled.
    """
    factory = Factory(graph.init, device or torch.get_default_device(), dtype or torch.get_default_dtype())
    units = outline(graph)
    root = nn.Module()
    made: _Made = {}
    for unit in units:
        _make_unit(graph, unit, granularity, factory, root, made)
    for top in dict.fromkeys(name.partition(".")[0] for name in made):  # blocks without weights order nothing
        root._modules[top] = root._modules.pop(top)
    with torch.no_grad():
        for node in graph:
            if node.name in made:
                factory.fill(*made[node.name])
    return _network(graph, granularity, root, units)


def _make_unit(
    graph: Graph, unit: Unit, granularity: Granularity, factory: Factory, root: nn.Module, made: _Made
) -> None:
    """The modules of a unit, as a block or each at its own place."""
    calls = [(step.name, node.name, step.call) for step, node in zip(unit.plan.steps, unit.nodes, strict=True)]
    modules = {}
    for local, name, call in calls:
        if isinstance(call, ModuleCall):
            module = modules[local] = factory.make(call)
            made[name] = (module, call, unit.values.get(local, ()))
            if granularity == "op" or unit.single:
                attach(root, name, module)
    if granularity == "block" and not unit.single:
        attach(root, unit.address, assemble(block_class(unit.plan), modules))


def _network(graph: Graph, granularity: Granularity, root: nn.Module, units: list[Unit]) -> Network:
    top = fx.Graph()
    values = {graph.input.name: top.create_node("placeholder", "x", (), {}, "x")}
    annotate(values[graph.input.name], "input", str(graph.input.span or ""))
    if granularity == "op":
        for node in list(graph)[1:]:
            _emit_node(top, graph, node, values)
    else:
        for unit in units:
            emit_unit(top, graph, unit, values)
    outputs = {label: values[name] for label, name in graph.outputs.items()}
    top.output(next(iter(outputs.values())) if len(outputs) == 1 else outputs)
    network = Network(root, top, class_name=python_name(graph.name, otherwise="Net"))
    network._modules.clear()  # which fx fills in the order of its nodes: parameters are to have one order for both
    network._modules.update(root._modules)
    gates = Gates.of(graph, units, granularity == "op")
    network.meta["archspec"] = Architecture(graph, granularity, network.code, gates)
    return network


def _emit_node(top: fx.Graph, graph: Graph, node: Node, values: dict[str, fx.Node]) -> None:
    """An operator of the top-level graph. It overwrites nothing: whoever edits the graph may read any value of it."""
    call = node.op.call(graph.input_shapes(node))
    made = emit_call(top, identifier(node.name), node.name, call, [values[source] for source in node.inputs])
    for part in made:
        annotate(part, node.name, str(node.span or ""))
        part.meta["archspec"]["shape"] = node.shape
    values[node.name] = made[-1]


def emit_unit(top: fx.Graph, graph: Graph, unit: Unit, values: dict[str, fx.Node]) -> None:
    """Adds a unit to a graph of blocks; `values` holds the fx nodes of what it reads, and gets those of its outputs."""
    if unit.single:
        _emit_node(top, graph, unit.nodes[0], values)
        return
    operands = tuple(values[name] for name in unit.inputs)
    called = top.create_node("call_module", unit.address, operands, {}, identifier(unit.address))
    annotate(called, unit.address, str(unit.nodes[0].span or ""))
    if len(unit.outputs) == 1:
        values[unit.outputs[0]] = called
        return
    for i, name in enumerate(unit.outputs):
        part = values[name] = top.create_node("call_function", getitem, (called, i), {}, identifier(name))
        annotate(part, name, str(graph[name].span or ""))


def blocks(network: nn.Module) -> Mapping[str, Block]:
    """The units of a network built at block granularity, by address."""
    return {name: module for name, module in network.named_modules() if isinstance(module, Block)}
