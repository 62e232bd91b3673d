"""Values of expressions, and what may be computed of them: bounded in magnitude, in length and in depth."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from archspec.syntax import limits
from archspec.syntax.work import spend

TOO_LARGE = f"the result is larger than {limits.MAX_NUMBER:.0e}"


def show(value: object) -> str:
    """A value as a spec would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {show(entry)}" for key, entry in islice(value.items(), 20)) + "}"
    else:
        text = f"[{', '.join(show(v) for v in value[:20])}]" if isinstance(value, list | tuple) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"arithmetic needs numbers, and this is {show(value)}")
    return value


def bounded(value: Any) -> Any:
    if (isinstance(value, float) and not math.isfinite(value)) or abs(value) > limits.MAX_NUMBER:
        raise ValueError(TOO_LARGE)
    return value


def whole(value: Any) -> Any:
    """A whole float as the integer it is; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_COLLECTIONS = (list, dict)


def _weight(value: Any, depth: int = 0) -> int:
    """How many entries a value has, those of lists and tables within it included."""
    if not isinstance(value, _COLLECTIONS):
        return 1
    if depth > limits.MAX_NESTING:
        raise ValueError(f"lists nest more than {limits.MAX_NESTING} deep")
    weight = 1 + len(value)
    for entry in value.values() if isinstance(value, dict) else value:
        if isinstance(entry, _COLLECTIONS):
            weight += _weight(entry, depth + 1) - 1
    return weight


def weighed(value: Any) -> int:
    """How many entries a list or table has, those within it included; whoever looks at all of them spends as much."""
    entries = _weight(value) - 1
    spend(10 + entries, "the lists have too many entries")
    return entries


def limited(value: Any, times: int = 1) -> Any:
    """A list or table of bearable size. Entries are shared, so that doubling it often costs nothing but the limit."""
    if weighed(value) * times > limits.MAX_LIST:
        raise ValueError(f"the list has more than {limits.MAX_LIST:,} entries")
    return value


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, list) and isinstance(b, list):
        return limited(a + b)
    return number(a) + number(b)


def _multiply(a: Any, b: Any) -> Any:
    a, b = (b, a) if isinstance(b, list) else (a, b)
    if isinstance(a, list) and isinstance(whole(b), int) and not isinstance(b, bool):
        limited(a, max(0, whole(b)))
        return limited(a * whole(b))
    return number(a) * number(b)


def _power(a: Any, b: Any) -> Any:
    number(a), number(b)
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
    return compute(number(a), number(b))


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
    spend(len(given), "the lists have too many entries")
    if not given:
        raise ValueError(f"{name}() of an empty list")
    return [number(value) for value in given]


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
    digits = whole(digits)
    if isinstance(digits, bool) or not isinstance(digits, int) or abs(digits) > limits.MAX_DIGITS:
        raise ValueError(f"round() keeps a whole number of digits, at most {limits.MAX_DIGITS}, not {show(digits)}")
    return round(number(value), digits) if digits else round(number(value))


def _floor(value: Any) -> Any:
    return math.floor(number(value))


def _ceil(value: Any) -> Any:
    return math.ceil(number(value))


def _sqrt(value: Any) -> Any:
    if number(value) < 0:
        raise ValueError("the root of a negative number is no number")
    return math.sqrt(value)


def _log(value: Any) -> Any:
    if number(value) <= 0:
        raise ValueError(f"only numbers above 0 have a logarithm, and this is {show(value)}")
    return math.log(value)


def _exp(value: Any) -> Any:
    return math.exp(number(value))


def sliced(value: Any, start: Any, stop: Any) -> Any:
    """The entries of a list from `start` to before `stop`, as Python counts them; None is the list's own end."""
    if not isinstance(value, list):
        raise TypeError(f"only a list can be sliced, and this is {show(value)}")
    for bound in (start, stop):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)):
            raise TypeError(f"a slice goes from one whole number to another, not {show(bound)}")
    return limited(value[start:stop])


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": _min, "max": _max, "sum": _sum, "len": _length, "round": _round, "floor": _floor, "ceil": _ceil,
    "sqrt": _sqrt, "log": _log, "exp": _exp,
}  # fmt: skip
MOST_ARGUMENTS = {"len": 1, "round": 2, "floor": 1, "ceil": 1, "sqrt": 1, "log": 1, "exp": 1}
