"""The verbs: load, expand, build, summarize, check; claims and summaries."""

from __future__ import annotations

import pickle
from decimal import Decimal
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import archspec
from archspec.compiler.analysis.claims import agrees
from archspec.compiler.analysis.summary import main_layers
from archspec.report.numbers import count

SPEC = """\
archspec: 1
input: {channels: 3, size: [16, 16]}
params: {k: 1}
stem: [conv: {out: 8, kernel: 3}, bn, relu]
stages: {repeat: [2, 3], width: [8 * k, 16 * k], stride: [1, 2], blocks: {start: wide, middle: basic}}
blocks:
  basic:
    branch: [conv: {out: width, kernel: 3, stride: stride}, bn, relu, conv: {out: width, kernel: 3}, bn]
    shortcut: B
    after: [relu]
  wide: {extends: basic, branch: [conv: {out: width, kernel: 5, stride: stride}, bn]}
head: [global_avg_pool, linear: {out: 10}]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(SPEC)
    return file


def test_load_by_path_and_by_name(path: Path) -> None:
    assert archspec.load(path).name == archspec.load(str(path)).name == "mine"
    assert archspec.load("iresnet404").name == "iresnet404"
    with pytest.raises(archspec.SpecError, match="there is no spec 'iresnet405'"):
        archspec.load("iresnet405")
    with pytest.raises(archspec.SpecError, match="does not exist"):
        archspec.load(path.with_name("other.yaml"))


def test_overrides_change_the_network_and_are_recorded(path: Path) -> None:
    plain, wide = archspec.load(path), archspec.load(path, k=2)
    assert wide.params == {"k": 2}
    assert wide.overridden == ("k",)
    assert archspec.summarize(wide).params > archspec.summarize(plain).params
    smaller = archspec.load(path, **{"input.size": [8, 8]})
    assert archspec.expand(smaller).input.shape == (3, 8, 8)
    with pytest.raises(archspec.SpecError, match="did you mean 'k'"):
        archspec.load(path, kk=2)
    with pytest.raises(TypeError, match="not object"):
        archspec.load(path, k=object())


def test_every_verb_takes_a_path_a_name_or_a_spec(path: Path) -> None:
    spec = archspec.load(path)
    graph = archspec.expand(path)
    assert graph == archspec.expand(spec)
    assert archspec.summarize(path) == archspec.summarize(spec) == archspec.summarize(graph)
    assert archspec.check(path).ok
    model = archspec.build(path)
    assert isinstance(model, torch.fx.GraphModule)
    assert model.architecture == graph
    with pytest.raises(ValueError, match="granularity"):
        archspec.build(path, granularity="layer")  # type: ignore[arg-type]


def test_specs_and_graphs_pickle(path: Path) -> None:
    spec = archspec.load(path)
    again = pickle.loads(pickle.dumps(spec))
    assert again.params == spec.params
    assert archspec.expand(again) == pickle.loads(pickle.dumps(archspec.expand(spec)))


def test_summary_counts_what_torch_counts(path: Path) -> None:
    summary = archspec.summarize(path)
    model = archspec.build(path, device="meta")
    assert summary.params == sum(parameter.numel() for parameter in model.parameters())
    assert sum(row.params for row in summary.stages) == summary.params
    assert sum(row.macs for row in summary.stages) == summary.macs
    assert summary.flops == 2 * summary.macs
    assert summary.blocks == 5
    assert summary.outputs == {"output": (10,)}
    assert [row.name for row in summary.stages] == ["stem", "stage1", "stage2", "head"]
    assert summary.stages[1].content == "[5×5, 8] ×1 · [3×3, 8 · 3×3, 8] ×1"
    assert summary.stages[2].content == "[5×5, 16] ×1 · [3×3, 16 · 3×3, 16] ×2"
    assert summary.stages[2].output == (16, 8, 8)
    # stem, 1 + 2 convolutions, 1 + 2 + 2, head; and one projection more off the path
    assert (summary.layers, summary.weight_layers) == (10, 11)


def test_main_layers_follow_the_longest_path() -> None:
    graph = archspec.expand("ror3_110")
    block = graph.units()["stage2.0"]
    assert [node.local for node in main_layers(graph, block)] == ["branch.conv1", "branch.conv2"]


def test_levels_are_a_row_of_their_own_before_the_head() -> None:
    rows = archspec.summarize("ror3_110").stages
    assert [row.name for row in rows] == ["stem", "stage1", "stage2", "stage3", "levels", "head"]
    assert rows[4].content == "4 shortcuts"
    # 1x1 projections with BN over the root (16 -> 64) and the stages (16 -> 16, 16 -> 32, 32 -> 64)
    assert rows[4].params == (16 * 64 + 2 * 64) + (16 * 16 + 2 * 16) + (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)


@pytest.mark.parametrize(
    ("figure", "least", "most"),
    [
        ("1.70M", 1_695_000, 1_705_000), ("1.7M", 1_650_000, 1_750_000), ("2M", 1_500_000, 2_500_000),
        ("29.895G", 29_894_500_000, 29_895_500_000), ("12k", 11_500, 12_500), ("25557032", 25557032, 25557032),
    ],
)  # fmt: skip
def test_a_rounded_figure_holds_to_its_last_digit(figure: str, least: int, most: int) -> None:
    assert agrees(least, figure)
    assert agrees(most, figure)
    assert not agrees(least - 1, figure)
    assert not agrees(most + 1, figure)


@given(st.integers(10**6, 10**12), st.integers(0, 4))
def test_every_count_agrees_with_its_own_rounding(actual: int, digits: int) -> None:
    rounded = round(Decimal(actual) / 10**6, digits)
    assert agrees(actual, f"{rounded:.{digits}f}M")
    assert not agrees(actual + 10 ** (7 - digits), f"{rounded:.{digits}f}M")


def test_check_tells_each_claim(path: Path) -> None:
    exact = archspec.summarize(path).params
    path.write_text(f"{SPEC}expect: {{params: {exact}, macs: 1G, layers: 10, weight_layers: 11, output: [12]}}\n")
    report = archspec.check(path)
    assert not report.ok
    assert {claim.name: claim.holds for claim in report.claims} == {
        "params": True, "macs": False, "layers": True, "weight_layers": True, "output": False,
    }  # fmt: skip
    wrong = next(claim for claim in report.claims if claim.name == "output")
    problem = wrong.problem()
    assert problem is not None
    last = path.read_text().splitlines()[-1]
    assert str(problem.span).endswith(f"mine.yaml:13:{last.index('[12]') + 1}")
    assert problem.message == "the spec expects output 12, and the graph has 10"
    assert archspec.check(archspec.load(path, k=2)).skipped


def test_several_outputs_come_as_a_dict(path: Path) -> None:
    path.write_text(
        SPEC + "outputs: {logits: head, features: stage1}\nexpect: {output: {logits: [10], features: [8, 16, 16]}}\n"
    )
    assert archspec.check(path).ok
    model = archspec.build(path).eval()
    shapes = {name: tuple(value.shape) for name, value in model(torch.randn(2, 3, 16, 16)).items()}
    assert shapes == {"logits": (2, 10), "features": (2, 8, 16, 16)}


def test_counts_for_people() -> None:
    assert [count(n) for n in (640, 1500, 29_894_901_760, 3 * 10**12)] == ["640", "1.500 k", "29.895 G", "3.000 T"]


def test_a_spec_from_its_text() -> None:
    spec = archspec.loads(SPEC, name="mine", k=2)
    assert (spec.name, spec.params) == ("mine", {"k": 2})
    with pytest.raises(archspec.SpecError, match=r"mine\.yaml:3:1: there is no field 'paramz' here"):
        archspec.loads(SPEC.replace("params:", "paramz:"), name="mine")
    with pytest.raises(archspec.SpecError, match="the version of the language is missing"):
        archspec.loads(SPEC.removeprefix("archspec: 1\n"))


def test_one_output_comes_as_a_tensor_whatever_its_name(path: Path) -> None:
    path.write_text(SPEC + "outputs: {logits: head}\n")
    for granularity in ("block", "op"):
        assert archspec.build(path, granularity=granularity)(torch.randn(2, 3, 16, 16)).shape == (2, 10)
