"""The expression language: a number, a list or a condition, computed from names.

An expression is parsed once, into a small tree of our own made from Python's `ast` by an allow-list; nothing is ever
passed to `eval`. Text length, depth, the magnitude of numbers and the length of lists are bounded, and every term and
every entry of a list spends of the spec's budget of work, whoever wrote it.

    numbers  lists  names  + - * / // % **  < <= > >= == !=  and or not  a if c else b  a[i]  a[i:j]
    min max sum len round floor ceil sqrt log exp
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, TypeAlias

from archspec.syntax.errors import Problem, Span, suggest
from archspec.syntax.names import SCOPE_NAMES
from archspec.syntax.values import FUNCTIONS, TOO_LARGE, bounded, limited, number, show, sliced, weighed, whole
from archspec.syntax.work import Exhausted, spend

Value: TypeAlias = "int | float | bool | list[Value] | dict[int | str, Value] | None"
Scope: TypeAlias = Mapping[str, Any]


class Unknown:
    """Stands in a scope for a value that an earlier problem left undetermined."""


UNKNOWN = Unknown()
EVALUATED = "the expressions are too many to evaluate"


class Poisoned(Exception):  # noqa: N818 - not an error of its own
    """An expression needs a value that an earlier, already reported problem left unknown."""


class EvaluationError(Exception):
    """An expression that has no value; `problem` says why and where."""

    def __init__(self, message: str, span: Span | None, hint: str | None = None) -> None:
        self.problem = Problem(message, span, hint)
        super().__init__(message)


@dataclass(frozen=True)
class Expr:
    """A parsed expression: `text` as its author wrote it, and where."""

    text: str
    span: Span | None = field(compare=False)
    root: Term = field(compare=False, repr=False)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names the value depends on."""
        found, queue = set(), [self.root]
        while queue:
            term = queue.pop()
            if term.kind == "name":
                found.add(term.data)
            queue.extend(term.parts)
        return frozenset(found)

    @cached_property
    def constant(self) -> bool:
        return not self.names

    @cached_property
    def steps(self) -> int:
        """What evaluating it costs: some for each of its terms, lists' entries not counted."""
        count, queue = 0, [self.root]
        while queue:
            count += 1
            queue.extend(queue.pop().parts)
        return 14 + 8 * count

    def __call__(self, scope: Scope) -> Any:
        """The value in a scope. Raises `EvaluationError`, or `Poisoned` if it needs an unknown value."""
        spend(self.steps, EVALUATED, self.span)
        return self.root.evaluate(scope)

    def condition(self, scope: Scope) -> bool:
        """The value, which must be true or false."""
        spend(self.steps, EVALUATED, self.span)
        value = self.root.evaluate(scope)
        if not isinstance(value, bool):
            told = f"'{self.text[:60]}' is {show(value)}" if self.names else f"this is {show(value)}"
            raise EvaluationError(f"a condition is true or false; {told}", self.span, "compare, as in `index > 0`")
        return value


@dataclass(frozen=True, slots=True)
class Term:
    """A node of the tree: a constant, a name, or an operation on `parts`; `data` is the constant, name or operator."""

    kind: str
    data: Any
    parts: tuple[Term, ...]
    span: Span | None

    def evaluate(self, scope: Scope) -> Any:
        try:
            return _EVALUATE[self.kind](self, scope)
        except ZeroDivisionError:
            raise EvaluationError("division by zero", self.span) from None
        except OverflowError:
            raise EvaluationError(TOO_LARGE, self.span) from None
        except (TypeError, ValueError) as error:
            raise EvaluationError(str(error), self.span) from None
        except Exhausted as error:
            error.span = error.span or self.span
            raise


def unknown(name: str) -> str:
    """What is told of a name that nothing defines."""
    return f"unknown name '{name}'"


def suggest_name(name: str, known: Collection[str]) -> str | None:
    """What may have been meant by a name that nothing defines."""
    if name in FUNCTIONS:
        return f"it is a function: {name}(...)"
    if name.lower() in ("nan", "inf", "infinity"):
        return "a spec's numbers are finite"
    if name.lower() in ("none", "null"):
        return "nothing is written `null`, without quotes"
    return suggest(name, known) or "a name is a param or a column, and there are none; texts have no place here"


def _name(term: Term, scope: Scope) -> Any:
    value = scope.get(term.data, term)
    if value is term:
        if term.data in SCOPE_NAMES:
            raise EvaluationError(f"'{term.data}' has no value here", term.span, SCOPE_NAMES[term.data])
        raise EvaluationError(unknown(term.data), term.span, suggest_name(term.data, scope))
    if value is UNKNOWN:
        raise Poisoned
    return value


def _binary(term: Term, scope: Scope) -> Any:
    result = term.data(term.parts[0].evaluate(scope), term.parts[1].evaluate(scope))
    return result if isinstance(result, list) else bounded(result)


def _unary(term: Term, scope: Scope) -> Any:
    value = term.parts[0].evaluate(scope)
    return not value if term.data is operator.not_ else term.data(number(value))


def _compare(term: Term, scope: Scope) -> bool:
    left = term.parts[0].evaluate(scope)
    for compare, part in zip(term.data, term.parts[1:], strict=True):
        right = part.evaluate(scope)
        if isinstance(left, list | dict) and isinstance(right, list | dict):
            weighed(left)
        if not compare(left, right):
            return False
        left = right
    return True


def _logic(term: Term, scope: Scope) -> Any:
    value: Any = None
    for part in term.parts:
        value = part.evaluate(scope)
        if bool(value) is (term.data == "or"):
            break
    return value


def _choice(term: Term, scope: Scope) -> Any:
    then, condition, otherwise = term.parts
    return (then if condition.evaluate(scope) else otherwise).evaluate(scope)


def _index(term: Term, scope: Scope) -> Any:
    table, key = term.parts[0].evaluate(scope), whole(term.parts[1].evaluate(scope))
    if isinstance(key, bool) or not isinstance(key, int):
        raise TypeError(f"an index is a whole number, not {show(key)}")
    if isinstance(table, list):
        if not -len(table) <= key < len(table):
            entries = f"{len(table)} entr{'y' if len(table) == 1 else 'ies'}, counted from 0"
            raise ValueError(f"there is no entry {key} in a list of {entries}")
        return table[key]
    if isinstance(table, dict):
        if key not in table:
            raise ValueError(f"the table has no entry for {key}; it has {', '.join(map(str, islice(table, 20)))}")
        return table[key]
    raise TypeError(f"only a list or a table can be indexed, and this is {show(table)}")


def _slice(term: Term, scope: Scope) -> Any:
    return sliced(*(whole(part.evaluate(scope)) for part in term.parts))


def _call(term: Term, scope: Scope) -> Any:
    result = FUNCTIONS[term.data](*(part.evaluate(scope) for part in term.parts))
    return bounded(result)


_EVALUATE: dict[str, Callable[[Term, Scope], Any]] = {
    "constant": lambda term, scope: term.data,
    "name": _name,
    "binary": _binary,
    "unary": _unary,
    "compare": _compare,
    "logic": _logic,
    "choice": _choice,
    "index": _index,
    "slice": _slice,
    "call": _call,
    "list": lambda term, scope: limited([part.evaluate(scope) for part in term.parts]),
    "table": lambda term, scope: limited(
        {key: part.evaluate(scope) for key, part in zip(term.data, term.parts, strict=True)}
    ),
}
