"""Input that nothing reads is told: columns, params, overrides of what is carried out before them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from networks import graph_of, problems_of

import archspec
from archspec.language.overrides import from_texts
from archspec.language.spec import load
from archspec.syntax.errors import Problem, SpecError

TEXT = """archspec: 1
input: {{size: [16, 16]}}
params: {{classes: 10, {param}}}
stem: [conv: {{out: 8, kernel: 3}}]
stages: {{repeat: [2, 1], width: [8, 16], {column}, blocks: basic, enter: into}}
blocks: {{basic: {{branch: [conv: {{out: width, kernel: 3, stride: stride}}, bn{branch}], shortcut: B}}}}
paths: {{into: [relu{path}]}}
head: [global_avg_pool, linear: {{out: classes}}]
"""


def text(param: str = "k: 1", column: str = "stride: [1, 2]", branch: str = "", path: str = "") -> str:
    return TEXT.format(param=param, column=column, branch=branch, path=path)


MISSPELT = [
    ("strides", "stride"), ("Stride", "stride"), ("strde", "stride"), ("repeats", "repeat"), ("repat", "repeat"),
    ("block", "blocks"), ("enters", "enter"), ("cardinality", None), ("depth", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "meant"), MISSPELT)
def test_a_column_that_nobody_reads_is_told_at_its_name(name: str, meant: str | None) -> None:
    given = text(column=f"{name}: [1, 2]")
    (problem,) = problems_of(given)
    assert problem.message == f"nothing reads the column '{name}'"
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (5, given.split("\n")[4].index(f"{name}:") + 1)
    assert problem.hint == (
        f"did you mean '{meant}'?" if meant else "name it in a block, a path or another column, or remove it"
    )


READERS = [
    {"branch": ", scale: {by: extra}"}, {"branch": ", bn: {when: extra > 1}"}, {"path": ", scale: {by: extra}"},
    {"branch": ", each: {of: [1], as: i, do: [scale: {by: extra + i}]}"},
    {"branch": ", use: {path: into, when: extra > 1}"},
    {"branch": ", each: {of: '[extra]', as: i, do: [scale: {by: i}]}"},
]  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_whoever_reads_a_column_makes_it_of_use(reader: dict[str, str]) -> None:
    assert len(graph_of(text(column="extra: [1, 2]", **reader))) > 5
    # Through another column too; that one is then what nobody reads, if nobody does.
    assert len(graph_of(text(column="more: [1, 2], extra: 2 * more", **reader))) > 5
    (problem,) = problems_of(text(column="extra: [1, 2], more: 2 * extra", **reader))
    assert problem.message == "nothing reads the column 'more'"


def test_a_column_inherited_and_unread_is_told_where_it_stands(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "base.yaml").write_text(text(column="extra: 2", branch=", scale: {by: extra}"))
    child = tmp_path / "child.yaml"
    child.write_text("archspec: 1\nextends: base.yaml\nblocks: {basic: {branch: [conv: {out: width, kernel: 3}]}}\n")
    with pytest.raises(SpecError) as caught:
        archspec.expand(child)
    (problem,) = caught.value.problems
    assert problem.span is not None
    assert "base.yaml:5:" in str(problem.span)
    child.write_text(child.read_text() + "stages: {extra: null}\n")
    archspec.expand(child)


def notes(given: str) -> list[Problem]:
    return list(graph_of(given).notes)


@pytest.mark.parametrize(
    "param", ["k: 1", "k: [1, 2]", "k: {1: 2}", "k: true", "k: 2 * classes", "l: 1, k: 2 * l"],
)  # fmt: skip
def test_a_param_that_nobody_reads_is_noted_at_its_name(param: str) -> None:
    (note,) = notes(text(param=param))
    assert note.message == "nothing reads the param 'k'"
    assert note.span is not None
    assert note.span.line == 3


USES = [
    ("params: {classes: 10", "params: {m: k, classes: m"), ("stem:", "require: [{that: k > 0, else: it is}]\nstem:"),
    ("out: 8", "out: 8 * k"), ("repeat: [2, 1]", "repeat: [2 * k, 1]"), ("width: [8, 16]", "width: [8 * k, 16]"),
    ("out: width", "out: width * k"), ("into: [relu", "into: [relu, scale: {by: k}"),
    ("head:", "levels: {m: k}\nhead:"),
    ("head:", "skips: [{rule: every, step: k + 1, path: B}]\nhead:"), ("head:", "drop_path: {survival: 1 / k}\nhead:"),
    ("size: [16, 16]", "size: [16 * k, 16]"), ("out: classes", "out: classes * k"),
    ("relu", "module: {type: ReLU6, when: k > 0}"), ("relu", "module: {type: Softplus, args: {beta: k}}"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), USES)
def test_wherever_a_param_is_read_it_is_of_use(old: str, new: str) -> None:
    assert [note.message for note in notes(text())] == ["nothing reads the param 'k'"]
    assert notes(text().replace(old, new)) == []


def test_the_zoo_has_no_param_that_nobody_reads() -> None:
    names = "cifar_resnet20 cifar_iresnet164 resnet3d50 preror3_110 iresnet50 wrn40_2 efficientnet_b0 regnety_400mf"

    def found() -> Iterator[str]:
        for name in names.split():
            yield from (note.message for note in archspec.expand(name).notes)

    assert list(found()) == []


@pytest.mark.parametrize("value", ["does_not_exist.yaml", "resnet50", "", "null", "3"])
def test_extends_is_no_override(value: str) -> None:
    with pytest.raises(SpecError, match="`extends` is carried out before overrides"):
        load("cifar_resnet20", overrides=from_texts([f"extends={value}"]))
    with pytest.raises(SpecError, match="`extends` is carried out before overrides"):
        archspec.load("cifar_resnet20", extends=value)
    # That of a block is carried out after them.
    with pytest.raises(SpecError, match="there is no block"):
        archspec.load("cifar_resnet20", **{"blocks.residual.extends": "nothing"})
