"""Several parents: the order in which files are merged, each once, and that every message names the right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.language.spec import Spec, load
from archspec.syntax import limits
from archspec.syntax.errors import SpecError
from archspec.syntax.source import Map

BASE = """
archspec: 1
input: {size: [8, 8]}
params: {a: 1, b: 1, c: 1, d: 1}
stem: [conv: {out: a + b + c + d, kernel: 3}, use: act]
head: [global_avg_pool]
paths: {act: [relu], left: [tanh]}
"""


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text if "archspec" in text else f"archspec: 1\n{text}\n")


def params(folder: Path, name: str) -> dict[str, int]:
    return dict(load(folder / f"{name}.yaml").params)


def test_later_parents_change_earlier_ones_and_the_spec_changes_all(tmp_path: Path) -> None:
    write(
        tmp_path, base=BASE, one="params: {b: 2, c: 2, d: 2}", two="params: {c: 3, d: 3}",
        spec="extends: [base.yaml, one.yaml, two.yaml]\nparams: {d: 4}",
        other="extends: [base.yaml, two.yaml, one.yaml]\nparams: {d: 4}",
    )  # fmt: skip
    assert params(tmp_path, "spec") == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert params(tmp_path, "other") == {"a": 1, "b": 2, "c": 2, "d": 4}


def test_a_shared_base_undoes_no_parent(tmp_path: Path) -> None:
    write(
        tmp_path, base=BASE, one="extends: base.yaml\nparams: {a: 2}", two="extends: base.yaml\nparams: {b: 3}",
        spec="extends: [one.yaml, two.yaml]", deeper="extends: [two.yaml, spec.yaml]\nparams: {c: 5}",
    )  # fmt: skip
    assert params(tmp_path, "spec") == {"a": 2, "b": 3, "c": 1, "d": 1}
    assert params(tmp_path, "deeper") == {"a": 2, "b": 3, "c": 5, "d": 1}


def test_a_file_changes_what_it_extends_whatever_the_order_of_the_list(tmp_path: Path) -> None:
    write(
        tmp_path, base=BASE, one="extends: base.yaml\nparams: {a: 2}",
        first="extends: [base.yaml, one.yaml]", last="extends: [one.yaml, base.yaml]",
    )  # fmt: skip
    assert params(tmp_path, "first") == params(tmp_path, "last") == {"a": 2, "b": 1, "c": 1, "d": 1}


def test_a_null_of_a_parent_may_remove_what_another_removed(tmp_path: Path) -> None:
    removing = "extends: base.yaml\npaths: {left: null}"
    write(tmp_path, base=BASE, one=removing, two=removing, spec="extends: [one.yaml, two.yaml]")
    assert "left" not in load(tmp_path / "spec.yaml").document.paths
    write(tmp_path, two="extends: base.yaml\npaths:\n  lefft: null")
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "spec.yaml")
    (problem,) = caught.value.problems
    assert problem.span is not None
    assert (Path(problem.span.source.name).name, problem.span.line) == ("two.yaml", 4)


def test_every_value_knows_the_file_it_came_from(tmp_path: Path) -> None:
    write(
        tmp_path, base=BASE, one="extends: base.yaml\nparams: {a: 2}",
        two="extends: base.yaml\n# here\nparams:\n  b: nonsense", spec="extends: [one.yaml, two.yaml]",
    )  # fmt: skip
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "spec.yaml")
    span = caught.value.problems[0].span
    assert span is not None
    assert (Path(span.source.name).name, span.line, span.column) == ("two.yaml", 5, 6)
    write(tmp_path, two="extends: base.yaml\nparams: {b: 3}")
    found = load(tmp_path / "spec.yaml").data["params"]
    assert isinstance(found, Map)
    assert {key: Path(value.span.source.name).stem for key, value in found.items() if value.span} == {
        "a": "one", "b": "two", "c": "base", "d": "base",
    }  # fmt: skip


def test_circles_over_any_parent(tmp_path: Path) -> None:
    write(tmp_path, base=BASE, one="extends: [base.yaml, two.yaml]", two="extends: [base.yaml, one.yaml]")
    with pytest.raises(SpecError, match=r"in a circle, back to .*one\.yaml"):
        load(tmp_path / "one.yaml")


def test_files_are_bounded_however_they_are_reached(tmp_path: Path) -> None:
    """Thirty levels of two parents each would be 2**30 files, were each reached more than once."""
    write(tmp_path, a0=BASE, b0="params: {b: 2}")
    levels = limits.MAX_EXTENDS // 2
    for i in range(1, levels):
        write(tmp_path, **dict.fromkeys((f"a{i}", f"b{i}"), f"extends: [a{i - 1}.yaml, b{i - 1}.yaml]"))
    assert params(tmp_path, f"a{levels - 1}")["b"] == 2
    write(tmp_path, over=f"extends: [a{levels - 1}.yaml, b{levels - 1}.yaml]")
    with pytest.raises(SpecError, match=f"more than {limits.MAX_EXTENDS} files"):
        load(tmp_path / "over.yaml")
    write(tmp_path, wide=f"extends: [{', '.join(f'w{i}.yaml' for i in range(40))}]")
    write(tmp_path, **{f"w{i}": "params: {a: 1}" for i in range(40)})
    with pytest.raises(SpecError, match=f"more than {limits.MAX_EXTENDS} files"):
        load(tmp_path / "wide.yaml")


def test_edits_and_texts_keep_all_parents(tmp_path: Path) -> None:
    write(
        tmp_path, base=BASE, one="params: {b: 2, c: 2}", spec="extends: [base.yaml, one.yaml]\nparams: {d: 7}"
    )  # fmt: skip
    spec = load(tmp_path / "spec.yaml")
    edited = spec.with_params(a=9)
    assert dict(edited.params) == {"a": 9, "b": 2, "c": 2, "d": 7}
    other = tmp_path / "elsewhere"
    other.mkdir()
    for one in (spec, edited):
        (other / "again.yaml").write_text(one.to_yaml(folder=other))
        again: Spec = load(other / "again.yaml")
        assert again.params == one.params
    assert "../one.yaml" in (other / "again.yaml").read_text() or "../spec.yaml" in (other / "again.yaml").read_text()
