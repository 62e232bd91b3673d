"""Wires that `when` switches off, and blocks in turn."""

from __future__ import annotations

import pytest
from networks import assert_sound, drawn, graph_of, problem_of, problems_of, reload, text_of

BLOCK = """
archspec: 1
input: {channels: 4, size: [8, 8]}
params: {p: 0}
stages: {repeat: 2, blocks: a}
blocks:
  a:
    graph:
WIRES
"""


def block(wires: str) -> str:
    return BLOCK.replace("WIRES", "\n".join(f"      {line}" for line in wires.strip().splitlines()))


def expanded(wires: str, address: str = "stage1.0") -> str:
    graph = graph_of(block(wires))
    assert_sound(graph)
    assert reload(graph) == graph
    return drawn(graph, address).replace(f"{address}.", "")


def test_a_join_does_without_a_wire_that_is_off() -> None:
    wires = """
left: [conv: {out: 4, kernel: 1}]
right: {ops: [tanh], when: first}
third: {ops: [bn], when: p > 0}
output: {from: [left, right, third], ops: [add, relu]}
"""
    assert expanded(wires) == text_of("""
        left.conv = conv(out=4, kernel=1) <- input
        right.tanh = tanh <- input
        add = add <- left.conv, right.tanh
        relu = relu <- add
    """)
    assert expanded(wires, "stage1.1") == text_of("""
        left.conv = conv(out=4, kernel=1) <- relu
        relu = relu <- left.conv
    """).replace("<- relu", "<- stage1.0.relu")


def test_what_only_switched_off_wires_read_is_not_there() -> None:
    wires = """
maps: [conv: {out: 4, kernel: 1}]
gate: {from: maps, ops: [sigmoid]}
more: {from: gate, ops: [tanh], when: p > 0}
output: {from: [input, more], ops: [multiply, tanh]}
"""
    assert expanded(wires) == "tanh = tanh <- input"


def test_concat_and_multiply_pass_on_what_is_left_and_a_shortcut_from_outside_still_joins() -> None:
    graph = graph_of(
        block("""
a: {ops: [bn], when: p > 0}
both: {from: [a, input], ops: [concat, bn]}
output: {from: [both, a], ops: [add]}
""")
        + "skips: [{from: stem, to: stage1.1}]\n"
    )
    assert drawn(graph) == text_of("""
        stage1.0.both.bn = bn <- input
        stage1.1.both.bn = bn <- stage1.0.both.bn
        stage1.1.add = add <- stage1.1.both.bn, input
    """)


def test_wires_and_heads_of_the_whole_network() -> None:
    text = """
archspec: 1
input: {channels: 4, size: [8, 8]}
params: {training: TRAINING}
stages: {repeat: 1, blocks: a}
blocks: {a: {branch: [conv: {out: 4, kernel: 1}]}}
graph:
  extra: {from: stage1, ops: [tanh], when: training}
  output: {from: [stage1, extra], ops: [add, relu]}
heads: {aux: {from: stage1, ops: [global_avg_pool], when: training}}
"""
    on, off = (graph_of(text.replace("TRAINING", value)) for value in ("true", "false"))
    assert (tuple(on.outputs), tuple(off.outputs)) == (("output", "aux"), ("output",))
    assert [name for name in on.nodes if name not in off.nodes] == ["extra", "add", "heads.aux"]
    assert off["relu"].inputs == ("stage1.0.add",)


@pytest.mark.parametrize(
    ("wires", "message", "hint"),
    [
        ("a: {ops: [bn], when: p > 0}\noutput: {from: a, ops: [relu]}", "the wire 'output' reads 'a', which",
         "same"),
        ("a: {ops: [bn], when: p > 0}\noutput: a", "the wire 'output' reads 'a', which",
         "same"),
        ("a: {ops: [bn], when: p > 0}\nb: {ops: [relu], when: p > 0}\noutput: {from: [a, b], ops: [add]}",
         "the wire 'output' reads only what `when` switches off", "join something that stays"),
        ("a: [bn]\noutput: {from: [a, input], ops: [add], when: p > 0}", "'output' is always there", "switch off"),
        ("a: {ops: [bn], when: p}\noutput: {from: [a, input], ops: [add]}", "true or false", None),
        ("a: {ops: [bn], when: q > 0}\noutput: {from: [a, input], ops: [add]}", "unknown name 'q'", None),
    ],
)  # fmt: skip
def test_mistakes(wires: str, message: str, hint: str | None) -> None:
    problem = problems_of(block(wires))[0]
    assert message in problem.message
    assert hint is None or hint in (problem.hint or "")


CYCLE = """
archspec: 1
input: {channels: 4, size: [8, 8]}
stages: {repeat: [5, 1, 2], blocks: BLOCKS}
blocks:
  a: {branch: [relu]}
  b: {branch: [tanh]}
  c: {branch: [bn]}
"""


@pytest.mark.parametrize(
    ("blocks", "kinds"),
    [
        ("{cycle: [a, b]}", "ababa" "a" "ab"),
        ("{cycle: [a, b, c]}", "abcab" "a" "ab"),
        ("{cycle: [a, b], start: c}", "cbaba" "c" "cb"),
        ("{cycle: [a, b], end: c, only: b}", "ababc" "b" "ac"),
        ("{cycle: c}", "ccccc" "c" "cc"),
    ],
)  # fmt: skip
def test_blocks_in_turn(blocks: str, kinds: str) -> None:
    graph = graph_of(CYCLE.replace("BLOCKS", blocks))
    assert "".join(graph.kinds.values()) == kinds


def test_cycle_and_middle_are_two_ways_of_one() -> None:
    assert "not both" in problem_of(CYCLE.replace("BLOCKS", "{cycle: [a, b], middle: c}")).message
    problem = problem_of(CYCLE.replace("BLOCKS", "{cycle: [a, bb]}"))
    assert problem.message == "there is no block 'bb'"
    assert problem.span is not None
    assert problem.span.column > 30
