"""A missing space is a missing word: a null that removes nothing is told, one that removes something removes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from networks import graph_of, problems_of

import archspec
from archspec.language.schema import Document
from archspec.language.spec import load
from archspec.syntax.errors import SpecError

BASE = """archspec: 1
name: base
paper: {title: A paper, note: a note}
lineage: {by: hand}
input: {channels: 4, size: [16, 16]}
params: {k: 2, table: {1: 4, 2: 8}}
require: [{that: k > 0, else: k is positive}]
stem: [conv: {out: 8, kernel: 3}]
stages: {repeat: [2, 2], width: 8 * k, stride: [1, 2], blocks: {start: basic, middle: basic}, enter: into}
blocks:
  basic: {pre: [bn], branch: [conv: {out: width, kernel: 3, stride: stride}], shortcut: B, after: [relu]}
  other: {extends: basic, after: [bn]}
  wired: {graph: {a: [relu], b: [bn], output: {from: [a, b], ops: [add]}}}
paths: {into: [bn], own: [relu]}
head: [global_avg_pool]
levels: {m: 2, path: B, split: 2}
skips: []
drop_path: {survival: 0.5, unit: sample}
outputs: {a: stage1, b: head}
init: {conv: {method: normal, std: 0.1}}
expect: {layers: 9, output: {a: [16, 16, 16], b: [16]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE, encoding="utf-8")
    return tmp_path


def child(folder: Path, text: str) -> archspec.Spec:
    path = folder / "child.yaml"
    path.write_text(f"archspec: 1\nextends: base.yaml\n{text}\n", encoding="utf-8")
    return load(path)


def refused(folder: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        child(folder, text)
    return [problem.message for problem in caught.value.problems if "none to remove" in problem.message]


NOWHERE = [  # places where the base says nothing, with the key of the null
    "name: null", "paper: {title: null}", "expect: {params: null}", "lineage: null", "until: null", "graph: null",
    "params: {l: null}", "params: {table: {3: null}}", "input: {rank: null}", "stages: {inner: null}",
    "stages: {blocks: {end: null}}", "blocks: {none_such: null}", "blocks: {basic: {out: null}}",
    "blocks: {other: {out: null}}", "blocks: {other: {graph: null}}", "blocks: {wired: {graph: {c: null}}}",
    "blocks: {wired: {after: null}}", "blocks: {more: {extends: wired, after: null}}",
    "blocks: {basic: {extends: null}}",
    "paths: {theirs: null}", "drop_path: {rescale: null}", "outputs: {c: null}", "init: {linear: null}",
    "init: {conv: {fan: null}}",
]  # fmt: skip
THERE = [  # places where it does
    "params: {table: {2: null}}", "require: null", "stages: {stride: null}", "stages: {enter: null}",
    "stages: {blocks: {start: null}}", "blocks: {other: null}", "blocks: {basic: {pre: null}}",
    "blocks: {basic: {shortcut: null, after: null}}", "blocks: {other: {after: null}}", "blocks: {other: {pre: null}}",
    "blocks: {other: {extends: null, branch: [bn]}}", "blocks: {more: {extends: other, after: null}}",
    "blocks: {more: {extends: basic, pre: null, shortcut: null}}", "paths: {own: null}", "paths: {identity: null}",
    "levels: null", "levels: {path: null}", "levels: {split: null}", "skips: null", "drop_path: null",
    "drop_path: {unit: null}", "outputs: null", "outputs: {a: null}", "init: null", "init: {conv: {std: null}}",
    "blocks: {wired: {graph: {b: null, output: a}}}", "head: null", "stem: null",
]  # fmt: skip


@pytest.mark.parametrize("text", NOWHERE)
def test_a_null_that_removes_nothing_is_told(folder: Path, text: str) -> None:
    (message,) = refused(folder, text)
    key = text.rpartition(": null")[0].rpartition(" ")[2].lstrip("{") or text.partition(":")[0]
    assert message.startswith(f"'{key}' has no value")


@pytest.mark.parametrize("text", THERE)
def test_a_null_that_removes_something_removes_it(folder: Path, text: str) -> None:
    spec = child(folder, text)
    assert "null" not in repr(plain(spec))
    before = plain(load(folder / "base.yaml"))
    assert plain(spec) != before


def plain(spec: archspec.Spec) -> dict[str, Any]:
    from archspec.syntax.source import plain as unmarked

    return {key: value for key, value in unmarked(spec.data).items() if key not in ("name", "extends")}


def test_what_a_file_removes_may_be_removed_again(folder: Path) -> None:
    """Nulls of a parent are judged by what the parent stands on, not by what is left of it in a child."""
    (folder / "middle.yaml").write_text("archspec: 1\nextends: base.yaml\nblocks: {other: {pre: null}}\nlevels: null\n")
    path = folder / "last.yaml"
    path.write_text("archspec: 1\nextends: middle.yaml\nblocks: {basic: {pre: null}}\n")
    assert "pre" not in plain(load(path))["blocks"]["other"]
    path.write_text("archspec: 1\nextends: middle.yaml\nlevels: null\n")
    with pytest.raises(SpecError, match="'levels' has no value"):
        load(path)


def test_a_null_of_a_parent_is_told_where_it_stands(folder: Path) -> None:
    (folder / "middle.yaml").write_text("archspec: 1\nextends: base.yaml\nuntil:\n")
    path = folder / "last.yaml"
    path.write_text("archspec: 1\nextends: middle.yaml\n")
    with pytest.raises(SpecError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert problem.span is not None
    assert (Path(problem.span.source.name).name, problem.span.line) == ("middle.yaml", 3)


# `extends` has its own message, and `paths` removes the standard ones, which the language puts back.
@pytest.mark.parametrize(
    "section", sorted({*Document.model_fields} - {"span", "archspec", "input", "extends", "paths"})
)
def test_an_empty_section_is_told(section: str) -> None:
    text = f"archspec: 1\nname: n\n{section}:\n" if section != "name" else "archspec: 1\n#\nname:\n"
    message = next(problem for problem in problems_of(text) if "none to remove" in problem.message)
    assert message.span is not None
    assert (message.span.line, message.span.column) == (3, 1)
    assert message.hint is not None
    assert "a space after the colon" in message.hint


@pytest.mark.parametrize(
    "edit", [
        {"levels": None}, {"paper": None}, {"expect": None}, {"until": None}, {"skips": None}, {"drop_path": None},
        {"blocks": {"residual": {"out": None, "after": None}}}, {"params": {"depth": None, "nothing": None}},
        {"stages": {"column": None}}, {"paths": {"option": None, "own": None}},
    ],
)  # fmt: skip
def test_an_edit_in_python_may_remove_what_is_not_there(edit: dict[str, Any], tmp_path: Path) -> None:
    text = "archspec: 1\nextends: cifar_resnet20\nlevels: {m: 2}\npaths: {option: B}\n"
    for spec in (archspec.load("cifar_resnet20"), archspec.loads(text), archspec.load("cifar_resnet20", levels=None)):
        if "params" in edit:  # what the rest of the spec needs
            with pytest.raises(SpecError) as caught:
                spec.with_changes(**edit)
            assert "none to remove" not in str(caught.value)
            continue
        edited = spec.with_changes(**edit)
        assert archspec.loads(edited.to_yaml(), name=edited.name) == edited
        assert edited.with_changes(**edit) == edited
        path = tmp_path / "edited.yaml"
        path.write_text(edited.to_yaml(tmp_path), encoding="utf-8")
        assert load(path).document == edited.document


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("levels", False),
        ("until", False),
        ("blocks.residual.out", False),
        ("blocks.residual.after", True),
        ("head", True),
    ],
)
def test_an_override_of_null_removes_what_is_there_and_nothing_else(key: str, changes: bool) -> None:
    spec = archspec.load("cifar_resnet20", **{key: None})
    assert (plain(spec) != plain(archspec.load("cifar_resnet20"))) is changes
    assert archspec.expand(archspec.loads(spec.to_yaml(), name=spec.name)) == archspec.expand(spec)


@pytest.mark.parametrize("key", ["stages.column", "params.nothing", "nothing"])
def test_an_override_of_what_was_never_there_is_told(key: str) -> None:
    with pytest.raises(SpecError, match="there is no"):
        archspec.load("cifar_resnet20", **{key: None})


@pytest.mark.parametrize("value", ["{m: 2, path: null}", "{m: 3, split: }"])
def test_a_null_within_an_override_is_told(value: str) -> None:
    from archspec.language.overrides import from_texts

    with pytest.raises(SpecError, match="null in it removes nothing"):
        load("cifar_resnet20", overrides=from_texts([f"levels={value}"]))
    with pytest.raises(SpecError, match="null in it removes nothing"):
        archspec.load("cifar_resnet20", levels={"m": 2, "path": None})


PLACES = [
    "{key}", "params: {{{key}}}", "input: {{size: [8, 8], {key}}}", "stages: {{repeat: 1, blocks: b, {key}}}",
    "blocks: {{b: {{branch: [bn], {key}}}}}", "paths: {{{key}}}", "stem: [conv: {{out: 3, kernel: 3, {key}}}]",
    "levels: {{m: 2, {key}}}", "drop_path: {{survival: 0.5, {key}}}", "skips: [{{rule: dense, {key}}}]",
    "expect: {{{key}}}", "outputs: {{{key}}}", "init: {{conv: {{{key}}}}}", "require: [{{that: true, {key}}}]",
    "paper: {{{key}}}", "stem: [module: {{type: ReLU, args: {{{key}}}}}]",
    "graph: {{a: {{from: input, {key}}}, output: a}}", "graph: {{{key}}}",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", ["path:B", "rescale:true", "a:b:c", '"quoted:key": 1', "x:1: 2"])
def test_a_key_with_a_colon_is_told_everywhere(place: str, key: str) -> None:
    if place == "{key}" and key in ("path:B", "rescale:true", "a:b:c"):
        pytest.skip("on a line of its own it is no key at all, which YAML itself says")
    text = f"archspec: 1\n{place.format(key=key)}\n"
    problem = next(problem for problem in problems_of(text) if "has a colon in it" in problem.message)
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (2, text.split("\n")[1].index(key) + 1)
    assert problem.hint is not None
    assert "a space after the colon" in problem.hint


def test_null_stays_where_it_means_something() -> None:
    text = """archspec: 1
input: {size: [8, 8]}
stem:
  - conv: {out: 4, kernel: 3, padding: null, bias_init: null}
  - bn:
  - max_pool: {kernel: 2, stride: null}
stages: {repeat: [1, 1], blocks: b, enter: [null, into]}
blocks: {b: {branch: [bn]}}
paths: {into: [relu]}
"""
    assert [node.name for node in graph_of(text)][:4] == ["input", "stem.conv", "stem.bn", "stem.max_pool"]
