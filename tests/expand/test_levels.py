"""RoR's levels: which spans there are, and how their shortcuts stand in the graph."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from networks import assert_sound, drawn, graph_of, problem_of, reload, text_of

from archspec.topologies.levels import level_spans

counts_of_stages = st.lists(st.integers(1, 30), min_size=1, max_size=5)


def dealt(blocks: list[int], parts: int) -> list[list[int]]:
    """Blocks over parts, by dealing out one at a time: how many each gets, then who they are."""
    sizes = [0] * parts
    for i in range(len(blocks)):
        sizes[i % parts] += 1
    rest = iter(blocks)
    return [[next(rest) for _ in range(size)] for size in sizes]


def by_definition(counts: list[int], m: int, split: int) -> list[list[list[int]]]:
    """Blocks under every shortcut of levels 1 to m - 1, spans of one block among them."""
    numbers = iter(range(sum(counts)))
    stages = [[next(numbers) for _ in range(count)] for count in counts]
    levels = [[[block for stage in stages for block in stage]], stages]
    while len(levels) < m - 1:
        levels.append([part for span in levels[-1] for part in dealt(span, split) if part])
    return levels[: m - 1]


def largest_m(counts: list[int], split: int) -> int:
    m = 1
    while all(any(len(span) > 1 for span in level) for level in by_definition(counts, m + 1, split)):
        m += 1
    return m


@given(counts_of_stages, st.integers(1, 8), st.integers(2, 4))
def test_spans_are_those_of_the_definition(counts: list[int], m: int, split: int) -> None:
    assume(m <= largest_m(counts, split))
    expected = [
        (level, span[0], span[-1])
        for level, spans in enumerate(by_definition(counts, m, split), start=1)
        for span in spans
        if len(span) > 1
    ]
    assert [(span.level, span.first, span.last) for span in level_spans(counts, m, split)] == expected


@given(counts_of_stages, st.integers(1, 9), st.integers(2, 4))
def test_m_fits_while_every_level_has_a_span_of_several_blocks(counts: list[int], m: int, split: int) -> None:
    largest = largest_m(counts, split)
    if m <= largest:
        assert {span.level for span in level_spans(counts, m, split)} == set(range(1, m))
    else:
        with pytest.raises(ValueError, match=rf"largest number of levels here is {largest}\Z"):
            level_spans(counts, m, split)


@given(counts_of_stages, st.integers(2, 4))
def test_parts_differ_by_one_block_at_most_and_lie_in_the_span_above(counts: list[int], split: int) -> None:
    spans = {span.name: span for span in level_spans(counts, largest_m(counts, split), split)}
    for name, span in spans.items():
        assert span.blocks > 1
        if span.level < 3:
            continue
        parent, _, number = name.rpartition("_")
        above = spans[parent]
        assert above.level == span.level - 1
        assert above.first <= span.first <= span.last <= above.last
        assert span.blocks in (above.blocks // split, -(-above.blocks // split))
        earlier = [spans[f"{parent}_{i}"] for i in range(1, int(number))]
        assert all(sibling.blocks >= span.blocks for sibling in earlier)
        assert sum(sibling.blocks for sibling in earlier) == span.first - above.first


def test_ror3_of_the_paper() -> None:
    # 110 layers: 18 blocks in each of three stages.
    assert [(s.name, s.level, s.first, s.last) for s in level_spans([18, 18, 18], 3)] == [
        ("root", 1, 0, 53),
        ("stage1", 2, 0, 17),
        ("stage2", 2, 18, 35),
        ("stage3", 2, 36, 53),
    ]


def test_the_earlier_half_takes_the_odd_block() -> None:
    assert [(s.name, s.level, s.first, s.last) for s in level_spans([5, 1, 4], 5)[3:]] == [
        ("stage1_1", 3, 0, 2),
        ("stage1_2", 3, 3, 4),
        ("stage3_1", 3, 6, 7),
        ("stage3_2", 3, 8, 9),
        ("stage1_1_1", 4, 0, 1),
    ]


def test_split_in_three() -> None:
    assert [(s.name, s.first, s.last) for s in level_spans([7, 2], 4, 3)[3:]] == [
        ("stage1_1", 0, 2),
        ("stage1_2", 3, 4),
        ("stage1_3", 5, 6),
    ]


SPEC = """
archspec: 1
input: {{channels: 3, size: {size}}}
stem: [conv: {{out: 4, kernel: 3}}]
stages:
  repeat: {repeat}
  width: [4, 8]
  stride: {stride}
  blocks: block
  {enter}
blocks:
  block:
    {block}
    after: [relu]
levels: {{{levels}}}
{rest}
"""


def spec(
    levels: str = "m: 3", *, block: str | None = None, size: str = "[16, 16]", repeat: str = "[2, 2]",
    stride: str = "[1, 2]", enter: str = "", rest: str = "",
) -> str:  # fmt: skip
    fields = block or "branch: [conv: {out: width, kernel: 3, stride: stride}, bn]\nshortcut: B"
    indented = fields.strip().replace("\n", "\n    ")
    return SPEC.format(
        levels=levels, block=indented, size=size, repeat=repeat, stride=stride, enter=enter, rest=rest
    )  # fmt: skip


def test_levels_join_the_closing_addition_of_their_last_block() -> None:
    graph = graph_of(spec())
    assert drawn(graph) == text_of("""
        stem.conv = conv(out=4, kernel=3) <- input
        stage1.0.branch.conv = conv(out=4, kernel=3) <- stem.conv
        stage1.0.branch.bn = bn <- stage1.0.branch.conv
        stage1.0.add = add <- stage1.0.branch.bn, stem.conv
        stage1.0.after.relu = relu <- stage1.0.add
        stage1.1.branch.conv = conv(out=4, kernel=3) <- stage1.0.after.relu
        stage1.1.branch.bn = bn <- stage1.1.branch.conv
        levels.stage1.conv = conv(out=4, kernel=1) <- stem.conv
        levels.stage1.bn = bn <- levels.stage1.conv
        stage1.1.add = add <- stage1.1.branch.bn, stage1.0.after.relu, levels.stage1.bn
        stage1.1.after.relu = relu <- stage1.1.add
        stage2.0.branch.conv = conv(out=8, kernel=3, stride=2) <- stage1.1.after.relu
        stage2.0.branch.bn = bn <- stage2.0.branch.conv
        stage2.0.shortcut.conv = conv(out=8, kernel=1, stride=2) <- stage1.1.after.relu
        stage2.0.shortcut.bn = bn <- stage2.0.shortcut.conv
        stage2.0.add = add <- stage2.0.branch.bn, stage2.0.shortcut.bn
        stage2.0.after.relu = relu <- stage2.0.add
        stage2.1.branch.conv = conv(out=8, kernel=3) <- stage2.0.after.relu
        stage2.1.branch.bn = bn <- stage2.1.branch.conv
        levels.stage2.conv = conv(out=8, kernel=1, stride=2) <- stage1.1.after.relu
        levels.stage2.bn = bn <- levels.stage2.conv
        levels.root.conv = conv(out=8, kernel=1, stride=2) <- stem.conv
        levels.root.bn = bn <- levels.root.conv
        stage2.1.add = add <- stage2.1.branch.bn, stage2.0.after.relu, levels.stage2.bn, levels.root.bn
        stage2.1.after.relu = relu <- stage2.1.add
    """)
    assert [(node.name, node.level) for node in graph if node.level] == [
        ("levels.stage1.conv", 2), ("levels.stage1.bn", 2), ("levels.stage2.conv", 2), ("levels.stage2.bn", 2),
        ("levels.root.conv", 1), ("levels.root.bn", 1),
    ]  # fmt: skip
    assert reload(graph) == graph


def test_one_joint_sum_of_all_levels_and_skips() -> None:
    text = spec(
        "m: 4", repeat="[2, 4]", rest="skips: [{from: stem, to: stage2.3, path: B}, {from: stage2.0, to: stage2.3}]"
    )
    graph = graph_of(text)
    assert graph["stage2.3.add"].inputs == (
        "stage2.3.branch.bn",
        "stage2.2.after.relu",
        "levels.stage2_2.bn",
        "levels.stage2.bn",
        "levels.root.bn",
        "skips.stem_to_stage2_3.bn",
        "stage2.0.after.relu",
    )
    assert graph.users["stage2.3.add"] == ["stage2.3.after.relu"]
    assert graph["stage2.1.add"].inputs[2:] == ("levels.stage2_1.bn",)
    assert [name for name in graph.nodes if name.startswith("levels.stage1_")] == []
    assert_sound(graph)


def test_m_of_1_is_the_base_network() -> None:
    assert graph_of(spec("m: 1")) == graph_of(spec("m: 1").replace("levels: {m: 1}", ""))


def test_a_path_of_identity_adds_the_signal_itself() -> None:
    graph = graph_of(spec("m: 3, path: B", stride="[1, 1]").replace("width: [4, 8]", "width: [4, 4]"))
    assert [name for name in graph.nodes if name.startswith("levels")] == []
    assert graph["stage2.1.add"].inputs == (
        "stage2.1.branch.bn", "stage2.0.after.relu", "stage1.1.after.relu", "stem.conv"
    )  # fmt: skip


def test_a_level_path_may_be_written_in_place() -> None:
    graph = graph_of(spec("m: 2, path: [conv: {out: out, kernel: 1, stride: stride, when: changed}]"))
    assert drawn(graph, "levels.") == "levels.root.conv = conv(out=8, kernel=1, stride=2) <- stem.conv"


@pytest.mark.parametrize("size", [75, 76, 5, 7, 9, 16, 31])
def test_strides_are_quotients_of_reductions_not_of_sizes(size: int) -> None:
    graph = graph_of(spec(size=f"[{size}, {size + 1}]", stride="[2, 2]"))
    strides = {name: graph[f"levels.{name}.conv"].op.stride for name in ("stage1", "stage2", "root")}  # type: ignore[attr-defined]
    assert strides == {"stage1": 2, "stage2": 2, "root": 4}


def test_75_becomes_38() -> None:
    graph = graph_of(spec(size="[75, 75]"))
    assert graph["stage2.0.add"].shape == (8, 38, 38)
    assert graph["levels.root.bn"].shape == (8, 38, 38)
    assert graph["stage2.1.add"].reduction == (2, 2)


def test_strides_of_three_dimensions() -> None:
    graph = graph_of(spec(size="[4, 9, 9]", stride="[[1, 2, 2], [2, 2, 2]]"))
    strides = {name: graph[f"levels.{name}.conv"].op.stride for name in ("stage1", "stage2", "root")}  # type: ignore[attr-defined]
    assert strides == {"stage1": (1, 2, 2), "stage2": 2, "root": (2, 4, 4)}
    assert graph["stage2.1.add"].shape == (8, 2, 3, 3)
    assert reload(graph) == graph


def test_a_plain_block_gets_an_addition_of_its_own() -> None:
    graph = graph_of(spec(block="branch: [conv: {out: width, kernel: 3, stride: stride}, bn]\nshortcut: none"))
    assert drawn(graph, "stage2.") == text_of("""
        stage2.0.branch.conv = conv(out=8, kernel=3, stride=2) <- stage1.1.after.relu
        stage2.0.branch.bn = bn <- stage2.0.branch.conv
        stage2.0.after.relu = relu <- stage2.0.branch.bn
        stage2.1.branch.conv = conv(out=8, kernel=3) <- stage2.0.after.relu
        stage2.1.branch.bn = bn <- stage2.1.branch.conv
        stage2.1.add = add <- stage2.1.branch.bn, levels.stage2.bn, levels.root.bn
        stage2.1.after.relu = relu <- stage2.1.add
    """)


GRAPH = """
graph:
  carry: [{carry}]
  f: [conv: {{out: width, kernel: 3, stride: stride}}, bn]
  output: {output}
out: width
"""


def graph_form(output: str, carry: str = "use: B") -> str:
    return GRAPH.format(output=output, carry=carry)


@pytest.mark.parametrize(
    "output",
    [
        "{from: [f, carry], ops: [add]}",
        "{from: [f, carry], ops: [use: joint]}",
        "{from: [f, carry], ops: [multiply: {when: index > 9}, add: {when: index < 9}]}",
        "{from: [f, carry], ops: [add, relu: {when: index > 9}]}",
    ],
)
def test_levels_join_the_addition_that_ends_a_graph(output: str) -> None:
    graph = graph_of(spec(block=graph_form(output), rest="paths: {joint: [add]}"))
    assert drawn(graph, "stage2.1") == text_of("""
        stage2.1.f.conv = conv(out=8, kernel=3) <- stage2.0.after.relu
        stage2.1.f.bn = bn <- stage2.1.f.conv
        stage2.1.add = add <- stage2.1.f.bn, stage2.0.after.relu, levels.stage2.bn, levels.root.bn
        stage2.1.after.relu = relu <- stage2.1.add
    """)
    assert reload(graph) == graph


def test_an_addition_keeps_its_name_when_levels_join_it() -> None:
    graph = graph_of(spec(block=graph_form("{from: [f, carry], ops: [add: {name: total}]}")))
    assert graph["stage2.0.total"].inputs == ("stage2.0.f.bn", "stage2.0.carry.bn")
    assert graph["stage2.1.total"].inputs == (
        "stage2.1.f.bn", "stage2.0.after.relu", "levels.stage2.bn", "levels.root.bn"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("output", "closing"),
    [
        ("{from: [f, carry], ops: [multiply]}", "multiply"),
        ("{from: [f, carry], ops: [multiply, bn]}", "bn"),
        ("{from: [f, carry], ops: [multiply, bn: {when: index > 9}]}", "multiply"),
        ("{from: [f, carry], ops: [add: {when: index > 9}, multiply: {when: index < 9}]}", "multiply"),
    ],
)
def test_levels_get_an_addition_after_a_graph_that_ends_otherwise(output: str, closing: str) -> None:
    graph = graph_of(spec(block=graph_form(output)))
    assert graph["stage2.1.add"].inputs == (f"stage2.1.{closing}", "levels.stage2.bn", "levels.root.bn")
    assert graph["stage2.1.after.relu"].inputs == ("stage2.1.add",)
    assert "stage2.0.add" not in graph.nodes


def test_levels_get_an_addition_after_a_wire_that_is_the_output() -> None:
    graph = graph_of(spec(block="graph: {f: [conv: {out: width, kernel: 3, stride: stride}], output: f}"))
    assert graph["stage2.0.after.relu"].inputs == ("stage2.0.f.conv",)
    assert graph["stage2.1.add"].inputs == ("stage2.1.f.conv", "levels.stage2.bn", "levels.root.bn")


def test_operators_after_the_addition_are_an_error_where_something_joins() -> None:
    text = spec(block=graph_form("{from: [f, carry], ops: [add, relu]}"))
    problem = problem_of(text)
    assert "operators follow its addition" in problem.message
    assert problem.hint == "move them to `after`"
    assert problem.where == "stage1.1"
    without = graph_of(text.replace("levels: {m: 3}", ""))
    assert without["stage2.1.relu"].inputs == ("stage2.1.add",)


def test_until_applies_before_levels() -> None:
    graph = graph_of(spec(repeat="[2, 3]", rest="until: stage2.0\nhead: [global_avg_pool]"))
    assert {node.unit for node in graph if node.level} == {"levels.root", "levels.stage1"}
    assert graph["stage2.0.add"].inputs == ("stage2.0.branch.bn", "stage2.0.shortcut.bn", "levels.root.bn")
    assert graph.outputs == {"output": "stage2.0.after.relu"}
    message = problem_of(spec("m: 4", repeat="[2, 3]", rest="until: stage2.1")).message
    assert message == "levels: m = 4 does not fit: the largest number of levels here is 3"
    assert graph_of(spec("m: 4", repeat="[2, 3]"))["levels.stage2_1.conv"].level == 3


def test_spans_start_after_enter_and_the_root_passes_over_later_ones() -> None:
    graph = graph_of(
        spec(enter="enter: into", stride="1", rest="paths: {into: [conv: {out: width, kernel: 3, stride: stage}]}")
    )
    assert drawn(graph, "levels.") == text_of("""
        levels.stage1.conv = conv(out=4, kernel=1) <- stage1.enter.conv
        levels.stage1.bn = bn <- levels.stage1.conv
        levels.stage2.conv = conv(out=8, kernel=1) <- stage2.enter.conv
        levels.stage2.bn = bn <- levels.stage2.conv
        levels.root.conv = conv(out=8, kernel=1, stride=2) <- stage1.enter.conv
        levels.root.bn = bn <- levels.root.conv
    """)


def test_spans_start_at_a_blocks_input_before_it_is_widened() -> None:
    graph = graph_of(spec("m: 2", rest="skips: [{from: stage1.0, to: stage2.0, join: concat}]"))
    assert graph["stage2.0.concat"].inputs == ("stage1.1.after.relu", "stage1.0.after.relu")
    assert graph["levels.root.conv"].inputs == ("stem.conv",)
    inner = graph_of(spec("m: 3", rest="skips: [{from: stem, to: stage2.0, join: concat}]"))
    assert inner["levels.stage2.conv"].inputs == ("stage1.1.after.relu",)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ("m: 9", "levels: m = 9 does not fit: the largest number of levels here is 3"),
        ("m: 0", "levels: m must be at least 1, not 0"),
        ("m: 2.5", "levels: m must be a whole number, not 2.5"),
        ("m: 3, split: 1", "levels: split must be at least 2, not 1"),
        ("m: 1, split: true", "levels: split must be a whole number, not true"),
    ],
)
def test_levels_that_cannot_be(levels: str, message: str) -> None:
    problem = problem_of(spec(levels))
    assert problem.message == message
    assert problem.span is not None


def test_a_level_that_cannot_reach_says_so() -> None:
    problem = problem_of(spec("m: 2, path: identity"))
    assert re.search(r"joins 8x8x8 \(branch\) with 4x16x16 \(level root\)", problem.message)


def test_levels_need_stages() -> None:
    text = "archspec: 1\ninput: {size: [8, 8]}\nstem: [relu]\nlevels: {m: 2}\n"
    assert problem_of(text).message == "`levels` needs stages"
