"""`archspec bench`, as a user sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from archspec.bench import run as bench_run
from archspec.bench.result import Ceiling
from archspec.cli import main

QUICK = ("--mode", "eager", "--repeat", "2", "--device", "cpu")


@pytest.fixture(autouse=True)
def _quick(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # a narrow terminal splits tables
    monkeypatch.setattr(bench_run, "measure_ceiling", lambda *_: Ceiling(1e9, 512, "float32", tf32=False))


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", *arguments], catch_exceptions=False)


def test_a_table_for_each_spec() -> None:
    result = bench("tiny.yaml", "several.yaml", *QUICK, "--train", "--batch", "2,4", "--set", "classes=7")
    assert result.exit_code == 0, result.output
    for text in (
        "tiny: input 3x8x8", "several: input 3x8x8", "inference, 2", "training, 4", "archspec eager", "NCHW",
        "baseline", "device     cpu: ", "ceiling    1 GFLOP/s", "median of 2 rounds",
        "freed memory kept by the process", "speed-up   over archspec eager", "predicted: from the graph",
    ):  # fmt: skip
        assert text in result.stdout
    assert result.stdout.count("archspec eager") == 2 * 4 + 1


def test_json_on_stdout_and_in_a_file(folder: Path) -> None:
    result = bench("tiny.yaml", *QUICK, "--json", "--out", "found.json", "--against", "hand.py:Tiny")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data == json.loads((folder / "found.json").read_text())
    assert data["machine"]["memory_kept"] is (sys.platform == "linux")
    assert [row["network"] for row in data["specs"][0]["rows"]] == ["hand.py:Tiny", "archspec"]
    assert [len(row["rounds"]) for row in data["specs"][0]["rows"]] == [2, 2]


def test_a_failing_row_is_seen_and_the_status_says_so() -> None:
    result = bench("tiny.yaml", *QUICK, "--batch", "1,2", "--against", "hand.py:Late")
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert "failed: tiny, inference, batch 2, hand.py:Late eager: IndexError: no more than one" in result.stderr
    assert result.stderr.count("failed") == 1
    assert "by hand eager" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tiny.yaml", "--mode", "eagre"], "'eagre' is none of eager, regional, whole"),
        (["tiny.yaml", "--batch", "1,x"], "'1,x' is no list of numbers"),
        (["tiny.yaml", "--batch", "0"], "one sample at least"),
        (["tiny.yaml", "--device", "meta"], "nothing runs on the meta device"),
        (["tiny.yaml", "--device", "quantum"], "quantum"),
        (["tiny.yaml", "--checkpoint", "auto"], "add --train"),
        (["tiny.yaml", "--train", "--checkpoint", "some"], "auto, or a number of blocks"),
        (["nothing.yaml"], "there is no file nothing.yaml"),
        (["tiny.yaml", "several.yaml", "--against", "hand.py:Tiny"], "once for each SPEC: 1 of them, 2 specs"),
        (["tiny.yaml", "--against", "hand.py:wide"], "hand.py:wide has 1,205 parameters, tiny 589"),
        (["tiny.yaml", "--against", "hand.py:Tinny"], "did you mean 'Tiny'?"),
    ],
)
def test_bad_usage_is_told(arguments: list[str], told: str) -> None:
    result = bench(*arguments)
    assert result.exit_code == 2
    assert told in result.output
    assert "Traceback" not in result.output


def test_a_bad_spec_is_told(folder: Path) -> None:
    (folder / "tiny.yaml").write_text("archspec: 1\ninput: {channels: 3, size: [8, 8]}\nhead: [reul]\n")
    result = bench("tiny.yaml")
    assert result.exit_code == 1
    assert "there is no operator 'reul'" in result.output


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom archspec.cli import main\n"
        "main(['bench', '--help'], standalone_mode=False)\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--against" in done.stdout
