"""Paths: splicing, loops, switched-off items and the numbers of repeats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import drawn, graph_of, problem_of, problems_of, text_of

SPEC = """
archspec: 1
input: {{channels: 3, size: [8, 8]}}
params: {{kernels: [3, 1, 3], deep: 2, lit: true, k: 7, grid: [[3, 1], [5]], none: []}}
stem: {stem}
head: [identity]
paths:
  act: [bn, relu]
  unit: [conv: {{out: 4, kernel: 3}}, use: act]
  twice: [use: unit, use: unit]
  disabled: [bn: {{when: not lit}}]
  none_on: []
  {paths}
"""


def stem(items: str, paths: str = "") -> list[str]:
    """The operators a stem gives, in order, without the word stem. (A head follows: no network is empty.)"""
    graph = graph_of(SPEC.format(stem=items, paths=paths))
    return [name.removeprefix("stem.") for name in graph.nodes if name.startswith("stem.")]


@pytest.mark.parametrize(
    ("items", "names"),
    [
        ("[]", []),
        ("[bn]", ["bn"]),
        ("[bn, relu]", ["bn", "relu"]),
        ("act", ["bn", "relu"]),
        ("[use: act]", ["bn", "relu"]),
        ("[use: {path: act}]", ["bn", "relu"]),
        ("[use: {path: act, when: deep > 2}]", []),
        ("[use: {path: act, when: deep == 2}]", ["bn", "relu"]),
        ("[use: none_on]", []),
        ("none_on", []),
        # repeats are numbered from 1, a single one is not
        ("[bn, bn]", ["bn1", "bn2"]),
        ("[bn, relu, bn]", ["bn1", "relu", "bn2"]),
        ("[use: act, bn]", ["bn1", "relu", "bn2"]),
        ("twice", ["conv1", "bn1", "relu1", "conv2", "bn2", "relu2"]),
        # switched-off items count
        ("[bn: {when: not lit}, relu, bn]", ["relu", "bn2"]),
        ("[bn, bn: {when: not lit}]", ["bn1"]),
        ("[use: disabled, bn, bn]", ["bn2", "bn3"]),
        ("[use: {path: twice, when: not lit}, use: act]", ["bn3", "relu3"]),
        ("[bn: {when: not lit}]", []),
        # names of one's own
        ("[conv: {out: 4, kernel: 3, name: first}, conv: {out: 4, kernel: 3}]", ["first", "conv"]),
        ("[bn: {name: a}, relu: {name: a}]", ["a1", "a2"]),
        ("[bn: {name: relu}, relu]", ["relu1", "relu2"]),
        ("[bn: {name: a}, bn: {name: a, when: not lit}]", ["a1"]),
        ("[bn: {name: a, when: lit}]", ["a"]),
        # loops
        ("[each: {of: kernels, as: k3, do: [conv: {out: 4, kernel: k3}]}]", ["conv1", "conv2", "conv3"]),
        ("[each: {of: [1], as: k3, do: [conv: {out: 4, kernel: k3}]}]", ["conv"]),
        ("[each: {of: none, as: x, do: [bn]}, relu]", ["relu"]),
        ("[each: {of: [5, 5], as: x, at: i, do: [bn: {when: i > 0}, relu]}]", ["relu1", "bn2", "relu2"]),
        ("[each: {of: kernels, as: x, when: not lit, do: [bn]}, bn]", ["bn4"]),
        ("[bn, each: {of: [1, 2], as: x, do: [bn]}]", ["bn1", "bn2", "bn3"]),
        ("[each: {of: [1, 2], as: x, do: act}]", ["bn1", "relu1", "bn2", "relu2"]),
        ("[each: {of: [1, 2], as: x, do: [use: {path: act, when: x == 2}]}]", ["bn2", "relu2"]),
        # an item under two conditions needs both
        ("[use: {path: under, when: deep == 2}, relu]", ["bn", "relu"]),
        ("[use: {path: under, when: deep == 3}, relu]", ["relu"]),
    ],
)  # fmt: skip
def test_names_of_a_path(items: str, names: list[str]) -> None:
    assert stem(items, "under: [bn: {when: lit}, tanh: {when: not lit}]") == names


def test_numbers_are_those_of_the_layer_in_every_block() -> None:
    # The second bn of a block keeps its name where the first is off.
    graph = graph_of("""
        archspec: 1
        input: {channels: 4, size: [8, 8]}
        stages: {repeat: 3, blocks: block}
        blocks: {block: {branch: [bn: {when: index > 1}, relu, conv: {out: 4, kernel: 3}, bn]}}
        """)
    assert [node.name for node in graph if node.op.key == "bn"] == [
        "stage1.0.branch.bn2", "stage1.1.branch.bn2", "stage1.2.branch.bn1", "stage1.2.branch.bn2"
    ]  # fmt: skip


def test_each_path_of_a_block_numbers_its_own() -> None:
    graph = graph_of("""
        archspec: 1
        input: {channels: 4, size: [8, 8]}
        stages: {repeat: 1, blocks: block}
        blocks: {block: {pre: [bn], branch: [conv: {out: 4, kernel: 3}, bn], shortcut: C, after: [bn, bn]}}
        """)
    assert [node.local for node in graph if node.op.key == "bn"] == [
        "pre.bn", "branch.bn", "shortcut.bn", "after.bn1", "after.bn2"
    ]  # fmt: skip


def test_loop_variables_reach_named_paths() -> None:
    by_k = "by_k: [conv: {out: 4, kernel: kernel}, relu: {when: at > 0}]"
    graph = graph_of(SPEC.format(stem="[each: {of: kernels, as: kernel, at: at, do: by_k}]", paths=by_k))
    assert drawn(graph, "stem.") == text_of("""
        stem.conv1 = conv(out=4, kernel=3) <- input
        stem.conv2 = conv(out=4, kernel=1) <- stem.conv1
        stem.relu2 = relu <- stem.conv2
        stem.conv3 = conv(out=4, kernel=3) <- stem.relu2
        stem.relu3 = relu <- stem.conv3
    """)


def test_loops_nest() -> None:
    items = (
        "[each: {of: grid, as: row, at: i, do: "
        "[each: {of: row, as: size, at: j, do: [conv: {out: 10 * (i + 1) + j, kernel: size}]}]}]"
    )
    graph = graph_of(SPEC.format(stem=items, paths=""))
    assert drawn(graph, "stem.") == text_of("""
        stem.conv1 = conv(out=10, kernel=3) <- input
        stem.conv2 = conv(out=11, kernel=1) <- stem.conv1
        stem.conv3 = conv(out=20, kernel=5) <- stem.conv2
    """)


def test_an_inner_variable_hides_an_outer_one_and_a_param() -> None:
    items = "[each: {of: [1, 3], as: k, do: [use: k, each: {of: [5], as: k, do: k}, use: k]}, use: k]"
    graph = graph_of(SPEC.format(stem=items, paths="k: [conv: {out: k, kernel: 1}]"))
    assert [node.shape[0] for node in graph][1:-1] == [1, 5, 1, 3, 5, 3, 7]


def test_a_loop_over_a_column_differs_by_stage() -> None:
    graph = graph_of("""
        archspec: 1
        input: {channels: 3, size: [8, 8]}
        stages: {kernels: [[3, 3], [1], [3, 1, 3]], repeat: 1, width: 4, blocks: block}
        blocks:
          block:
            branch: [each: {of: kernels, as: k, at: i, do: [bn: {when: i > 0}, conv: {out: width, kernel: k}]}]
            shortcut: B
        """)
    kernels = {
        s: [n.op.kernel for n in graph if n.stage == s and n.op.key == "conv" and n.path == "branch"] for s in (1, 2, 3)
    }  # type: ignore[attr-defined]
    assert kernels == {1: [3, 3], 2: [1], 3: [3, 1, 3]}
    assert [n.local for n in graph if n.stage == 3 and n.path == "branch"] == [
        "branch.conv1", "branch.bn2", "branch.conv2", "branch.bn3", "branch.conv3"
    ]  # fmt: skip
    assert [n.local for n in graph if n.stage == 2 and n.path == "branch"] == ["branch.conv"]


words = st.lists(st.tuples(st.sampled_from(["bn", "relu", "tanh"]), st.booleans()), max_size=12)


@given(words)
def test_numbering_by_brute_force(items: list[tuple[str, bool]]) -> None:
    written = ", ".join(f"{word}: {{when: {str(on).lower()}}}" for word, on in items)
    expected, seen = [], {"bn": 0, "relu": 0, "tanh": 0}
    for word, on in items:
        seen[word] += 1
        total = sum(other == word for other, _ in items)
        if on:
            expected.append(word if total == 1 else f"{word}{seen[word]}")
    assert stem(f"[{written}]") == expected


@given(st.lists(st.lists(st.integers(1, 9), max_size=3), max_size=4))
def test_nested_loops_by_brute_force(grid: list[list[int]]) -> None:
    items = (
        f"[each: {{of: {grid}, as: row, at: i, do: "
        "[each: {of: row, as: x, at: j, do: [conv: {out: 100 * i + 10 * j + x, kernel: 1}]}]}]"
    )
    graph = graph_of(SPEC.format(stem=items, paths=""))
    expected = [100 * i + 10 * j + x for i, row in enumerate(grid) for j, x in enumerate(row)]
    assert [node.shape[0] for node in graph][1:-1] == expected


def test_a_named_path_is_evaluated_where_it_is_used() -> None:
    graph = graph_of("""
        archspec: 1
        input: {channels: 3, size: [8, 8]}
        stem: [conv: {out: 6, kernel: 1}, use: half]
        stages: {repeat: 1, width: [4, 8], blocks: block}
        blocks: {block: {branch: [use: widen], shortcut: none}}
        paths:
          half: [conv: {out: channels + 2, kernel: 1}]
          widen: [conv: {out: width + stage, kernel: 1}]
        """)
    # `channels` is what comes into the path that is run, here the stem's, not what comes to the item.
    assert [node.shape[0] for node in graph] == [3, 6, 5, 5, 10]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("[use: nowhere]", "there is no path 'nowhere'"),
        ("[each: {of: deep, as: x, do: [bn]}]", "each goes over a list"),
        ("[bn: {when: deep}]", "a condition is true or false; 'deep' is 2"),
        ("[use: circle]", "the path 'circle' uses itself: circle -> other -> circle"),
        ("[bn, each: {of: [1], as: x, do: [add]}]", "add needs several inputs, and has one"),
        ("[bn: {name: a1}, relu: {name: a}, tanh: {name: a}]", "two operators are called 'stem.a1'"),
        ("[conv: {out: y, kernel: 1}]", "unknown name 'y'"),
    ],
)
def test_paths_that_cannot_be(items: str, message: str) -> None:
    paths = "circle: [use: other]\n  other: [bn, use: circle]" if "circle" in items else ""
    assert message in [problem.message for problem in problems_of(SPEC.format(stem=items, paths=paths))]


def test_a_loop_variable_is_known_only_in_its_loop() -> None:
    problem = problem_of(SPEC.format(stem="[each: {of: [1], as: x, do: [bn]}, conv: {out: x, kernel: 1}]", paths=""))
    assert problem.message == "unknown name 'x'"


def test_paths_unroll_within_bounds() -> None:
    lines = ["p0: [relu, relu]", *(f"p{i}: [use: p{i - 1}, use: p{i - 1}]" for i in range(1, 25))]
    problem = problem_of(SPEC.format(stem="p24", paths="\n  ".join(lines)))
    assert problem.message == "the paths unroll to absurdly many operators"
    deep = ["q0: [relu]", *(f"q{i}: [use: q{i - 1}]" for i in range(1, 40))]
    assert "deep" in problem_of(SPEC.format(stem="q39", paths="\n  ".join(deep))).message
