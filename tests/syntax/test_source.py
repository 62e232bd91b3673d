"""YAML text to marked data: what is read as what, where it stands, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.syntax import limits
from archspec.syntax.errors import Problem, Source, SpecError
from archspec.syntax.reading import read_source
from archspec.syntax.source import Map, Scalar, Seq, mark, parse, plain
from archspec.syntax.writer import yaml_text


def read(text: str) -> Any:
    return plain(parse(Source("t.yaml", text)))


def refused(text: str) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        parse(Source("t.yaml", text))
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-3", -3),
        ("+3", 3),
        ("1_000", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("''", ""),
        ("'no'", "no"),
        ('"010"', "010"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("2004-04-01", "2004-04-01"),
        ("0x10", "0x10"),
        ("4 * width", "4 * width"),
        ("|\n  on\n", "on\n"),
        ("[1, two, [3]]", [1, "two", [3]]),
        ("{a: 1, 2: b}", {"a": 1, 2: "b"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("--- 1\n...", 1),
        ("\N{BYTE ORDER MARK}a: 1", {"a": 1}),
    ],
)
def test_scalars_and_collections(text: str, value: object) -> None:
    found = read(text)
    assert found == value
    assert type(found) is type(value)


def test_everything_says_where_it_stands() -> None:
    data = parse(Source("t.yaml", "a: 1\nbb:\n  - x y\n  - {c: 'q'}\n"))
    assert isinstance(data, Map)
    assert str(data.key_spans["bb"]) == "t.yaml:2:1"
    assert data.key_spans["bb"] is not None
    assert data.key_spans["bb"].length == 2
    entries = data["bb"]
    assert isinstance(entries, Seq)
    assert entries[0].span is not None
    assert (str(entries[0].span), entries[0].span.length) == ("t.yaml:3:5", 3)
    inner = entries[1]
    assert isinstance(inner, Map)
    assert str(inner.span) == "t.yaml:4:5"
    assert str(inner["c"].span) == "t.yaml:4:9"


def test_columns_count_characters_not_bytes() -> None:
    data = parse(Source("t.yaml", "{ü: é, b: 1}"))
    assert isinstance(data, Map)
    assert str(data["b"].span) == "t.yaml:1:11"


@pytest.mark.parametrize("word", ["yes", "Yes", "NO", "on", "Off"])
def test_yaml_1_1_booleans_are_refused_as_values_and_as_keys(word: str) -> None:
    (value,) = refused(f"a: {word}")
    assert value.message == f"YAML readers disagree on '{word}'"
    meant = "true" if word.lower() in ("yes", "on") else "false"
    assert value.hint == f"write {meant}, or quote it if it is a name"
    (key,) = refused(f"{word}: 1")
    assert (key.message, key.hint) == (value.message, "quote it if it is a name")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("010", "octal"),
        ("-007", "octal"),
        (".inf", "not a number that a spec can use"),
        ("-.INF", "not a number that a spec can use"),
        (".nan", "not a number that a spec can use"),
        ("1e999", "larger than 1e+15"),
        ("9999999999999999999", "larger than 1e+15"),
        ("{a: 1, a: 2}", "'a' is given twice, first on line 1"),
        ("{1: a, 1: b}", "'1' is given twice"),
        ("{<<: {a: 1}}", "merge keys"),
        ("{1.5: a}", "not '1.5'"),
        ("{true: a}", "not 'true'"),
        ("{null: a}", "not 'null'"),
        ("{[1]: a}", "not a collection"),
        ("!!int 3", "no YAML tags, such as !!int"),
        ("!mine {a: 1}", "no YAML tags, such as !mine"),
        ("a: *b", "names no anchor"),
        ("a: &b [*b]", "stands inside what it names"),
        ("a: 1\n---\nb: 2", "starts a second"),
        ("", "nothing here"),
        ("# words\n", "nothing here"),
        ("a: {b: min(1, 2)}", "cut at its comma"),
        ("a: [min(1, 2), max(3, 4)]", "cut at its comma"),
        ("a: b[1]\nc: {d: b[1]}", "a bracket follows a word"),
        ("a:\n\t- b", "a tab where only spaces may stand"),
        ("a: 'b", "this quote is never closed"),
        ("a: 1\nb:2\n", "'b:2' is one word"),
        ("a: 1\nb 2\n", "no `key: value`"),
        ("a:1\nb: 2", "'a:1' is one word"),
        ("a: 1\n  b: 2", "does not fit the one above"),
        ("a: @b", "cannot start with @"),
        ("a: b: c", "a second `: `"),
        ("a: \1", "no character U+0001"),
        ("a: \ud800", "no character U+D800"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    problems = refused(text)
    assert any(message in problem.message for problem in problems)
    assert all(problem.span for problem in problems)


def test_each_cut_expression_is_told_once() -> None:
    assert len(refused("{a: max(1, min(2, 3)), b: 4}")) == 1
    assert len(refused("[{a: min(1, 2)}, {a: min(3, 4)}]")) == 2


def test_all_problems_are_told_at_once() -> None:
    found = [(problem.span.line, problem.span.column) for problem in refused("a: no\nb: 010\na: 1\n") if problem.span]
    assert found == [(1, 4), (2, 4), (3, 1)]


@pytest.mark.parametrize("open_close", ["[]", ("{a: ", "}")])
def test_nesting_is_bounded(open_close: str) -> None:
    opening, closing = open_close
    for depth in (limits.MAX_NESTING, limits.MAX_NESTING + 1):
        text = opening * depth + "1" + closing * depth
        if depth == limits.MAX_NESTING:
            assert read(text)
        else:
            assert "nested more than" in refused(text)[0].message


def test_aliases_stand_for_a_bounded_amount() -> None:
    lines = ["a0: &a0 [1, 1]"] + [f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]" for i in range(30)]
    assert read("\n".join(lines[:8]))["a7"] is not None
    (problem,) = refused("\n".join(lines))
    assert "stand for too much data" in problem.message


def test_a_value_given_outside_a_file_is_called_a_value() -> None:
    with pytest.raises(SpecError) as caught:
        parse(Source("--set a", " ", inline=True))
    assert str(caught.value) == "--set a: there is nothing here\n    hint: give a value"


def test_files(tmp_path: Path) -> None:
    good = tmp_path / "good.yaml"
    good.write_bytes(b"\xef\xbb\xbfarchspec: 1\r\n")
    assert read_source(good, "good.yaml") == Source("good.yaml", "archspec: 1\r\n")
    for path, message in [
        (tmp_path / "none.yaml", "does not exist"),
        (tmp_path, "is a directory"),
        (Path("/dev/null"), "is not a file"),
        (tmp_path / ("a" * 400), "cannot be read"),
        (tmp_path / "a\0b", "does not exist"),
    ]:
        with pytest.raises(SpecError, match=message):
            read_source(path)


def test_mark_takes_plain_data_only() -> None:
    source = Source("k=...", "...", inline=True)
    value = {"a": [1, 2.5, None, True, ("x",)], 3: {}}
    assert plain(mark(value, source)) == {"a": [1, 2.5, None, True, ["x"]], 3: {}}
    with pytest.raises(TypeError, match="not object"):
        mark({"a": object()}, source)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TypeError, match="levels deep"):
        mark(endless, source)
    scalar = Scalar(1, "1")
    assert mark(scalar, source) is scalar


_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**15), 10**15), st.text("ab cé'\"#:-{}[],&*!%\n\t", max_size=12)
)
_DATA = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("abc", min_size=1), inner, max_size=4)
    ),
)


@settings(max_examples=200, deadline=None)
@given(_DATA, st.booleans())
def test_what_yaml_writes_is_read_back(data: object, flow: bool) -> None:
    assert read(yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)) == data


@pytest.mark.parametrize(
    ("character", "name"),
    [("\0", "NUL"), ("\f", "form feed"), ("\x1b", "escape"), ("\x07", ""), ("\x7f", ""), ("\x80", ""), ("\ufffe", "")],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_character_that_yaml_has_not_is_told_at_its_place(character: str, name: str, end: str) -> None:
    (first, second) = refused(end.join(["a: 1", f"b: [c{character}d]", "", f"# {character}", "e: 1"]))
    assert [(p.span.line, p.span.column) for p in (first, second) if p.span] == [(2, 6), (4, 3)]
    assert f"U+{ord(character):04X}" in first.message
    assert name in first.message


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85"])
def test_what_yaml_1_1_takes_for_the_end_of_a_line_is_none(character: str) -> None:
    assert read(f"a: 1 # one {character}b: 2{character}# three\nc: 3\n") == {"a": 1, "c": 3}
    for text in (f"a: b{character}c", f"a: 'b{character}c'", f'a: "b{character}c"', f"a: |\n  b{character}c\n"):
        (problem,) = refused(text)
        assert f"U+{ord(character):04X}" in problem.message
    (later,) = refused(f"# {character}\na: [b\n")
    assert later.span is not None
    assert later.span.line >= 2
    escaped = f"\\u{ord(character):04x}"
    assert read(f'a: "b{escaped}c"') == {"a": f"b{character}c"}
    assert read(yaml_text({"a": f"b{character}c"})) == {"a": f"b{character}c"}
