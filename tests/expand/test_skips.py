"""Skips: edges as written, and the rules that make them, against lists made by hand."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import assert_sound, drawn, graph_of, problem_of, problems_of, reload, text_of

from archspec.graph import Graph
from archspec.syntax.errors import Problem
from archspec.topologies import STANDARD, RuleError, Rules, dense, every
from archspec.topologies import random as random_rule

SPEC = """
archspec: 1
input: {{channels: 3, size: [16, 16]}}
stem: [conv: {{out: 4, kernel: 3}}]
stages:
  repeat: {repeat}
  width: {width}
  stride: [1, 2]
  {stages}
  blocks: block
params: {{p: 0.5, n: 6}}
blocks:
  block:
    branch: [conv: {{out: width, kernel: 3, stride: stride}}]
    shortcut: {shortcut}
    after: [relu]
skips: {skips}
{rest}
"""


def spec(
    skips: str, *, repeat: str = "[3, 2]", width: str = "[4, 8]", shortcut: str = "B", stages: str = "", rest: str = ""
) -> str:
    return SPEC.format(skips=skips, repeat=repeat, width=width, shortcut=shortcut, stages=stages, rest=rest)


def block_of(name: str) -> str:
    """Which point of the network a node is the output of."""
    return "stem" if name == "stem.conv" else ".".join(name.split(".")[:2])


def added(graph: Graph) -> list[tuple[str, str]]:
    """The skips with path `identity` that additions of a graph show: operands beyond branch and shortcut."""
    pairs = []
    for node in graph:
        if node.op.key == "add":
            pairs += [(block_of(source), node.unit) for source in node.inputs[2:]]
    return pairs


def widened(graph: Graph) -> list[tuple[str, str]]:
    return [(block_of(source), node.unit) for node in graph if node.op.key == "concat" for source in node.inputs[1:]]


def test_an_edge_joins_the_closing_addition() -> None:
    graph = graph_of(spec("[{from: stage1.0, to: stage2.0, path: C}]"))
    assert drawn(graph, "skips.") == text_of("""
        skips.stage1_0_to_stage2_0.conv = conv(out=8, kernel=1, stride=2) <- stage1.0.after.relu
        skips.stage1_0_to_stage2_0.bn = bn <- skips.stage1_0_to_stage2_0.conv
    """)
    assert graph["stage2.0.add"].inputs == (
        "stage2.0.branch.conv", "stage2.0.shortcut.bn", "skips.stage1_0_to_stage2_0.bn"
    )  # fmt: skip
    assert graph["stage2.0.after.relu"].inputs == ("stage2.0.add",)
    assert reload(graph) == graph


def test_an_edge_may_widen_a_blocks_input() -> None:
    graph = graph_of(spec("[{from: stem, to: stage1.2, join: concat}, {from: stage1.0, to: stage1.2, join: concat}]"))
    assert drawn(graph, "stage1.2") == text_of("""
        stage1.2.concat = concat <- stage1.1.after.relu, stem.conv, stage1.0.after.relu
        stage1.2.branch.conv = conv(out=4, kernel=3) <- stage1.2.concat
        stage1.2.shortcut.conv = conv(out=4, kernel=1) <- stage1.2.concat
        stage1.2.shortcut.bn = bn <- stage1.2.shortcut.conv
        stage1.2.add = add <- stage1.2.branch.conv, stage1.2.shortcut.bn
        stage1.2.after.relu = relu <- stage1.2.add
    """)
    assert graph["stage1.2.concat"].shape == (12, 16, 16)
    assert reload(graph) == graph


def test_a_widening_path_is_told_the_stride_and_keeps_its_channels() -> None:
    path = "[max_pool: {kernel: 3, stride: stride, when: downsampled}, conv: {out: out, kernel: 1, when: changed}]"
    graph = graph_of(spec(f"[{{from: stage1.1, to: stage2.1, join: concat, path: {path}}}]"))
    assert drawn(graph, "skips.") == text_of("""
        skips.stage1_1_to_stage2_1.max_pool = max_pool(kernel=3, stride=2) <- stage1.1.after.relu
        skips.stage1_1_to_stage2_1.conv = conv(out=4, kernel=1) <- skips.stage1_1_to_stage2_1.max_pool
    """)
    assert graph["stage2.1.concat"].shape == (12, 8, 8)


def test_add_and_concat_between_the_same_two_blocks() -> None:
    graph = graph_of(spec("[{from: stem, to: stage1.1}, {from: stem, to: stage1.1, join: concat}]"))
    assert graph["stage1.1.concat"].inputs == ("stage1.0.after.relu", "stem.conv")
    assert graph["stage1.1.add"].inputs[2:] == ("stem.conv",)


def test_skips_join_in_the_order_of_their_sources() -> None:
    graph = graph_of(
        spec("[{from: stage1.1, to: stage1.2}, {from: stem, to: stage1.2}, {from: stage1.0, to: stage1.2}]")
    )
    assert added(graph) == [("stem", "stage1.2"), ("stage1.0", "stage1.2"), ("stage1.1", "stage1.2")]


def test_a_plain_block_gets_an_addition_of_its_own() -> None:
    graph = graph_of(spec("[{from: stem, to: stage1.1}]", shortcut="none"))
    assert graph["stage1.1.add"].inputs == ("stage1.1.branch.conv", "stem.conv")
    assert graph["stage1.1.after.relu"].inputs == ("stage1.1.add",)
    assert "stage1.2.add" not in graph.nodes


def test_a_stage_as_source_is_its_last_block() -> None:
    graph = graph_of(spec("[{from: stage1, to: stage2.1, path: B}]"))
    assert graph["skips.stage1_2_to_stage2_1.conv"].inputs == ("stage1.2.after.relu",)


def test_the_stem_is_the_input_where_there_is_none() -> None:
    text = (
        spec("[{from: stem, to: stage1.1}]")
        .replace("stem: [conv: {out: 4, kernel: 3}]", "")
        .replace("channels: 3", "channels: 4")
    )
    assert graph_of(text)["stage1.1.add"].inputs[2:] == ("input",)


def test_a_source_lies_before_the_enter_of_the_next_stage() -> None:
    graph = graph_of(
        spec(
            "[{from: stem, to: stage1.0, path: B}]", stages="enter: pool", rest="paths: {pool: [avg_pool: {kernel: 2}]}"
        )
    )
    assert graph["skips.stem_to_stage1_0.conv"].inputs == ("stem.conv",)
    assert graph["skips.stem_to_stage1_0.conv"].op.written() == {"out": 4, "kernel": 1, "stride": 2}


ENTERED = {"stages": "enter: [null, pool]", "rest": "paths: {pool: [avg_pool: {kernel: 2}]}"}


def test_a_source_may_lie_behind_the_enter_of_a_stage() -> None:
    graph = graph_of(spec("[{from: stage2.enter, to: stage2.1, path: B}]", **ENTERED))
    assert graph["skips.stage2_enter_to_stage2_1.conv"].inputs == ("stage2.enter.avg_pool",)
    assert graph["skips.stage2_enter_to_stage2_1.conv"].op.written() == {"out": 8, "kernel": 1, "stride": 2}
    assert reload(graph) == graph
    known = "[{from: stage1.enter, to: stage2.1}]"
    assert problem_of(spec(known, **ENTERED)).message == "there is no block 'stage1.enter' to skip from"
    onto = "[{from: stem, to: stage2.enter}]"
    assert problem_of(spec(onto, **ENTERED)).message == "there is no block 'stage2.enter' to skip to"
    back = "[{from: stage2.enter, to: stage1.2}]"
    assert problem_of(spec(back, **ENTERED)).message == "the skip from stage2.enter to stage1.2 runs backwards"


def test_within_a_stage_the_first_point_lies_behind_its_enter() -> None:
    graph = graph_of(spec("[{rule: dense, within: stage, path: C}]", repeat="[2, 3]", **ENTERED))
    starts = [node.inputs[0] for node in graph if node.name.startswith("skips.") and node.op.key == "conv"]
    assert starts == ["stem.conv", "stage2.enter.avg_pool", "stage2.enter.avg_pool", "stage2.0.after.relu"]


def test_a_densely_connected_network() -> None:
    """Every block reads what enters its stage and all outputs before it, one after another (arXiv 1608.06993)."""
    graph = graph_of("""
        archspec: 1
        input: {channels: 3, size: [16, 16]}
        stem: [conv: {out: 6, kernel: 3}]
        stages: {repeat: 3, blocks: layer, enter: [null, halved]}
        blocks: {layer: {branch: [conv: {out: 4, kernel: 3}], shortcut: none}}
        paths: {halved: [conv: {out: channels // 2, kernel: 1}, avg_pool: {kernel: 2}]}
        skips: [{rule: dense, within: stage, join: concat}]
    """)
    for stage, (entering, channels) in {1: ("stem.conv", 6), 2: ("stage2.enter.avg_pool", 2)}.items():
        for index in range(3):
            source = graph[f"stage{stage}.{index}.branch.conv"].inputs[0]
            assert graph[source].shape[0] == channels + 4 * index
            if index:
                before = [f"stage{stage}.{i}.branch.conv" for i in range(index - 1)]
                assert graph[source].inputs == (f"stage{stage}.{index - 1}.branch.conv", entering, *before)
        assert graph[entering].shape == (channels, 16 // stage, 16 // stage)


BLOCKS = ["stage1.0", "stage1.1", "stage1.2", "stage2.0", "stage2.1"]


def test_every_within_the_network() -> None:
    graph = graph_of(spec("[{rule: every, step: 2, path: B}]"))
    units = {node.unit for node in graph if node.name.startswith("skips.")}
    # Over stem, three blocks, two blocks: 0 -> 2 -> 4, and the sixth point is left.
    assert added(graph) == [("stem", "stage1.1"), ("skips.stage1_1_to_stage2_0", "stage2.0")]
    assert units == {"skips.stage1_1_to_stage2_0"}


def test_every_within_stages() -> None:
    graph = graph_of(spec("[{rule: every, step: 2, within: stage, path: B}]"))
    assert added(graph) == [("stem", "stage1.1"), ("skips.stage1_2_to_stage2_1", "stage2.1")]


def test_dense_within_stages() -> None:
    graph = graph_of(spec("[{rule: dense, within: stage, join: concat}]", stages="", width="[4, 4]", repeat="[3, 1]"))
    assert widened(graph) == [("stem", "stage1.1"), ("stem", "stage1.2"), ("stage1.0", "stage1.2")]


def test_dense_within_the_network() -> None:
    skips = "[{rule: dense, path: B}]"
    graph = graph_of(spec(skips, repeat="[2, 2]"))
    expected = [
        ("stem", "stage1.1"),
        ("stem", "stage2.0"), ("stage1.0", "stage2.0"),
        ("stem", "stage2.1"), ("stage1.0", "stage2.1"), ("stage1.1", "stage2.1"),
    ]  # fmt: skip
    assert [target for _, target in added(graph)] == [target for _, target in expected]
    units = {node.unit for node in graph if node.name.startswith("skips.")}
    assert units == {
        f"skips.{s}_to_{t}".replace("stage1.", "stage1_").replace("stage2.", "stage2_") for s, t in expected[1:]
    }


points_of = st.integers(1, 25).map(lambda count: ["stem", *(f"stage1.{i}" for i in range(count))])


@given(points_of, st.integers(2, 30))
def test_every_chains(points: list[str], step: int) -> None:
    pairs = list(every(points, step))
    assert [points.index(target) - points.index(source) for source, target in pairs] == [step] * len(pairs)
    assert [source for source, _ in pairs] == [points[i * step] for i in range(len(pairs))]
    assert len(pairs) == (len(points) - 1) // step


@given(points_of)
def test_dense_is_every_pair_two_apart(points: list[str]) -> None:
    expected = [pair for pair in itertools.combinations(points, 2) if points.index(pair[1]) - points.index(pair[0]) > 1]
    assert list(dense(points)) == expected


@given(points_of, st.floats(0, 1), st.integers(-(2**40), 2**40))
def test_random_draws_once_per_pair_in_order(points: list[str], probability: float, seed: int) -> None:
    generator = random.Random(seed)
    expected = []
    for i in range(len(points)):
        for j in range(i + 2, len(points)):
            if generator.random() < probability:
                expected.append((points[i], points[j]))
    assert list(random_rule(points, probability, seed)) == expected


def test_random_in_a_network() -> None:
    graph = graph_of(spec("[{rule: random, probability: p, seed: n + 1, path: B}]", width="[4, 4]"))
    draw = random.Random(7).random
    pairs = [(i, j) for i in range(6) for j in range(i + 2, 6)]
    points = ["stem", *BLOCKS]
    expected = {(points[i], points[j]) for i, j in pairs if draw() < 0.5}
    assert 0 < len(expected) < len(pairs)
    projected = {
        tuple(node.unit.removeprefix("skips.").replace("_to_", " ").replace("_", ".").split())
        for node in graph
        if node.name.startswith("skips.")
    }
    plain = {pair for pair in added(graph) if not pair[0].startswith("skips.")}
    assert projected | plain == expected
    assert not projected & plain
    assert_sound(graph)


def test_random_with_probabilities_at_the_ends() -> None:
    assert added(graph_of(spec("[{rule: random, probability: 0, path: B}]"))) == []
    assert graph_of(spec("[{rule: random, probability: 1.0, path: B}]")) == graph_of(spec("[{rule: dense, path: B}]"))


def test_a_rule_of_ones_own() -> None:
    seen: list[tuple[list[str], dict[str, Any]]] = []

    def fan(points: Sequence[str], hub: int, most: int = 9) -> Iterator[tuple[str, str]]:
        seen.append((list(points), {"hub": hub, "most": most}))
        for target in points[hub + 2 :][:most]:
            yield points[hub], target

    rules = STANDARD.with_rule("fan", fan)
    graph = graph_of(spec("[{rule: fan, hub: n - 6, most: 2}]", width="[4, 4]"), rules=rules)
    assert seen == [(["stem", *BLOCKS], {"hub": 0, "most": 2})]
    assert added(graph) == [("stem", "stage1.1"), ("stem", "stage1.2")]
    assert "fan" not in STANDARD.functions
    assert "every" in rules.functions
    assert problem_of(spec("[{rule: fan, hub: 0}]")).message == "there is no rule 'fan'"


def test_within_stage_a_rule_sees_one_stage_after_another() -> None:
    seen: list[list[str]] = []

    def look(points: Sequence[str]) -> list[tuple[str, str]]:
        seen.append(list(points))
        return []

    graph_of(spec("[{rule: look, within: stage}]"), rules=Rules().with_rule("look", look))
    assert seen == [["stem", "stage1.0", "stage1.1", "stage1.2"], ["stage1.2", "stage2.0", "stage2.1"]]


def test_until_applies_before_rules() -> None:
    graph = graph_of(spec("[{rule: every, step: 2, path: B}]", rest="until: stage1.2"))
    assert added(graph) == [("stem", "stage1.1")]


def test_an_edge_written_takes_precedence_over_one_that_a_rule_makes() -> None:
    graph = graph_of(spec("[{rule: every, step: 2, within: stage, path: B}, {from: stem, to: stage1.1, path: C}]"))
    assert graph["stage1.1.add"].inputs[2:] == ("skips.stem_to_stage1_1.bn",)


def rule_notes(graph: Graph) -> list[Problem]:
    return [note for note in graph.notes if "rule" in note.message]


def test_what_a_rule_adds_nothing_to_is_told() -> None:
    rules = "[{rule: every, step: 2, path: B}, {rule: dense, path: B}, {from: stem, to: stage1.1, path: C}]"
    graph = graph_of(spec(rules))
    dense = graph_of(spec("[{rule: dense, path: B}, {from: stem, to: stage1.1, path: C}]"))
    assert {node.name: node.inputs for node in graph} == {node.name: node.inputs for node in dense}
    every, other = rule_notes(graph)
    assert every.message == "the rule 'every' adds 1 of its 2 skips: 1 is there already (stem -> stage1.1)"
    assert other.message == "the rule 'dense' adds 8 of its 10 skips: 2 are there already (as stem -> stage1.1)"
    assert every.span is not None
    assert other.span is not None
    assert every.span.column < other.span.column
    assert rule_notes(graph_of(spec("[{rule: every, step: 2, path: B}]"))) == []
    # Another way of joining is another skip.
    joins = "[{rule: every, step: 4}, {rule: every, step: 4, join: concat, path: B}]"
    text = spec(joins, shortcut="none", width="[4, 4]").replace("stride: [1, 2]", "stride: 1")
    assert rule_notes(graph_of(text)) == []


def test_a_whole_float_is_a_whole_number() -> None:
    assert graph_of(spec("[{rule: every, step: n / 3, path: B}]")) == graph_of(
        spec("[{rule: every, step: 2, path: B}]")
    )
    assert list(random_rule(["a", "b", "c", "d"], 0.5, 3.0)) == list(random_rule(["a", "b", "c", "d"], 0.5, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("skips", "message"),
    [
        ("[{from: stage1.2, to: stage1.0}]", "the skip from stage1.2 to stage1.0 runs backwards"),
        ("[{from: stage1, to: stage1.1}]", "the skip from stage1.2 to stage1.1 runs backwards"),
        ("[{from: stage1.3, to: stage2.0}]", "there is no block 'stage1.3' to skip from"),
        ("[{from: stage1.0, to: stage3.0}]", "there is no block 'stage3.0' to skip to"),
        ("[{from: stage1.0, to: stem}]", "there is no block 'stem' to skip to"),
        ("[{from: stage1.0, to: stage2}]", "there is no block 'stage2' to skip to"),
        ("[{from: stage1.0}]", "a skip needs `from` and `to`, or a `rule`"),
        ("[{from: stem, to: stage1.1, step: 2}]", "a skip has no field 'step'"),
        (
            "[{from: stem, to: stage1.1}, {from: stem, to: stage1.1, path: C}]",
            "the skip from stem to stage1.1 is given twice",
        ),
        (
            "[{from: stage1, to: stage2.0, path: B}, {from: stage1.2, to: stage2.0, path: B}]",
            "the skip from stage1.2 to stage2.0 is given twice",
        ),
        ("[{rule: evry, step: 2}]", "there is no rule 'evry'"),
        ("[{rule: every, step: 1}]", "step must be a whole number of at least 2"),
        ("[{rule: every, step: 2.5}]", "step must be a whole number of at least 2"),
        ("[{rule: random, probability: 1.5}]", "probability must be between 0 and 1"),
        ("[{rule: random, probability: true}]", "probability must be between 0 and 1"),
        ("[{rule: random, probability: 0.5, seed: 0.5}]", "seed must be a whole number"),
        ("[{rule: every, step: 2, to: stage1.1}]", "a rule makes its own edges: leave out `from` and `to`"),
    ],
)
def test_skips_that_cannot_be(skips: str, message: str) -> None:
    problem = problem_of(spec(skips))
    assert problem.message == message
    assert problem.span is not None


def test_a_block_does_not_skip_to_itself() -> None:
    assert problems_of(spec("[{from: stage1.2, to: stage1.2}]"))


def test_wrong_fields_of_a_rule_name_those_it_has() -> None:
    problem = problem_of(spec("[{rule: every, stp: 2}]"))
    assert problem.message == "the rule 'every' has no field 'stp'"
    assert problem.hint == "did you mean 'step'?"
    message = problem_of(spec("[{rule: every}]")).message
    assert message.startswith("the rule 'every' cannot take these fields")
    assert message.endswith("it has step")


def test_a_rule_that_runs_backwards_is_refused() -> None:
    rules = STANDARD.with_rule("back", lambda points: [(points[2], points[1])])
    message = problem_of(spec("[{rule: back}]"), rules=rules).message
    assert message == "the rule 'back' made the impossible skip stage1.1 -> stage1.0"


def test_a_rule_that_repeats_itself_is_refused() -> None:
    rules = STANDARD.with_rule("twice", lambda points: [(points[0], points[2])] * 2)
    message = problem_of(spec("[{rule: twice}]"), rules=rules).message
    assert message == "the rule 'twice' made the skip stem -> stage1.1 twice"


def test_a_rule_may_refuse() -> None:
    def refuse(points: Sequence[str]) -> Iterator[tuple[str, str]]:
        raise RuleError("not today")

    assert problem_of(spec("[{rule: no_rule}]"), rules=STANDARD.with_rule("no_rule", refuse)).message == "not today"


def test_a_skip_that_cannot_reach_says_so() -> None:
    problem = problem_of(spec("[{from: stem, to: stage2.0}]"))
    assert problem.message == "the addition joins 8x8x8 (branch) with 4x16x16 (skip from stem)"
    assert problem.where == "stage2.0"
    (problem,) = problems_of(spec("[{from: stem, to: stage2.1, join: concat}]"))
    assert "of another size" in problem.message


def test_within_stages_random_draws_for_each_stage_anew() -> None:
    """Stage 1 as the seed alone would, stage k from the text SEED/k."""
    sizes = {"repeat": "[7, 7, 7]", "width": "[4, 4, 4]", "shortcut": "identity"}
    text = spec("[{rule: random, probability: p, seed: n, within: stage}]", **sizes).replace("[1, 2]", "1")
    drawn_by_stage: dict[str, list[tuple[int, int]]] = {}
    for source, target in added(graph_of(text)):
        stage, _, end = target.partition(".")
        start = int(source.partition(".")[2]) + 1 if source.startswith(stage) else 0
        drawn_by_stage.setdefault(stage, []).append((start, int(end) + 1))
    for stage, key in (("stage1", 6), ("stage2", "6/2"), ("stage3", "6/3")):
        draw = random.Random(key).random
        assert sorted(drawn_by_stage[stage]) == [(i, j) for i in range(8) for j in range(i + 2, 8) if draw() < 0.5]
    assert len({tuple(sorted(pairs)) for pairs in drawn_by_stage.values()}) == 3


@pytest.mark.parametrize(
    "rule", ["every, step: 9", "log_dense, base: 99", "fractal, base: 99", "random, probability: 0"]
)
def test_a_rule_that_makes_nothing_is_told(rule: str) -> None:
    (note,) = rule_notes(graph_of(spec(f"[{{rule: {rule}, path: B}}]")))
    assert note.message == f"the rule '{rule.partition(',')[0]}' makes no skip here"
