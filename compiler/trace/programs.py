"""What the vocabulary has no word for: calls of torch's own operators, gathered into programs that run anywhere.

A program is traced for one size of the batch, a prime that nothing else is a multiple of: numbers that it divides are
the batch's. What depends on parameters alone (a weight that is normalised first) is computed inside the programs that
use it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from archspec.compiler.trace.axes import arranging, contiguous, repeats, reshaped, size_of
from archspec.compiler.trace.exporting import TraceError
from archspec.compiler.trace.reader import Reader, scope
from archspec.compiler.trace.signals import (
    Draft,
    FromDraft,
    FromModule,
    FromStep,
    Program,
    Several,
    Signal,
    Static,
    Value,
)

_MOST = 4096
"""Numbers of a constant that is written out."""
DRAWING = frozenset(
    ("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "bernoulli", "dropout"),
)
"""Operators that give other numbers each time."""
_MAKING = frozenset(
    (
        "rand", "randn", "randint", "randperm", "zeros", "ones", "full", "empty", "arange", "linspace", "eye",
        "zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty",
        "scalar_tensor",
    )
)  # fmt: skip
"""Operators that need the shape of what they are given, at most."""
_LIKE = {"zeros_like": "zeros", "ones_like": "ones", "new_zeros": "zeros", "new_ones": "ones", "new_full": "full",
         "full_like": "full"}  # fmt: skip


def name_of(node: fx.Node) -> str:
    """The name of a call's operator, with its overload."""
    target: Any = node.target
    return f"{target._schema.name.rpartition('::')[2]}.{target._overloadname}"


def functional(name: str) -> str:
    """The operator that gives what another writes: relu for relu_."""
    base, _, overload = name.partition(".")
    return f"{base if base.startswith('__') else base.rstrip('_')}.{overload}"


def static(reader: Reader, node: fx.Node) -> bool:
    """Whether a call depends on no input: on parameters, buffers and written numbers alone, or on shapes."""
    if name_of(node).partition(".")[0] in _MAKING:
        return True
    found = [reader.values[source] for source in node.all_input_nodes]
    return bool(found) and all(isinstance(value, Static) for value in found)


def opaque(reader: Reader, node: fx.Node, name: str | None = None) -> Value | Several:
    """A call as torch's own; `name` is that of the operator that writes nothing, for a call that writes."""
    target: Any = node.target
    if not target._schema.name.startswith("aten::"):
        raise TraceError(f"the module calls {target}, an operator of another package", where=scope(node))
    making = _Making(reader, node)
    lying = _pointwise(reader, node)
    making.as_they_lie = lying is not None
    making.call(node, name or name_of(node))
    program = Program(making.steps, node.name)
    if not isinstance(node.meta["val"], Tensor):
        return Several(node, program, making.inputs)
    if lying is not None:
        reader.drafts.append(Draft(None, making.inputs, lying.signal.shape, node, program=program, nodes=[node]))
        return Value(Signal(len(reader.drafts) - 1, lying.signal.shape), lying.layout)
    value = given(reader, node, program, making.inputs, node.meta["val"])
    if name is None and any(each.alias_info is not None for each in target._schema.returns):
        value.signal.part = (value.signal, -1, -1)  # the memory of something else, in no way that is known
    return value


def _pointwise(reader: Reader, node: fx.Node) -> Value | None:
    """One of the operands of a function of each number by itself, where all of these lie alike: what it gives lies as
    they do."""
    target: Any = node.target
    if torch.Tag.pointwise not in target.tags:
        return None
    found = [reader.values[source] for source in node.all_input_nodes]
    first = next((value for value in found if isinstance(value, Value)), None)
    if first is None or repeats(first.layout) or not all(isinstance(value, Value) for value in found):
        return None
    alike = all(each.signal.shape == first.signal.shape and each.layout == first.layout for each in found)
    return first if alike else None


def entry(reader: Reader, node: fx.Node, several: Any, place: Any) -> Value | Static:
    """One of the tensors that a call gives."""
    if isinstance(several, Static):
        return Static(node)
    assert isinstance(several, Several)
    steps = dict(several.program.steps)
    steps[node.name] = ("getitem", (FromStep(several.program.result), place), ())
    value = given(reader, node, Program(steps, node.name), list(several.inputs), node.meta["val"])
    value.signal.part = (value.signal, -1, -1)
    return value


def given(reader: Reader, node: fx.Node, program: Program, inputs: list[int], val: Any) -> Value:
    """The tensor that a program gives, as a signal with the batch first.

    Raises `TraceError` where the batch is in none of its axes.
    """
    sizes = tuple(val.shape)
    at = next((i for i, size in enumerate(sizes) if size % reader.batch == 0 and size), None)
    if at is None:
        raise TraceError(
            f"{name_of(node) if node.op == 'call_function' and hasattr(node.target, '_schema') else node.name} mixes "
            "the samples of a batch", "a graph computes each sample by itself", scope(node),
        )  # fmt: skip
    each, others = sizes[at] // reader.batch, [size for i, size in enumerate(sizes) if i != at]
    order = [at, *(i for i in range(len(sizes)) if i != at)]
    shape = tuple(([each] if each > 1 else []) + others) or (1,)
    if at:
        program = _then(program, "permute.default", tuple(order))
    if (reader.batch, *shape) != (sizes[at], *others):
        program = _then(program, "reshape.default", ("%batch", *shape))
    reader.drafts.append(Draft(None, inputs, shape, node, program=program, nodes=[node]))
    layout = reshaped(contiguous((reader.batch, *shape)), [sizes[at], *others])
    assert layout is not None
    back = tuple(layout[order.index(i)] for i in range(len(sizes)))
    return Value(Signal(len(reader.drafts) - 1, shape), back)


def rearranged(reader: Reader, node: fx.Node, value: Value) -> int:
    """An operator that gives a view as it is, in its own sizes."""
    making = _Making(reader, node)
    ref = making.arranged(value)
    assert isinstance(ref, FromStep)
    sizes = tuple(size_of(axis) for axis in value.layout)
    made = given(reader, node, Program(making.steps, ref.step), making.inputs, torch.empty(sizes, device="meta"))
    return made.signal.draft


def _then(program: Program, operator: str, sizes: tuple[Any, ...]) -> Program:
    name = (program.result, operator)
    return Program({**program.steps, name: (operator, (FromStep(program.result), sizes), ())}, name)


class _Making:
    """A program in the making for one call."""

    def __init__(self, reader: Reader, node: fx.Node) -> None:
        self.reader, self.node = reader, node
        self.steps: dict[Any, Any] = {}
        self.inputs: list[int] = []
        self.as_they_lie = False
        self._count = 0

    def call(self, node: fx.Node, name: str) -> None:
        """Adds a call, after what it needs."""
        making = name.partition(".")[0] in _MAKING
        if name.partition(".")[0] in _LIKE:
            self.steps[node.name] = self._made(node, _LIKE[name.partition(".")[0]])
            return
        args = tuple(self._argument(value, making) for value in node.args)
        pairs = tuple((key, self._argument(value, making)) for key, value in node.kwargs.items())
        self.steps[node.name] = (name, args, tuple((key, value) for key, value in pairs if key != "layout"))

    def _made(self, node: fx.Node, kind: str) -> Any:
        val = node.meta["val"]
        sizes = tuple(self._number(size) for size in val.shape)
        dtype = "%dtype" if val.dtype.is_floating_point else f"%{val.dtype}"
        made = (("dtype", dtype), ("device", "%device"))
        if kind == "full":
            return ("full.default", (sizes, node.args[-1]), made)
        return (f"{kind}.default", (sizes,), made)

    def _argument(self, value: Any, making: bool) -> Any:
        if isinstance(value, fx.Node):
            found = self.reader.values[value]
            if isinstance(found, Value):
                return self.arranged(found)
            if isinstance(found, Static):
                return self._static(value)
            raise TraceError(f"{name_of(self.node)} reads '{value.name}', which is no tensor", where=scope(self.node))
        if isinstance(value, list | tuple):
            return tuple(self._argument(each, making) for each in value)
        if isinstance(value, torch.dtype):
            own = value == self.reader.inputs[0].meta["val"].dtype  # what it is in, a network may be cast from
            return "%dtype" if own or (making and value.is_floating_point) else f"%{value}"
        if isinstance(value, torch.memory_format):
            return f"%{value}"
        if isinstance(value, torch.device):
            return "%device"
        if isinstance(value, torch.layout):
            return None
        if isinstance(value, str):
            return f"%{value}" if value.startswith("%") else value
        return self._number(value)

    def _number(self, value: Any) -> Any:
        batch = self.reader.batch
        if isinstance(value, int) and not isinstance(value, bool) and value and value % batch == 0 and value > 0:
            return "%batch" if value == batch else f"%batch*{value // batch}"
        return value

    def _static(self, node: fx.Node) -> Any:
        """What a tensor that depends on no input is computed of, in steps."""
        stack = [node]
        while stack:
            top = stack[-1]
            found = self.reader.values[top]
            waiting = [
                source for source in top.all_input_nodes
                if source.name not in self.steps and isinstance(self.reader.values[source], Static)
                and self.reader.values[source].key is None
            ]  # fmt: skip
            if top.name in self.steps or found.key is not None:
                stack.pop()
            elif waiting:
                stack += waiting
            else:
                stack.pop()
                self._static_step(top)
        key = self.reader.values[node].key
        return FromModule(key) if key is not None else FromStep(node.name)

    def _static_step(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            tensor = self.reader.constant(node)
            if tensor.numel() > _MOST:
                advice = "register it as a buffer, so that it has a name"
                raise TraceError(
                    f"forward makes a tensor of {tensor.numel():,} written numbers", advice, scope(self.node)
                )
            self.steps[node.name] = ("tensor", (_nested(tensor.tolist()), f"%{tensor.dtype}"), ())
        elif hasattr(node.target, "_schema"):
            self.call(node, functional(name_of(node)))
        else:
            self.steps[node.name] = ("getitem", (self._argument(node.args[0], False), node.args[1]), ())

    def arranged(self, value: Value) -> FromDraft | FromStep:
        """A tensor as it lies: its signal, and the views that lead to it."""
        draft = self.reader.now(value.signal)
        if draft not in self.inputs:
            self.inputs.append(draft)
        ref: FromDraft | FromStep = FromDraft(draft)
        if self.as_they_lie:
            return ref
        whole = (self.reader.batch, *value.signal.shape)
        dims = tuple(size_of(axis) for axis in value.layout)
        if value.layout == contiguous(whole) and dims == whole:
            return ref
        sizes, order, repeated = arranging(value.layout)
        now = list(whole)
        if now != sizes:
            ref, now = self._step("reshape.default", ref, sizes), sizes
        if order != sorted(order):
            ref, now = self._step("permute.default", ref, order, plain=True), [now[i] for i in order]
        if any(size > 0 for size in repeated):
            rest = iter(now)
            ones = [1 if size > 0 else next(rest) for size in repeated]
            ref = self._step("reshape.default", ref, ones)
            now = [size if size > 0 else one for size, one in zip(repeated, ones, strict=True)]
            ref = self._step("expand.default", ref, now)
        return self._step("reshape.default", ref, list(dims)) if tuple(now) != dims else ref

    def _step(self, operator: str, ref: Any, sizes: list[int], plain: bool = False) -> FromStep:
        self._count += 1
        name = (self.node.name, self._count)
        self.steps[name] = (operator, (ref, tuple(sizes if plain else map(self._number, sizes))), ())
        return FromStep(name)


def _nested(value: Any) -> Any:
    return tuple(map(_nested, value)) if isinstance(value, list) else value
