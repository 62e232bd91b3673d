"""From files to a spec: extends, params, requirements, overrides, names."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from archspec.language import zoo
from archspec.language.overrides import from_arguments, from_texts
from archspec.language.spec import Spec, from_source, load
from archspec.syntax import limits
from archspec.syntax.errors import Problem, Source, SpecError
from archspec.syntax.source import Map, plain

BASE = """\
archspec: 1
name: base
paper: {title: The Base}
input: {channels: 3, size: [32, 32]}
params: {depth: 20, width: 16, wide: false, counts: [1, 2], table: {18: 2, 34: 3}, blocks_each: (depth - 2) // 6}
require: [{that: depth % 6 == 2, else: depth must be 6n+2}]
stem: [conv: {out: width, kernel: 3}, bn, relu]
paths: {joint: [relu]}
head: [global_avg_pool, linear: {out: 10}]
expect: {params: 1000}
"""


def spec(text: str = BASE, **overrides: Any) -> Spec:
    return from_source(Source("t.yaml", text), overrides=from_arguments(overrides))


def problems(text: str, *sets: str) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        from_source(Source("t.yaml", text), overrides=from_texts(sets))
    return list(caught.value.problems)


def problem(text: str, *sets: str) -> Problem:
    (found,) = problems(text, *sets)
    return found


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".yaml").write_text(text)


def test_a_spec_has_its_name_and_its_params() -> None:
    found = spec()
    assert found.name == "base"
    assert found.params == {
        "depth": 20, "width": 16, "wide": False, "counts": [1, 2], "table": {18: 2, 34: 3}, "blocks_each": 3,
    }  # fmt: skip
    assert found.overridden == ()
    assert not found.trust


def test_a_chain_of_extends_is_followed_from_folder_to_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        bases__base=BASE,
        bases__middle="archspec: 1\nextends: base.yaml\nparams: {depth: 32, wide: null, own: 7}\npaths: {joint: ~}\n",
        child="archspec: 1\nextends: bases/middle.yaml\nparams: {width: 24, counts: [5]}\nstem: [bn]\n",
    )
    found = load(tmp_path / "child.yaml")
    assert found.params == {
        "depth": 32, "width": 24, "counts": [5], "table": {18: 2, 34: 3}, "blocks_each": 5, "own": 7,
    }  # fmt: skip
    assert len(found.document.stem.items) == 1
    assert "joint" not in found.document.paths
    assert {"A", "B", "C", "identity"} <= found.document.paths.keys()
    assert plain(found.own)["params"] == {"width": 24, "counts": [5]}


def test_name_paper_and_expect_are_not_inherited(tmp_path: Path) -> None:
    write(tmp_path, base=BASE, child="archspec: 1\nextends: base.yaml\n")
    found = load(tmp_path / "child.yaml")
    assert (found.name, found.document.paper, found.document.expect) == ("child", None, None)
    base = load(tmp_path / "base.yaml")
    assert base.document.paper is not None
    assert base.document.expect is not None


def test_problems_of_a_parent_are_told_in_the_parent(tmp_path: Path) -> None:
    write(tmp_path, base=BASE.replace("relu]\npaths", "rellu]\npaths"), child="archspec: 1\nextends: base.yaml\n")
    with pytest.raises(SpecError, match=r"base\.yaml:7:43: there is no operator 'rellu'"):
        load(tmp_path / "child.yaml")


def test_extends_may_not_run_in_a_circle(tmp_path: Path) -> None:
    for length in (1, 2, 5):
        for i in range(length):
            write(tmp_path, **{f"c{i}": f"archspec: 1\nextends: c{(i + 1) % length}.yaml\n"})
        with pytest.raises(SpecError, match="in a circle"):
            load(tmp_path / "c0.yaml")


def test_links_in_a_circle_are_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    write(tmp_path, child="archspec: 1\nextends: a.yaml\n")
    with pytest.raises(SpecError):
        load(tmp_path / "child.yaml")
    with pytest.raises(SpecError):
        load(tmp_path / "a.yaml")


def test_a_chain_has_a_bounded_length(tmp_path: Path) -> None:
    for i in range(limits.MAX_EXTENDS + 1):
        write(tmp_path, **{f"c{i}": f"archspec: 1\nextends: c{i + 1}.yaml\n"})
    with pytest.raises(SpecError, match=f"more than {limits.MAX_EXTENDS} files"):
        load(tmp_path / "c0.yaml")


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("bsae.yaml", "there is no file", "did you mean 'base.yaml'?"),
        ("nowhere/base.yaml", "there is no file", "relative to this file"),
        ("/etc/base.yaml", "takes a path relative to this file", "name of one of the zoo"),
        ("[base.yaml, 3]", "takes files and names of specs", "as in"),
        ("[base.yaml, [base.yaml]]", "takes files and names of specs", "as in"),
        ("3", "takes files and names of specs", "as in"),
        ("[]", "`extends` is empty", "leave it out"),
        ("[base.yaml, base.yaml]", "names 'base.yaml' twice", "once"),
        ("no_such_spec_anywhere", "there is no spec 'no_such_spec_anywhere'", "ends in .yaml"),
        ("../../../etc/passwd", "there is no spec", "ends in .yaml"),
        ('"a\\0.yaml"', "cannot be the name of a spec", "zoo"),
    ],
)
def test_what_cannot_be_extended(tmp_path: Path, reference: str, message: str, hint: str) -> None:
    write(tmp_path, base=BASE, child=f"archspec: 1\nextends: {reference}\n")
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "child.yaml")
    (found,) = caught.value.problems
    assert message in found.message
    assert found.hint is not None
    assert hint in found.hint
    assert found.span is not None
    assert (found.span.line, found.span.column) in ((2, 10), (2, 22))  # the list, or its second entry


def test_every_file_of_a_chain_states_the_version(tmp_path: Path) -> None:
    write(tmp_path, base=BASE.removeprefix("archspec: 1\n"), child="archspec: 1\nextends: base.yaml\n")
    with pytest.raises(SpecError, match=r"base\.yaml:1:1: the version of the language is missing"):
        load(tmp_path / "child.yaml")


def test_names_of_the_zoo_are_not_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "ROOT", tmp_path / "zoo")
    write(tmp_path, zoo__net=BASE, net="archspec: 1\ninput: {size: [8, 8]}\nstem: [bn]\n")
    (tmp_path / "zoo" / "bases").mkdir()
    write(tmp_path / "zoo", bases__net=BASE.replace("name: base", "name: deeper"))
    monkeypatch.chdir(tmp_path)
    assert zoo.names() == ["net"]
    assert load("net").name == "base"
    assert load("net.yaml").name == "net"
    assert load("bases/net").name == "deeper"
    with pytest.raises(SpecError, match="did you mean 'net'"):
        load("nett")
    for outside in ("../net", "/" + str(tmp_path / "net"), ""):
        with pytest.raises(SpecError, match="there is no spec"):
            load(outside)


@pytest.mark.parametrize("name", ["resnet50", "WRN-28-10", "v1.5", "404", "_x"])
def test_a_name_is_safe_as_a_folder(name: str) -> None:
    assert spec(BASE.replace("name: base", f"name: {name}")).name == name


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "-rf", "a b", "é", "a" * 101, '""', '"a\\n"', '"a\\0"'])
def test_a_name_that_is_not_safe_is_refused(name: str) -> None:
    found = problem(BASE.replace("name: base", f"name: {name}"))
    assert "cannot be a spec's name" in found.message
    assert found.span is not None
    assert (found.span.line, found.span.column) == (2, 7)


def test_a_file_s_name_must_do_where_none_is_given(tmp_path: Path) -> None:
    path = tmp_path / "my net.yaml"
    path.write_text(BASE.replace("name: base\n", ""))
    with pytest.raises(SpecError, match=r"unless it says `name: \.\.\.`"):
        load(path)


def test_params_are_computed_in_any_order() -> None:
    written = ["a: b + c", "b: 2 * c", "c: 3", "d: '[a, b][c - 3]'"]
    for order in itertools.permutations(written):
        text = "archspec: 1\ninput: {size: [8, 8]}\nparams: {" + ", ".join(order) + "}\n"
        assert spec(text).params == {"a": 9, "b": 6, "c": 3, "d": 9}


def params(written: str) -> str:
    return f"archspec: 1\ninput: {{size: [8, 8]}}\nparams: {{{written}}}\n"


def test_params_in_a_circle() -> None:
    assert "in a circle: a -> a" in problem(params("a: a + 1")).message
    assert "circle" in problem(params("a: b, b: c, c: a, d: 1")).message


def test_a_param_that_fails_is_told_once() -> None:
    found = problem(params("a: 1 // 0, b: a + 1, c: b"))
    assert found.message == "division by zero"


def test_every_failing_param_is_told() -> None:
    assert [p.message for p in problems(params("a: 1 // 0, b: x, c: 3"))] == ["division by zero", "unknown name 'x'"]


@pytest.mark.parametrize(
    "name", ["stage", "index", "out", "stride", "min", "len", "if", "lambda", "true1 x", "é", "1a"]
)
def test_names_that_params_cannot_have(name: str) -> None:
    found = problem(params(f"{name}: 3"))
    assert f"a param cannot be called '{name}'" in found.message
    assert found.span is not None
    assert found.span.column == 10


def test_params_see_no_names_of_blocks() -> None:
    found = problem(params("a: index + 1"))
    assert found.message == "'index' has no value here"


def test_requirements_are_told_in_the_author_s_words_with_the_values() -> None:
    found = problem(BASE, "depth=21")
    assert found.message == "depth must be 6n+2"
    assert found.hint == "here depth = 21"


def test_a_requirement_must_be_a_condition() -> None:
    found = problem(BASE.replace("that: depth % 6 == 2", "that: depth"))
    assert "a condition is true or false; 'depth' is 20" in found.message


@pytest.mark.parametrize(
    ("key", "given", "path", "result"),
    [
        ("depth", 26, ("params", "depth"), 26),
        ("wide", True, ("params", "wide"), True),
        ("counts", [3, 4], ("params", "counts"), [3, 4]),
        ("counts", (3, 4), ("params", "counts"), [3, 4]),
        ("table.34", 9, ("params", "table", 34), 9),
        ("params.width", 8, ("params", "width"), 8),
        ("width", "depth // 2", ("params", "width"), "depth // 2"),
        ("input.size", [64, 64], ("input", "size"), [64, 64]),
        ("head", ["relu"], ("head",), ["relu"]),
        ("paths.joint", [], ("paths", "joint"), []),
        ("levels", {"m": 1}, ("levels",), {"m": 1}),
        ("levels.m", 1, ("levels", "m"), 1),
        ("name", "other", ("name",), "other"),
    ],
)
def test_overrides(key: str, given: object, path: tuple[Any, ...], result: object) -> None:
    found = from_source(Source("t.yaml", BASE), overrides=from_arguments({key: given}))
    assert found.overridden == (key,)
    node: Any = plain(found.data)
    for part in path:
        node = node[part]
    assert node == result


def test_an_override_reaches_what_is_computed_from_it() -> None:
    assert spec(depth=44).params["blocks_each"] == 7
    assert spec(width="depth // 2").params["width"] == 10


def test_null_removes() -> None:
    found = from_source(Source("t.yaml", BASE), overrides=from_texts(["stem=", "paths.joint=null", "require=~"]))
    assert found.document.stem.items == ()
    assert "joint" not in found.document.paths
    assert found.document.require == []


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ("dept=3", "there is no param 'dept'", "did you mean 'depth'?"),
        ("params.dept=3", "there is no 'dept' in params", "did you mean 'depth'?"),
        ("paths.joints=[]", "there is no 'joints' in paths", "did you mean 'joint'?"),
        ("depth.x=3", "params.depth has no fields", "set params.depth whole"),
        ("span=3", "there is no param 'span'", "known here"),
        ("input.sizes=[8, 8]", "there is no field 'sizes' here", "did you mean 'size'?"),
        ("depth=[20]", "depth is a number (20), and this is a list", None),
        ("depth=true", "depth is a number (20), and this is true or false", None),
        ("wide=1", "wide is true or false (false), and this is a number", None),
        ("counts=3", "counts is a list ([1, 2]), and this is a number", None),
        ("table=3", "table is a table", None),
        ("depth=x", "unknown name 'x'", None),
        ("input.size=[0, 0", "not valid YAML", None),
        ("depth=no", "YAML readers disagree on 'no'", "write false"),
        ("depth", "--set takes key=value, not 'depth'", None),
        ("=3", "--set takes key=value", None),
    ],
)
def test_overrides_that_cannot_be(given: str, message: str, hint: str | None) -> None:
    found = problem(BASE, given)
    assert message in found.message
    if hint:
        assert found.hint is not None
        assert hint in found.hint
    if "=" in given and not given.startswith("="):
        assert str(found.span) == f"--set {given}"


def test_every_wrong_override_is_told() -> None:
    assert len(problems(BASE, "dept=3", "widht=4", "depth=20")) == 2


def test_overrides_from_python_say_what_was_given() -> None:
    with pytest.raises(SpecError, match=r"^depth=21: depth must be 6n\+2|here depth = 21"):
        spec(depth=21)
    with pytest.raises(TypeError, match="not object"):
        spec(depth=object())


def test_a_parent_s_file_is_not_changed_by_what_extends_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        base=BASE,
        a="archspec: 1\nextends: base.yaml\npaths: {A: []}\n",
        b="archspec: 1\nextends: base.yaml\n",
    )
    assert load(tmp_path / "a.yaml").document.paths["A"].items == ()
    assert len(load(tmp_path / "b.yaml").document.paths["A"].items) == 2


def test_trust_is_given_by_the_caller_alone() -> None:
    assert from_source(Source("t.yaml", BASE), trust=True).trust
    assert "there is no field 'trust' here" in problem(BASE + "trust: true\n").message


def test_the_document_is_a_mapping_with_a_version() -> None:
    for text in ("3", "[archspec: 1]", "archspec"):
        assert problem(text).message == "a spec is a mapping"
    assert "version of the language is missing" in problem("stem: [relu]").message
    assert problem("archspec: 2\ninput: {size: [8, 8]}\n").message == "archspec must be 1"
    assert isinstance(spec().data, Map)


@pytest.mark.parametrize("paths", ["null", "{identity: null, A: ~, own: [bn]}"])
def test_the_standard_paths_cannot_be_removed(paths: str) -> None:
    found = spec(BASE.replace("{joint: [relu]}", paths)).document.paths
    assert {"identity", "A", "B", "C"} <= found.keys()
    assert found["identity"].items == ()
    assert "joint" not in found
