"""Weights where signals join: what the language's three places for them become, and where skips join."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from executions import check
from networks import assert_sound, drawn, graph_of, reload, spec_of, text_of

import archspec
from archspec.compiler.analysis.nesting import levels
from archspec.compiler.analysis.training import training_memory
from archspec.compiler.expand import expand
from archspec.compiler.expand.memo import Memo
from archspec.compiler.lower import blocks
from archspec.execution.allocated import peak_allocated

SPEC = """
archspec: 1
input: {{channels: 3, size: [8, 8]}}
stem: [conv: {{out: 4, kernel: 3}}]
stages: {{repeat: {repeat}, width: 4, blocks: block}}
blocks:
  block:
    branch: [conv: {{out: width, kernel: 3}}]
    {block}
{rest}
"""


def spec(rest: str = "", block: str = "after: [relu]", repeat: str = "[2, 1]") -> str:
    return SPEC.format(rest=rest, block=block, repeat=repeat)


def sums(text: str) -> str:
    return "\n".join(line for line in drawn(graph_of(text)).splitlines() if " = add" in line or " = scale" in line)


def test_a_block_weighs_its_closing_addition_with_levels_and_skips_in_order() -> None:
    text = spec(
        "levels: {m: 2, path: identity}\nskips: [{from: stage1.0, to: stage2.0}]",
        "add: {weights: {init: 1 / (operand + 1), per: channel}}",
    )
    assert sums(text) == text_of("""
        stage1.0.add = add(weights={'init': [1.0, 0.5], 'per': 'channel'}) <- stage1.0.branch.conv, stem.conv
        stage1.1.add = add(weights={'init': [1.0, 0.5], 'per': 'channel'}) <- stage1.1.branch.conv, stage1.0.add
        stage2.0.add = add(weights={'init': [1.0, 0.5, 0.3333333333333333, 0.25], 'per': 'channel'}) <- \
stage2.0.branch.conv, stage1.1.add, stem.conv, stage1.0.add
    """)
    assert graph_of(text)["stage2.0.add"].params == 4 * 4


def test_a_graph_form_block_weighs_where_its_output_adds() -> None:
    block = """
    graph:
      twin: [conv: {out: 4, kernel: 1}]
      both: {from: [input, twin], ops: [add: {weights: {normalize: sum}}]}
      output: {from: [both, input], ops: [add: {weights: {normalize: softmax, init: operands}}]}"""
    text = spec("skips: [{from: stem, to: stage1.1}]", "after: []" + block, "2").replace(
        "    branch: [conv: {out: width, kernel: 3}]\n", ""
    ).replace(", width: 4", "")  # fmt: skip
    graph = graph_of(text)
    assert sums(text) == text_of("""
        stage1.0.both.add = add(weights={'normalize': 'sum'}) <- stem.conv, stage1.0.twin.conv
        stage1.0.add = add(weights={'init': 2.0, 'normalize': 'softmax'}) <- stage1.0.both.add, stem.conv
        stage1.1.both.add = add(weights={'normalize': 'sum'}) <- stage1.0.add, stage1.1.twin.conv
        stage1.1.add = add(weights={'init': 3.0, 'normalize': 'softmax'}) <- stage1.1.both.add, stage1.0.add, stem.conv
    """)
    assert reload(graph) == graph


def test_the_weight_of_a_level_or_skip_is_a_scale_at_the_end_of_its_path() -> None:
    short = spec(
        "levels: {m: 2, path: B, weight: {init: 0.5, per: channel}}\n"
        "skips: [{from: stem, to: stage1.1, path: [conv: {out: out, kernel: 1}, scale: {by: 2}], weight: {}}]"
    )
    long = spec("levels: {m: 2, path: [use: B, scale: {by: 0.5, learned: true, per: channel}]}\n"
                "skips: [{from: stem, to: stage1.1, path: [conv: {out: out, kernel: 1}, scale: {by: 2}, "
                "scale: {by: 1, learned: true}]}]")  # fmt: skip
    assert graph_of(short) == graph_of(long)
    assert "skips.stem_to_stage1_1.scale2 = scale(by=1.0, learned=True)" in sums(short)


def test_ror3_weighted_is_the_network_that_its_scales_made() -> None:
    scaled = archspec.load("ror3_110", **{"levels.path": [{"use": "C"}, {"scale": {"by": 1, "learned": True}}]})
    assert archspec.expand("ror3_110_weighted") == archspec.expand(scaled)


DENSE = "skips: [{rule: dense, shortest: 1, at: output, weights: {init: 1 if operand == 0 else 0}}]"


def test_skips_join_behind_an_output_and_read_what_was_there_before_they_did() -> None:
    graph = graph_of(spec(DENSE, block="shortcut: none", repeat="[1, 2]"))
    assert drawn(graph) == text_of("""
        stem.conv = conv(out=4, kernel=3) <- input
        stage1.0.branch.conv = conv(out=4, kernel=3) <- stem.conv
        skips.stage1_0_joined.add = add(weights={'init': [1.0, 0.0]}) <- stage1.0.branch.conv, stem.conv
        stage2.0.branch.conv = conv(out=4, kernel=3) <- skips.stage1_0_joined.add
        skips.stage2_0_joined.add = add(weights={'init': [1.0, 0.0, 0.0]}) <- \
stage2.0.branch.conv, stem.conv, stage1.0.branch.conv
        stage2.1.branch.conv = conv(out=4, kernel=3) <- skips.stage2_0_joined.add
        skips.stage2_1_joined.add = add(weights={'init': [1.0, 0.0, 0.0, 0.0]}) <- \
stage2.1.branch.conv, stem.conv, stage1.0.branch.conv, stage2.0.branch.conv
    """)
    assert_sound(graph)


def test_a_rule_within_stages_first_reads_what_enters_the_stage() -> None:
    within = DENSE.replace("shortest: 1", "shortest: 1, within: stage")
    graph = graph_of(spec(within, block="shortcut: none", repeat="[1, 1]"))
    assert graph["skips.stage2_0_joined.add"].inputs == ("stage2.0.branch.conv", "skips.stage1_0_joined.add")


def test_addresses_of_joined_blocks_and_stages_are_what_has_joined() -> None:
    rest = "outputs: {a: stage1.0, b: stage1, c: stage2}\nskips: [{from: stem, to: stage1.1, at: output}]"
    assert graph_of(spec(rest)).outputs == {
        "a": "stage1.0.after.relu", "b": "skips.stage1_1_joined.add", "c": "stage2.0.after.relu",
    }  # fmt: skip
    graph = graph_of(
        spec("head: [relu]\nheads: {aux: {from: stage1, ops: [relu]}}\nskips: [{from: stem, to: stage1.1, at: output}]")
    )
    assert graph["heads.aux"].inputs == ("skips.stage1_1_joined.add",)


def test_other_skips_read_what_has_joined() -> None:
    rest = "skips: [{from: stem, to: stage1.0, at: output}, {from: stage1.0, to: stage2.0}]"
    assert graph_of(spec(rest))["stage2.0.add"].inputs[-1] == "skips.stage1_0_joined.add"


@pytest.mark.parametrize("place", ["input", "output"])
def test_sums_come_before_products_and_products_before_concatenations(place: str) -> None:
    text = spec(f"""skips:
  - {{from: stem, to: stage2.0, join: concat, order: last, at: {place}, path: [conv: {{out: 2, kernel: 1}}]}}
  - {{from: stem, to: stage2.0, join: multiply, at: {place}, path: [global_avg_pool, sigmoid]}}
  - {{from: stem, to: stage2.0, join: add, at: {place}}}""", block="shortcut: B")  # fmt: skip
    at = "skips.stage2_0_joined" if place == "output" else "stage2.0.input"
    lines = [line for line in drawn(graph_of(text)).splitlines() if line.startswith((at, "stage2.0.concat"))]
    end = f"{at}.concat" if place == "output" else "stage2.0.concat"
    first = "stage2.0.add" if place == "output" else "stage1.1.add"
    gate = f"skips.stem_to_stage2_0_{place}_multiply.sigmoid" if place == "output" else (
        "skips.stem_to_stage2_0_input_multiply.sigmoid"
    )  # fmt: skip
    part = "skips.stem_to_stage2_0_output_concat.conv" if place == "output" else "skips.stem_to_stage2_0.conv"
    assert lines == [
        f"{at}.add = add <- {first}, stem.conv",
        f"{at}.multiply = multiply <- {at}.add, {gate}",
        f"{end} = concat <- {part}, {at}.multiply",
    ]


def test_one_pair_may_join_in_two_ways() -> None:
    rest = "skips: [{from: stem, to: stage1.1, path: C}, {from: stem, to: stage1.1, join: concat, path: [relu]}]"
    names = {node.unit for node in graph_of(spec(rest, block="shortcut: B"))}
    assert {"skips.stem_to_stage1_1", "skips.stem_to_stage1_1_input_concat"} <= names


def test_blocks_alike_but_for_what_joins_behind_them_share_a_class() -> None:
    network = archspec.build(graph_of(spec(DENSE, repeat="[3, 3]")), device="meta")
    kinds = {type(part) for address, part in blocks(network).items() if address.startswith("stage")}
    assert len(kinds) == 1


def test_each_operand_counts_as_a_shortcut_but_the_deepest() -> None:
    assert levels(graph_of(spec(DENSE, block="shortcut: none", repeat="[1, 2]"))) == 3
    assert levels(graph_of(spec(block="shortcut: none", repeat="[1, 2]"))) == 0


def test_weights_that_start_alike_commute_and_others_do_not() -> None:
    def signature(first: str, init: str) -> str:
        order = "[branch, input]" if first == "branch" else "[input, branch]"
        block = f"graph: {{branch: [conv: {{out: 4, kernel: 3}}], output: {{from: {order}, ops: [add: {init}]}}}}"
        text = spec(block=block, repeat="1").replace("    branch: [conv: {out: width, kernel: 3}]\n", "")
        return archspec.signature(graph_of(text.replace(", width: 4", "")))

    for init in ("{weights: {}}", "{weights: {init: [2, 2]}}"):
        assert signature("branch", init) == signature("input", init)
    assert signature("branch", "{weights: {init: [2, 2]}}") == signature("branch", "{weights: {init: 2}}")
    assert signature("branch", "{weights: {init: [1, 2]}}") != signature("input", "{weights: {init: [1, 2]}}")
    found = {signature("branch", init) for init in (
        "{}", "{weights: {}}", "{weights: {learned: false}}", "{weights: {per: channel}}",
        "{weights: {normalize: sum}}", "{weights: {normalize: softmax}}",
    )}  # fmt: skip
    assert len(found) == 6


def test_weights_follow_params_where_searches_keep_parts() -> None:
    text = spec(
        "params: {a: 1}\nlevels: {m: 2, weight: {init: a}}\n"
        "skips: [{rule: dense, shortest: 1, at: output, weights: {init: a * operand}}]",
        "add: {weights: {init: a + operand}}",
    )
    one = spec_of(text)
    memo = Memo(one.document)
    for number in (1, 2, 1, 3):
        kept = expand(replace(one, params={"a": number}), memo)
        assert kept == graph_of(text.replace("a: 1", f"a: {number}"))


def test_a_list_of_equal_numbers_is_still_of_so_many() -> None:
    with pytest.raises(archspec.SpecError, match="start from 3 numbers, and the addition has 2 operands"):
        graph_of(spec(block="add: {weights: {init: [1, 1, 1]}}"))


def test_weights_start_as_written_and_normalise_as_the_papers_say() -> None:
    rest = "skips: [{rule: dense, shortest: 1, at: output, weights: {init: operand + 1, normalize: sum}}]"
    network = archspec.build(graph_of(spec(rest, repeat="[1, 1]")), dtype=torch.float64)
    weighted = network.get_submodule("skips.stage2_0_joined.add")
    assert weighted.weight.tolist() == [1, 2, 3]
    ones = [torch.full((1, 4, 2, 2), value, dtype=torch.float64) for value in (10.0, 100.0, 1000.0)]
    torch.testing.assert_close(weighted(ones)[0, 0, 0, 0].item(), 3210 / (6 + 1e-4))
    weighted.normalize = "softmax"
    total = sum(math.exp(i) for i in (1, 2, 3))
    expected = sum(math.exp(i) * 10**i for i in (1, 2, 3)) / total
    torch.testing.assert_close(weighted(ones)[0, 0, 0, 0].item(), expected)


EVERYTHING = spec(
    """levels: {m: 2, path: C, weight: {init: 0.5}}
skips:
  - {from: stem, to: stage1.1, at: input, weights: {normalize: softmax, per: channel}}
  - {from: stage1.0, to: stage2.0, join: multiply, at: input, path: [sigmoid]}
  - {from: stage1.0, to: stage2.0, join: concat, at: output, order: last, weight: {per: channel}}
  - {rule: dense, shortest: 1, at: output, weights: {init: 1 if operand == 0 else 0.25}}
drop_path: {survival: 0.5}
head: [global_avg_pool, linear: {out: 3}]""",
    block="shortcut: B\n    add: {weights: {init: 1 / operands, normalize: sum}}\n    after: [relu]",
)  # fmt: skip


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_everything_at_once_runs_alike_in_every_way(tmp_path: Path, compiled: bool) -> None:
    graph = check(EVERYTHING, tmp_path, compiled)
    assert [node.name for node in graph if node.op.key == "add"] == [
        "stage1.0.add", "skips.stage1_0_joined.add", "stage1.1.input.add", "stage1.1.add", "skips.stage1_1_joined.add",
        "stage2.0.add", "skips.stage2_0_joined.add",
    ]  # fmt: skip


WEIGHED = "add: {weights: %s}"


@pytest.mark.parametrize("way", [
    (WEIGHED % "{}", ""), (WEIGHED % "{normalize: sum, per: channel}", ""), (WEIGHED % "{normalize: softmax}", ""),
    (WEIGHED % "{learned: false, init: 0.5}", ""), ("after: [relu]", "skips: [{rule: dense, at: output, weights: {}}]"),
])  # fmt: skip
def test_the_memory_of_a_step_is_predicted(way: tuple[str, str]) -> None:
    block, rest = way
    text = spec(f"{rest}\nhead: [global_avg_pool, linear: {{out: 3}}]", block).replace("[8, 8]", "[32, 32]")
    graph = graph_of(text.replace("out: 4", "out: 16").replace("width: 4", "width: 16"))  # oneDNN pads fewer channels
    network, x = archspec.build(graph).train(), torch.randn(8, 3, 32, 32)

    def step() -> None:
        network(x).square().sum().backward()

    step()
    assert training_memory(graph, batch=8).peak == pytest.approx(peak_allocated(step), rel=0.001)
