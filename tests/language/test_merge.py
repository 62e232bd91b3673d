"""How a spec changes the one it extends, and a block the block it extends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.language.merge import extend_blocks, inherited, merge, merge_files
from archspec.syntax.errors import Problems, Source
from archspec.syntax.source import Map, mark, parse, plain


def data(text: str, name: str = "t.yaml") -> Map:
    found = parse(Source(name, text))
    assert isinstance(found, Map)
    return found


@pytest.mark.parametrize(
    ("base", "change", "result"),
    [
        ("{a: 1, b: 2}", "{b: 3, c: 4}", {"a": 1, "b": 3, "c": 4}),
        ("{a: {b: 1, c: 2}}", "{a: {c: 3}}", {"a": {"b": 1, "c": 3}}),
        ("{a: [1, 2, 3]}", "{a: [4]}", {"a": [4]}),
        ("{a: {b: 1, c: 2}}", "{a: {b: null}}", {"a": {"c": 2}}),
        ("{a: 1, b: 2}", "{a: null, z: null}", {"b": 2}),
        ("{a: 1}", "{a: {b: 2}}", {"a": {"b": 2}}),
        ("{a: {b: 2}}", "{a: 1}", {"a": 1}),
        ("{a: [1]}", "{a: {b: null, c: 3}}", {"a": {"c": 3}}),
        ("{a: {b: 1}}", "{a: {}}", {"a": {"b": 1}}),
        ("{a: 1}", "{}", {"a": 1}),
    ],
)
def test_mappings_merge_lists_replace_null_removes(base: str, change: str, result: dict[str, Any]) -> None:
    before = data(base)
    assert plain(merge(before, data(change))) == result
    assert plain(before) == plain(data(base))


def test_what_survives_keeps_its_place() -> None:
    merged = merge(data("{a: {b: 1, c: 2}}", "base.yaml"), data("{a: {c: 3}}", "child.yaml"))
    inner = merged["a"]
    assert isinstance(inner, Map)
    assert str(inner["b"].span) == "base.yaml:1:9"
    assert str(inner["c"].span) == "child.yaml:1:9"
    assert str(inner.key_spans["c"]) == "child.yaml:1:6"


def test_what_is_said_of_one_network_is_not_inherited() -> None:
    parent = data("{archspec: 1, name: a, paper: {title: A}, expect: {params: 1}, extends: b, params: {c: 1}}")
    assert plain(inherited(parent)) == {"params": {"c": 1}}


def blocks(text: str) -> dict[str, Any]:
    problems = Problems()
    extended = extend_blocks(data("{blocks: " + text + "}"), problems)
    problems.check()
    result: dict[str, Any] = plain(extended)["blocks"]
    return result


def test_blocks_extend_blocks_in_any_order() -> None:
    text = "{c: {extends: b, after: [x]}, b: {extends: a, out: 2, pre: null}, a: {branch: [y], pre: p, out: 1}}"
    assert blocks(text) == {
        "c": {"branch": ["y"], "out": 2, "after": ["x"]},
        "b": {"branch": ["y"], "out": 2},
        "a": {"branch": ["y"], "pre": "p", "out": 1},
    }


def test_a_block_s_wires_merge() -> None:
    text = "{a: {graph: {f: [x], output: f}}, b: {extends: a, graph: {f: [y]}}}"
    assert blocks(text)["b"] == {"graph": {"f": ["y"], "output": "f"}}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{a: {extends: a}}", "block 'a' extends itself", "extend another"),
        ("{a: {extends: b}, b: {extends: c}, c: {extends: a}}", "block 'a' extends itself", "extend another"),
        ("{start: {extends: strat}, stra: {}}", "there is no block 'strat'", "did you mean 'stra'?"),
    ],
)
def test_blocks_that_cannot_extend(text: str, message: str, hint: str) -> None:
    problems = Problems()
    extend_blocks(data("{blocks: " + text + "}"), problems)
    (problem,) = problems
    assert problem.message == message
    assert problem.hint is not None
    assert hint in problem.hint
    assert problem.span is not None


def test_null_in_a_child_s_block_removes_what_the_block_s_own_extends_brings() -> None:
    parent = data("{blocks: {a: {branch: [x], pre: p}, b: {extends: a}}}")
    child = merge_files(parent, data("{blocks: {b: {pre: null}}}"))
    assert plain(extend_blocks(child, Problems())["blocks"])["b"] == {"branch": ["x"]}


def test_broken_blocks_are_left_to_the_schema() -> None:
    for text in ("{blocks: 3}", "{blocks: {a: 3, b: {extends: a, out: 1}}}", "{blocks: {a: {extends: [b]}}}", "{}"):
        problems = Problems()
        extend_blocks(data(text), problems)
        assert len(problems) == 0


_TREES = st.recursive(
    st.one_of(st.integers(0, 3), st.lists(st.integers(0, 3), max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)
_SPECS = st.dictionaries(st.sampled_from("abcd"), _TREES, max_size=4)


@settings(deadline=None)
@given(_SPECS, _SPECS, _SPECS)
def test_merging_laws(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    first, second, third = (mark(each, Source("t", "")) for each in (a, b, c))
    assert isinstance(first, Map)
    assert isinstance(second, Map)
    assert isinstance(third, Map)
    assert plain(merge(first, Map())) == a
    assert plain(merge(first, first)) == a
    assert plain(merge(first, second)).keys() == a.keys() | b.keys()
    once = plain(merge(first, second))
    assert plain(merge(merge(first, second), second)) == once
    grouped = plain(merge(merge(first, second), third)) == plain(merge(first, merge(second, third)))
    assert grouped or _kinds_differ(a, b, c)


def _kinds_differ(*trees: Any) -> bool:
    """Whether a key holds a mapping in one tree and something else in another: then grouping matters."""
    mappings = [tree for tree in trees if isinstance(tree, dict)]
    if mappings and len(mappings) < len(trees):
        return True
    keys = {key for tree in mappings for key in tree}
    return any(_kinds_differ(*(tree[key] for tree in mappings if key in tree)) for key in keys)
