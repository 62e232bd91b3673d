"""What stochastic depth drops: branches that an addition goes round, and nothing else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from interpreter import interpret, random_draws
from networks import graph_of, problem_of
from strategies import Drawn, specs

import archspec
from archspec.graph import Graph

CONV = "conv: {out: width, kernel: 3}"
HEAD = """
archspec: 1
name: inverted
input: {channels: 3, size: [8, 8]}
stem: [conv: {out: 4, kernel: 3}]
stages: {repeat: REPEAT, width: 4, blocks: BLOCKS}
blocks:
  none:  {branch: [CONV, bn], shortcut: none}
  plain: {branch: [CONV, bn], shortcut: B}
  open:  {graph: {branch: [CONV, bn], output: branch}}
  nameless: {graph: {f: [CONV, bn], output: f}}
  both:  {graph: {branch: [CONV, bn], f: {from: branch, ops: [relu]}, output: {from: [f, branch], ops: [add]}}}
  times: {graph: {branch: [CONV, bn], f: [CONV], output: {from: [f, branch], ops: [multiply]}}}
  gated: {graph: {branch: [CONV], g: {from: branch, ops: [sigmoid]}, f: {from: [input, g], ops: [multiply]},
                  output: {from: [f, branch], ops: [add]}}}
  side:  {graph: {branch: [CONV], f: {from: [branch, input], ops: [add]},
                  output: {from: [f, branch], ops: [concat, CONV]}}}
  wide:  {graph: {branch: [CONV], output: {from: [branch, input], ops: [concat, CONV]}}}
  round: {graph: {branch: [CONV], f: {from: branch, ops: [relu, CONV]}, output: {from: [f, input], ops: [add]}}}
  after: {graph: {branch: [CONV], f: {from: [branch, input], ops: [add]}, output: {from: [f, branch], ops: [add]}}}
  every: {graph: {branch: [CONV], g: {from: branch, ops: [global_avg_pool, sigmoid]},
                  f: {from: [branch, g], ops: [multiply]}, output: {from: [branch, f, input], ops: [add]}}}
  other: {graph: {b: [CONV], output: {from: [b, input], ops: [add]}}}
drop_path: DROP
head: [global_avg_pool, linear: {out: 3}]
"""
SURVIVING = ["none", "open", "nameless", "both", "times", "gated", "side", "wide"]
DROPPING = ["plain", "round", "after", "every"]


def text(blocks: str, repeat: str = "[1, 1, 2]", drop: str = "{survival: 0.5}") -> str:
    lines = HEAD.replace("REPEAT", repeat).replace("BLOCKS", blocks).replace("DROP", drop)
    return lines.replace("CONV", CONV)


def survivals(graph: Graph) -> dict[str, float]:
    return {node.unit: node.op.survival for node in graph if node.op.key == "drop_path"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", SURVIVING)
def test_a_block_without_an_addition_survives_for_certain_and_counts(block: str) -> None:
    graph = graph_of(text(f"[{block}, plain, {{start: {block}, middle: plain}}]"))
    assert survivals(graph) == {"stage2.0": 0.75, "stage3.1": 0.5}
    constant = graph_of(text(f"[{block}, plain, {block}]", drop="{survival: 0.25, decay: constant}"))
    assert survivals(constant) == {"stage2.0": 0.25}


@pytest.mark.parametrize("block", DROPPING)
def test_a_branch_that_an_addition_goes_round_is_dropped(block: str) -> None:
    graph = graph_of(text(f"[{block}, none, {block}]"))
    assert survivals(graph) == {"stage1.0": 0.875, "stage3.0": 0.625, "stage3.1": 0.5}
    assert graph["stage1.0.branch.drop_path"].inputs[0].startswith("stage1.0.branch.")


@pytest.mark.parametrize("block", DROPPING)
@pytest.mark.parametrize("outside", ["levels: {m: 3}", "skips: [{from: stem, to: stage3.1}]"])
def test_shortcuts_from_outside_change_nothing(block: str, outside: str) -> None:
    alone, joined = graph_of(text(block)), graph_of(text(block) + outside)
    assert survivals(alone) == survivals(joined)
    plain = graph_of(text("[none, plain, none]") + outside)  # what joins from outside is no addition of the block's own
    assert survivals(plain) == {"stage2.0": 0.75}


@pytest.mark.parametrize("blocks", [*SURVIVING, "[none, open, wide]"])
def test_a_network_without_an_addition_is_refused(blocks: str) -> None:
    problem = problem_of(text(blocks))
    assert problem.message == "drop_path: no block has an addition that goes round its branch: there is nothing to drop"
    assert problem.span
    assert problem.span.line == text(blocks).split("\n").index("drop_path: {survival: 0.5}") + 1


def test_a_wire_to_drop_must_be_named() -> None:
    problem = problem_of(text("[other, plain, none]"))
    assert problem.message == "drop_path needs a wire named 'branch'"


def test_a_survival_that_is_no_probability_is_refused() -> None:
    problem = problem_of(text("plain", drop="{survival: 1.5}"))
    assert problem.message == "drop_path: survival must be between 0 and 1, not 1.5"


OPERATOR = """
archspec: 1
input: {channels: 4, size: [6, 6]}
graph:
"""


@pytest.mark.parametrize("wires", [
    "  output: [relu, drop_path: {survival: 0.5}]",
    "  a: [drop_path: {survival: 0.5}]\n  output: {from: [a, a], ops: [add]}",
    "  a: [drop_path: {survival: 0.5, unit: sample, rescale: true}]\n  output: {from: [a, input], ops: [multiply]}",
    "  a: [drop_path: {survival: 0.5}]\n  b: {from: [a, input], ops: [add]}\n  output: {from: [b, a], ops: [concat]}",
])  # fmt: skip
def test_an_operator_that_would_drop_everything_is_refused(wires: str) -> None:
    problem = problem_of(OPERATOR + wires)
    assert problem.message == "drop_path drops the whole signal here"


@pytest.mark.parametrize("wires", [
    "  a: [drop_path: {survival: 0.5}, relu]\n  output: {from: [a, input], ops: [add]}",
    "  a: [drop_path: {survival: 0.5}]\n  b: [relu, drop_path: {survival: 0.5}]\n  output: {from: [a, b], ops: [add]}",
])  # fmt: skip
def test_an_operator_with_something_beside_it_is_not(wires: str) -> None:
    assert any(node.op.key == "drop_path" for node in graph_of(OPERATOR + wires))


@settings(max_examples=25)
@given(drawn=specs())
def test_no_draw_makes_a_block_give_nothing(drawn: Drawn) -> None:
    """Every branch of a random network dropped at once: each block still passes a signal on."""
    assume(drawn.droppable)
    graph = graph_of(drawn.text + ("" if drawn.drop_path else "drop_path: {survival: 0.5}\n"))
    torch.manual_seed(0)
    network = archspec.build(graph, dtype=torch.float64)
    x = torch.randn(16, *graph.input.shape, dtype=torch.float64)
    draws = random_draws(graph, 16, torch.Generator().manual_seed(0), torch.float64)
    draws |= {node.name: torch.zeros(1) for node in graph if node.op.key == "drop_path"}
    values = interpret(graph, network.state_dict(), x, training=True, draws=draws).values
    for address in drawn.blocks:
        own = [node for node in graph if node.unit == address]
        closing = [node.name for node in own if ".after." not in node.name][-1]
        read = {source for node in own for source in node.inputs if graph[source].unit != address}
        if any(values[source].any() for source in read):  # a small map may die of its ReLUs
            assert values[closing].any(), address


@pytest.mark.parametrize(
    ("survival", "wanted"),
    [
        ("1 - 0.3 * number / (total - 1)", [1, 0.9, 0.8, 0.7]),
        ("[0.9, 0.5]", [0.9, 0.5, 0.5, 0.5]),
        ("kept", [0.8, 0.6, 0.6, 0.6]),
        ("1 - index / 10", [1, 1, 0.9, 0.8]),
        ("0.6", [0.9, 0.8, 0.7, 0.6]),
    ],
)
def test_every_block_or_stage_may_have_a_survival_of_its_own(survival: str, wanted: list[float]) -> None:
    column = "kept: [0.8, 0.6], " if survival == "kept" else ""
    graph = graph_of(f"""
archspec: 1
input: {{channels: 3, size: [8, 8]}}
stages: {{repeat: [1, 3], {column}blocks: unit}}
blocks: {{unit: {{branch: [bn]}}}}
drop_path: {{survival: "{survival}"}}
""")
    found = [node.op.survival for node in graph if node.op.key == "drop_path"]  # type: ignore[attr-defined]
    assert found == pytest.approx(wanted)
