"""Edits give the spec that their YAML gives, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archspec
from archspec import define, op
from archspec.language import zoo
from archspec.syntax.errors import Source
from archspec.syntax.source import parse, plain
from archspec.syntax.writer import yaml_text

words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\x85\ufeff")
)
leaves = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6) | words
names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: name not in ("on", "off", "yes", "no")
)
data = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=20
)


@given(st.dictionaries(names, data, min_size=1, max_size=4))
def test_what_is_written_reads_back(value: dict[str, object]) -> None:
    assert plain(parse(Source("text", yaml_text(value)))) == value


@pytest.mark.parametrize(
    "text",
    ["2 * width", "(depth - 2) // 6", "index > 1", "1e5", "3", "3.0", "true", "on", "a, b", "a: b", "# a", "min(a, b)",
     "-", "", "a if b else c", " a", "1.7M", "0x10", "null", "~", "=", "2004.04989", "a[i - 1]", "a #b", "x\ny", "*a"],
)  # fmt: skip
def test_texts_stay_texts(text: str) -> None:
    for value in (text, [text], {"a": [{"b": text}]}, [{"long": text, "pad": "x" * 120}]):
        assert plain(parse(Source("text", yaml_text({"key": value})))) == {"key": value}


EDITS = {
    "params": lambda spec: spec.with_params(depth=56),
    "levels": lambda spec: spec.with_levels(m=4, split=3),
    "skips": lambda spec: spec.with_skips(
        [{"from": "stage1.0", "to": "stage2.3", "path": "B"}, {"rule": "every", "step": 3, "path": "C"}]
    ),
    "block": lambda spec: spec.with_block("residual", shortcut="C"),
    "stages": lambda spec: spec.with_stages(width=[16, 32, 48]),
    "paths": lambda spec: spec.with_changes(paths={"option": "C"}, init={"conv": {"fan": "in"}}),
    "several": lambda spec: (
        spec.with_levels(m=3).with_params(depth=44, classes=100).with_name("mine").with_levels(None)
    ),
    "input": lambda spec: spec.with_changes(input={"size": [64, 64]}, drop_path={"survival": 0.5}),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_spec_round_trips(edit: object, tmp_path: Path) -> None:
    spec = archspec.load("cifar_resnet110")
    edited = edit(spec)  # type: ignore[operator]
    text = edited.to_yaml()
    assert "extends: cifar_resnet110\n" in text
    assert len(text.splitlines()) <= 7
    file = tmp_path / "any.yaml"
    file.write_text(text)
    again = archspec.load(file)
    assert again == edited
    assert archspec.expand(again) == archspec.expand(edited)
    assert again.to_yaml() == text
    assert archspec.load("cifar_resnet110") == spec


def test_an_edit_is_what_the_same_words_give_in_a_file() -> None:
    edited = archspec.load("cifar_resnet110").with_params(depth=56).with_levels(m=4)
    written = archspec.loads(
        "archspec: 1\nname: cifar_resnet110\nextends: cifar_resnet110\nparams: {depth: 56}\nlevels: {m: 4}"
    )
    assert edited == written
    assert archspec.signature(archspec.expand(edited)) == archspec.signature(
        archspec.expand(archspec.load("cifar_resnet110", depth=56, **{"levels.m": 4}))
    )


def test_overrides_are_edits_too() -> None:
    given_by_key = archspec.load("resnet50", classes=10, **{"input.size": [64, 64]})
    again = archspec.loads(given_by_key.to_yaml())
    assert archspec.expand(again) == archspec.expand(given_by_key)


def test_every_spec_of_the_zoo_round_trips() -> None:
    for name in zoo.names():
        spec = archspec.load(name)
        again = archspec.loads(spec.to_yaml())
        assert again.params == spec.params
        assert again.document.expect == spec.document.expect
        assert again.document.blocks == spec.document.blocks
        assert again.document.stages == spec.document.stages


def test_extends_follows_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    base = tmp_path / "a" / "base.yaml"
    base.write_text("archspec: 1\nextends: cifar_resnet20\nparams: {depth: 32}\n")
    edited = archspec.load(base).with_params(classes=7)
    text = edited.to_yaml(tmp_path / "b")
    assert "extends: ../a/base.yaml" in text
    (tmp_path / "b" / "child.yaml").write_text(text)
    assert archspec.expand(archspec.load(tmp_path / "b" / "child.yaml")) == archspec.expand(edited)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda spec: spec.with_params(dept=56), "there is no param 'dept'"),
        (lambda spec: spec.with_params(depth=57), "depth must be 6n+2"),
        (lambda spec: spec.with_params(depth=[56]), "depth"),
        (lambda spec: spec.with_block("residual", brunch=[]), "no field 'brunch'"),
        (
            lambda spec: (
                spec.with_skips([{"rule": "every", "stop": 3}])
                and archspec.expand(spec.with_skips([{"rule": "every", "stop": 3}]))
            ),
            "stop",
        ),
        (lambda spec: spec.with_name("a/b"), "cannot be a spec's name"),
    ],
)
def test_bad_edits_are_spec_errors(edit: object, message: str) -> None:
    with pytest.raises(archspec.SpecError) as caught:
        edit(archspec.load("cifar_resnet110"))  # type: ignore[operator]
    assert message in str(caught.value)


def test_a_spec_from_scratch_reads_like_its_yaml() -> None:
    built = define(
        "tiny",
        input={"channels": 3, "size": [32, 32]},
        params={"k": 2},
        stem=[op.conv(out=16, kernel=3), op.bn, op.relu],
        stages={"repeat": 2, "width": ["16 * k", "32 * k"], "stride": [1, 2], "blocks": "basic"},
        blocks={"basic": {
            "branch": [
                op.conv(out="width", kernel=3, stride="stride"), op.bn, op.relu, op.conv(out="width", kernel=3), op.bn,
            ],
            "shortcut": "B", "after": [op.relu],
        }},
        head=[op.global_avg_pool, op.linear(out=10)],
    )  # fmt: skip
    written = archspec.loads(
        """
archspec: 1
name: tiny
input: {channels: 3, size: [32, 32]}
params: {k: 2}
stem: [conv: {out: 16, kernel: 3}, bn, relu]
stages: {repeat: 2, width: [16 * k, 32 * k], stride: [1, 2], blocks: basic}
blocks:
  basic:
    branch: [conv: {out: width, kernel: 3, stride: stride}, bn, relu, conv: {out: width, kernel: 3}, bn]
    shortcut: B
    after: [relu]
head: [global_avg_pool, linear: {out: 10}]
"""
    )
    assert built == written
    assert archspec.loads(built.to_yaml()) == built


def test_what_no_spec_can_hold_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="set"):
        archspec.load("cifar_resnet20").with_changes(params={"depth": {1, 2}})
