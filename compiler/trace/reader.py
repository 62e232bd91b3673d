"""Reads torch.export's program call by call: what the vocabulary has becomes its operator, the rest torch's own calls.

Writes are honoured: an in-place call changes the memory that it is given, and whoever reads that later, by whatever
view or part, reads what it has become.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeAlias

import torch
from pydantic import ValidationError
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from archspec.compiler.trace.axes import contiguous, repeats
from archspec.compiler.trace.exporting import TraceError
from archspec.compiler.trace.signals import Draft, Signal, Static, Value, whole
from archspec.ops import BY_KEY, Operator, Shape, ShapeError
from archspec.syntax.errors import Problem

Handler: TypeAlias = Callable[["Reader", fx.Node, dict[str, Any]], "Value | tuple[Value | None, ...] | None"]


@cache
def signature_of(target: Any) -> tuple[tuple[str, Any], ...]:
    """The arguments of an operator of torch with their defaults."""
    return tuple((a.name, a.default_value if a.has_default_value() else None) for a in target._schema.arguments)


@cache
def operator(key: str, fields: tuple[tuple[str, Any], ...]) -> Operator | None:
    """An operator of the vocabulary; None where the fields are beyond its ranges."""
    try:
        return BY_KEY[key](**dict(fields))
    except ValidationError:
        return None


@dataclass(frozen=True)
class Fallback:
    """What becomes of calls that no handler reads."""

    static: Callable[[Reader, fx.Node], bool]
    """Whether a call depends on no input."""
    opaque: Callable[[Reader, fx.Node, str | None], Any]
    """A call as torch's own."""
    entry: Callable[[Reader, fx.Node, Any, Any], Any]
    """One of the tensors that a call gives."""


class Reader:
    """What has been read of a module's program so far. `training` is the mode that it was traced in."""

    def __init__(
        self, program: ExportedProgram, batch: int, training: bool, handlers: Mapping[str, Handler],
        fallback: Fallback,
    ) -> None:  # fmt: skip
        self.program, self.batch, self.training = program, batch, training
        self.handlers, self.fallback = handlers, fallback
        self.drafts: list[Draft] = []
        self.values: dict[fx.Node, Any] = {}
        self.notes: list[Problem] = []
        self.inputs: list[fx.Node] = []
        self._keys = {
            spec.arg.name: (spec.kind, spec.target) for spec in program.graph_signature.input_specs
        }  # fmt: skip

    def read(self) -> None:
        """Reads every call up to the output."""
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node)
            elif node.op == "call_function":
                self._call(node)
            elif node.op != "output":
                raise TraceError(f"the module's program has a {node.op}, '{node.name}', which no graph can show")

    def _placeholder(self, node: fx.Node) -> None:
        kind, key = self._keys[node.name]
        if kind in (InputKind.PARAMETER, InputKind.BUFFER):
            self.values[node] = Static(node, key)
        elif kind != InputKind.USER_INPUT:
            self.values[node] = Static(node)
        else:
            shape = tuple(node.meta["val"].shape)[1:]
            self.drafts.append(Draft(None, [], shape, node))
            self.values[node] = whole(Signal(len(self.drafts) - 1, shape), self.batch)
            self.inputs.append(node)

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The module's names of its parameters."""
        return frozenset(self.program.graph_signature.parameters)

    @cached_property
    def buffers(self) -> frozenset[str]:
        """The module's names of its buffers."""
        return frozenset(self.program.graph_signature.buffers)

    def start(self, key: str) -> float | None:
        """The one number that all of a parameter or buffer is; None where it is not one, or not known."""
        tensor = self.program.state_dict.get(key, self.program.constants.get(key))
        if not isinstance(tensor, Tensor) or tensor.is_meta or not tensor.numel() or tensor.is_complex():
            return None
        first = tensor.detach().flatten()[0]
        return float(first) if bool((tensor.detach() == first).all()) else None

    def constant(self, node: fx.Node) -> Tensor:
        """A tensor that the module's code makes of numbers written in it."""
        found = self.program.constants[self._keys[node.name][1]]
        if not isinstance(found, Tensor):
            raise TraceError(f"the module holds '{node.name}', which is no tensor")
        return found

    def _call(self, node: fx.Node) -> None:
        value: Any
        if not isinstance(node.target, torch._ops.OpOverload):
            value = self._python(node)
        elif not isinstance(node.meta.get("val"), Tensor | tuple | list):
            value = None  # a check, or a number
        else:
            name = f"{node.target._schema.name.rpartition('::')[2]}.{node.target._overloadname}"
            value = self._written(node, name) if _writes(node.target) else self._read(node, name)
        self.values[node] = value

    def _python(self, node: fx.Node) -> Any:
        name = getattr(node.target, "__name__", str(node.target))
        if name != "getitem":
            what = str(node.target)
            hint = (
                "torch.no_grad() and autocast inside forward are not traced: take them out" if "wrap" in what else None
            )
            raise TraceError(f"the module calls {what}, which no graph can show", hint, scope(node))
        source, place = (self.values[node.all_input_nodes[0]], node.args[1])
        if isinstance(source, tuple):
            return source[place]  # type: ignore[index]
        return self.fallback.entry(self, node, source, place)

    def _read(self, node: fx.Node, name: str) -> Any:
        """The value of a call that writes nothing."""
        args = self.arguments(node)
        if self.fallback.static(self, node):
            return Static(node)
        handler = self.handlers.get(name)
        value = handler(self, node, args) if handler else None
        return self.fallback.opaque(self, node, None) if value is None else value

    def _written(self, node: fx.Node, name: str) -> Any:
        """The value of a call that writes to its first argument, which is that of the call that does not."""
        args = self.arguments(node)
        target = self.values[node.args[0]]  # type: ignore[index]
        if isinstance(target, Static) and target.node.op == "placeholder":
            return self._kept(node, target)
        if self.fallback.static(self, node):
            value: Any = Static(node)
        else:
            base, _, overload = name.partition(".")
            name = f"{base.rstrip('_')}.{overload}"
            handler = self.handlers.get(name)
            value = handler(self, node, args) if handler else None
            value = self.fallback.opaque(self, node, name) if value is None else value
        if isinstance(target, Static):  # whoever reads it later reads this
            self.values.update({each: value for each, known in self.values.items() if known is target})
            return value
        self._write(node, target, value)
        return target

    def _kept(self, node: fx.Node, target: Static) -> Static:
        """What a module keeps from one batch to the next: of batch norms, the operator does that."""
        kind, key = self._keys[target.node.name]
        if kind != InputKind.BUFFER:
            raise TraceError(f"the module writes to '{key}' when it runs", "compute a new tensor instead", scope(node))
        if not str(key).endswith("num_batches_tracked"):
            told = f"the module writes to its buffer '{key}' when it runs, which the graph leaves out"
            self.notes.append(Problem(told, where=scope(node)))
        return target

    def _write(self, node: fx.Node, target: Value, value: Value) -> None:
        signal = target.signal
        alike = value.layout == target.layout and value.signal.shape == signal.shape and not repeats(target.layout)
        if not alike or (signal.part and signal.part[1] < 0):
            raise TraceError(
                f"{node.target} writes to a part of a tensor, which no graph can show", "compute a new tensor instead",
                scope(node),
            )  # fmt: skip
        signal.draft = self.now(value.signal)
        signal.version += 1
        if signal.part and signal not in signal.part[0].pending:
            signal.part[0].pending.append(signal)

    def arguments(self, node: fx.Node) -> dict[str, Any]:
        """The arguments of a call by name, values in the place of nodes."""
        names = signature_of(node.target)
        found = dict(names)
        found.update(zip((name for name, _ in names), node.args, strict=False))
        found.update(node.kwargs)
        return {name: self._value(value) for name, value in found.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, fx.Node):
            return self.values[value]
        if isinstance(value, list | tuple):
            return [self._value(entry) for entry in value]
        return value

    def now(self, signal: Signal) -> int:
        """The operator that gives what a signal holds at the moment, with all that was written to it and to what it
        is a part of."""
        if signal.pending:
            self._gather(signal)
        if signal.part and signal.part[1] >= 0:
            parent, start, stop = signal.part
            self.now(parent)
            if parent.version > signal.seen and signal not in parent.pending:
                signal.draft = self._cut(parent, start, stop)
                signal.seen = parent.version
        return signal.draft

    def _gather(self, signal: Signal) -> None:
        """Puts parts that have been written to back in their places."""
        for part in signal.pending:
            assert part.part is not None
            _, start, stop = part.part
            pieces = [self._cut(signal, 0, start)] if start else []
            pieces.append(part.draft)
            pieces += [self._cut(signal, stop, signal.shape[0])] if stop < signal.shape[0] else []
            op = operator("concat", ())
            assert op is not None
            signal.draft = self.put(op, pieces, self.drafts[part.draft].node) if len(pieces) > 1 else part.draft
            signal.version += 1
            part.seen = signal.version
        signal.pending.clear()
        if signal.part and signal not in signal.part[0].pending:
            signal.part[0].pending.append(signal)

    def _cut(self, signal: Signal, start: int, stop: int) -> int:
        op = operator("slice", (("start", start), ("stop", stop)))
        assert op is not None
        return self.put(op, [signal.draft], self.drafts[signal.draft].node)

    def put(self, op: Operator, inputs: list[int], node: fx.Node, weights: dict[str, str] | None = None) -> int:
        """An operator more. Raises `ShapeError`."""
        shape = op.shape(tuple(self.drafts[i].shape for i in inputs))
        self.drafts.append(Draft(op, inputs, shape, node, weights or {}))
        return len(self.drafts) - 1

    def add(
        self, key: str, inputs: list[int], node: fx.Node, weights: dict[str, str] | None = None, **fields: Any
    ) -> Signal | None:  # fmt: skip
        """A signal of an operator of the vocabulary; None where it cannot take its inputs."""
        op = operator(key, tuple((name, value) for name, value in fields.items() if value is not None))
        if op is None:
            return None
        try:
            place = self.put(op, inputs, node, weights)
        except ShapeError:
            return None
        return Signal(place, self.drafts[place].shape)

    def plain(self, value: Any) -> int | None:
        """The operator whose output a tensor is as it lies; None where it is some view of it."""
        if not isinstance(value, Value) or value.layout != contiguous((self.batch, *value.signal.shape)):
            return None
        if len(value.layout) != 1 + len(value.signal.shape):
            return None
        return self.now(value.signal)

    def sized(self, node: fx.Node) -> Shape:
        """Shape of a call's tensor, batch included."""
        return tuple(node.meta["val"].shape)

    def pointwise(self, node: fx.Node, value: Any, key: str, **fields: Any) -> Value | None:
        """A function of each number by itself, of a tensor however it lies."""
        if not isinstance(value, Value):
            return None
        signal = self.add(key, [self.now(value.signal)], node, None, **fields)
        return signal and Value(signal, value.layout)

    def outputs(self) -> Iterator[tuple[Any, fx.Node]]:
        """What the program gives."""
        (output,) = (node for node in self.program.graph.nodes if node.op == "output")
        for node in output.args[0]:
            yield self.values.get(node) if isinstance(node, fx.Node) else node, node


def _writes(target: Any) -> bool:
    alias = target._schema.arguments[0].alias_info if target._schema.arguments else None
    return bool(alias is not None and alias.is_write)


def scope(node: fx.Node) -> str | None:
    """Where in the module a call stands."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return stack[-1][0] or None if stack else None
