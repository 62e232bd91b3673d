"""Puts nodes together: checks operators, infers shapes and costs as they are added, and collects what is wrong.

A signal is the node that carries it, or None where an earlier problem left it unknown; what depends on an unknown
signal is skipped in silence, so that one mistake is told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from math import prod
from typing import Any, TypeAlias

from pydantic import ValidationError

from archspec.compiler.expand.idle import Idle
from archspec.compiler.expand.origins import Loops, Origins
from archspec.graph import Node, Reduction
from archspec.language.items import Operation
from archspec.language.schema import Document
from archspec.ops import BY_KEY, Add, Module, Operator, Shape, ShapeError, show_shape
from archspec.syntax import limits
from archspec.syntax.errors import Problems, Span
from archspec.syntax.expressions import EVALUATED, UNKNOWN, EvaluationError, Expr, Poisoned, Scope, Unknown
from archspec.syntax.values import show
from archspec.syntax.work import Work

Signal: TypeAlias = Node | None
TOO_LARGE = "the network is too large"


class Builder:
    """The nodes of a network in the making, in topological order."""

    def __init__(
        self, trust: bool = False, operators: dict[Any, Operator] | None = None, document: Document | None = None
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self.problems = Problems()
        self.origins = Origins(document)
        self.idle = Idle()
        self.work = Work()  # what is left of the steps that the spec may ask for
        self._trust = trust
        self._operators = {} if operators is None else operators  # made before, by their fields
        self._told: dict[int, Any] = {}
        self._bad: set[Span] = set()  # places of values that have been told
        self._modules: set[str] = set()  # proper prefixes of names: they become modules

    def adopt(self, nodes: Mapping[str, Node], modules: Iterable[str]) -> None:
        """Takes nodes that another builder has made and checked; `modules` are the proper prefixes of their names."""
        self.nodes.update(nodes)
        self._modules.update(modules)

    def undo(self, count: int) -> list[Node]:
        """Takes away all nodes but the first so many, and returns them."""
        return [self.nodes.popitem()[1] for _ in range(len(self.nodes) - count)][::-1]

    def evaluate(self, expr: Expr, scope: Scope, where: str, condition: bool = False) -> Any:
        """The value of an expression; raises `Poisoned` if it has none, having told why."""
        try:
            return expr.condition(scope) if condition else expr(scope)
        except EvaluationError as error:
            self.work.spend(200, EVALUATED, expr.span)
            places = self._places(expr)
            if self._bad.isdisjoint(places.values()):
                hint = error.problem.hint or _values(places, scope)
                self.tell(expr, error.problem.message, error.problem.span, where, hint)
            raise Poisoned from None

    def tell(self, expr: Any, message: str, span: Span | None, where: str, hint: str | None = None) -> None:
        """Adds what is wrong with a part of the spec, once: the values differ from block to block, the slip is one."""
        if id(expr) not in self._told:
            self._told[id(expr)] = expr
            self.problems.add(message, span, hint=hint, where=where)

    def operator(
        self, operation: Operation, scope: Scope, where: str, loops: Loops = (), operands: int = 1
    ) -> Operator | None:
        """The operator with its fields evaluated; None, having told why, if they do not suit it.

        `loops` say what the loops around it bind, `operands` how many inputs it is to have.
        """
        self.work.spend(20, TOO_LARGE, operation.span)
        try:
            values = self._values(operation.fields, scope, where, operands)
        except Poisoned:
            return None
        key = (operation.operator.key, tuple(values), _frozen(tuple(values.values())))
        operator = self._operators.get(key)
        if operator is None:
            operator = self._made(operation, values, scope, where, loops)
            if operator is None:
                return None
            self._operators[key] = operator
        self.idle.met(operation, values.keys() - operator.model_fields_set)
        return operator

    def _made(
        self, operation: Operation, values: Mapping[str, Any], scope: Scope, where: str, loops: Loops
    ) -> Operator | None:
        """An operator of these values, without those that do nothing."""
        self.work.spend(700, TOO_LARGE, operation.span)
        try:
            operator = operation.operator(**values)
        except ValidationError as error:
            for found in error.errors():
                path = [str(part) for part in found["loc"]]
                message = found["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
                message = f"{': '.join([operation.operator.key, *path[:-1]])}: {' '.join([*path[-1:], message])}"
                self._misfit(operation, path, _within(values, path), message, scope, where, loops)
            return None
        if isinstance(operator, Module) and operator.trusted_only and not self._trust:
            self.problems.add(
                f"module '{operator.type[:80]}' is not on the list of torch.nn classes a spec may name",
                operation.span, where=where,
                hint="if you trust this spec, load it with trust=True (--trust)",
            )  # fmt: skip
            return None
        idle = set(operator.idle())
        return operation.operator(**{k: v for k, v in values.items() if k not in idle}) if idle else operator

    def _misfit(
        self, operation: Operation, path: list[str], value: Any, message: str, scope: Scope, where: str, loops: Loops
    ) -> None:
        """Tells of a value that a field cannot have: where it is written, and once, whoever names it."""
        written = _within(operation.fields, path)
        if not isinstance(written, Expr):
            return self.tell(operation, message, operation.places.get("".join(path[:1])) or operation.span, where)
        places = self._places(written, loops)
        if not self._bad.isdisjoint(places.values()):
            return None
        hint = _indexing(written, value, scope)  # then it is the name that is wrong, not its value
        if not hint and written.root.kind == "name" and written.root.data in places:
            place = places[written.root.data]
            self._bad.add(place)
            return self.problems.add(message, place, where=where, hint=f"`{path[-1]}` is read at {written.span}")
        hint = hint or _values(places, scope)
        return self.tell(written, message, written.span or operation.span, where, hint)

    def _places(self, expr: Expr, loops: Loops = ()) -> dict[str, Span]:
        """Where the values of the names in an expression are written, of those that authors give."""
        found = {name: self.origins.named(name, loops) for name in sorted(expr.names)}
        return {name: place for name, place in found.items() if place is not None}

    def _values(self, fields: Mapping[str, Any], scope: Scope, where: str, operands: int) -> dict[str, Any]:
        """Fields evaluated, those too that are mappings of fields. Raises `Poisoned`, having told why."""
        values: dict[str, Any] = {}
        for name, written in fields.items():
            if isinstance(written, Mapping):
                values[name] = self._values(written, {**scope, "operands": operands}, where, operands)
            elif not isinstance(written, Expr):
                values[name] = written
            elif written.root.kind == "constant":
                values[name] = written.root.data
            elif "operand" in written.names:
                self.work.spend(operands * (10 + len(scope) // 2), EVALUATED, written.span)
                each = ({**scope, "operand": i} for i in range(operands))
                values[name] = [self.evaluate(written, local, where) for local in each]
            else:
                values[name] = self.evaluate(written, scope, where)
        return values

    def default(self, key: str, **fields: Any) -> Operator:
        """An operator of the compiler's own making."""
        return BY_KEY[key](**fields) if fields else _bare(key)

    def add(
        self, name: str, op: Operator, inputs: Sequence[Signal], span: Span | None = None,
        labels: Sequence[str] = (), where: str | None = None, hint: str | None = None,
    ) -> Signal:  # fmt: skip
        """A node more; None, having told why, if the operator cannot take its inputs.

        `labels` name the operands in messages, `hint` is what to do about operands of different shapes.
        """
        sources = [source for source in inputs if source is not None]
        if len(sources) < len(inputs):
            return None
        if len(self.nodes) > limits.MAX_OPERATORS:
            self.problems.add(f"the network has more than {limits.MAX_OPERATORS:,} operators", span, where=name)
            self.problems.check()
        parts = name.split(".")
        self.work.spend(75 + 10 * len(sources) + len(parts) * len(name) // 4, TOO_LARGE, span)
        if name == "output":  # the flat text of a graph says so what the network gives
            self.problems.add("an operator of the whole network cannot be called 'output'", span, hint="rename it")
            return None
        if name in self.nodes:
            self.problems.add(f"two operators are called '{name}'", span, hint="give one of them another `name`")
            return None
        prefixes = [".".join(parts[:length]) for length in range(1, len(parts))]
        taken = name if name in self._modules else next((prefix for prefix in prefixes if prefix in self.nodes), None)
        if taken is not None:
            what = "other operators' names" if taken == name else f"'{name}'"
            self.problems.add(
                f"'{taken}' is an operator, and also the beginning of {what}", span, hint="rename one of them"
            )  # fmt: skip
            return None
        self._modules.update(prefixes)
        shapes = tuple(source.shape for source in sources)
        try:
            if isinstance(op, Add) and labels and len(set(shapes)) > 1:
                raise ShapeError(_unequal(shapes, labels), hint)
            shape = op.shape(shapes)
            params, macs = op.params(shapes), op.macs(shapes)
            reduction = _reduction(op, sources, shape)
            if max(params, macs, prod(shape)) > limits.MAX_COST:
                raise ShapeError(f"{op.key} is absurdly large: {params:.0e} parameters, output {show_shape(shape)}")
        except ShapeError as error:
            self.problems.add(str(error), span, hint=error.hint, where=where or name)
            return None
        node = Node(name, op, tuple(source.name for source in sources), shape, params, macs, reduction, span)
        self.nodes[name] = node
        return node


def _values(places: Mapping[str, Span], scope: Scope) -> str | None:
    """What authors gave the names of an expression, and where."""
    known = [name for name in places if not isinstance(scope.get(name, UNKNOWN), Unknown)]
    told = ", ".join(f"{name} is {show(scope[name])} ({places[name]})" for name in known[:4])
    return f"here {told}" if told else None


def _within(fields: Any, path: Sequence[str]) -> Any:
    """What lies at a path of names in mappings; None where there is nothing."""
    for name in path:
        fields = fields.get(name) if isinstance(fields, Mapping) else None
    return fields


def _indexing(written: Any, value: Any, scope: Scope) -> str | None:
    """What to do with a list where one of its entries is meant."""
    if not isinstance(value, list) or not isinstance(written, Expr) or written.root.kind != "name":
        return None
    entry = "its entry for this block" if "index" in scope else "one of its entries"
    return f'{written.text} is a list: {entry} is "{written.text}[{"index" if "index" in scope else 0}]"'


@cache
def _bare(key: str) -> Operator:
    """An operator without fields; one object serves all, as it is immutable."""
    return BY_KEY[key]()


def _unequal(shapes: Sequence[Shape], labels: Sequence[str]) -> str:
    """Both sides of an impossible addition by name and shape."""
    other = next(i for i, shape in enumerate(shapes) if shape != shapes[0])
    return (
        f"the addition joins {show_shape(shapes[0])} ({labels[0]}) with {show_shape(shapes[other])} ({labels[other]})"
    )


def _reduction(op: Operator, sources: Sequence[Node], shape: Shape) -> Reduction | None:
    rank = len(shape) - 1
    widest = max(sources, key=lambda source: len(source.shape), default=None)
    if not rank or widest is None:
        return None if not rank else (1,) * rank
    before = widest.reduction if len(widest.reduction or ()) == rank else (1,) * rank  # torch's own may change it
    if op.joins or not before:
        return before
    return tuple(
        _ratio(size * down, up) for size, down, up in zip(before, op.reduction(rank), op.expansion(rank), strict=True)
    )


def _ratio(a: int | Fraction, b: int) -> int | Fraction:
    """A quotient: a whole number where it is one, as it is unless a map grows larger than the input."""
    if b == 1:
        return a
    value = Fraction(a, b)
    return int(value) if value.denominator == 1 else value


def _frozen(value: Any) -> Any:
    """A hashable stand-in for a field's values; 1, 1.0 and true stay apart."""
    if isinstance(value, list | tuple):
        return tuple(_frozen(entry) for entry in value)
    if isinstance(value, Mapping):
        return tuple((key, _frozen(entry)) for key, entry in value.items())
    return (type(value), value)


def quotient(end: Node, start: Node) -> int | list[int]:
    """The stride from one signal to another: the quotient of their reductions, a list where dimensions differ.

    Raises `ShapeError` where one of them is a vector or the signal grows again.
    """
    if end.reduction is None or start.reduction is None:
        if end.reduction is None and start.reduction is None:
            return 1
        raise ShapeError(f"{show_shape(start.shape)} cannot be joined with {show_shape(end.shape)}: one is a vector")
    same_rank = len(end.reduction) == len(start.reduction)
    if not same_rank or any(e % s for e, s in zip(end.reduction, start.reduction, strict=True)):
        raise ShapeError(f"no stride leads from reduction {start.reduction} to {end.reduction}")
    strides = [e // s for e, s in zip(end.reduction, start.reduction, strict=True)]
    return strides[0] if len(set(strides)) == 1 else strides


def strided(stride: int | list[int]) -> bool:
    """Whether a stride downsamples: any of it above 1."""
    return max(stride) > 1 if isinstance(stride, list) else stride > 1
