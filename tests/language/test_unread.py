"""Input that nothing reads is told: columns, params, overrides of what is carried out before them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from networks import graph_of, problems_of

import archspec
from archspec.compiler.expand import expand
from archspec.compiler.expand.memo import Memo
from archspec.language.overrides import from_texts
from archspec.language.spec import load
from archspec.research.expand_fast import Frame
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


# Options without effect. What is wrong in every network is an error: see tests/language/invalid/idle_*.yaml.
LEVELS = [
    ("m: 1, path: B", ["path"]), ("m: 1", []), ("m: 2, path: B", []), ("m: 1, path: B, split: 2", ["path", "split"]),
    ("m: 3, path: C, split: 3", ["split"]), ("m: 4, split: 3", []), ("m: k, path: C", ["path"]),
]  # fmt: skip


@pytest.mark.parametrize(("levels", "idle"), LEVELS)
def test_what_so_few_levels_do_not_read_is_noted(levels: str, idle: list[str]) -> None:
    given = text("k: 1").replace("repeat: [2, 1]", "repeat: [6, 1]").replace("head:", f"levels: {{{levels}}}\nhead:")
    found = [note for note in notes(given) if "param" not in note.message]
    assert [note.message.split()[1] for note in found] == idle
    for note, field in zip(found, idle, strict=True):
        assert note.span is not None
        line = given.split("\n")[note.span.line - 1]
        assert line[note.span.column - 1 :].startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("stem", "told"),
    [
        ("conv: {out: 8, kernel: k, padding_mode: reflect}", "padding_mode"),
        ("each: {of: [1, k], as: j, do: [conv: {out: 8, kernel: j, padding_mode: reflect}]}", "padding_mode"),
        ("each: {of: [1, 3], as: j, do: [conv: {out: 8, kernel: j, padding_mode: reflect}]}", None),
        ("conv: {out: 8, kernel: k, dilation: 2}", "dilation"), ("conv: {out: 8, kernel: k, dilation: k}", None),
        ("bn: {frozen: k == 1, momentum: 0.3}", "momentum"), ("bn: {frozen: k == 2, momentum: 0.3}", None),
    ],
)  # fmt: skip
def test_a_field_that_no_operator_of_its_item_takes_up_is_noted(stem: str, told: str | None) -> None:
    graph = graph_of(text("k: 1").replace("conv: {out: 8, kernel: 3}", stem))
    found = [note.message for note in graph.notes if "has no effect" in note.message]
    assert [message.split()[1] for message in found] == ([told] if told else [])
    # The operator is as if the field were not there: what the graph prints as has nothing idle.
    again = graph_of(graph.to_spec_text())
    assert again == graph
    assert not again.notes


def test_the_zoo_has_no_option_without_effect() -> None:
    names = "cspdarknet53 ror3_110 ror3_wrn40_2 mobilenet_v3_small preresnet50 dla34 ssd300_resnet50"
    assert [note.message for name in names.split() for note in archspec.expand(name).notes] == []


@pytest.mark.parametrize("name", ["ror3_110", "ror3_wrn40_2"])
def test_a_search_may_set_the_number_of_levels_of_a_base_that_has_a_path(name: str) -> None:
    (note,) = archspec.expand(name, m=1).notes
    assert note.message == "levels: path has no effect: m: 1 adds no shortcut"


def test_many_expansions_of_one_document_tell_of_every_slip_each_time() -> None:
    """What is kept between them has been checked only if nothing was wrong."""
    spec = archspec.loads(text(column="extra: [1, 2]"))
    memo = Memo(spec.document)
    for _ in range(2):
        with pytest.raises(SpecError, match="nothing reads the column 'extra'"):
            expand(spec, memo)


def test_a_field_is_idle_only_if_no_expansion_takes_it_up() -> None:
    spec = archspec.loads(
        text("k: 1").replace("conv: {out: 8, kernel: 3}", "conv: {out: 8, kernel: k, padding_mode: reflect}")
    )
    frame = Frame(spec, ["k"])
    first = expand(frame.with_params({"k": 3}), frame.memo)
    assert not first.notes
    assert first == expand(archspec.loads(spec.source.text.replace("k: 1", "k: 3")))


def test_an_inherited_option_tells_how_to_be_rid_of_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    child = tmp_path / "child.yaml"
    child.write_text("archspec: 1\nextends: bases/preresnet\nblocks: {residual: {pre: null}}\n")
    with pytest.raises(SpecError) as caught:
        archspec.expand(child)
    (problem,) = caught.value.problems
    assert "shared has no effect" in problem.message
    assert problem.hint is not None
    assert "; `shared: null` removes what is inherited" in problem.hint
    child.write_text(child.read_text().replace("pre: null", "pre: null, shared: null"))
    archspec.expand(child)


# Values are told where they are written, in whichever file, and once.


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("stages: {width: [8, 0]}", "0]"), ("stages: {width: 0}", "0}"), ("params: {k: 0}\nstages: {width: k}", "0}\n"),
        ("params: {ws: [8, 0]}\nstages: {width: ws}", "0]"), ("params: {classes: 0}", "0}"),
        ("params: {a: 0, classes: a}", "0,"), ("stages: {extra: [8, 0], width: extra}", "0]"),
    ],
)  # fmt: skip
def test_a_bad_value_is_told_where_it_is_written(tmp_path, change: str, place: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "base.yaml").write_text(text("k: 1", branch=", conv: {out: width, kernel: 1}"))
    child = tmp_path / "child.yaml"
    child.write_text(f"archspec: 1\nextends: base.yaml\n{change}\n")
    with pytest.raises(SpecError) as caught:
        archspec.expand(child)
    (problem,) = caught.value.problems
    assert "must be between 1 and 1,000,000,000, not 0" in problem.message
    assert problem.span is not None
    assert problem.span.source.name.endswith("child.yaml")
    at = problem.span.source.start(problem.span.line) + problem.span.column - 1
    assert child.read_text()[at:].startswith(place)
    assert "base.yaml:" in (problem.hint or "")


def test_an_override_is_told_as_such() -> None:
    with pytest.raises(SpecError) as caught:
        archspec.expand("cifar_resnet20", classes=0)
    (problem,) = caught.value.problems
    assert str(problem.span) == "classes=0"


def test_a_loop_hides_a_param_of_its_name() -> None:
    given = text("k: 5").replace(
        "conv: {out: 8, kernel: 3}", "each: {of: [8], as: j, at: k, do: [conv: {out: 8, kernel: k}]}"
    )
    (problem,) = problems_of(given)
    assert problem.span is not None
    assert problem.span.line == 4


def test_a_path_or_block_that_only_a_slip_explains_is_noted(tmp_path: Path) -> None:
    child = tmp_path / "child.yaml"
    slips = "paths: {activaton: [bn, silu]}\nblocks: {residul: {shortcut: none, branch: [bn]}}\n"
    child.write_text(f"archspec: 1\nextends: resnet50\n{slips}")
    path, block = archspec.expand(child).notes
    assert (path.message, path.hint) == ("nothing uses the path 'activaton'", "did you mean 'activation'?")
    assert (block.message, block.hint) == ("nothing uses the block 'residul'", "did you mean 'residual'?")
    assert path.span is not None
    assert path.span.line == 3
    child.write_text("archspec: 1\nextends: resnet50\npaths: {activation: [bn, silu]}\n")
    assert archspec.expand(child).notes == ()
