"""How problems are collected and told."""

from __future__ import annotations

import pytest

from archspec.syntax import limits
from archspec.syntax.errors import MAX_REPORTED, Problem, Problems, Source, Span, SpecError, suggest

SOURCE = Source("net.yaml", "archspec: 1\nstem: [rellu, bn]\r\n\tend")


def test_a_problem_is_told_with_its_line_and_a_caret() -> None:
    problem = Problem("there is no operator 'rellu'", Span(SOURCE, 2, 8, 5), "did you mean 'relu'?", "stem")
    assert problem.render() == (
        "net.yaml:2:8: stem: there is no operator 'rellu'\n"
        "    2 | stem: [rellu, bn]\n"
        "      |        ^^^^^\n"
        "    hint: did you mean 'relu'?"
    )


def test_a_problem_without_a_place_is_its_message() -> None:
    assert Problem("the file is gone").render() == "the file is gone"


def test_a_value_given_outside_a_file_is_not_quoted() -> None:
    source = Source("--set depth=x", "x", inline=True)
    assert Problem("unknown name 'x'", Span(source, 1, 1)).render() == "--set depth=x: unknown name 'x'"


@pytest.mark.parametrize("line", [0, 4, 99])
def test_a_place_past_the_end_has_no_excerpt(line: int) -> None:
    assert Problem("cut off", Span(SOURCE, line, 1)).render() == f"net.yaml:{line}:1: cut off"


def test_carets_stay_within_the_line_and_long_lines_are_cropped() -> None:
    (_, shown, carets) = Problem("x", Span(SOURCE, 2, 8, 500)).render().split("\n")
    assert len(carets) == len(shown)
    long = Source("long.yaml", "a" * 300 + "B" + "c" * 300)
    (_, shown, carets) = Problem("x", Span(long, 1, 301)).render().split("\n")
    assert len(shown) < 200
    assert shown[carets.index("^")] == "B"


def test_tabs_do_not_shift_the_caret() -> None:
    (_, shown, carets) = Problem("x", Span(SOURCE, 3, 2, 3)).render().split("\n")
    assert shown.endswith("|  end")
    assert carets.endswith("|  ^^^")


def test_what_a_terminal_would_obey_is_not_told() -> None:
    hostile = Source("a\033[2J.yaml", "stem: \033[31m\a\n")
    told = Problem("no '\033[0m'", Span(hostile, 1, 7), "not \b").render()
    assert all(c.isprintable() for line in told.split("\n") for c in line)


def test_the_same_problem_is_kept_once_for_its_first_address() -> None:
    problems = Problems()
    span = Span(SOURCE, 2, 8)
    problems.add("wrong", span, where="stage1.0")
    problems.add("wrong", span, where="stage1.1")
    problems.add("wrong", Span(SOURCE, 2, 9))
    problems.add("worse", span)
    assert [(p.message, p.where) for p in problems] == [("wrong", "stage1.0"), ("wrong", None), ("worse", None)]


def test_check_raises_what_was_collected() -> None:
    problems = Problems()
    problems.check()
    problems.add("one")
    problems.extend([Problem("two"), Problem("one")])
    with pytest.raises(SpecError) as caught:
        problems.check()
    assert [p.message for p in caught.value.problems] == ["one", "two"]
    assert str(caught.value) == "one\ntwo"


def test_so_many_that_nobody_reads_them_raise_at_once() -> None:
    problems = Problems()
    for i in range(limits.MAX_PROBLEMS):
        problems.add(f"problem {i}")
    problems.add("problem 0")
    with pytest.raises(SpecError):
        problems.add("one too many")
    told = str(SpecError(problems)).split("\n")
    assert len(told) == MAX_REPORTED + 1
    assert told[-1] == f"... and {limits.MAX_PROBLEMS - MAX_REPORTED} more problems"


def test_one_more_problem_is_one() -> None:
    error = SpecError(Problem(f"problem {i}") for i in range(MAX_REPORTED + 1))
    assert str(error).endswith("... and 1 more problem")


def test_suggestions() -> None:
    assert suggest("kernal", ["kernel", "out"]) == "did you mean 'kernel'?"
    assert suggest("zzz", ["b", "a"]) == "known here: a, b"
    assert (
        suggest("zzz", [f"n{i:02}" for i in range(20)])
        == f"known here: {', '.join(f'n{i:02}' for i in range(12))}, ..."
    )
    assert suggest("x", []) is None
    assert suggest("relluu", ["relu", *(f"x{i}" for i in range(5000))]) == "did you mean 'relu'?"


def test_a_part_of_a_span() -> None:
    part = Span(SOURCE, 2, 8, 5).part(2, 1)
    assert (str(part), part.length) == ("net.yaml:2:10", 1)
