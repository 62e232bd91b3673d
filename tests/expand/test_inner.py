"""Arguments of paths, blocks within paths, and the names of a signal: `here`, `number`, `total`."""

from __future__ import annotations

import pytest
import torch
from networks import drawn, graph_of, problem_of, problems_of, reload, text_of

import archspec
from archspec.syntax import limits

LAYER = "layer: [conv: {out: w, kernel: k, stride: stride}, bn: {when: here > 5}]"
UNIT = "unit: {branch: [conv: {out: width, kernel: 3, stride: stride}], shortcut: B, after: [relu: {when: last}]}"


def text(items: str, head: str = "[identity]", paths: str = "", blocks: str = "") -> str:
    """A spec whose stem is `items`, and which defines what they use, and no other path that needs arguments."""
    written = items + paths + blocks
    layer, unit = LAYER if "layer" in written else "", UNIT if "unit" in written else ""
    return f"""
archspec: 1
input: {{channels: 4, size: [8, 8]}}
params: {{w: 5, wide: [4, 6, 8]}}
stem: {items}
head: {head}
paths:
  none_such: []
  {layer}
  {paths}
blocks:
  plain: {{branch: [bn]}}
  {unit}
  {blocks}
"""


def stem(items: str, **parts: str) -> str:
    graph = graph_of(text(items, **parts))
    assert reload(graph) == graph
    return drawn(graph, "stem").replace("stem.", "")


# arguments of paths


def test_arguments_bind_names_for_one_use() -> None:
    found = stem(
        "[use: {path: layer, with: {w: 6, k: 3, stride: 2}}, use: {path: layer, with: {k: 1, stride: [1, 2]}}]"
    )
    assert found == text_of("""
        conv1 = conv(out=6, kernel=3, stride=2) <- input
        bn1 = bn <- conv1
        conv2 = conv(out=5, kernel=1, stride=[1, 2]) <- bn1
    """)


def test_arguments_are_read_where_the_use_stands_and_pass_through_paths_in_paths() -> None:
    paths = """
  twice: [use: {path: layer, with: {w: 2 * w, stride: 1}}, use: {path: layer, with: {w: w, stride: 1}}]
"""
    assert stem("[use: {path: twice, with: {w: 7, k: w}}]", paths=paths) == text_of("""
        conv1 = conv(out=14, kernel=5) <- input
        bn1 = bn <- conv1
        conv2 = conv(out=7, kernel=5) <- bn1
        bn2 = bn <- conv2
    """)


def test_the_predefined_shortcuts_take_arguments_anywhere() -> None:
    found = stem("[use: {path: B, with: {out: 4, stride: 1}}, use: {path: B, with: {out: 8, stride: 2}}, "
                 "use: {path: A, with: {out: 12, stride: 1}}, "
                 "use: {path: B, with: {out: here, stride: 1}}]")  # fmt: skip
    assert found == text_of("""
        conv2 = conv(out=8, kernel=1, stride=2) <- input
        bn2 = bn <- conv2
        pad_channels = pad_channels(out=12) <- bn2
    """)


def test_a_condition_on_a_use_is_asked_once_where_the_signal_reaches_it() -> None:
    """The convolution makes it false; batch normalisation follows all the same."""
    paths = "both: [conv: {out: 9, kernel: 1}, bn]"
    assert stem("[use: {path: both, when: here != 9}, use: {path: both, when: here != 9}]", paths=paths) == text_of("""
        conv1 = conv(out=9, kernel=1) <- input
        bn1 = bn <- conv1
    """)


def test_arguments_of_a_use_that_is_off_have_no_value() -> None:
    assert (
        stem('[use: {path: layer, when: w > 5, with: {w: "wide[w]", k: 1, stride: 1}}, tanh]') == "tanh = tanh <- input"
    )


def test_loops_go_over_arguments_that_params_decide() -> None:
    paths = "many: [each: {of: kernels, as: k, do: [conv: {out: 3, kernel: k}]}]"
    assert stem("[use: {path: many, with: {kernels: [1, w]}}]", paths=paths) == text_of("""
        conv1 = conv(out=3, kernel=1) <- input
        conv2 = conv(out=3, kernel=5) <- conv1
    """)
    for value in ("[here]", "[channels]"):
        told = "[use: {path: many, with: {kernels: K}}]".replace("K", f'"{value} * 2"')
        inner = "[use: {path: outer, with: {o: 1}}]"
        outer = paths + f'\n  outer: [conv: {{out: o, kernel: 1}}, use: {{path: many, with: {{kernels: "{value}"}}}}]'
        problem = problem_of(text(told if value == "[here]" else inner, paths=paths if value == "[here]" else outer))
        assert problem.message == "what each goes over depends on the signal"


# blocks within paths


def test_a_block_stands_in_a_path() -> None:
    found = stem("[block: {use: unit, with: {width: 4}}, block: {use: unit, with: {width: 8, stride: 2}, repeat: 2, "
                 "name: twice}]")  # fmt: skip
    assert found == text_of("""
        unit.branch.conv = conv(out=4, kernel=3) <- input
        unit.add = add <- unit.branch.conv, input
        unit.after.relu = relu <- unit.add
        twice.0.branch.conv = conv(out=8, kernel=3, stride=2) <- unit.after.relu
        twice.0.shortcut.conv = conv(out=8, kernel=1, stride=2) <- unit.after.relu
        twice.0.shortcut.bn = bn <- twice.0.shortcut.conv
        twice.0.add = add <- twice.0.branch.conv, twice.0.shortcut.bn
        twice.1.branch.conv = conv(out=8, kernel=3) <- twice.0.add
        twice.1.add = add <- twice.1.branch.conv, twice.0.add
        twice.1.after.relu = relu <- twice.1.add
    """)


def test_blocks_of_one_name_are_numbered_and_none_is_none() -> None:
    found = stem(
        "[block: {use: unit, with: {width: 4}}, block: {use: unit, with: {width: here}, repeat: w - 5}, "
        "block: {use: unit, with: {width: here}, when: w > 5}, block: {use: unit, with: {width: 6}, repeat: 1}]"
    )
    assert [line.partition(" ")[0] for line in found.splitlines() if "conv" in line.partition(" ")[0]] == [
        "unit1.branch.conv", "unit4.0.branch.conv", "unit4.0.shortcut.conv",
    ]  # fmt: skip


def test_what_stands_in_stages_keeps_its_own_names() -> None:
    """Stage, params and columns are seen; index, count and stride are the inner block's own."""
    graph = graph_of("""
archspec: 1
input: {channels: 4, size: [8, 8]}
stages: {repeat: [1, 2], width: [4, 6], stride: [1, 2], blocks: outer}
blocks:
  outer:
    branch: [conv: {out: width, kernel: 1, stride: stride}, block: {use: inner, repeat: 2 * stage}]
    shortcut: B
  inner: {branch: [conv: {out: width, kernel: 1 + 2 * index, stride: stride}, bn: {when: count > 2 and last}]}
drop_path: {survival: 0.5}
""")
    kernels = {name: node.op.kernel for name, node in graph.nodes.items() if "inner" in name and "conv" in name}  # type: ignore[attr-defined]
    assert kernels == {
        f"stage{s}.{b}.branch.inner.{i}.branch.conv": 1 + 2 * i
        for s, blocks in ((1, 1), (2, 2)) for b in range(blocks) for i in range(2 * s)
    }  # fmt: skip
    assert [name for name in graph.nodes if "bn" in name and "inner" in name] == [
        "stage2.0.branch.inner.3.branch.bn", "stage2.1.branch.inner.3.branch.bn",
    ]  # fmt: skip
    dropped = [name for name, node in graph.nodes.items() if node.op.key == "drop_path"]
    assert dropped == ["stage1.0.branch.drop_path", "stage2.0.branch.drop_path", "stage2.1.branch.drop_path"]


def test_wires_of_one_block_give_it_their_name() -> None:
    graph = graph_of("""
archspec: 1
input: {channels: 4, size: [8, 8]}
blocks: {unit: {branch: [conv: {out: here, kernel: 3}]}}
graph:
  body: {from: input, ops: [block: {use: unit, repeat: 2}]}
  side: {from: body, ops: [block: unit]}
  output: {from: [side, body], ops: [add]}
""")
    assert list(graph.nodes) == [
        "input", "body.0.branch.conv", "body.0.add", "body.1.branch.conv", "body.1.add", "side.branch.conv", "side.add",
        "add",
    ]  # fmt: skip


def test_an_inner_block_is_the_same_network_as_one_written_out() -> None:
    inner = archspec.loads(
        text("[block: {use: unit, with: {width: 8, stride: 2}, repeat: 2}]", head="[global_avg_pool]")
    )
    staged = archspec.loads("""
archspec: 1
input: {channels: 4, size: [8, 8]}
stages: {repeat: 2, width: 8, stride: 2, blocks: unit}
blocks:
  unit: {branch: [conv: {out: width, kernel: 3, stride: stride}], shortcut: B, after: [relu: {when: last}]}
head: [global_avg_pool]
""")
    one, other = (archspec.build(spec, dtype=torch.float64).eval() for spec in (inner, staged))
    other.load_state_dict({
        name.replace("stem.unit", "stage1"): value for name, value in one.state_dict().items()
    })  # fmt: skip
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    assert torch.equal(one(x), other(x))
    assert archspec.expand(inner).params == archspec.expand(staged).params


# names


def test_here_number_and_total() -> None:
    graph = graph_of("""
archspec: 1
input: {channels: 3, size: [8, 8]}
stages: {repeat: [1, 0, 2], blocks: {middle: a, only: a}}
blocks: {a: {branch: [conv: {out: here + 1, kernel: 1}, conv: {out: here + 1, kernel: 1}, scale: {by: number / total}],
             shortcut: none}}
until: stage3.0
""")
    convs = {name: node.shape[0] for name, node in graph.nodes.items() if "conv" in name}
    assert list(convs.values()) == [4, 5, 6, 7]
    assert [node.op.by for node in graph if node.op.key == "scale"] == [0.0, 1 / 3]  # type: ignore[attr-defined]


# bounds and mistakes


def test_blocks_may_not_nest_without_end_nor_multiply_without_end() -> None:
    chain = "\n  ".join(f"b{i}: {{branch: [block: b{i + 1}]}}" for i in range(limits.MAX_PATH_DEPTH + 1))
    end = f"\n  b{limits.MAX_PATH_DEPTH + 1}: {{branch: [conv: {{out: 4, kernel: 1}}]}}"
    problem = problem_of(text("[block: b0]", blocks=chain + end))
    assert "longer than 300 characters" in problem.message
    double = "\n  ".join(f"b{i}: {{branch: [block: {{use: b{i + 1}, repeat: 4}}]}}" for i in range(20))
    problems = problems_of(text("[block: b0]", blocks=double + "\n  b20: {branch: [bn]}"))
    assert any("too large" in problem.message or "operators" in problem.message for problem in problems)
    empty = double.replace("branch:", "shortcut: none, branch:") + "\n  b20: {graph: {output: input}}"
    problems = problems_of(text("[block: b0]", blocks=empty))
    assert any("too large" in problem.message or "too many" in problem.message for problem in problems)


@pytest.mark.parametrize(
    ("items", "message", "hint"),
    [
        ("[use: {path: layer, with: {k: 1, stride: 1, kernel: 3}}]",
         "the path 'layer' does not read 'kernel'", "name it"),
        ("[block: {use: unit, with: {width: 4, w: 3}}]", "the block 'unit' does not read 'w'", "leave it out"),
        ("[block: {use: unitt, with: {width: 4}}]", "there is no block 'unitt'", "did you mean 'unit'?"),
        ("[block: layer]", "there is no block 'layer'", "`use: layer`"),
        ("[use: unit]", "there is no path 'unit'", "`block: unit`"),
        ("[block: {use: unit, with: {width: 4}, repeat: 1.5}]", "repeat must be a whole number", None),
        ("[block: {use: unit, with: {width: 4}, repeat: -1}]", "repeat must be between 0 and", None),
        ("[block: {use: unit, with: {width: 4, stride: 0}}]", "stride must be", None),
        ("[use: {path: layer, with: {k: 1, stride: true}}]", "stride must be a whole number", None),
        ("[use: {path: layer, with: {k: 1, stride: here * x}}]", "unknown name 'x'", None),
        ("[block: {use: unit}]", "unknown name 'width'", None),
    ],
)  # fmt: skip
def test_mistakes(items: str, message: str, hint: str | None) -> None:
    found = [problem for problem in problems_of(text(items)) if message in problem.message]
    assert found
    assert hint is None or hint in (found[0].hint or "")


def test_a_block_cannot_join() -> None:
    problem = problem_of("""
archspec: 1
input: {size: [8, 8]}
blocks: {unit: {branch: [bn]}}
graph:
  a: [bn]
  output: {from: [a, input], ops: [block: unit]}
""")
    assert problem.message == "the block 'unit' has several inputs"


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        ("a: {branch: [block: a]}", "the block 'a' uses itself: a -> a"),
        ("a: {branch: [use: p]}", "uses itself"),
        ("a: {branch: [bn], shortcut: [block: a]}", "uses itself"),
    ],
)
def test_circles(blocks: str, told: str) -> None:
    problems = problems_of(text("[block: a]", paths="p: [block: a]", blocks=blocks))
    assert any(told in problem.message for problem in problems)
