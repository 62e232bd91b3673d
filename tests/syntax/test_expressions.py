"""The expression language, held against Python's own operators, and its errors."""

from __future__ import annotations

import math
import operator
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.syntax import limits
from archspec.syntax.errors import Problem, Source, Span, SpecError
from archspec.syntax.expressions import UNKNOWN, EvaluationError, Poisoned
from archspec.syntax.parsing import expression, parse_text
from archspec.syntax.source import Map, parse
from archspec.syntax.values import show

SCOPE: dict[str, Any] = {
    "a": 3, "b": 2.5, "n": -4, "z": 0, "yes": True, "no": False, "counts": [3, 4, 6, 3], "empty": [],
    "table": {50: [3, 4], 101: [3, 23]}, "nested": [[1, 2], [3, 4]],
}  # fmt: skip


def value(text: str, scope: dict[str, Any] | None = None) -> Any:
    return parse_text(text)(SCOPE if scope is None else scope)


def problem(text: str) -> Problem:
    """What is wrong with a text, whether it shows in parsing or in evaluating it."""
    source = Source("t.yaml", text)
    try:
        parsed = parse_text(text, Span(source, 1, 1, len(text)))
    except SpecError as error:
        (found,) = error.problems
        return found
    with pytest.raises(EvaluationError) as caught:
        parsed(SCOPE)
    return caught.value.problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4 * a", 12),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 / 2", 3.5),
        ("-7 % 3", 2),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("-2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("+a - -n", -1),
        ("1 < a <= 3", True),
        ("1 < a > 5", False),
        ("not yes or a == 3 and no", False),
        ("yes and a", 3),
        ("z or 7", 7),
        ("4 if a > 2 else 5", 4),
        ("1 if no else 2 if no else 3", 3),
        ("counts[0]", 3),
        ("counts[-1]", 3),
        ("counts[6 / 3]", 6),
        ("table[50][1]", 4),
        ("nested[1][0]", 3),
        ("min(3, 1, 2)", 1),
        ("max(counts)", 6),
        ("sum(counts)", 16),
        ("sum(empty)", 0),
        ("len(counts) + len(table)", 6),
        ("round(2.5)", 2),
        ("round(2.567, 2)", 2.57),
        ("round(1234, -2)", 1200),
        ("floor(2.7) + ceil(2.2)", 5),
        ("floor(n / 3)", -2),
        ("ceil(n / 3)", -1),
        ("floor(a)", 3),
        ("sqrt(6.25)", 2.5),
        ("log(exp(2))", 2.0),
        ("exp(-1000)", 0.0),
        ("counts[1:3]", [4, 6]),
        ("counts[:2]", [3, 4]),
        ("counts[-1:]", [3]),
        ("counts[:]", [3, 4, 6, 3]),
        ("counts[a:2]", []),
        ("counts[6 / 3 :100]", [6, 3]),
        ("sum(counts[:a]) + nested[1:][0][0]", 16),
        ("[a, 2 * a]", [3, 6]),
        ("(1, 2)", [1, 2]),
        ("counts + [9]", [3, 4, 6, 3, 9]),
        ("[1] * 3", [1, 1, 1]),
        ("2.0 * [1]", [1, 1]),
        ("counts == [3, 4, 6, 3]", True),
        ("true != false", True),
        ("  a  ", 3),
        ("(\n1 +\n2)", 3),
    ],
)
def test_values(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


WORDS = [
    "1", "2.5", "a", "counts", "table", "yes", "(", ")", "[", "]", ",", "+", "-", "*", "/",
    "//", "%", "**", "<", "==", "and", "or", "not", "if", "else", "min", "len", ":", ".", "=",
    "log", "exp", "floor",
]  # fmt: skip


@dataclass
class Tree:
    """A generated expression: its text, and what Python's operators make of it."""

    text: str
    compute: Callable[[], Any]


class NoValueError(Exception):
    """The language refuses this, by its own rules."""


def number(given: Any) -> Any:
    if isinstance(given, bool):
        raise NoValueError
    return given


def bounded(result: Any) -> Any:
    if isinstance(result, complex) or not math.isfinite(result) or abs(result) > 10**15:
        raise NoValueError
    return result


def power(a: Any, b: Any) -> Any:
    if abs(a) > 1 and b * math.log2(abs(a)) > 64:  # Python would give it, after a while
        raise NoValueError
    return a**b


ARITHMETIC = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": power,
}  # fmt: skip
ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
EQUAL = {"==": operator.eq, "!=": operator.ne}


def leaves() -> st.SearchStrategy[Tree]:
    constants = st.one_of(st.integers(0, 40), st.floats(0, 100).map(lambda x: round(x, 3)), st.booleans())
    written = constants.map(lambda c: Tree(str(c).lower() if isinstance(c, bool) else repr(c), lambda: c))
    names = st.sampled_from(["a", "b", "n", "z", "yes", "no"]).map(lambda name: Tree(name, lambda: SCOPE[name]))
    return st.one_of(written, names)


def larger(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    def binary(left: Tree, symbol: str, right: Tree) -> Tree:
        def compute() -> Any:
            a, b = left.compute(), right.compute()
            return bounded(ARITHMETIC[symbol](number(a), number(b)))

        return Tree(f"({left.text} {symbol} {right.text})", compute)

    def compared(first: Tree, rest: list[tuple[str, Tree]]) -> Tree:
        def compute() -> Any:
            left = first.compute()
            for symbol, tree in rest:
                right = tree.compute()
                holds = EQUAL[symbol](left, right) if symbol in EQUAL else ORDER[symbol](number(left), number(right))
                if not holds:
                    return False
                left = right
            return True

        return Tree(f"({first.text} {' '.join(f'{symbol} {tree.text}' for symbol, tree in rest)})", compute)

    def joined(left: Tree, both: bool, right: Tree) -> Tree:
        word = "and" if both else "or"
        compute = (lambda: left.compute() and right.compute()) if both else (lambda: left.compute() or right.compute())
        return Tree(f"({left.text} {word} {right.text})", compute)

    def choice(then: Tree, condition: Tree, otherwise: Tree) -> Tree:
        text = f"({then.text} if {condition.text} else {otherwise.text})"
        return Tree(text, lambda: then.compute() if condition.compute() else otherwise.compute())

    def called(name: str, arguments: list[Tree]) -> Tree:
        function = {"min": min, "max": max, "sum": lambda values: sum(values)}[name]
        text = f"{name}({', '.join(tree.text for tree in arguments)})"
        return Tree(text, lambda: bounded(function([number(tree.compute()) for tree in arguments])))

    def indexed(entries: list[Tree], at: int) -> Tree:
        def compute() -> Any:
            values = [tree.compute() for tree in entries]
            return values[at]

        return Tree(f"[{', '.join(tree.text for tree in entries)}][{at}]", compute)

    def applied(name: str, argument: Tree) -> Tree:
        def compute() -> Any:
            given = number(argument.compute())
            if (name == "log" and given <= 0) or (name == "sqrt" and given < 0):
                raise NoValueError
            return bounded(getattr(math, name)(given))

        return Tree(f"{name}({argument.text})", compute)

    def sliced(entries: list[Tree], start: int | None, stop: int | None) -> Tree:
        ends = ["" if end is None else str(end) for end in (start, stop)]
        text = f"len([{', '.join(tree.text for tree in entries)}][{':'.join(ends)}])"
        return Tree(text, lambda: len([tree.compute() for tree in entries][start:stop]))

    ends = st.none() | st.integers(-4, 4)
    return st.one_of(
        st.builds(applied, st.sampled_from(["floor", "ceil", "sqrt", "log", "exp"]), inner),
        st.builds(sliced, st.lists(inner, min_size=1, max_size=3), ends, ends),
        st.builds(binary, inner, st.sampled_from(sorted(ARITHMETIC)), inner),
        st.builds(
            compared, inner, st.lists(st.tuples(st.sampled_from([*ORDER, *EQUAL]), inner), min_size=1, max_size=2)
        ),
        st.builds(joined, inner, st.booleans(), inner),
        st.builds(choice, inner, inner, inner),
        st.builds(called, st.sampled_from(["min", "max", "sum"]), st.lists(inner, min_size=2, max_size=3)),
        st.builds(indexed, st.lists(inner, min_size=1, max_size=3), st.integers(-4, 3)),
        inner.map(lambda tree: Tree(f"(-{tree.text})", lambda: -number(tree.compute()))),
        inner.map(lambda tree: Tree(f"(not {tree.text})", lambda: not tree.compute())),
    )


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.recursive(leaves(), larger, max_leaves=8))
def test_values_are_python_s(tree: Tree) -> None:
    if len(tree.text) > limits.MAX_EXPRESSION:
        return
    try:
        expected = tree.compute()
    except (NoValueError, ArithmeticError, IndexError):
        with pytest.raises(EvaluationError):
            value(tree.text)
        return
    found = value(tree.text)
    assert found == expected
    assert type(found) is type(expected)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from(WORDS),
            max_size=14,
        ).map(" ".join),
    )
)
def test_any_text_has_a_value_or_a_problem(text: str) -> None:
    try:
        found: object = parse_text(text)(SCOPE)
    except (SpecError, EvaluationError) as error:
        found = [error.problem] if isinstance(error, EvaluationError) else list(error.problems)
    assert isinstance(found, bool | int | float | list | dict)


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("1 + dept", 5, "unknown name 'dept'", None),
        ("count + 1", 1, "'count' has no value here", "blocks and the paths they use know it"),
        ("3 + 4 // z", 5, "division by zero", None),
        ("1 % z", 1, "division by zero", None),
        ("z ** -1", 1, "division by zero", None),
        ("1 + yes", 1, "arithmetic needs numbers, and this is true", None),
        ("-counts", 1, "arithmetic needs numbers, and this is [3, 4, 6, 3]", None),
        ("counts < 3", 1, "only numbers can be compared by size, and this is [3, 4, 6, 3]", None),
        ("yes > no", 1, "only numbers can be compared by size, and this is true", None),
        ("counts[4]", 1, "no entry 4 in a list of 4 entries, counted from 0", None),
        ("counts[0.5]", 1, "an index is a whole number, not 0.5", None),
        ("counts[yes]", 1, "an index is a whole number, not true", None),
        ("table[34]", 1, "the table has no entry for 34; it has 50, 101", None),
        ("a[0]", 1, "only a list or a table can be indexed, and this is 3", None),
        ("min(empty)", 1, "min() of an empty list", None),
        ("sum(counts, 1)", 1, "arithmetic needs numbers", None),
        ("len(3)", 1, "len() needs a list, and this is 3", None),
        ("len(counts, 2)", 1, "len() takes one argument", None),
        ("round()", 1, "round() takes one argument or two", None),
        ("min()", 1, "min() takes a list, or numbers", None),
        ("round(2.5, 16)", 1, "at most 15, not 16", None),
        ("round(7, -10 ** 9)", 1, "at most 15, not -1000000000", None),
        ("maxx(1, 2)", 1, "there is no function 'maxx'", "did you mean 'max'?"),
        ("9 ** 9 ** 9 ** 9", 6, "larger than 1e+15", None),
        ("10 ** 15 + 1", 1, "larger than 1e+15", None),
        ("0.1 ** -999", 1, "larger than 1e+15", None),
        ("1e16", 1, "larger than 1e+15", None),
        ("(-8) ** 0.5", 1, "the root of a negative number", None),
        ("[0] * 10001", 1, "more than 10,000 entries", None),
        ("[[0] * 101] * 101", 1, "more than 10,000 entries", None),
        ("1 +", 1, "'1 +' is not an expression", "numbers, names"),
        ("a = 3", 1, "is not an expression", "write =="),
        ("a && b", 1, "is not an expression", "`and`, `or` and `not`"),
        ("a ? 1 : 2", 1, "is not an expression", "a if c else b"),
        ("1if yes else 2", 1, "is not an expression", None),
        ("0x10", 1, "is not an expression", None),
        ("a.real", 1, "no attributes", None),
        ("'text'", 1, "no texts in quotes", None),
        ("counts[::2]", 1, "no slices with a step", None),
        ("counts[1:2, 0]", 8, "no slices of several dimensions", None),
        ("counts[0.5:]", 1, "a slice goes from one whole number to another, not 0.5", None),
        ("counts[:yes]", 1, "a slice goes from one whole number to another, not true", None),
        ("a[1:]", 1, "only a list can be sliced, and this is 3", None),
        ("table[1:]", 1, "only a list can be sliced", None),
        ("floor(yes)", 1, "arithmetic needs numbers, and this is true", None),
        ("ceil(counts)", 1, "arithmetic needs numbers", None),
        ("sqrt(n)", 1, "the root of a negative number", None),
        ("log(z)", 1, "only numbers above 0 have a logarithm, and this is 0", None),
        ("exp(1000)", 1, "larger than 1e+15", None),
        ("exp(35)", 1, "larger than 1e+15", None),
        ("log(2, 10)", 1, "log() takes one argument", None),
        ("lambda: 1", 1, "no lambda", None),
        ("[x for x in counts]", 1, "no comprehensions", None),
        ("a in counts", 1, "no `in` and `is`", None),
        ("a @ b", 1, "no such operator", None),
        ("~a", 1, "no such operator", None),
        ("min(counts, key=len)", 1, "no such call", None),
        ("min(*counts)", 5, "expressions have no", None),
        ("(a := 3)", 2, "expressions have no", None),
        ("f'{a}'", 1, "expressions have no", None),
        ("None", 1, "expressions have no None", None),
        ("1j", 1, "is not an expression", None),
        ("", 1, "is not an expression", None),
        ("a\0", 1, "is not an expression", None),
        ("\ud800", 1, "is not an expression", None),
        ("(" * 250 + ")" * 250, 1, "is not an expression", None),
        ("-" * 100 + "1", 1, "nested too deeply", None),
        ("1" * 501, 1, "at most 500 characters", None),
    ],
)
def test_problems(text: str, column: int, message: str, hint: str | None) -> None:
    found = problem(text)
    assert message in found.message
    assert found.span is not None
    assert found.span.column == column
    if hint is not None:
        assert found.hint is not None
        assert hint in found.hint


def test_a_part_is_underlined_where_it_stands_in_its_line() -> None:
    data = parse(Source("t.yaml", "{other: 1, deep: 'a + dept', folded: 1}"))
    assert isinstance(data, Map)
    with pytest.raises(EvaluationError) as caught:
        expression(data["deep"])(SCOPE)
    span = caught.value.problem.span
    assert span is not None
    assert (span.line, span.column, span.length) == (1, 23, 4)


def test_a_folded_text_is_underlined_at_its_beginning() -> None:
    data = parse(Source("t.yaml", "deep: >\n  a +\n  dept\n"))
    assert isinstance(data, Map)
    with pytest.raises(EvaluationError) as caught:
        expression(data["deep"])(SCOPE)
    assert str(caught.value.problem.span) == "t.yaml:1:7"


def test_lists_and_tables_hold_expressions() -> None:
    data = parse(Source("t.yaml", "{50: [a, 2 * a], 101: {1: yes and no}}".replace("yes and no", "'yes and no'")))
    assert expression(data)(SCOPE) == {50: [3, 6], 101: {1: False}}


def test_every_problem_of_a_list_is_told() -> None:
    with pytest.raises(SpecError) as caught:
        expression(parse(Source("t.yaml", "[1 +, 'x.y', 3]")))
    assert [str(found.span) for found in caught.value.problems] == ["t.yaml:1:2", "t.yaml:1:8"]


def test_a_condition_is_true_or_false() -> None:
    assert parse_text("a > 2").condition(SCOPE) is True
    with pytest.raises(EvaluationError, match=r"a condition is true or false; 'a \+ 1' is 4"):
        parse_text("a + 1").condition(SCOPE)


def test_an_unknown_value_poisons_only_what_needs_it() -> None:
    scope = {"a": UNKNOWN, "yes": True}
    assert parse_text("1 if yes else a")(scope) == 1
    assert parse_text("yes or a")(scope) is True
    with pytest.raises(Poisoned):
        parse_text("a + 1")(scope)


def test_names_and_constants() -> None:
    assert parse_text("min(a, counts[b]) if yes else 3").names == {"a", "b", "counts", "yes"}
    assert parse_text("2 + 2").constant
    assert not parse_text("2 + a").constant


def test_an_expression_equals_what_is_written_alike_and_pickles() -> None:
    text = "min(a, 2) + a // 2 - round(b) if a <= 3 and not no else counts[0] % 2"
    parsed = parse_text(text)
    assert parsed == parse_text(text, Span(Source("t.yaml", text), 1, 1))
    assert pickle.loads(pickle.dumps(parsed))(SCOPE) == parsed(SCOPE)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (True, "true"),
        (None, "null"),
        (2.5, "2.5"),
        ([1, [True, None]], "[1, [true, null]]"),
        ({50: [3], "a": False}, "{50: [3], a: false}"),
        (list(range(1000)), None),
    ],
)
def test_values_are_shown_as_a_spec_writes_them(given: object, shown: str | None) -> None:
    assert len(show(given)) <= 80
    if shown is not None:
        assert show(given) == shown
