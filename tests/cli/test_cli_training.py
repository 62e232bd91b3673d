"""`summary --train`: the memory of a training step, told without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

import archspec
from archspec.cli import main
from archspec.compiler.analysis.segments import every
from archspec.compiler.analysis.training import training_memory
from archspec.report.numbers import size_of, size_text


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_it_is_told_below_the_totals() -> None:
    memory = training_memory(archspec.expand("cifar_resnet20"), batch=16)
    output = run("summary", "cifar_resnet20", "--train", "--batch", "16").output
    before, told = output.split("training     ")
    assert "depth      20 layers" in before
    assert told.splitlines() == [
        "one step on 16 samples in float32, not compiled",
        "  parameters 1.03 MiB",
        "  gradients  1.03 MiB",
        "  momentum   1.03 MiB (SGD; twice that for Adam)",
        f"  saved      {memory.saved / 2**20:.2f} MiB of activations, at the end of forward",
        f"  peak       {memory.peak / 2**20:.2f} MiB of activations and their gradients at once",
        f"  total      {memory.total / 2**20:.2f} MiB",
    ]
    assert "training" not in run("summary", "cifar_resnet20").output


def test_what_is_recomputed_is_told() -> None:
    graph = archspec.expand("cifar_resnet20")
    output = run("summary", "cifar_resnet20", "--train", "--checkpoint", "3").output
    assert "of forward's MACs, in 3 segments" in output
    half = f"{training_memory(graph, batch=1).peak // 2}"
    data = json.loads(
        run("summary", "cifar_resnet20", "--train", "--checkpoint", "auto", "--budget", half, "--json").output
    )["training"]
    assert data["peak"] <= int(half)
    assert 0 < data["recomputed_share"] < 1
    assert data["segments"]
    plenty = run("summary", "cifar_resnet20", "--train", "--checkpoint", "auto", "--budget", "1GiB").output
    assert "nothing: it fits as it is" in plenty


def test_json_is_in_bytes() -> None:
    graph = archspec.expand("cifar_resnet20")
    data = json.loads(run("summary", "cifar_resnet20", "--train", "--json", "--dtype", "bfloat16").output)
    memory = training_memory(graph, batch=1, item_bytes=2)
    assert data["params"] == graph.params
    training = data["training"]
    assert (training["parameters"], training["dtype"]) == (2 * graph.params, "bfloat16")
    assert (training["saved"], training["peak"], training["total"]) == (memory.saved, memory.peak, memory.total)
    assert training["segments"] == []
    checkpointed = json.loads(run("summary", "cifar_resnet20", "--train", "--json", "--checkpoint", "2").output)
    assert checkpointed["training"]["segments"] == [list(segment.units) for segment in every(graph, 2)]
    assert "training" not in json.loads(run("summary", "cifar_resnet20", "--json").output)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--batch", "2"], "--batch is about training: add --train"),
        (["--checkpoint", "2"], "--checkpoint is about training: add --train"),
        (["--train", "--budget", "1GiB"], "add --checkpoint auto"),
        (["--train", "--checkpoint", "2", "--budget", "1GiB"], "add --checkpoint auto"),
        (["--train", "--checkpoint", "0"], "neither auto nor a number of blocks"),
        (["--train", "--checkpoint", "some"], "neither auto nor a number of blocks"),
        (["--train", "--checkpoint", "auto", "--budget", "2 elephants"], "is no size"),
        (["--train", "--checkpoint", "auto", "--budget", "10KiB"], "does not fit into 10.00 KiB"),
        (["--train", "--markdown"], "--train is told below the table of stages"),
        (["--train", "--depth", "op"], "--train is told below the table of stages"),
    ],
)
def test_bad_usage_says_what_to_do(arguments: list[str], told: str) -> None:
    result = run("summary", "cifar_resnet20", *arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())


def test_sizes_are_written_as_people_do() -> None:
    assert size_of("2GiB") == 2 * 2**30
    assert size_of(" 1.5 gb ") == 1_500_000_000
    assert size_of("4096") == size_of("4KiB") == 4096
    for wrong in ("", "-1GiB", "GiB", "1 XiB", "0", "1e9"):
        with pytest.raises(ValueError, match="is no size"):
            size_of(wrong)
    assert [size_text(size) for size in (512, 2048, 3 * 2**19, 5 * 2**29)] == [
        "512 bytes", "2.00 KiB", "1.50 MiB", "2.50 GiB",
    ]  # fmt: skip


def test_torch_is_not_imported() -> None:
    code = (
        "import sys\nfrom archspec.cli import main\n"
        "main(['summary', 'cifar_resnet20', '--train', '--checkpoint', 'auto'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
