"""One legal form for each kind of name, held wherever a name is read: by the loader at its place, and by the schema."""

from __future__ import annotations

import keyword
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

import archspec
from archspec.language import zoo
from archspec.language.jsonschema import json_schema
from archspec.language.spec import load
from archspec.syntax.errors import Problem, SpecError
from archspec.syntax.names import ADDRESS, LABEL, LONGEST, MODULE_ATTRIBUTES, NAME, SPEC, VARIABLE, Form

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
HEAD = "archspec: 1\ninput: {size: [8, 8]}\n"
BLOCK = "{branch: [conv: {out: 3, kernel: 3}]}"
PLACES: dict[str, tuple[Form, str]] = {  # with `%s` for the name where it is given, `%r` where it is read
    "param": (VARIABLE, "params: {%s: 1}\nstem: [relu]\n"),
    "column": (VARIABLE, "stages: {repeat: 1, blocks: b, %s: 2}\nblocks: {b: {branch: [scale: {by: %r}]}}\n"),
    "loop": (VARIABLE, "stem: [each: {of: [1], as: %s, do: [relu]}]\n"),
    "position": (VARIABLE, "stem: [each: {of: [1], as: entry, at: %s, do: [relu]}]\n"),
    "block": (LABEL, "stages: {repeat: 1, blocks: %r}\nblocks: {%s: " + BLOCK + "}\n"),
    "path": (LABEL, "paths: {%s: [relu]}\nstem: [use: %r]\n"),
    "wire": (NAME, "stages: {repeat: 1, blocks: b}\nblocks: {b: {graph: {%s: [relu], output: %r}}}\n"),
    "operator": (NAME, "stem: [relu: {name: %s}]\n"),
    "output": (NAME, "stem: [relu]\noutputs: {%s: stem}\n"),
    "claimed output": (NAME, "stem: [relu]\nexpect: {output: {%s: [3, 8, 8]}}\n"),
    "flat wire": (ADDRESS, "graph: {%s: [relu], output: %r}\n"),
    "spec": (SPEC, "name: %s\nstem: [relu]\n"),
}
HOSTILE = [
    "a-b", "1", "1a", "None", "True", "a b", "&lt;", "<b>", "\ufb01rst", "na\u00efve", "\u5c42", "_private", "__init__",
    "", " ", "a.b..c", ".a", "a.", "a/b", "../../../pwn", "/abs/path", "a\\b", 'X pass\nimport os;os.system("x")',
    "a\nb", "a\tb", "\x1b[31mred", "\x07", "a\u202eb", "a\u200bb", "a\u2028b", "a'b", 'a"b', "a;b", "a#b", "a,b",
    "a{b}", "a[0]", "lambda", "class", "import", "async", "def", "$a", "{0}", "${HOME}", "`id`", "a=b", "a+b", "(a)",
    "*", "~", "a" * (LONGEST + 1), "\U0001f525", "\u0661", "e\u0301", "\\input{x}", "|", "a|b", "-->", "]]>", "a\n",
]  # fmt: skip
LEGAL = [
    "a",
    "A",
    "in_",
    "class_",
    "lambda_",
    "None_",
    "x1",
    "a__b",
    "T",
    "a" * LONGEST,
    "match",
    "type1",
    "stage1x",
    "e",
]


def quoted(name: str) -> str:
    escaped = (c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in name)
    return f'"{"".join(escaped)}"'


def written(place: str, name: str) -> str:
    return HEAD + PLACES[place][1].replace("%r", quoted(name)).replace("%s", quoted(name))


def problems(text: str) -> list[Problem]:
    try:
        archspec.expand(archspec.loads(text))
    except SpecError as error:
        return list(error.problems)
    return []


def schema_takes(text: str) -> bool:
    return VALIDATOR.is_valid(yaml.safe_load(text))


@pytest.mark.parametrize("place", PLACES)
def test_hostile_names_are_told_where_they_are_given(place: str) -> None:
    form, template = PLACES[place]
    line, where = next((i, text) for i, text in enumerate(template.split("\n")) if "%s" in text)
    refused = [name for name in HOSTILE if form.unusable(name)]
    assert len(refused) > 45
    for name in refused:
        column = where.replace("%r", quoted(name)).index("%s") + 1
        told = problems(written(place, name))
        assert (line + 3, column) in [(p.span.line, p.span.column) for p in told if p.span is not None], (name, told)


@pytest.mark.parametrize("place", PLACES)
def test_the_schema_refuses_what_the_loader_refuses(place: str) -> None:
    form = PLACES[place][0]
    for name in [*HOSTILE, *keyword.kwlist, *sorted(MODULE_ATTRIBUTES), "stride", "first", "min", "true", "input"]:
        text = written(place, name)
        if name.endswith("\n"):  # Python's `$` takes it, that of JSON Schema does not
            continue
        if form.unusable(name) is not None and not (place == "column" and name == "stride"):
            assert not schema_takes(text), name


@pytest.mark.parametrize("place", PLACES)
def test_legal_names_are_taken_everywhere(place: str) -> None:
    for name in LEGAL:
        text = written(place, name)
        told = [p for p in problems(text) if "is a number" not in p.message]
        assert not told, (name, told)
        assert schema_takes(text), name


@given(st.sampled_from(sorted(PLACES)), st.one_of(st.text(max_size=6), st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}")))
@example("block", "a\n")
@example("path", "a\n")
def test_what_the_loader_takes_has_the_form(place: str, name: str) -> None:
    """And is then a Python identifier of ASCII, but for addresses and the names of files."""
    try:
        text = written(place, name)
        text.encode()
    except UnicodeEncodeError:
        return
    form = PLACES[place][0]
    if not problems(text):
        assert form.unusable(name) is None
        assert schema_takes(text)
        if form not in (SPEC, ADDRESS):
            assert name.isidentifier()
            assert name.isascii()
            assert not keyword.iskeyword(name)


def test_every_name_of_the_zoo_has_its_form() -> None:
    for name in zoo.names():
        data = load(name).data
        for section, form in (("params", VARIABLE), ("blocks", LABEL), ("paths", LABEL)):
            names: Any = data.get(section, {})
            assert not [given for given in names if form.unusable(str(given))]
