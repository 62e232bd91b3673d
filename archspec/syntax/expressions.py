"""The expression language: a number, a list or a condition, computed from names.

An expression is parsed once, into a small tree of our own made from Python's `ast` by an allow-list; nothing is ever
passed to `eval`. Text length, depth, the magnitude of numbers and the length of lists are bounded, so that no
expression takes more than microseconds, whoever wrote it.

    numbers  lists  names  + - * / // % **  < <= > >= == !=  and or not  a if c else b  a[i]  min max sum len round
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeAlias

from archspec.syntax import limits
from archspec.syntax.errors import Problem, Span, suggest
from archspec.syntax.names import SCOPE_NAMES

Value: TypeAlias = "int | float | bool | list[Value] | dict[int | str, Value] | None"
Scope: TypeAlias = Mapping[str, Any]


class Unknown:
    """Stands in a scope for a value that an earlier problem left undetermined."""


UNKNOWN = Unknown()


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

    def __call__(self, scope: Scope) -> Any:
        """The value in a scope. Raises `EvaluationError`, or `Poisoned` if it needs an unknown value."""
        return self.root.evaluate(scope)

    def condition(self, scope: Scope) -> bool:
        """The value, which must be true or false."""
        value = self.root.evaluate(scope)
        if not isinstance(value, bool):
            told = f"'{self.text[:60]}' is {show(value)}" if self.names else f"this is {show(value)}"
            raise EvaluationError(f"a condition is true or false; {told}", self.span, "compare, as in `index > 0`")
        return value


TOO_LARGE = f"the result is larger than {limits.MAX_NUMBER:.0e}"


def show(value: object) -> str:
    """A value as a spec would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {show(entry)}" for key, entry in list(value.items())[:20]) + "}"
    else:
        text = f"[{', '.join(show(v) for v in value[:20])}]" if isinstance(value, list | tuple) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


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


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"arithmetic needs numbers, and this is {show(value)}")
    return value


def _bounded(value: Any) -> Any:
    if (isinstance(value, float) and not math.isfinite(value)) or abs(value) > limits.MAX_NUMBER:
        raise ValueError(TOO_LARGE)
    return value


def _whole(value: Any) -> Any:
    """A whole float as the integer it is; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _weight(value: Any, depth: int = 0) -> int:
    """How many entries a value has, those of lists and tables within it included."""
    if not isinstance(value, list | dict):
        return 1
    if depth > limits.MAX_NESTING:
        raise ValueError(f"lists nest more than {limits.MAX_NESTING} deep")
    return 1 + sum(_weight(entry, depth + 1) for entry in (value.values() if isinstance(value, dict) else value))


def _limited(value: Any, times: int = 1) -> Any:
    """A list or table of bearable size. Entries are shared, so that doubling it often costs nothing but the limit."""
    if (_weight(value) - 1) * times > limits.MAX_LIST:
        raise ValueError(f"the list has more than {limits.MAX_LIST:,} entries")
    return value


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, list) and isinstance(b, list):
        return _limited(a + b)
    return _number(a) + _number(b)


def _multiply(a: Any, b: Any) -> Any:
    a, b = (b, a) if isinstance(b, list) else (a, b)
    if isinstance(a, list) and isinstance(_whole(b), int) and not isinstance(b, bool):
        _limited(a, max(0, _whole(b)))
        return a * _whole(b)
    return _number(a) * _number(b)


def _power(a: Any, b: Any) -> Any:
    _number(a), _number(b)
    if abs(a) > 1 and b * math.log2(abs(a)) > 64:
        raise ValueError(TOO_LARGE)
    result = a**b
    if isinstance(result, complex):
        raise ValueError("the root of a negative number is no number")
    return result


def _ordered(compare: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    for value in (a, b):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"only numbers can be compared by size, and this is {show(value)}")
    return compare(a, b)


def _arithmetic(compute: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    return compute(_number(a), _number(b))


# Functions of modules, not lambdas: expressions pickle.
BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: _add,
    ast.Sub: partial(_arithmetic, operator.sub),
    ast.Mult: _multiply,
    ast.Div: partial(_arithmetic, operator.truediv),
    ast.FloorDiv: partial(_arithmetic, operator.floordiv),
    ast.Mod: partial(_arithmetic, operator.mod),
    ast.Pow: _power,
}
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: partial(_ordered, operator.lt), ast.LtE: partial(_ordered, operator.le),
    ast.Gt: partial(_ordered, operator.gt), ast.GtE: partial(_ordered, operator.ge),
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


def _numbers(name: str, values: tuple[Any, ...]) -> list[Any]:
    """The numbers a function is given: its arguments, or the entries of its one list."""
    given = values[0] if len(values) == 1 and isinstance(values[0], list) else list(values)
    if not given:
        raise ValueError(f"{name}() of an empty list")
    return [_number(value) for value in given]


def _min(*values: Any) -> Any:
    return min(_numbers("min", values))


def _max(*values: Any) -> Any:
    return max(_numbers("max", values))


def _sum(*values: Any) -> Any:
    return sum(_numbers("sum", values)) if values != ([],) else 0


def _length(value: Any) -> int:
    if not isinstance(value, list | dict):
        raise TypeError(f"len() needs a list, and this is {show(value)}")
    return len(value)


def _round(value: Any, digits: Any = 0) -> Any:
    digits = _whole(digits)
    if isinstance(digits, bool) or not isinstance(digits, int) or abs(digits) > limits.MAX_DIGITS:
        raise ValueError(f"round() keeps a whole number of digits, at most {limits.MAX_DIGITS}, not {show(digits)}")
    return round(_number(value), digits) if digits else round(_number(value))


FUNCTIONS: dict[str, Callable[..., Any]] = {"min": _min, "max": _max, "sum": _sum, "len": _length, "round": _round}
MOST_ARGUMENTS = {"len": 1, "round": 2}


def _name(term: Term, scope: Scope) -> Any:
    value = scope.get(term.data, term)
    if value is term:
        if term.data in SCOPE_NAMES:
            raise EvaluationError(f"'{term.data}' has no value here", term.span, SCOPE_NAMES[term.data])
        raise EvaluationError(f"unknown name '{term.data}'", term.span, suggest(term.data, [*scope, *FUNCTIONS]))
    if value is UNKNOWN:
        raise Poisoned
    return value


def _binary(term: Term, scope: Scope) -> Any:
    result = term.data(term.parts[0].evaluate(scope), term.parts[1].evaluate(scope))
    return result if isinstance(result, list) else _bounded(result)


def _unary(term: Term, scope: Scope) -> Any:
    value = term.parts[0].evaluate(scope)
    return not value if term.data is operator.not_ else term.data(_number(value))


def _compare(term: Term, scope: Scope) -> bool:
    left = term.parts[0].evaluate(scope)
    for compare, part in zip(term.data, term.parts[1:], strict=True):
        right = part.evaluate(scope)
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
    table, key = term.parts[0].evaluate(scope), _whole(term.parts[1].evaluate(scope))
    if isinstance(key, bool) or not isinstance(key, int):
        raise TypeError(f"an index is a whole number, not {show(key)}")
    if isinstance(table, list):
        if not -len(table) <= key < len(table):
            entries = f"{len(table)} entr{'y' if len(table) == 1 else 'ies'}, counted from 0"
            raise ValueError(f"there is no entry {key} in a list of {entries}")
        return table[key]
    if isinstance(table, dict):
        if key not in table:
            raise ValueError(f"the table has no entry for {key}; it has {', '.join(map(str, list(table)[:20]))}")
        return table[key]
    raise TypeError(f"only a list or a table can be indexed, and this is {show(table)}")


def _call(term: Term, scope: Scope) -> Any:
    result = FUNCTIONS[term.data](*(part.evaluate(scope) for part in term.parts))
    return _bounded(result)


_EVALUATE: dict[str, Callable[[Term, Scope], Any]] = {
    "constant": lambda term, scope: term.data,
    "name": _name,
    "binary": _binary,
    "unary": _unary,
    "compare": _compare,
    "logic": _logic,
    "choice": _choice,
    "index": _index,
    "call": _call,
    "list": lambda term, scope: _limited([part.evaluate(scope) for part in term.parts]),
    "table": lambda term, scope: _limited(
        {key: part.evaluate(scope) for key, part in zip(term.data, term.parts, strict=True)}
    ),
}
