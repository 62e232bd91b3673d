"""Paths run: operators and inner blocks placed one after another, where their conditions hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

from archspec.compiler.expand.builder import TOO_LARGE, Builder, Signal, strided
from archspec.compiler.expand.origins import Loops
from archspec.compiler.expand.splice import Frame, Splicer, Step, copied
from archspec.compiler.expand.wires import Strand, strands
from archspec.language.fields import place_of
from archspec.language.items import Inner, Operation, Path
from archspec.language.schema import Wire
from archspec.ops.ranges import sizes
from archspec.syntax import limits
from archspec.syntax.expressions import UNKNOWN, Poisoned, Scope

RunBlock: TypeAlias = "Callable[[Inner, Signal, str, Scope, Loops, Paths, Builder], Signal]"
"""The signal after an inner block, given what reaches it, its address, and the names it sees."""


def scope_at(scope: Mapping[str, Any], signal: Signal) -> dict[str, Any]:
    """The scope of a path that starts from `signal`."""
    copied(scope)
    return {**scope, "channels": UNKNOWN if signal is None else signal.shape[0]}


class Paths:
    """Runs paths over the named paths of one spec. `inner` runs the blocks in them."""

    def __init__(self, named: Mapping[str, Path], builder: Builder, inner: RunBlock) -> None:
        self._builder, self._inner = builder, inner
        self._splicer = Splicer(named, builder)
        self._strands: dict[tuple[int, frozenset[str]], tuple[Mapping[str, Wire], list[Strand]]] = {}

    def strands(self, wires: Mapping[str, Wire], outputs: Collection[str] = ()) -> list[Strand]:
        """The wires of a block in order, found once for all blocks of its kind of which the same `outputs` are read."""
        key = id(wires), frozenset(outputs)
        known = self._strands.get(key)
        if known is None:
            known = self._strands[key] = (wires, strands(wires, self._builder.problems, outputs))
        return known[1]

    def run(
        self, path: Path, start: Sequence[Signal], prefix: str, scope: Mapping[str, Any], *,
        where: str, labels: Sequence[str] = (), hint: str | None = None, alone: bool = False, passes: bool = False,
    ) -> Signal:  # fmt: skip
        """The signal after a path; several to start from need a join as the first operator.

        `prefix` begins the names of its nodes if not empty, or with `alone` is the name of its only one; `where` is
        the address problems tell. With `passes`, the path's first join has lost all operands but one, and passes it on.
        """
        self._builder.work.spend(20, TOO_LARGE, path.span)
        inputs, signal = list(start), start[0]
        joined = len(inputs) == 1
        try:
            spliced = self._splicer.spliced(path, scope, where)
            parts = _Parts(scope, self._builder, where, spliced.reads_here)
            for step in spliced.steps:
                local = parts.enter(step.frame, signal)
                if local is None:
                    continue
                item = step.item
                name = prefix if alone else f"{prefix}.{step.name}" if prefix else step.name
                joins = isinstance(item, Operation) and item.operator.joins
                if passes and joins:
                    passes = False
                    continue
                if joined == joins:
                    self._misplaced(item, joined, path, scope, where)
                    return None
                if len(name) > limits.MAX_ADDRESS:
                    message = f"the address {name[:60]}... is longer than {limits.MAX_ADDRESS} characters"
                    self._builder.problems.add(message, item.span, hint="give blocks within blocks short names")
                    return None
                loops = step.frame.bindings() if step.frame else ()
                if isinstance(item, Inner):
                    signal = self._inner(item, signal, name, local, loops, self, self._builder)
                else:
                    op = self._builder.operator(item, local, where, loops, len(inputs))
                    told = labels if not joined else ()
                    signal = None if op is None else self._builder.add(name, op, inputs, item.span, told, None, hint)
                inputs, joined = [signal], True
        except Poisoned:
            return None
        if not joined:
            off = self._switched_off(path, scope, where)
            span = off.span if off else path.span or place_of(next(iter(labels), None))
            hint = "join them under every condition" if off else "start with add, multiply or concat"
            message = "several inputs are not joined" + (f": `when` switches {off.operator.key} off" if off else "")
            self._builder.problems.add(message, span, hint=hint, where=where)
            return None
        return signal

    def _misplaced(self, item: Operation | Inner, joined: bool, path: Path, scope: Scope, where: str) -> None:
        """Tells of a join that has nothing to join, and of what stands where a join has to."""
        what = item.operator.key if isinstance(item, Operation) else f"the block '{item.block}'"
        why = "needs several inputs, and has one" if joined else "has several inputs"
        advice = "give its wire `from: [a, b]`" if joined else "join them first: add, multiply or concat"
        off = None if joined else self._switched_off(path, scope, where)
        if off is not None:
            why, advice = f"{why}: `when` switches {off.operator.key} off", "join them under every condition"
        self._builder.problems.add(f"{what} {why}", item.span, hint=advice, where=where)

    def _switched_off(self, path: Path, scope: Scope, where: str) -> Operation | None:
        """The first join of a path, of one whose joins are all switched off."""
        items = [step.item for step in self._splicer.spliced(path, scope, where).steps]
        return next((item for item in items if isinstance(item, Operation) and item.operator.joins), None)

    def active(self, path: Path, start: Signal, scope: Mapping[str, Any], where: str) -> list[tuple[Step, Scope]]:
        """The items of a path that are switched on where `start` reaches all of them, each with its scope. Raises
        `Poisoned`, having told why."""
        spliced = self._splicer.spliced(path, scope, where)
        parts = _Parts(scope, self._builder, where, spliced.reads_here)
        found = [(step, parts.enter(step.frame, start)) for step in spliced.steps]
        return [(step, local) for step, local in found if local is not None]


class _Parts:
    """The scopes of the parts of one path, each found when the signal first reaches it."""

    def __init__(self, scope: Scope, builder: Builder, where: str, reads_here: bool) -> None:
        self._builder, self._where, self._here = builder, where, reads_here
        self._scope: dict[str, Any] | Scope = scope
        if reads_here:
            copied(scope)
            self._scope = {**scope}
        self._entered: dict[int, Scope | None] = {}

    def enter(self, frame: Frame | None, signal: Signal) -> Scope | None:
        """The scope of a part for an item that `signal` reaches; None where a condition switches it off.

        Raises `Poisoned`, having told why, where a condition or an argument has no value.
        """
        scope: Scope | None = self._scope
        if frame is not None:
            for part in frame.outermost_first():
                if id(part) not in self._entered:
                    self._entered[id(part)] = self._opened(part, self._placed(scope, signal))
                scope = self._entered[id(part)]
                if scope is None:
                    return None
        return self._placed(scope, signal)

    def _placed(self, scope: Scope | None, signal: Signal) -> Scope:
        assert scope is not None
        if self._here:
            assert isinstance(scope, dict)
            scope["here"] = UNKNOWN if signal is None else signal.shape[0]
        return scope

    def _opened(self, part: Frame, scope: Scope) -> Scope | None:
        """The scope within a part, from the one round it."""
        if part.when and not self._builder.evaluate(part.when, scope, self._where, condition=True):
            return None
        if not part.bound and not part.given:
            return scope
        copied(scope)
        inner = {**scope, **dict(part.bound)}
        if part.given:
            inner["channels"] = scope["here"]
            inner |= self._given(part, inner)
        return inner

    def _given(self, part: Frame, scope: Scope) -> dict[str, Any]:
        """A part's arguments, and what follows from a stride and from channels to reach."""
        values = {name: self._builder.evaluate(expr, scope, self._where) for name, expr in part.given.items()}
        if "stride" in values:
            expr = part.given["stride"]
            try:
                values["stride"] = sizes(values["stride"])
            except ValueError as error:
                self._builder.tell(expr, f"stride {error}", expr.span, self._where)
                raise Poisoned from None
            values["downsampled"] = strided(values["stride"])
        out = values.get("out", scope.get("out"))
        if values.keys() & {"stride", "out"} and out is not None:
            downsampled = values.get("downsampled", scope.get("downsampled", False))
            channels = scope["channels"]
            values["changed"] = UNKNOWN if UNKNOWN in (out, channels) else out != channels or downsampled
        return values
