"""`py:` references: torch modules on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from archspec.cli import main

PROGRAM = """
import torch
from torch import nn
print  # imported
class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, width, 3, padding=1), nn.Linear(width, 10)
    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))
def broken():
    raise RuntimeError("no such weights")
number = 3
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(PROGRAM)
    return f"py:{tmp_path / 'nets.py'}"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_a_program_is_run_only_if_it_is_trusted(program: str) -> None:
    status, output = run("summary", f"{program}:Net")
    assert status == 1
    assert "runs its code" in output
    assert "--trust" in output


def test_a_module_is_counted_drawn_and_compared(program: str, tmp_path: Path) -> None:
    size = ("--set", "input.size=[16, 16]", "--trust")
    status, output = run("summary", f"{program}:Net", "--set", "width=6", *size)
    assert (status, "parameters 238" in output) == (0, True)
    assert run("render", f"{program}:Net", *size, "-o", str(tmp_path / "net.svg"))[0] == 0
    assert run("diff", f"{program}:Net", f"{program}:Net", "--trust")[1].count("one network") == 1
    assert "global_avg_pool" in run("show", f"{program}:Net", *size)[1]
    assert "| stage |" in run("table", f"{program}:Net", *size)[1]
    assert "signature" in run("analyze", f"{program}:Net", *size)[1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Nett", "there is no function 'Nett'"),
        ("broken", "fails: RuntimeError: no such weights"),
        ("number", "there is no function 'number'"),
        ("Net --set depth=3", "fails: TypeError"),
        ("Net --set input.channels=4", "fails for samples of 4x224x224"),
        ("", "names no module"),
    ],
)
def test_what_goes_wrong_is_told_in_one_message(program: str, name: str, message: str) -> None:
    name, *rest = name.split() if name else [""]
    status, output = run("summary", f"{program}:{name}", *rest, "--trust")
    assert status == 1
    assert message in output
    assert "Traceback" not in output
