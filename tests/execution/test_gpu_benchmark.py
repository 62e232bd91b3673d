"""The GPU benchmark, rehearsed on the CPU with tiny networks: its figures, its refusals, its deadlines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def rehearsal(folder: Path, *arguments: str) -> dict[str, Any]:
    output = folder / "figures.json"
    command = [sys.executable, str(SCRIPT), "--device", "cpu", "--quick", "--output", str(output), *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_both_networks_in_training_and_inference(tmp_path: Path) -> None:
    found = rehearsal(tmp_path, "--modes", "hand-written,eager", "--parts", "2,4", "--rounds", "2")
    assert found["machine"]["device"] == "cpu"
    assert all(rate > 0 for rate in found["ceiling_tflops"].values())
    training, inference = found["parts"]
    assert [(part["network"], part["work"], part["ended"]) for part in found["parts"]] == [
        ("cifar_iresnet1001", "training", "done"), ("iresnet404", "inference", "done"),
    ]  # fmt: skip
    for part in (training, inference):
        for name in ("hand-written", "eager"):
            figures = part["variants"][name]
            assert len(figures["rounds"]) == 2
            assert figures["to_hand_written"] > 0
            assert figures["images_per_second"] * figures["seconds"] == pytest.approx(part["batch"])
        for name in ("hand-written + graphs", "eager + graphs"):
            assert "CUDA graphs need a GPU" in part["variants"][name]["failed"]
        assert part["variants"]["hand-written"]["to_hand_written"] == 1
    assert training["flops_per_step"] % 3 == 0
    assert "latency_seconds" in inference["variants"]["eager"]
    assert str(Path.home()) not in json.dumps(found)


def test_what_the_time_does_not_reach_is_named(tmp_path: Path) -> None:
    found = rehearsal(tmp_path, "--minutes", "0", "--parts", "1")
    assert [part["ended"] for part in found["parts"]] == ["not reached"]


@pytest.mark.slow
def test_a_part_is_stopped_at_its_deadline(tmp_path: Path) -> None:
    found = rehearsal(tmp_path, "--limit", "1", "--parts", "1", "--modes", "eager")
    assert found["parts"][0]["ended"] == "stopped after 1 s"
