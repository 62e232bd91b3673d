"""Blocks: the residual form and the graph form it is sugar for, shortcuts, stochastic depth, positions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import drawn, graph_of, problem_of, problems_of, reload, text_of

from archspec.compiler.expand import expand
from archspec.graph import Graph
from archspec.language.spec import from_source
from archspec.syntax.errors import Source

SPEC = """
archspec: 1
input: {{channels: 3, size: [16, 16]}}
stem: [conv: {{out: 4, kernel: 3}}]
stages:
  repeat: [2, 2]
  width: [4, 8]
  stride: {stride}
  blocks: block
blocks:
  block: {block}
paths: {{activation: [bn, relu], pool: [max_pool: {{kernel: 3, stride: stride, when: downsampled}}]}}
{rest}
"""
BRANCH = "[conv: {out: width, kernel: 3, stride: stride}, bn]"
BODY = "conv: {out: width, kernel: 3, stride: stride}"


def spec(block: str, *, rest: str = "", stride: str = "[1, 2]") -> str:
    return SPEC.format(block=block, rest=rest, stride=stride)


def wiring(graph: Graph) -> list[tuple[str, str, tuple[int, ...]]]:
    """Operators and wiring by number in topological order, names left out."""
    number = {name: i for i, name in enumerate(graph.nodes)}
    return [(node.op.key, repr(node.op.written()), tuple(number[source] for source in node.inputs)) for node in graph]


JOINED = "output: {from: [branch, shortcut], ops: [add]}"
SUGAR = [
    (
        f"{{branch: {BRANCH}}}",
        f"{{graph: {{branch: {BRANCH}, output: {{from: [branch, input], ops: [add]}}}}}}",
        "stride: [1, 1], width: [4, 4]",
    ),
    (
        f"{{branch: {BRANCH}, shortcut: B, after: [relu]}}",
        f"{{out: width, graph: {{branch: {BRANCH}, shortcut: B, {JOINED}}}, after: [relu]}}",
        "stride: [1, 2], width: [4, 8]",
    ),
    (
        f"{{branch: {BRANCH}, shortcut: A, after: activation}}",
        f"{{out: width, graph: {{branch: {BRANCH}, shortcut: [use: A], {JOINED}}}, after: activation}}",
        "stride: [2, 2], width: [4, 8]",
    ),
    (
        f"{{pre: activation, branch: {BRANCH}, shortcut: C}}",
        f"{{out: width, graph: {{pre: activation, branch: {{from: pre, ops: {BRANCH}}}, shortcut: C, {JOINED}}}}}",
        "stride: [1, 2], width: [4, 8]",
    ),
    (
        f"{{pre: activation, branch: {BRANCH}, shortcut: C, shared: true}}",
        f"{{out: width, graph: {{pre: activation, branch: {{from: pre, ops: {BRANCH}}}, "
        f"shortcut: {{from: pre, ops: C}}, {JOINED}}}}}",
        "stride: [1, 2], width: [4, 8]",
    ),
    (
        f"{{branch: {BRANCH}, shortcut: none, after: [relu]}}",
        f"{{graph: {{branch: {BRANCH}, output: branch}}, after: [relu]}}",
        "stride: [1, 2], width: [4, 8]",
    ),
]


RESTS = ["", "levels: {m: 3}", "drop_path: {survival: 0.5}"]


@pytest.mark.parametrize(
    ("residual", "graph", "columns", "rest"),
    [(*case, rest) for case in SUGAR for rest in RESTS if "none" not in case[0] or "drop_path" not in rest],
)
def test_the_residual_form_is_sugar(residual: str, graph: str, columns: str, rest: str) -> None:
    table = f"stages: {{repeat: [2, 2], {columns}, blocks: block}}\n"
    texts = [re.sub(r"stages:\n(  .*\n)+", table, spec(block, rest=rest)) for block in (residual, graph)]
    one, other = map(graph_of, texts)
    assert wiring(one) == wiring(other)
    assert list(one.nodes) == list(other.nodes)
    assert one == other
    assert reload(one) == one


def test_pre_is_shared_where_the_condition_holds() -> None:
    graph = graph_of(spec(f"{{pre: activation, branch: [{BODY}], shortcut: [use: B], shared: changed}}"))
    assert drawn(graph, "stage1.1") == text_of("""
        stage1.1.pre.bn = bn <- stage1.0.add
        stage1.1.pre.relu = relu <- stage1.1.pre.bn
        stage1.1.branch.conv = conv(out=4, kernel=3) <- stage1.1.pre.relu
        stage1.1.add = add <- stage1.1.branch.conv, stage1.0.add
    """)
    assert drawn(graph, "stage2.0") == text_of("""
        stage2.0.pre.bn = bn <- stage1.1.add
        stage2.0.pre.relu = relu <- stage2.0.pre.bn
        stage2.0.branch.conv = conv(out=8, kernel=3, stride=2) <- stage2.0.pre.relu
        stage2.0.shortcut.conv = conv(out=8, kernel=1, stride=2) <- stage2.0.pre.relu
        stage2.0.shortcut.bn = bn <- stage2.0.shortcut.conv
        stage2.0.add = add <- stage2.0.branch.conv, stage2.0.shortcut.bn
    """)


def test_shared_may_ask_for_the_address() -> None:
    graph = graph_of(
        spec(f"{{pre: activation, branch: [{BODY}], shortcut: B, shared: changed or stage == 1 and first}}")
    )
    assert graph["stage1.0.add"].inputs == ("stage1.0.branch.conv", "stage1.0.pre.relu")
    assert graph["stage1.1.add"].inputs == ("stage1.1.branch.conv", "stage1.0.add")
    assert graph["stage2.0.shortcut.conv"].inputs == ("stage2.0.pre.relu",)


def test_shared_without_a_prefix_that_is_on_reads_the_input() -> None:
    block = f"{{pre: [bn: {{when: index > 0}}], branch: [{BODY}], shortcut: B, shared: true}}"
    graph = graph_of(spec(block))
    assert graph["stage2.0.shortcut.conv"].inputs == ("stage1.1.add",)
    assert graph["stage2.1.add"].inputs == ("stage2.1.branch.conv", "stage2.1.pre.bn")


def test_the_shortcut_joins_second() -> None:
    graph = graph_of(spec(f"{{branch: {BRANCH}, shortcut: C}}"))
    assert graph["stage1.0.add"].inputs == ("stage1.0.branch.bn", "stage1.0.shortcut.bn")


def test_option_a_subsamples_then_pads() -> None:
    graph = graph_of(spec(f"{{branch: {BRANCH}, shortcut: A}}"))
    assert drawn(graph, "stage2.0.shortcut") == text_of("""
        stage2.0.shortcut.subsample = subsample(stride=2) <- stage1.1.add
        stage2.0.shortcut.pad_channels = pad_channels(out=8) <- stage2.0.shortcut.subsample
    """)
    assert [name for name in graph.nodes if "shortcut" in name and "stage2.0" not in name] == []
    wider = graph_of(spec(f"{{branch: {BRANCH}, shortcut: A}}", stride="1"))
    assert drawn(wider, "stage2.0.shortcut") == "stage2.0.shortcut.pad_channels = pad_channels(out=8) <- stage1.1.add"


def test_option_b_projects_where_the_shape_changes() -> None:
    graph = graph_of(spec(f"{{branch: {BRANCH}, shortcut: B}}", stride="[2, 1]"))
    # Stage 1 has a stride alone, stage 2 new channels alone: both change the shape.
    assert drawn(graph, "stage1.0.shortcut") == text_of("""
        stage1.0.shortcut.conv = conv(out=4, kernel=1, stride=2) <- stem.conv
        stage1.0.shortcut.bn = bn <- stage1.0.shortcut.conv
    """)
    assert drawn(graph, "stage2.0.shortcut") == text_of("""
        stage2.0.shortcut.conv = conv(out=8, kernel=1) <- stage1.1.add
        stage2.0.shortcut.bn = bn <- stage2.0.shortcut.conv
    """)
    assert {node.unit for node in graph if node.path == "shortcut"} == {"stage1.0", "stage2.0"}


def test_option_c_projects_everywhere() -> None:
    graph = graph_of(spec(f"{{branch: {BRANCH}, shortcut: C}}"))
    assert {node.unit for node in graph if node.path == "shortcut"} == {
        "stage1.0", "stage1.1", "stage2.0", "stage2.1"
    }  # fmt: skip


def test_none_is_a_plain_net() -> None:
    graph = graph_of(spec(f"{{branch: {BRANCH}, shortcut: none, after: [relu]}}"))
    assert not [node for node in graph if node.op.key == "add"]
    assert graph["stage2.0.after.relu"].inputs == ("stage2.0.branch.bn",)


def test_a_scaled_shortcut() -> None:
    graph = graph_of(spec(f"{{branch: {BRANCH}, shortcut: [use: A, scale: {{by: 0.5}}]}}"))
    assert drawn(graph, "stage2.0.shortcut") == text_of("""
        stage2.0.shortcut.subsample = subsample(stride=2) <- stage1.1.add
        stage2.0.shortcut.pad_channels = pad_channels(out=8) <- stage2.0.shortcut.subsample
        stage2.0.shortcut.scale = scale(by=0.5) <- stage2.0.shortcut.pad_channels
    """)
    assert drawn(graph, "stage2.1.shortcut") == "stage2.1.shortcut.scale = scale(by=0.5) <- stage2.0.add"


def test_a_shortcut_is_told_what_the_branch_gives() -> None:
    # The branch strides by its own numbers, not by the stage's: the shortcut follows the branch.
    block = """{
      branch: [conv: {out: 2 * channels, kernel: 3, stride: "[2, 1]"}, conv: {out: 3 * width, kernel: 1, stride: 2}],
      shortcut: [conv: {out: out, kernel: 1, stride: stride, name: p, when: changed and downsampled}]}"""
    graph = graph_of(spec(block, stride="1").replace("size: [16, 16]", "size: [64, 64]"))
    strides = [graph[f"stage{s}.{b}.shortcut.p"].op.written() for s in (1, 2) for b in (0, 1)[:1]]
    assert strides == [
        {"out": 12, "kernel": 1, "stride": [4, 2]},
        {"out": 24, "kernel": 1, "stride": [4, 2]},
    ]  # fmt: skip
    assert graph["stage2.0.branch.conv1"].op.written()["out"] == 24


def test_changed_is_false_only_for_the_same_shape() -> None:
    paths = "[conv: {out: out, kernel: 1, stride: stride, name: p, when: changed}, relu: {when: not changed}]"
    for stride, changed in (("1", "stage2.0"), ("[2, 2]", "stage1.0 stage2.0"), ("[1, 2]", "stage2.0")):
        graph = graph_of(spec(f"{{branch: {BRANCH}, shortcut: {paths}}}", stride=stride))
        assert " ".join(node.unit for node in graph if node.name.endswith("shortcut.p")) == changed
        assert len([node for node in graph if node.name.endswith("shortcut.relu")]) == 4 - len(changed.split())


def test_graph_form_scope() -> None:
    block = """{out: 2 * width, graph: {
        a: [conv: {out: out, kernel: 1, stride: stride, when: changed}],
        b: {from: a, ops: [conv: {out: channels + 1, kernel: 1}, conv: {out: out, kernel: 1}]},
        output: {from: [a, b], ops: [add]}}}"""
    graph = graph_of(spec(block))
    assert drawn(graph, "stage2.") == text_of("""
        stage2.0.a.conv = conv(out=16, kernel=1, stride=2) <- stage1.1.add
        stage2.0.b.conv1 = conv(out=17, kernel=1) <- stage2.0.a.conv
        stage2.0.b.conv2 = conv(out=16, kernel=1) <- stage2.0.b.conv1
        stage2.0.add = add <- stage2.0.a.conv, stage2.0.b.conv2
        stage2.1.b.conv1 = conv(out=17, kernel=1) <- stage2.0.add
        stage2.1.b.conv2 = conv(out=16, kernel=1) <- stage2.1.b.conv1
        stage2.1.add = add <- stage2.0.add, stage2.1.b.conv2
    """)


def test_exclusive_gating_as_in_the_design() -> None:
    block = """
    out: width
    graph:
      carry:  [use: A]
      f:      [conv: {out: width, kernel: 3, stride: stride}, bn]
      gate:   [conv: {out: width, kernel: 1, stride: stride, bias: true, bias_init: -6}, sigmoid]
      closed: {from: gate, ops: [one_minus]}
      kept:   {from: [carry, closed], ops: [multiply]}
      passed: {from: [f, gate], ops: [multiply]}
      output: {from: [kept, passed], ops: [add]}
    after: [relu]"""
    graph = graph_of(spec(block))
    assert drawn(graph, "stage2.1") == text_of("""
        stage2.1.f.conv = conv(out=8, kernel=3) <- stage2.0.after.relu
        stage2.1.f.bn = bn <- stage2.1.f.conv
        stage2.1.gate.conv = conv(out=8, kernel=1, bias=True, bias_init=-6.0) <- stage2.0.after.relu
        stage2.1.gate.sigmoid = sigmoid <- stage2.1.gate.conv
        stage2.1.closed.one_minus = one_minus <- stage2.1.gate.sigmoid
        stage2.1.kept.multiply = multiply <- stage2.0.after.relu, stage2.1.closed.one_minus
        stage2.1.passed.multiply = multiply <- stage2.1.f.bn, stage2.1.gate.sigmoid
        stage2.1.add = add <- stage2.1.kept.multiply, stage2.1.passed.multiply
        stage2.1.after.relu = relu <- stage2.1.add
    """)
    assert reload(graph) == graph


def test_wires_may_be_written_in_any_order() -> None:
    graph = "{output: {from: [b, input], ops: [add]}, b: {from: a, ops: [bn]}, a: [conv: {out: width, kernel: 3}]}"
    built = graph_of(spec(f"{{graph: {graph}}}", stride="1").replace("[4, 8]", "4"))
    assert [node.local for node in built if node.unit == "stage1.0"] == ["a.conv", "b.bn", "add"]


def test_squeeze_and_excitation() -> None:
    block = """
    graph:
      f: [conv: {out: width, kernel: 3, stride: stride}]
      s: {from: f, ops: [global_avg_pool, linear: {out: channels // 2}, relu, linear: {out: width}, sigmoid]}
      g: {from: [f, s], ops: [multiply]}
      output: g"""
    graph = graph_of(spec(block))
    assert graph["stage2.0.g.multiply"].shape == (8, 8, 8)
    assert graph["stage2.0.g.multiply"].reduction == (2, 2)
    assert graph["stage2.0.s.linear1"].op.written() == {"out": 4}
    assert graph["stage2.0.s.sigmoid"].reduction is None


def test_drop_path_ends_the_branch() -> None:
    graph = graph_of(
        spec(f"{{branch: {BRANCH}, shortcut: B}}", rest="drop_path: {survival: 0.5, unit: sample, rescale: true}")
    )
    assert graph["stage2.1.add"].inputs == ("stage2.1.branch.drop_path", "stage2.0.add")
    assert graph["stage2.1.branch.drop_path"].inputs == ("stage2.1.branch.bn",)
    assert graph["stage2.1.branch.drop_path"].op.written() == {"survival": 0.5, "unit": "sample", "rescale": True}


def survivals(graph: Graph) -> list[float]:
    return [node.op.survival for node in graph if node.op.key == "drop_path"]  # type: ignore[attr-defined]


def test_survival_decays_linearly_to_the_last_block() -> None:
    block = f"{{branch: {BRANCH}, shortcut: B}}"
    assert survivals(graph_of(spec(block, rest="drop_path: {survival: 0.5}"))) == [0.875, 0.75, 0.625, 0.5]
    assert survivals(graph_of(spec(block, rest="drop_path: {survival: 0.5, decay: constant}"))) == [0.5] * 4
    assert survivals(graph_of(spec(block, rest="drop_path: {survival: 1}"))) == [1.0] * 4


@given(st.integers(1, 40), st.integers(1, 3), st.floats(0, 1))
def test_survival_is_the_papers_formula(count: int, stages: int, last: float) -> None:
    text = spec(f"{{branch: {BRANCH}, shortcut: B}}", rest=f"drop_path: {{survival: {last:.17f}}}", stride="1")
    text = re.sub(r"repeat: .*", f"repeat: {[count] * stages}", text).replace("[4, 8]", "4")
    found, total = survivals(graph_of(text)), count * stages
    assert found == [1 - layer / total * (1 - float(f"{last:.17f}")) for layer in range(1, total + 1)]


POSITIONS = """
archspec: 1
input: {{channels: 3, size: [8, 8]}}
stages: {{repeat: {repeat}, blocks: {blocks}}}
blocks:
  s: {{branch: [relu], shortcut: none}}
  m: {{branch: [tanh], shortcut: none}}
  e: {{branch: [sigmoid], shortcut: none}}
  o: {{branch: [elu], shortcut: none}}
"""
ALL = "{start: s, middle: m, end: e, only: o}"


@pytest.mark.parametrize(
    ("blocks", "repeat", "expected"),
    [
        ("m", 1, "m"),
        ("m", 3, "mmm"),
        (ALL, 1, "o"),
        (ALL, 2, "se"),
        (ALL, 3, "sme"),
        (ALL, 5, "smmme"),
        ("{middle: m}", 1, "m"),  # a missing only means start, a missing start middle
        ("{middle: m}", 3, "mmm"),
        ("{start: s, middle: m}", 1, "s"),
        ("{start: s, middle: m}", 3, "smm"),
        ("{middle: m, end: e}", 2, "me"),
        ("{middle: m, end: e}", 3, "mme"),
        ("{start: s, end: e}", 2, "se"),
        ("{start: s}", 1, "s"),
        ("{only: o}", 1, "o"),
        ("{middle: m, only: o}", 1, "o"),
        ("{middle: m, only: o}", 2, "mm"),
    ],
)
def test_positions(blocks: str, repeat: int, expected: str) -> None:
    graph = graph_of(POSITIONS.format(blocks=blocks, repeat=repeat))
    assert "".join(graph.kinds[f"stage1.{i}"] for i in range(repeat)) == expected
    keys = {"s": "relu", "m": "tanh", "e": "sigmoid", "o": "elu"}
    assert [node.op.key for node in graph][1:] == [keys[kind] for kind in expected]


@pytest.mark.parametrize(
    ("blocks", "repeat"),
    [
        ("{middle: m, end: e}", 1),  # with an end, a stage of one block needs its own
        ("{start: s, middle: m, end: e}", 1),
        ("{start: s, end: e}", 3),
        ("{only: o}", 2),
        ("{end: e}", 2),
        ("{start: s}", 2),
    ],
)
def test_positions_without_a_block(blocks: str, repeat: int) -> None:
    assert "no block is named for" in problems_of(POSITIONS.format(blocks=blocks, repeat=repeat))[0].message


def test_positions_may_differ_by_stage() -> None:
    graph = graph_of(POSITIONS.format(blocks=f"[s, {ALL}, {{middle: m}}]", repeat="[2, 3, 1]"))
    assert graph.kinds == {
        "stage1.0": "s", "stage1.1": "s", "stage2.0": "s", "stage2.1": "m", "stage2.2": "e", "stage3.0": "m"
    }  # fmt: skip


def test_a_block_extends_another() -> None:
    block = f"""{{extends: base, after: [relu]}}
  base: {{branch: {BRANCH}, shortcut: B}}"""
    graph = graph_of(spec(block))
    assert graph == graph_of(spec(f"{{branch: {BRANCH}, shortcut: B, after: [relu]}}"))


def test_a_block_may_leave_its_form_for_the_other() -> None:
    block = f"""{{extends: base, branch: null, shortcut: null, graph: {{f: {BRANCH}, output: f}}}}
  base: {{branch: {BRANCH}, shortcut: B}}"""
    assert list(graph_of(spec(block)).nodes)[2:4] == ["stage1.0.f.conv", "stage1.0.f.bn"]


def test_null_in_a_file_removes_what_a_block_would_inherit(tmp_path: Path) -> None:
    block = f"{{extends: base, after: [relu]}}\n  base: {{branch: {BRANCH}, shortcut: C, after: [tanh]}}"
    (tmp_path / "base.yaml").write_text(spec(block, stride="1").replace("[4, 8]", "4"), encoding="utf-8")
    child = "archspec: 1\nextends: base.yaml\nblocks: {block: {shortcut: null, after: null, extends: base}}"
    changed = expand(from_source(Source("child.yaml", child), tmp_path / "child.yaml"))
    assert [node.local for node in changed if node.block == 1] == ["branch.conv", "branch.bn", "add"] * 2
    alone = "archspec: 1\nextends: base.yaml\nblocks: {block: {extends: null, branch: [bn], shortcut: none}}"
    plain = expand(from_source(Source("alone.yaml", alone), tmp_path / "alone.yaml"))
    assert [node.op.key for node in plain][2:] == ["bn", "relu"] * 4


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{branch: []}", "the branch is empty"),
        ("{branch: [relu: {when: index > 9}]}", "the branch is empty"),
        ("{shortcut: B}", "block 'block' has no branch"),
        (f"{{branch: {BRANCH}, graph: {{output: input}}}}", "block 'block' has both `graph` and `branch`"),
        (f"{{graph: {{f: {BRANCH}, g: [relu], output: f}}}}", "nothing reads the wire 'g'"),
        (f"{{graph: {{f: {BRANCH}}}}}", "a graph needs the wire 'output'"),
        (f"{{graph: {{f: {BRANCH}, output: h}}}}", "there is no wire 'h'"),
        ("{graph: {f: {from: g, ops: [bn]}, g: {from: f, ops: [bn]}, output: f}}", "wires read each other in a circle"),
        (f"{{graph: {{f: {BRANCH}, output: {{from: [f, input], ops: [bn]}}}}}}", "bn has several inputs"),
        (f"{{graph: {{f: {BRANCH}, output: {{from: [f, input], ops: []}}}}}}", "several inputs are not joined"),
        (f"{{graph: {{f: {BRANCH}, output: {{from: f, ops: [add]}}}}}}", "add needs several inputs, and has one"),
        ("{branch: [add]}", "add needs several inputs, and has one"),
        (f"{{branch: {BRANCH}, shortcut: [use: none]}}", None),
        (f"{{branch: {BRANCH}, shortcut: [relu, use: none]}}", "there is no path 'none'"),
        (f"{{branch: {BRANCH}, shortcut: [global_avg_pool]}}", "the addition joins"),
        ("{branch: [global_avg_pool]}", "one is a vector"),
    ],
)
def test_blocks_that_cannot_be(block: str, message: str | None) -> None:
    if message is None:
        assert graph_of(spec(block)) == graph_of(spec(block.replace("[use: none]", "none")))
        return
    assert any(message in problem.message for problem in problems_of(spec(block)))


@pytest.mark.parametrize(
    "block",
    [
        f"{{graph: {{conv: {BRANCH}, output: {{from: conv, ops: [conv: {{out: width, kernel: 1}}]}}}}}}",
        "{graph: {add: [conv: {out: width, kernel: 3}], output: {from: [add, input], ops: [add]}}}",
        f"{{branch: {BRANCH}, shortcut: none, after: [relu: {{name: x}}, tanh: {{name: x}}, elu: {{name: x2}}]}}",
    ],
)
def test_a_name_is_not_given_twice_nor_to_a_part_of_another(block: str) -> None:
    problem = problems_of(spec(block, stride="1").replace("[4, 8]", "4"))[0]
    assert re.search("two operators are called|also the beginning of", problem.message)


def test_shapes_that_do_not_add_up() -> None:
    problem = problem_of(spec(f"{{branch: {BRANCH}}}"))
    assert problem.message == "the addition joins 8x8x8 (branch) with 4x16x16 (shortcut 'identity')"
    assert problem.where == "stage2.0"
    assert "shortcut B" in (problem.hint or "")
