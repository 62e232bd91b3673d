"""A network as the sequence of torch's calls in one training step: what each allocates, saves, frees and computes.

The forward is the one that torch.fx prints: within a unit a value dies after the call that reads it last, between
units after the unit that reads it last, and a unit's inputs live while it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod

from archspec.compiler.analysis.outline import Reference, Step, Unit, outline
from archspec.graph import Graph, Node
from archspec.ops import Add, Conv, FunctionCall, Operator, Shape, Shapes

NEW, SHARED, PARTS, NONE = range(4)
"""How a call's backward gives the gradients of its inputs: in fresh memory, as that of its output itself (an addition,
a view), as views of its parts (a concatenation), or not at all."""


@dataclass(slots=True)
class Call:
    """One call of torch. Values and storages are numbers; views and what is written in place share a storage."""

    node: Node
    output: int
    """The value it gives."""
    storage: int
    """Where that lies."""
    allocated: int
    """Bytes of its output; 0 if it lies in the storage of an input."""
    extra: int
    """Bytes saved besides, such as the indices of a maximum."""
    saved: tuple[int, ...]
    """Storages that backward needs."""
    scratch: int
    """Bytes that forward takes for a moment beyond its output."""
    backward: int
    """NEW, SHARED, PARTS or NONE."""
    gradients: tuple[tuple[int, int], ...]
    """Inputs that need a gradient, as value and bytes."""
    scratch_backward: int
    """Bytes that backward takes for a moment beyond these gradients; those of the parameters' among them."""
    ends: list[int] = field(default_factory=list)
    """Storages that no name holds after it."""


@dataclass(slots=True)
class Tape:
    """The calls of a step in the order of forward. Storage 0 is the input batch, which is the caller's."""

    calls: list[Call]
    sizes: list[int]
    """Bytes of each storage; 0 for the input batch."""
    origin: list[int]
    """The call that allocates each storage; -1 for the input batch."""
    storages: list[int]
    """The storage of each value."""
    ends: list[int]
    """The call after which no name holds each storage; the number of calls for the network's outputs."""
    units: list[Unit]
    starts: list[int]
    """The first call of each unit, and the number of calls."""
    place: dict[str, int]
    """The value of each node."""
    outputs: list[int]
    """Values that the network gives."""


def tape(graph: Graph, batch: int, item_bytes: int) -> Tape:
    """The tape of a training step on `batch` samples in numbers of `item_bytes`."""
    return _Recorder(graph, batch, item_bytes).recorded()


class _Recorder:
    def __init__(self, graph: Graph, batch: int, item_bytes: int) -> None:
        self._graph, self._batch, self._item = graph, batch, item_bytes
        self._calls: list[Call] = []
        self._sizes, self._storages, self._learns, self._origin = [0], [0], [False], [-1]
        self._last: list[int] = [0]  # the call after which no name holds the value
        self._place = {graph.input.name: 0}

    def recorded(self) -> Tape:
        units, starts = outline(self._graph), []
        for unit in units:
            starts.append(len(self._calls))
            self._record(unit)
        outputs = [self._place[name] for name in self._graph.outputs.values()]
        for value in outputs:
            self._last[value] = len(self._calls)  # the caller's
        ends = [0] * len(self._sizes)
        for value, storage in enumerate(self._storages):
            ends[storage] = max(ends[storage], self._last[value])
        for storage, end in enumerate(ends):
            if storage and end < len(self._calls):
                self._calls[end].ends.append(storage)
        starts.append(len(self._calls))
        return Tape(
            self._calls, self._sizes, self._origin, self._storages, ends, units, starts, self._place, outputs
        )  # fmt: skip

    def _record(self, unit: Unit) -> None:
        known: dict[Reference, int] = {i: self._place[name] for i, name in enumerate(unit.inputs)}
        for step, node in zip(unit.plan.steps, unit.nodes, strict=True):
            values = [known[reference] for reference in step.inputs]
            self._place[node.name] = known[step.name] = self._step(step, node, values)
        end = len(self._calls) - 1
        for name in (*unit.inputs, *unit.outputs):
            self._last[self._place[name]] = end

    def _step(self, step: Step, node: Node, values: Sequence[int]) -> int:
        """The call of a step, or the several that fold it over its operands; the value they give."""
        shapes = self._graph.input_shapes(node)
        fold = isinstance(step.call, FunctionCall) and step.call.fold
        if not fold or len(values) <= 2:
            inplace = isinstance(step.call, FunctionCall) and ("inplace", True) in step.call.arguments
            return self._call(node, node.op, values, shapes, node.shape, inplace)
        value, shape = values[0], shapes[0]
        for other, other_shape in zip(values[1:], shapes[1:], strict=True):
            pair = (shape, other_shape)
            shape = node.op.shape(pair)
            value = self._call(node, node.op, (value, other), pair, shape, False)
        return value

    def _call(
        self, node: Node, op: Operator, values: Sequence[int], shapes: Shapes, shape: Shape, inplace: bool
    ) -> int:
        place, value = len(self._calls), len(self._storages)
        kept = op.kept(shapes)
        shared = kept.view or inplace
        size = self._bytes(shape)
        storage = self._storages[values[0]] if shared else len(self._sizes)
        if not shared:
            self._sizes.append(size)
            self._origin.append(place)
        learns = node.params > 0 or any(self._learns[source] for source in values)
        self._storages.append(storage)
        self._learns.append(learns)
        self._last.append(place)
        for source in values:
            self._last[source] = place
        saved = [self._storages[values[i]] for i in kept.inputs] + [storage] * kept.output
        gradients = tuple(
            (source, self._bytes(given))
            for source, given in zip(values, shapes, strict=True) if self._learns[source]
        )  # fmt: skip
        forward, backward = self._scratch(op, node, shapes, shape)
        self._calls.append(Call(
            node, value, storage, 0 if shared else size, kept.extra(self._batch, self._item) if learns else 0,
            tuple(dict.fromkeys(entry for entry in saved if entry)) if learns else (), forward,
            _gives(op, kept.view) if learns else NONE, gradients, backward,
        ))  # fmt: skip
        return value

    def _bytes(self, shape: Shape) -> int:
        return self._batch * prod(shape) * self._item

    def _scratch(self, op: Operator, node: Node, shapes: Shapes, shape: Shape) -> tuple[int, int]:
        """What torch's CPU kernels hold for a moment: oneDNN's reordered copies of a convolution's operands, a map of
        batch normalisation, and every gradient of parameters before it is added to those that are there."""
        params = node.params * self._item
        entry, result = self._bytes(shapes[0]), self._bytes(shape)
        if isinstance(op, Conv) and not _plain(op, self._batch):
            copies = 2 if len(shape) == 3 else 5  # of the weight's gradient: oneDNN's 3-D kernels take four
            again = 2 * entry if op.stride != 1 else 0  # the gradient of its input, copied twice
            return max(entry + params, result), max(params + entry + result, copies * params, again)
        if op.key in ("bn", "prelu"):
            return 0, params + entry
        if op.key == "multiply" and len(set(shapes)) > 1:  # a gate's gradient is a sum over the map
            return 0, result
        weighs = op.key == "select" or (isinstance(op, Add) and op.weights is not None)
        if weighs:  # a product and the sum so far; what a weight's gradient sums
            return 2 * result, result + params
        return 0, params


def _plain(op: Conv, batch: int) -> bool:
    """Whether torch leaves a convolution to a plain matrix product instead of oneDNN (on one thread)."""
    sizes: Iterable[int] = (op.kernel, op.stride) if isinstance(op.kernel, int) and isinstance(op.stride, int) else (2,)
    return all(size == 1 for size in sizes) and op.dilation == 1 and batch < 16


def _gives(op: Operator, view: bool) -> int:
    if view or (isinstance(op, Add) and op.weights is None):
        return SHARED
    return PARTS if op.key == "concat" else NEW
