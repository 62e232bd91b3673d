"""Whatever a text asks for, its answer comes within 5 seconds of CPU time and 1 GiB, and says what and where.

The budget of work is counted, so a text a fiftieth as large, under a fiftieth of the budget, takes a fiftieth of the
time; all of those run in one process. `make test-all` runs each at full size, in a process that the kernel ends at its
limits.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import archspec
from archspec.cli import main
from archspec.language.overrides import from_texts
from archspec.research import Space, SpaceError, load_space
from archspec.syntax import limits
from archspec.syntax.errors import Problems, Source, SpecError, suggest, within_budget
from archspec.syntax.work import Exhausted, afford, budget, spend
from archspec.topologies import rules
from tests import hostile

SCALE = 0.02
SECONDS, MEMORY = 5, 2**30
IN_ONE_PROCESS = """
import json, sys, time, resource
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
sys.path.insert(0, sys.argv[1])
from tests import hostile
from archspec.syntax import limits
import archspec
archspec.expand("resnet18")
limits.MAX_WORK = int(limits.MAX_WORK * float(sys.argv[2]))
for name, make in hostile.CASES.items():
    text = make(float(sys.argv[2]))
    began = time.process_time()
    try:
        answer = {"graph": len(archspec.expand(archspec.loads(text)))}
    except archspec.SpecError as error:
        placed = all(problem.span is not None for problem in error.problems)
        answer = {"told": str(error), "placed": placed, "problems": len(error.problems)}
    except BaseException as error:
        answer = {"raised": repr(error)[:300]}
    print(json.dumps({"name": name, "seconds": time.process_time() - began, **answer}), flush=True)
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    root = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_PROCESS, root, str(SCALE)], capture_output=True, text=True, check=False
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in rows}


@pytest.mark.parametrize("name", hostile.CASES)
def test_a_small_hostile_text_is_answered_soon(name: str, answers: dict[str, dict[str, Any]]) -> None:
    answer = answers[name]
    assert "raised" not in answer
    assert answer["seconds"] < 10 * SCALE * SECONDS  # far from what would be too long at full size only by its growth
    if "graph" not in answer:
        assert answer["placed"]
        assert answer["problems"] <= limits.MAX_PROBLEMS + 1
        lines = answer["told"].splitlines()
        assert max(map(len, lines)) <= 1_000
        assert len(lines) <= 5 * 50 + 1


@pytest.mark.slow
@pytest.mark.timed
@pytest.mark.parametrize("name", hostile.CASES)
def test_a_hostile_text_is_answered_within_its_limits(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_text(hostile.CASES[name](1), encoding="utf-8")
    assert path.stat().st_size <= limits.MAX_TEXT

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    done = subprocess.run(
        [sys.executable, "-m", "archspec", "check", str(path)], capture_output=True, text=True, check=False,
        preexec_fn=bound,
    )  # fmt: skip
    assert done.returncode in (0, 1), (done.returncode, done.stderr[-500:])
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert ":" in done.stderr.splitlines()[0].removeprefix(str(path))


@pytest.mark.slow
@pytest.mark.timed
def test_a_chain_of_large_files_shares_one_budget(tmp_path: Path) -> None:
    for number in range(30):
        parent = f"extends: s{number + 1}.yaml\n" if number < 29 else "input: {size: [8, 8]}\nstem: [relu]\n"
        body = "params:\n" + "".join(f"  a{number}_{i}: 1\n" for i in range(100_000))
        (tmp_path / f"s{number}.yaml").write_text(f"archspec: 1\n{parent}{body}")

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    command = [sys.executable, "-m", "archspec", "check", str(tmp_path / "s0.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=bound)
    assert done.returncode == 1
    assert "the text holds too much data" in done.stderr


@pytest.mark.parametrize("counts", [[333, 334, 333], [1_000, 1_000, 1_000]])
def test_large_networks_leave_most_of_the_budget(counts: list[int]) -> None:
    """A network of 22,000 blocks, the largest of one kind or another that is meant, has room; it is linear in depth."""
    spec = archspec.load("cifar_iresnet3002", counts=counts)
    with within_budget(Problems()) as work:
        pass
    problems = Problems()
    from archspec.compiler.expand.builder import Builder
    from archspec.compiler.expand.inner import InnerBlocks
    from archspec.compiler.expand.input import input_node
    from archspec.compiler.expand.paths import Paths
    from archspec.compiler.expand.stages import Staged

    builder = Builder()
    with within_budget(problems) as work:
        builder.work = work
        paths = Paths(spec.document.paths, builder, InnerBlocks(spec.document.blocks))
        Staged(spec, builder, paths, None).expand(input_node(spec, builder))
    assert len(builder.nodes) > 9 * sum(counts)
    assert work.spent / len(builder.nodes) * limits.MAX_OPERATORS < limits.MAX_WORK


def test_the_flat_text_of_a_deep_network_is_well_within_the_budget() -> None:
    graph = archspec.expand("cifar_iresnet3002")
    spec = archspec.loads(graph.to_spec_text())
    assert spec.work < limits.MAX_WORK / 3
    assert archspec.expand(spec) == graph


def test_reading_and_expanding_spend_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = archspec.load("resnet50")
    assert 0 < spec.work < limits.MAX_WORK / 100
    monkeypatch.setattr(limits, "MAX_WORK", spec.work + 100)
    with pytest.raises(SpecError, match=r"too large|too many"):
        archspec.expand(spec)


def test_the_same_text_spends_the_same() -> None:
    assert len({archspec.load("ror3_110_sd").work for _ in range(3)}) == 1


def test_a_budget_is_spent_once() -> None:
    with budget() as work:
        spend(limits.MAX_WORK, "all of it")
        with pytest.raises(Exhausted, match="one more"):
            spend(1, "one more")
        with budget(join=True) as same:
            assert same is work
        with budget() as own:
            assert own.left == limits.MAX_WORK
    spend(10 * limits.MAX_WORK, "no budget is open")
    problems = Problems()
    problems.add("before")
    with pytest.raises(SpecError) as caught, within_budget(problems):
        spend(limits.MAX_WORK + 1, "too much")
    assert [problem.message for problem in caught.value.problems] == ["before", "too much"]


def test_hints_are_left_out_when_theirs_are_spent() -> None:
    with budget():
        assert suggest("alpho", ["alpha"]) == "did you mean 'alpha'?"
        assert not afford(limits.MAX_WORK)
        assert suggest("alpho", ["alpha"]) is None
    assert suggest("alpho", ["alpha"]) == "did you mean 'alpha'?"


HUGE = 10**5000
SPEC = archspec.load("cifar_resnet20")


@pytest.mark.parametrize(
    "edit",
    [
        lambda: SPEC.with_params(depth=HUGE),
        lambda: SPEC.with_params(nothing=HUGE),
        lambda: SPEC.with_params(depth=None),
        lambda: SPEC.with_params(pool=None),
        lambda: SPEC.with_params(nothing=1),
        lambda: SPEC.with_changes(params={"depth": [HUGE]}),
        lambda: SPEC.with_changes(params={"depth": {HUGE: 1}}),
        lambda: SPEC.with_stages(width=[HUGE]),
        lambda: SPEC.with_levels(HUGE),
        lambda: SPEC.with_skips([{"rule": "random", "probability": HUGE}]),
        lambda: archspec.load("cifar_resnet20", depth=HUGE),
        lambda: archspec.load("cifar_resnet20", **{"input.size": [HUGE, 8]}),
        lambda: archspec.define("x", input={"size": [HUGE, 8]}, stem=["relu"]),
        lambda: archspec.load("cifar_resnet20", until=f"stage1.{'9' * 5000}"),
        lambda: archspec.load("y" * 300),
        lambda: archspec.loads(f"archspec: 1\nextends: {'y' * 300}\n"),
        lambda: archspec.loads(f"archspec: 1\nextends: {'y' * 300}.yaml\n"),
    ],
)
def test_values_that_no_spec_can_hold_are_refused(edit: Any) -> None:
    with pytest.raises(SpecError) as caught:
        archspec.expand(edit())
    assert len(str(caught.value)) < 3_000


@pytest.mark.parametrize("key", ["depth", "depth.1", "until", "input.size", "counts.3", "stages.width", "9" * 5000])
@pytest.mark.parametrize("value", ["9" * 5000, f"'{'9' * 5000}'", f"[{'9' * 5000}]", f"{{{'9' * 5000}: 1}}"])
def test_settings_of_many_digits_are_refused(key: str, value: str) -> None:
    run = CliRunner().invoke(main, ["summary", "cifar_resnet20", "--set", f"{key}={value}"])
    assert run.exit_code == 1
    assert isinstance(run.exception, SystemExit)
    assert "problem" in run.output


@pytest.mark.parametrize(
    "axes",
    [
        {1: [1, 2]}, {None: [1]}, {"depth": [HUGE]}, {"depth": [[[HUGE]]]}, {"depth": {"from": 0, "to": HUGE}},
        {"depth": {"low": 0, "high": HUGE}}, {"depth": {"low": 0, "high": float("inf")}}, {"depth": ["20 + x"]},
        {"depth": [None]}, {"": [1]}, {"nothing": [1]},
    ],
)  # fmt: skip
def test_axes_that_cannot_be_end_as_such(axes: Any) -> None:
    with pytest.raises(SpaceError):
        list(Space(SPEC, axes).sample(1))


@pytest.mark.parametrize("axes", ["{1: [1]}", "{depth: [20], 2: [1]}", f"{{{'9' * 5000}: [1]}}", "{depth: {1: 2}}"])
def test_axes_of_a_file_are_told_at_their_place(axes: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"space: 1\nbase: cifar_resnet20\naxes: {axes}\n")
    with pytest.raises(SpecError) as caught:
        load_space(path)
    assert all(problem.span is not None and problem.span.line == 3 for problem in caught.value.problems)


def test_pairs_across_stages_are_numbered_as_they_would_be_listed() -> None:
    for sizes in ([1], [3], [2, 2], [1, 4, 2], [5, 1, 1, 3]):
        points = ["stem", *(f"stage{i + 1}.{j}" for i, size in enumerate(sizes) for j in range(size))]
        stage = [point.partition(".")[0] for point in points]
        pairs = {
            (points[i], b)
            for i in range(len(points))
            for j, b in enumerate(points)
            if j > i + 1 and stage[i] != stage[j]
        }
        drawn = list(rules.cross_stage(points, count=len(pairs), seed=3))
        assert len(drawn) == len(set(drawn))
        assert set(drawn) == pairs
        with pytest.raises(rules.RuleError, match="fewer than"):
            list(rules.cross_stage(points, count=len(pairs) + 1))


def test_a_line_is_found_wherever_it_begins() -> None:
    lines = [("x" * (i * 37 % 211)) + ("\r" if i % 3 == 0 else "") for i in range(400)]
    source = Source("long.yaml", "\n".join(lines))
    assert [source.line(i + 1) for i in range(len(lines))] == [line.removesuffix("\r") for line in lines]
    assert source.line(0) == source.line(len(lines) + 1) == ""
    assert from_texts(["a=1"])["a"].span is not None
