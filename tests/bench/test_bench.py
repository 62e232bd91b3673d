"""A whole benchmark of tiny networks: rows, ratios, rates, memory, failures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter

import archspec
from archspec.bench import run
from archspec.bench.result import Ceiling, Compile, Result
from archspec.bench.rival import load_rival
from archspec.bench.subject import Settings
from archspec.bench.table import failures, notes, tables
from archspec.bench.work import Training, shapes
from archspec.compiler.analysis.training import training_memory
from archspec.execution.compiled import CompileError

CPU = torch.device("cpu")
CEILING = Ceiling(1e9, 512, "float32", tf32=False)


@pytest.fixture(autouse=True)
def _quick(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "measure_ceiling", lambda *_: CEILING)


@pytest.fixture
def _uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be compiled runs as it is."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: None)
    monkeypatch.setattr(run, "start_compiler", lambda _: 1.5)


def measured(*specs: archspec.api.SpecLike, against: tuple[str, ...] = (), **settings: object) -> Result:
    chosen = Settings(**{"modes": ("eager",), "rounds": 3, **settings})  # type: ignore[arg-type]
    return run.bench([archspec.expand(spec) for spec in specs], [load_rival(name) for name in against], CPU, chosen)


def printed(result: Result, width: int = 200) -> str:
    from rich.console import Console

    screen = Console(width=width, color_system=None)
    with screen.capture() as capture:
        for title, parts in tables(result, width):
            screen.print(title, *parts)
    return capture.get()


def test_every_spec_step_and_batch_has_its_rows() -> None:
    result = measured("tiny.yaml", "several.yaml", train=True, batches=(2, 4))
    assert [section.name for section in result.specs] == ["tiny", "several"]
    assert result.specs[0].params == 589
    for section in result.specs:
        found = [(row.network, row.mode, row.work, row.batch) for row in section.rows]
        assert found == [("archspec", "eager", w, b) for w in ("inference", "training") for b in (2, 4)]
        for row in section.rows:
            assert row.failed is None
            assert len(row.rounds) == 3
            assert row.speedup is not None
            assert (row.speedup.median, row.speedup.low, row.speedup.high) == (1, 1, 1)
            assert row.compile is None
    assert result.compiler_start is None
    assert not result.failed


def test_rates_come_from_the_median() -> None:
    result = measured("tiny.yaml", train=True, batches=(4,))
    macs = result.specs[0].macs
    for row, passes in zip(result.specs[0].rows, (1, 3), strict=True):
        median = sorted(row.rounds)[1]
        assert row.seconds is not None
        assert row.seconds.median == median
        assert row.samples_per_second == pytest.approx(4 / median)
        assert row.flops_per_second == pytest.approx(2 * macs * 4 * passes / median)
        assert row.of_ceiling == pytest.approx((row.flops_per_second or 0) / 1e9)


def test_peak_memory_is_measured_and_predicted() -> None:
    spec = archspec.load("tiny.yaml", wide=16)  # oneDNN fills up channels to multiples of 16, which nobody predicts
    inference, training = measured(spec, train=True, batches=(64,)).specs[0].rows
    activation = 64 * 16 * 8 * 8 * 4
    assert inference.peak is not None
    assert inference.peak >= 2 * activation
    assert inference.predicted is None
    predicted = training_memory(archspec.expand(spec), batch=64).peak
    assert training.predicted == predicted
    assert training.peak == pytest.approx(predicted, rel=0.05)
    recomputed = measured(spec, train=True, batches=(64,), checkpoint=1).specs[0].rows[1]
    assert recomputed.segments == 3
    assert recomputed.peak is not None
    assert recomputed.peak < 0.85 * training.peak
    assert recomputed.predicted == pytest.approx(recomputed.peak, rel=0.05)


@pytest.mark.usefixtures("_uncompiled")
def test_the_hand_written_module_is_the_baseline_and_runs_whole_too() -> None:
    result = measured("tiny.yaml", against=("hand.py:Tiny",), modes=("whole", "regional", "eager"))
    (section,) = result.specs
    assert section.baseline == "hand.py:Tiny eager"
    assert [(row.network, row.mode, row.layout) for row in section.rows] == [
        ("hand.py:Tiny", "eager", "contiguous"), ("hand.py:Tiny", "whole", "channels_last"),
        ("archspec", "eager", "contiguous"), ("archspec", "whole", "channels_last"),
        ("archspec", "regional", "channels_last"),
    ]  # fmt: skip
    base = section.rows[0].rounds
    for row in section.rows:
        assert row.speedup is not None
        assert row.speedup.median == pytest.approx(sorted(a / b for a, b in zip(base, row.rounds, strict=True))[1])
        assert (row.compile is None) == (row.mode == "eager")
    assert section.rows[4].kinds == 3
    assert result.compiler_start == 1.5
    text = printed(result)
    assert "tiny: input 3x8x8, 589 parameters, 34.580 k MACs; by hand: hand.py:Tiny" in text
    assert "archspec regional" in text
    assert text.count("baseline") == 1


@pytest.mark.usefixtures("_uncompiled")
@pytest.mark.parametrize("last", [True, False])
def test_one_layout_for_all(last: bool) -> None:
    result = measured("tiny.yaml", against=("hand.py:Tiny",), modes=("eager", "whole"), channels_last=last)
    assert {row.layout for row in result.specs[0].rows} == {"channels_last" if last else "contiguous"}


def test_layouts_are_those_of_weights_and_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(self: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 1:
            seen.append([t.is_contiguous(memory_format=torch.channels_last) for t in (x, self.weight)])
        return self._conv_forward(x, self.weight, self.bias)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", record)
    measured("tiny.yaml", against=("hand.py:Tiny",), batches=(2,), channels_last=True, rounds=1)
    assert seen
    assert all(x and weight for x, weight in seen)


@pytest.mark.usefixtures("_uncompiled")
def test_a_failing_row_says_why_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise CompileError("'stage1.0' could not be compiled, and was not run: because\nmore")

    monkeypatch.setattr("archspec.execution.network.compile_regions", refuse)
    result = measured("tiny.yaml", against=("hand.py:Late",), modes=("eager", "regional"), batches=(2,))
    late, eager, regional = result.specs[0].rows
    assert late.failed == "IndexError: no more than one"
    assert regional.failed == "CompileError: 'stage1.0' could not be compiled, and was not run: because"
    assert (regional.rounds, regional.seconds, regional.calls) == ((), None, 0)
    assert eager.failed is None
    assert eager.seconds is not None
    assert eager.speedup is None  # there is no baseline
    assert [row.network for row in result.failed] == ["hand.py:Late", "archspec"]
    assert failures(result)[0] == "failed: tiny, inference, batch 2, hand.py:Late eager: IndexError: no more than one"
    assert printed(result).count("failed") == 2


def test_a_row_may_fail_while_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def step(self: Training) -> None:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(Training, "__call__", step)
    inference, training = measured("tiny.yaml", train=True).specs[0].rows
    assert inference.failed is None
    assert training.failed == "out of memory: no room"
    assert training.rounds == ()


@pytest.mark.usefixtures("_uncompiled")
def test_options_that_do_not_go_together_fail_their_row() -> None:
    result = measured("tiny.yaml", train=True, checkpoint=1, modes=("eager", "whole"), rounds=1, batches=(2,))
    whole = next(row for row in result.specs[0].rows if (row.mode, row.work) == ("whole", "training"))
    assert whole.failed == "a forward compiled as a whole recomputes by the compiler's choice: checkpoint='auto'"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_number_types(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(self: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
        seen.append((self.weight.dtype, self.training))
        return torch.nn.functional.linear(x, self.weight, self.bias)

    monkeypatch.setattr(torch.nn.Linear, "forward", record)
    result = measured("tiny.yaml", train=True, batches=(2,), dtype=dtype, rounds=1)
    assert not result.failed
    assert {kind for kind, training in seen if not training} == {dtype}
    half = dtype == torch.bfloat16
    assert {kind for kind, training in seen if training} == {torch.float32 if half else dtype}
    assert result.autocast is half
    assert (result.specs[0].rows[1].predicted is None) is half


def test_the_result_is_json_and_comes_back() -> None:
    result = measured("tiny.yaml", "several.yaml", train=True, batches=(2,))
    text = json.dumps(result.to_dict())
    assert TypeAdapter(Result).validate_json(text, strict=True) == result
    keys = set(json.loads(text)["specs"][0]["rows"][0])
    assert {"rounds", "speedup", "compile", "peak", "predicted", "of_ceiling", "samples_per_second", "failed"} <= keys


def test_it_is_told_what_goes_on() -> None:
    heard: list[tuple[str, int, int]] = []
    run.bench(
        [archspec.expand("tiny.yaml")], [], CPU, Settings(modes=("eager",), rounds=2),
        tell=lambda *told: heard.append(told),
    )  # fmt: skip
    assert ("tiny, inference, batch 1: measuring", 3, 3) in heard
    assert ("tiny, inference, batch 1: preparing archspec eager", 0, 1) in heard


def test_the_table_fits_the_terminal() -> None:
    result = measured("tiny.yaml", train=True, batches=(2,))
    row = result.specs[0].rows[0]
    assert len(next(iter(tables(result, 200)))[1]) == 1
    assert len(next(iter(tables(result, 100)))[1]) == 2
    for width in (80, 100):
        narrow = printed(result, width)
        assert max(map(len, narrow.splitlines())) <= width
        for text in ("±", f"{row.samples_per_second:,.4g}", f"{row.of_ceiling:.1%}", "KiB", "predicted"):
            assert text in narrow
    assert "compile" not in narrow  # a column of nothing
    told = dict(notes(result))
    assert "1 thread" in told["device"] or "threads" in told["device"]
    assert told["ceiling"].startswith("1 GFLOP/s: the best product of square matrices here, of 512 rows, float32")
    assert told["time"].startswith("median of 3 rounds")
    assert "page faults of the default malloc counted" in told["time"]


def test_outputs_of_any_form() -> None:
    one, two = torch.ones(1), torch.ones(2, 3)
    assert shapes({"a": one, "b": [two, {"c": one}]}) == [(1,), (2, 3), (1,)]
    assert shapes("text") == []


@pytest.mark.slow
def test_compiled_by_region_for_real() -> None:
    result = measured("one.yaml", modes=("eager", "regional"), batches=(2,))
    eager, regional = result.specs[0].rows
    assert not result.failed
    cost = regional.compile
    assert isinstance(cost, Compile)
    assert cost.cold
    assert cost.seconds > 0.1
    assert cost.python > 0.05
    assert cost.children > 0.05  # the C++ compiler
    assert regional.kinds == 1
    assert eager.compile is None
    assert result.compiler_start is not None
    assert "(" in printed(result).partition("archspec regional")[2]
