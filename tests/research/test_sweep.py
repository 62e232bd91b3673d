"""Sweeps: the same file however often they are killed and however many processes work; bad folders lose nothing."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import archspec
from archspec.cli import main
from archspec.research import SpaceError, load_space, read_results, sweep
from archspec.research.seen import Seen

SPACE = """\
space: 1
name: skips
base: cifar_resnet20
change:
  params: {density: 0.1, seed: 0}
  skips: [{rule: random, probability: density, seed: seed, path: B}]
axes:
  density: [0.02, 0.1, 0.3]
  seed: {from: 0, to: 999999}
where: params <= 0.5M
"""
N = 150


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "skips.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def whole(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    done = sweep(load_space(file), N, folder)
    assert (done.found, done.resumed) == (N, 0)
    return folder


def test_lines_tell_the_truth(whole: Path) -> None:
    rows = list(read_results(whole))
    assert len(rows) == N
    assert len({row["signature"] for row in rows}) == N
    for row in rows[:: N // 10]:
        graph = archspec.expand(archspec.load(whole / "specs" / f"skips_0_{row['number']}.yaml"))
        analysis = archspec.analyze(graph)
        assert row["signature"] == archspec.signature(graph)
        assert (row["params"], row["macs"], row["depth"]) == (graph.params, graph.macs, graph.layers)
        assert (int(row["paths"]), row["levels"]) == (analysis.paths, analysis.levels)
        assert row["shortest_path"] == analysis.layers.shortest
        assert row["params"] <= 500_000


def test_processes_change_nothing(file: Path, whole: Path, tmp_path: Path) -> None:
    sweep(load_space(file), N, tmp_path / "out", jobs=2)
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == (whole / "results.jsonl").read_bytes()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_killed_again_and_again_ends_the_same(file: Path, whole: Path, tmp_path: Path, jobs: int) -> None:
    out, draw, kills = tmp_path / "out", random.Random(4), 0
    command = [sys.executable, "-m", "archspec", "sweep", str(file), "--n", str(N), "--out", str(out), "--no-plot"]
    command += ["--jobs", str(jobs)]
    results = out / "results.jsonl"
    while True:
        before = results.stat().st_size if results.exists() else 0
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not results.exists() or results.stat().st_size <= before):
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.1))
        if process.poll() is not None:
            assert process.returncode == 0
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills > 0
    assert (out / "results.jsonl").read_bytes() == (whole / "results.jsonl").read_bytes()


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_line_cut_off_is_written_again(file: Path, whole: Path, tmp_path: Path, cut: int) -> None:
    sweep(load_space(file), 40, tmp_path)
    results = tmp_path / "results.jsonl"
    results.write_bytes(results.read_bytes()[:-cut])
    done = sweep(load_space(file), 60, tmp_path)
    assert done.found == 60
    lines = (whole / "results.jsonl").read_bytes().splitlines()
    assert results.read_bytes().splitlines() == lines[:60]


def test_more_of_the_same_goes_on(file: Path, whole: Path, tmp_path: Path) -> None:
    assert sweep(load_space(file), 30, tmp_path).resumed == 0
    assert sweep(load_space(file), 30, tmp_path).resumed == 30
    assert sweep(load_space(file), N, tmp_path).resumed == 30
    assert (tmp_path / "results.jsonl").read_bytes() == (whole / "results.jsonl").read_bytes()


def test_a_folder_of_another_sweep_is_left_alone(file: Path, tmp_path: Path) -> None:
    sweep(load_space(file), 10, tmp_path)
    before = (tmp_path / "results.jsonl").read_bytes()
    with pytest.raises(SpaceError, match="holds another sweep"):
        sweep(load_space(file), 20, tmp_path, seed=1)
    with pytest.raises(SpaceError, match="holds another sweep"):
        sweep(load_space(file, where=("depth == 20",)), 20, tmp_path)
    assert (tmp_path / "results.jsonl").read_bytes() == before
    (tmp_path / "sweep.json").unlink()
    with pytest.raises(SpaceError, match="results of something else"):
        sweep(load_space(file), 20, tmp_path)


def test_a_folder_that_cannot_be(file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(SpaceError, match="cannot be written"):
        sweep(load_space(file), 5, tmp_path / "taken")


def test_conditions_that_nothing_meets(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archspec.research.sweeps.PATIENCE", 100)
    with pytest.raises(
        SpaceError, match=r"found 0 of 5 networks, then none in \d+ draws: \d+ times 'params <= 1k' fails"
    ):
        sweep(load_space(file, where=("params <= 1k",)), 5, tmp_path)


def test_the_command(file: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke(main, ["sweep", str(file), "--n", "20", "--out", str(tmp_path / "out"), "--plot"])
    assert run.exit_code == 0, run.output
    assert "20 networks in" in run.output
    assert "results.jsonl, scatter.svg, specs, sweep.json" in run.output
    assert "<svg" in (tmp_path / "out" / "scatter.svg").read_text()
    assert len(list((tmp_path / "out" / "specs").iterdir())) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("space: 1\nbase: cifar_resnet20\naxes: {dept: [20]}\n", "dept"),
        ("space: 1\nbase: nothing\naxes: {depth: [20]}\n", "there is no spec 'nothing'"),
        ("space: 1\nbase: cifar_resnet20\n", "the field 'axes' is missing"),
        ("space: 1\nbase: cifar_resnet20\naxes: {depth: []}\n", "the axis depth has no values"),
        ("space: 1\nbase: cifar_resnet20\naxis: {depth: [20]}\n", "did you mean 'axes'"),
        ("base: cifar_resnet20\n", "start it with 'space: 1'"),
        ("space: 1\nbase: cifar_resnet20\naxes: {depth: [20]}\nwhere: [depth >]\n", "is not an expression"),
    ],
)
def test_bad_spaces_end_without_a_traceback(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    run = CliRunner().invoke(main, ["sweep", str(path), "--n", "3", "--out", str(tmp_path / "out")])
    assert run.exit_code == 1
    assert message in run.output
    assert isinstance(run.exception, SystemExit)


def test_seen_is_a_set_of_small_size() -> None:
    seen, known = Seen(), set()
    draw = random.Random(1)
    for _ in range(4_000):
        value = f"{draw.randrange(2_400):032x}"[::-1]
        assert seen.add(value) == (value not in known)
        known.add(value)
    assert len(seen) == len(known)
    assert len(seen._table) * seen._table.itemsize <= 64 * len(known)


def test_results_are_json(whole: Path) -> None:
    for line in (whole / "results.jsonl").read_text().splitlines():
        assert set(json.loads(line)) >= {"number", "signature", "params", "macs", "levels", "choice"}
