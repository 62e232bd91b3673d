"""Paths: named ones spliced in, loops unrolled, repeats numbered, operators placed one after another."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archspec.compiler.expand.builder import TOO_LARGE, Builder, Signal
from archspec.compiler.expand.wires import Strand, strands
from archspec.language.fields import place_of
from archspec.language.items import Each, Operation, Path, Use
from archspec.language.schema import Wire
from archspec.syntax import limits
from archspec.syntax.errors import Problem, Span, SpecError
from archspec.syntax.expressions import UNKNOWN, Expr, Poisoned, Scope
from archspec.syntax.values import show
from archspec.syntax.work import spend

UNROLLED = "the paths unroll to absurdly many operators"


@dataclass(frozen=True, slots=True)
class Binding:
    """A name that a loop gives a value, the entry of `of` at `position`; its own position is an entry of nothing."""

    name: str
    value: Any
    of: Expr | None
    position: int


@dataclass(frozen=True, slots=True)
class Step:
    """One operator of a spliced path: its numbered name, the conditions it stands under, names loops give it."""

    name: str
    operation: Operation
    conditions: tuple[Expr, ...]
    bindings: tuple[Binding, ...]


def scope_at(scope: Mapping[str, Any], signal: Signal) -> dict[str, Any]:
    """The scope of a path that starts from `signal`."""
    copied(scope)
    return {**scope, "channels": UNKNOWN if signal is None else signal.shape[0]}


def copied(scope: Mapping[str, Any]) -> None:
    """Spends what copying a scope costs: its names are the author's, and every block has a copy."""
    spend(len(scope) // 2, "the params are too many for so many blocks")


class Paths:
    """Splices and runs paths over the named paths of one spec."""

    def __init__(self, named: Mapping[str, Path], builder: Builder) -> None:
        self._named, self._builder = named, builder
        self._steps: dict[int, tuple[Path, list[Step]]] = {}
        self._strands: dict[tuple[int, frozenset[str]], tuple[Mapping[str, Wire], list[Strand]]] = {}
        self._limit = 0
        self._spliced: Span | None = None  # the path being spliced, for messages

    def strands(self, wires: Mapping[str, Wire], outputs: Collection[str] = ()) -> list[Strand]:
        """The wires of a block in order, found once for all blocks of its kind of which the same `outputs` are read."""
        key = id(wires), frozenset(outputs)
        known = self._strands.get(key)
        if known is None:
            known = self._strands[key] = (wires, strands(wires, self._builder.problems, outputs))
        return known[1]

    def run(
        self, path: Path, start: Sequence[Signal], prefix: str, scope: Mapping[str, Any], *,
        where: str, labels: Sequence[str] = (), hint: str | None = None, alone: bool = False,
    ) -> Signal:  # fmt: skip
        """The signal after a path; several to start from need a join as the first operator.

        `prefix` begins the names of its nodes if not empty, or with `alone` is the name of its only one; `where` is
        the address problems tell.
        """
        self._builder.work.spend(20, TOO_LARGE, path.span)
        inputs, signal = list(start), start[0]
        joined = len(inputs) == 1
        try:
            steps = self.active(path, scope, where)
        except Poisoned:
            return None
        for step, local in steps:
            operation = step.operation
            loops = [(each.name, each.of, each.position) for each in step.bindings]
            op = self._builder.operator(operation, local, where, loops, len(inputs))
            if operation.operator.joins == joined:
                why = "needs several inputs, and has one" if joined else "has several inputs"
                advice = "give its wire `from: [a, b]`" if joined else "join them first: add, multiply or concat"
                off = None if joined else self._switched_off(path, scope, where)
                if off is not None:
                    why, advice = f"{why}: `when` switches {off.operator.key} off", "join them under every condition"
                self._builder.problems.add(f"{operation.operator.key} {why}", operation.span, hint=advice, where=where)
                return None
            name = prefix if alone else f"{prefix}.{step.name}" if prefix else step.name
            if op is None:
                signal = None
            else:
                signal = self._builder.add(name, op, inputs, operation.span, labels if not joined else (), None, hint)
            inputs, joined = [signal], True
        if not joined:
            off = self._switched_off(path, scope, where)
            span = off.span if off else path.span or place_of(next(iter(labels), None))
            hint = "join them under every condition" if off else "start with add, multiply or concat"
            message = "several inputs are not joined" + (f": `when` switches {off.operator.key} off" if off else "")
            self._builder.problems.add(message, span, hint=hint, where=where)
            return None
        return signal

    def _switched_off(self, path: Path, scope: Mapping[str, Any], where: str) -> Operation | None:
        """The first join of a path, of one whose joins are all switched off."""
        return next((step.operation for step in self.steps(path, scope, where) if step.operation.operator.joins), None)

    def active(self, path: Path, scope: Mapping[str, Any], where: str) -> list[tuple[Step, Mapping[str, Any]]]:
        """The operators of a path that are switched on, each with its scope. Raises `Poisoned`, having told why."""
        found: list[tuple[Step, Mapping[str, Any]]] = []
        for step in self.steps(path, scope, where):
            local = self._bound(scope, step.bindings) if step.bindings else scope
            if all(self._builder.evaluate(when, local, where, condition=True) for when in step.conditions):
                found.append((step, local))
        return found

    def _bound(self, scope: Mapping[str, Any], bindings: tuple[Binding, ...]) -> dict[str, Any]:
        copied(scope)
        return {**scope, **{each.name: each.value for each in bindings}}

    def steps(self, path: Path, scope: Scope, where: str) -> list[Step]:
        """The operators of a path in the order written, switched-off ones included, repeats numbered from 1.

        Raises `SpecError` where splicing leads to absurdly many.
        """
        known = self._steps.get(id(path))
        if known is not None:
            return known[1]
        found: list[tuple[Operation, tuple[Expr, ...], tuple[Binding, ...]]] = []
        self._spliced = path.span
        self._limit = limits.MAX_OPERATORS
        loops = self._splice(path, scope, (), (), found, where, 0)
        totals: dict[str, int] = {}
        for operation, _, _ in found:
            totals[operation.name] = totals.get(operation.name, 0) + 1
        counts: dict[str, int] = {}
        steps = []
        for operation, conditions, bindings in found:
            counts[operation.name] = number = counts.get(operation.name, 0) + 1
            name = operation.name if totals[operation.name] == 1 else f"{operation.name}{number}"
            steps.append(Step(name, operation, conditions, bindings))
        if not loops:
            self._steps[id(path)] = (path, steps)
        return steps

    def _splice(
        self, path: Path, scope: Scope, conditions: tuple[Expr, ...], bindings: tuple[Binding, ...],
        found: list[Any], where: str, depth: int,
    ) -> bool:  # fmt: skip
        """Appends the operators of a path to `found`; tells whether a loop, whose length a scope decides, was met."""
        if depth > limits.MAX_PATH_DEPTH:
            _absurd(f"`use` and `each` nest more than {limits.MAX_PATH_DEPTH} deep", path.span, where)
        loops = False
        for item in path.items:
            self._unroll(1, where)
            here = (*conditions, item.when) if item.when else conditions
            if isinstance(item, Operation):
                found.append((item, here, bindings))
            elif isinstance(item, Use):
                if item.path not in self._named:  # told by check_references
                    raise Poisoned
                loops |= self._splice(self._named[item.path], scope, here, bindings, found, where, depth + 1)
            else:
                loops = True
                for inner in self._rounds(item, self._bound(scope, bindings), here, where):
                    self._splice(item.do, scope, here, (*bindings, *inner), found, where, depth + 1)
        return loops

    def _unroll(self, items: int, where: str) -> None:
        """Counts items of the path being spliced: it may have as many as a network may have operators."""
        self._builder.work.spend(40 * items, UNROLLED, self._spliced)
        self._limit -= items
        if self._limit < 0:
            _absurd(UNROLLED, self._spliced, where)

    def _rounds(self, item: Each, scope: Scope, conditions: Sequence[Expr], where: str) -> list[tuple[Binding, ...]]:
        """What a loop binds in each round."""
        try:
            entries = self._builder.evaluate(item.of, scope, where)
        except Poisoned:
            return []
        if not isinstance(entries, list):
            hint = f"as in `of: [3, 3]`; here it is {show(entries)}"
            self._builder.tell(item.of, "each goes over a list", item.of.span, where, hint)
            return []
        self._unroll(len(entries), where)
        rounds: list[tuple[Binding, ...]] = []
        for position, entry in enumerate(entries):
            named = Binding(item.variable, entry, item.of, position)
            counted = Binding(item.position, position, None, position) if item.position else None
            rounds.append((named, counted) if counted else (named,))
        return rounds


def _absurd(message: str, span: Span | None, where: str) -> None:
    raise SpecError([Problem(message, span, where=where)])
