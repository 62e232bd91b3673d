"""Splicing: named paths put in their places, loops unrolled, repeats numbered. What `when` says comes later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from archspec.compiler.expand.builder import Builder
from archspec.compiler.expand.origins import Loops
from archspec.language.items import Each, Inner, Operation, Path, Use
from archspec.language.reading import names_read
from archspec.syntax import limits
from archspec.syntax.errors import Problem, Span, SpecError
from archspec.syntax.expressions import UNKNOWN, Expr, Poisoned, Scope
from archspec.syntax.values import show
from archspec.syntax.work import spend

UNROLLED = "the paths unroll to absurdly many operators"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A part of a path that a `use` or a round of a loop makes: the condition it stands under, what it names."""

    outer: Frame | None
    when: Expr | None = None
    bound: tuple[tuple[str, Any], ...] = ()
    """Names of a loop, with their values."""
    over: Expr | None = None
    """What the loop goes over."""
    round: int = 0
    given: Mapping[str, Expr] = field(default_factory=dict)
    """Arguments, whose values depend on the signal that reaches the part."""

    def bindings(self) -> Loops:
        """What loops and arguments bind here, the outermost first, and where each is written."""
        found: list[tuple[str, Expr | None, int | None]] = []
        for part in self.outermost_first():
            found += [(name, None if i else part.over, part.round) for i, (name, _) in enumerate(part.bound)]
            found += [(name, expr, None) for name, expr in part.given.items()]
        return found

    def outermost_first(self) -> list[Frame]:
        """The frames round a part, this one last."""
        found = [self]
        while (outer := found[-1].outer) is not None:
            found.append(outer)
        return found[::-1]


@dataclass(frozen=True, slots=True)
class Step:
    """One item of a spliced path: its numbered name, and the part it stands in, None of the path itself."""

    name: str
    item: Operation | Inner
    frame: Frame | None


@dataclass(frozen=True, slots=True)
class Spliced:
    """The steps of a path in the order written, switched-off ones included, repeats numbered from 1."""

    steps: Sequence[Step]
    reads_here: bool
    """Whether something in it depends on the signal that reaches it."""


def copied(scope: Mapping[str, Any]) -> None:
    """Spends what copying a scope costs: its names are the author's, and every block has a copy."""
    spend(len(scope) // 2, "the params are too many for so many blocks")


class Splicer:
    """Splices paths over the named paths of one spec."""

    def __init__(self, named: Mapping[str, Path], builder: Builder) -> None:
        self._named, self._builder = named, builder
        self._known: dict[int, tuple[Path, Spliced]] = {}
        self._here: dict[int, bool] = {}  # of items of the document, which outlive this
        self._limit = 0
        self._spliced: Span | None = None  # the path being spliced, for messages

    def spliced(self, path: Path, scope: Scope, where: str) -> Spliced:
        """A path's steps. Raises `SpecError` where splicing leads to absurdly many, `Poisoned` having told why."""
        known = self._known.get(id(path))
        if known is not None:
            return known[1]
        found: list[tuple[Operation | Inner, Frame | None]] = []
        self._spliced = path.span
        self._limit = limits.MAX_OPERATORS
        loops = self._splice(path, scope, None, found, where, 0)
        totals: dict[str, int] = {}
        for item, _ in found:
            totals[item.name] = totals.get(item.name, 0) + 1
        counts: dict[str, int] = {}
        steps = []
        for item, frame in found:
            counts[item.name] = number = counts.get(item.name, 0) + 1
            steps.append(Step(item.name if totals[item.name] == 1 else f"{item.name}{number}", item, frame))
        result = Spliced(steps, any(map(self._reads_here, steps)))
        if not loops:
            self._known[id(path)] = (path, result)
        return result

    def _reads_here(self, step: Step) -> bool:
        """Whether something in a step depends on the signal that reaches it."""
        known = self._here.get(id(step.item))
        if known is None:
            known = self._here[id(step.item)] = isinstance(step.item, Inner) or "here" in names_read(step.item)
        frame = step.frame
        while frame is not None and not known:
            known = bool(frame.given) or (frame.when is not None and "here" in frame.when.names)
            frame = frame.outer
        return known

    def _splice(self, path: Path, scope: Scope, frame: Frame | None, found: list[Any], where: str, depth: int) -> bool:
        """Appends the items of a path to `found`; tells whether a loop, whose length a scope decides, was met."""
        if depth > limits.MAX_PATH_DEPTH:
            absurd(f"`use` and `each` nest more than {limits.MAX_PATH_DEPTH} deep", path.span, where)
        loops = False
        for item in path.items:
            self._unroll(1, where)
            if isinstance(item, Operation | Inner):
                found.append((item, Frame(frame, item.when) if item.when else frame))
            elif isinstance(item, Use):
                if item.path not in self._named:  # told by check_references
                    raise Poisoned
                inner = Frame(frame, item.when, given=item.given) if item.when or item.given else frame
                loops |= self._splice(self._named[item.path], scope, inner, found, where, depth + 1)
            else:
                loops = True
                whole = Frame(frame, item.when) if item.when else frame
                for number, bound in enumerate(self._rounds(item, self._bound(scope, frame), where)):
                    part = Frame(whole, None, bound, item.of, number)
                    self._splice(item.do, scope, part, found, where, depth + 1)
        return loops

    def _bound(self, scope: Scope, frame: Frame | None) -> Scope:
        """The scope within a part as far as it is known before the path runs: without what depends on the signal."""
        if frame is None:
            return scope
        copied(scope)
        bound: dict[str, Any] = {**scope}
        for part in frame.outermost_first():
            bound.update(part.bound)
            if part.given:
                bound["channels"] = UNKNOWN
                values: dict[str, Any] = {}
                for name, expr in part.given.items():
                    try:
                        values[name] = UNKNOWN if "here" in expr.names else self._builder.evaluate(expr, bound, "")
                    except Poisoned:
                        values[name] = UNKNOWN
                bound.update(values)
        return bound

    def _unroll(self, items: int, where: str) -> None:
        """Counts items of the path being spliced: it may have as many as a network may have operators."""
        self._builder.work.spend(40 * items, UNROLLED, self._spliced)
        self._limit -= items
        if self._limit < 0:
            absurd(UNROLLED, self._spliced, where)

    def _rounds(self, item: Each, scope: Scope, where: str) -> list[tuple[tuple[str, Any], ...]]:
        """What a loop binds in each round."""
        try:
            entries = UNKNOWN if "here" in item.of.names else self._builder.evaluate(item.of, scope, where)
        except Poisoned:
            entries = UNKNOWN
        if entries is UNKNOWN:
            if not self._builder.problems:
                hint = "loops are unrolled before a path runs: let params or columns say what it goes over"
                self._builder.tell(item.of, "what each goes over depends on the signal", item.of.span, where, hint)
            return []
        if not isinstance(entries, list):
            hint = f"as in `of: [3, 3]`; here it is {show(entries)}"
            self._builder.tell(item.of, "each goes over a list", item.of.span, where, hint)
            return []
        self._unroll(len(entries), where)
        rounds: list[tuple[tuple[str, Any], ...]] = []
        for position, entry in enumerate(entries):
            named = (item.variable, entry)
            rounds.append((named, (item.position, position)) if item.position else (named,))
        return rounds


def absurd(message: str, span: Span | None, where: str) -> NoReturn:
    """Stops at what no network can be."""
    raise SpecError([Problem(message, span, where=where)])
