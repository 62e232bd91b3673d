"""The table of stages: what is a column, how many stages there are, what each row holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import graph_of, spec_of

from archspec.compiler.expand.table import Row, stage_table
from archspec.syntax.errors import Problems, SpecError

SPEC = """
archspec: 1
input: {{channels: 3, size: [8, 8]}}
params: {{counts: [2, 1, 3], k: 2, base: 16, table: {{a: [1, 2], b: 5}}, video: [[1, 2, 2], [2, 2, 2], 1]}}
stages:
  {stages}
blocks: {{x: {{branch: [relu]}}, y: {{branch: [tanh]}}}}
paths: {{into: [bn], leave: []}}
"""


def table(stages: str, blocks: str = "blocks: x") -> list[Row]:
    text = SPEC.format(stages="\n  ".join([*stages.strip().splitlines(), blocks]))
    spec = spec_of(text)
    assert spec.document.stages is not None
    problems = Problems()
    rows = stage_table(spec.document.stages, spec.params, problems)
    problems.check()
    return rows


def column(stages: str, name: str) -> list[Any]:
    return [row.columns[name] for row in table(stages)]


@pytest.mark.parametrize(
    ("stages", "values"),
    [
        ("repeat: counts\nw: 4", [4, 4, 4]),
        ("repeat: 1\nw: [1, 2, 3]", [1, 2, 3]),
        ("repeat: counts\nw: [base, base * 2, base * k * k]", [16, 32, 64]),
        ("repeat: 1\nw: counts", [2, 1, 3]),
        ("repeat: 1\nw: counts + [4]", [2, 1, 3, 4]),
        ('repeat: 1\nw: "[7, 8] * 2"', [7, 8, 7, 8]),
        ('repeat: 1\nw: "[7, 8]"', [7, 8]),
        ("repeat: 1\nw: table[a]", "unknown name 'a'"),
        ("repeat: 2\nw: base", [16]),
        ("repeat: [1]\nw: base", [16]),
        # an entry may be a list
        ("repeat: 1\nw: [[3, 3], [1], 5]", [[3, 3], [1], 5]),
        ("repeat: 1\nw: video", [[1, 2, 2], [2, 2, 2], 1]),
        ("repeat: counts\nw: video[0]", [1, 2, 2]),
        ("repeat: [1, 1]\nw: video[0]", "columns of stages differ in length"),
        # columns may use columns, in any order
        ("w: 2 * v\nrepeat: 1\nv: [1, 2, 3]", [2, 4, 6]),
        ("w: [v, v + 1]\nrepeat: 1\nv: [10, 20]", [10, 21]),
        ("w: v + u\nv: 2 * u\nu: [1, 2]\nrepeat: 1", [3, 6]),
        ("w: v\nv: 5\nrepeat: [1, 1]", [5, 5]),
        ("w: repeat\nrepeat: counts", [2, 1, 3]),
        ("w: stride * 2\nstride: [1, 2]\nrepeat: 1", [2, 4]),
        ("w: stride\nrepeat: [1, 1]", [1, 1]),
        ("w: '[v] * 2'\nv: [1, 2]\nrepeat: 1", [[1, 1], [2, 2]]),
        ("w: '[0] * v'\nv: [1, 2]\nrepeat: 1", [[0], [0, 0]]),
        # the row's own number
        ("w: base * 2 ** (stage - 1)\nrepeat: counts", [16, 32, 64]),
        ("w: stages - stage\nrepeat: counts", [2, 1, 0]),
        ("w: [stage, stage * 10, stages]\nrepeat: 1", [1, 20, 3]),
        ("w: stage == stages\nrepeat: counts", [False, False, True]),
    ],
)
def test_columns(stages: str, values: list[Any] | str) -> None:
    if isinstance(values, str):
        with pytest.raises(SpecError, match=values):
            table(stages)
    else:
        assert column(stages, "w") == values


def test_an_expression_written_as_a_list_is_a_column_of_its_entries() -> None:
    # `[v] * 2` is one value per row, which is itself a list; `[v, v]` is a column.
    assert column("w: '[v, v]'\nv: [1, 2]\nrepeat: 1", "w") == [1, 2]


def test_rows() -> None:
    rows = table("repeat: [2, 1]\nenter: [into, null]\nstride: 2", "blocks: [x, {start: x, middle: y}]")
    assert [(row.number, row.stages, row.count, row.columns["stride"]) for row in rows] == [(1, 2, 2, 2), (2, 2, 1, 2)]
    assert [[item.path for item in row.enter.items] for row in rows] == [["into"], []]  # type: ignore[union-attr]
    assert [[row.block(i) for i in range(row.count)] for row in rows] == [["x", "x"], ["x"]]


@pytest.mark.parametrize(
    ("stages", "count"),
    [
        ("repeat: 3", 1),
        ("repeat: counts", 3),
        ("repeat: 1\nw: [1, 2]", 2),
        ("repeat: 1\nstride: [1, 2, 2, 2]", 4),
        ("repeat: 1\nenter: [into, into]", 2),
    ],
)
def test_number_of_stages(stages: str, count: int) -> None:
    assert [row.number for row in table(stages)] == list(range(1, count + 1))


def test_blocks_by_stage_tell_the_number_of_stages() -> None:
    assert len(table("repeat: 1", "blocks: [x, y, x]")) == 3


@pytest.mark.parametrize(
    ("stride", "values"),
    [
        ("2", [2, 2, 2]),
        ("[1, 2, 2]", [1, 2, 2]),
        ("[[1, 2, 2], [2, 2, 2], 1]", [[1, 2, 2], 2, 1]),
        ("video", [[1, 2, 2], 2, 1]),
        ("[[k, 1], 4 / 2, stage]", [[2, 1], 2, 3]),
    ],
)
def test_strides(stride: str, values: list[Any]) -> None:
    assert column(f"repeat: counts\nstride: {stride}", "stride") == values


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 9))
def test_a_column_and_a_single_value(column_values: list[int], single: int) -> None:
    rows = table(f"repeat: {column_values}\nw: {single}\nv: w * repeat + stage")
    assert [row.count for row in rows] == column_values
    assert [row.columns["w"] for row in rows] == [single] * len(rows)
    assert [row.columns["v"] for row in rows] == [single * c + i for i, c in enumerate(column_values, start=1)]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("repeat: counts\nw: [1, 2]", "columns of stages differ in length: repeat has 3, w has 2"),
        ("repeat: 1\nstride: [1, 2]\nenter: [into, into, into]", "differ in length: stride has 2, enter has 3"),
        ("repeat: 1\nw: v\nv: w", "columns depend on each other in a circle: "),
        ("repeat: 1\nw: w + 1", "columns depend on each other in a circle: w -> w"),
        ("repeat: [1, -1]", "stage 2 has -1 blocks; there can be none, or more"),
        ("repeat: 1.5", "must be a whole number, not 1.5"),
        ("repeat: true", "must be a whole number, not true"),
        ("repeat: []", "there are 0 stages"),
        ("repeat: 1\nstride: [1, 0]", "the stride of stage 2 must be between 1 and 1,000,000, not 0"),
        ("repeat: 1\nstride: [1, []]", "the stride of stage 2 must be between 1 and 1,000,000"),
        ("repeat: 1\nstride: [[1, 1.5], 1]", "the stride of stage 1 must be a whole number, not 1.5"),
        ("repeat: 1\nout: 3", "'out'"),
        ("repeat: 1\nmin: 3", "'min'"),
        ("repeat: 1\nbase: 3", "'base' is both a param and a column of stages"),
        ("repeat: 1\nlambda: 3", "'lambda'"),
        ("repeat: 1\nw: '[1, 2] + [nothing]'", "unknown name 'nothing'"),
        ("repeat: 10 ** 9", "there can be at most"),
    ],
)
def test_tables_that_cannot_be(stages: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        table(stages)
    assert any(message in problem.message for problem in caught.value.problems)
    assert all(problem.span for problem in caught.value.problems)


def test_a_whole_float_counts_blocks() -> None:
    assert [row.count for row in table("repeat: [4 / 2, 3.0]")] == [2, 3]


UNTIL = """
archspec: 1
input: {channels: 3, size: [8, 8]}
stages: {repeat: [2, 3, 2], blocks: {middle: x, end: y}}
blocks:
  x: {branch: [scale: {by: stages}, scale: {by: count}, scale: {by: index}, relu: {when: last}, tanh: {when: first}]}
  y: {extends: x, after: [sigmoid: {when: stage == stages}]}
head: [global_avg_pool]
"""


@pytest.mark.parametrize("until", ["stage1", "stage1.0", "stage2", "stage2.1", "stage3", "stage3.0"])
def test_until_leaves_the_beginning_of_the_network_as_it_is(until: str) -> None:
    whole, cut = graph_of(UNTIL), graph_of(UNTIL + f"until: {until}\n")
    assert list(cut) == list(whole)[: len(cut)]
    assert cut.outputs["output"].startswith(until if "." in until else f"{until}.")
    assert not list(whole)[len(cut)].name.startswith(f"{until}.")


def test_until_drops_the_head() -> None:
    graph = graph_of(UNTIL + "until: stage3")
    assert [node.name for node in graph if node.unit == "head"] == []
    with pytest.raises(SpecError, match="there is nothing at 'head'"):
        graph_of(UNTIL + "until: stage3\noutputs: {logits: head}")
    empty = UNTIL.replace("head: [global_avg_pool]", "outputs: {logits: head, c1: stage1}")
    assert graph_of(empty).outputs == {"logits": "stage3.1.after.sigmoid", "c1": "stage1.1.add"}


@pytest.mark.parametrize("until", ["stage4", "stage0", "stage2.3", "stem", "stage2.x", "2"])
def test_until_of_nothing(until: str) -> None:
    with pytest.raises(SpecError, match="until: there is no stage or block"):
        graph_of(UNTIL + f"until: {until}\n")
