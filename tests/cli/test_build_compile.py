"""`archspec build --compile`: what is told of the mode, and of what cannot be compiled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from archspec.cli import main
from archspec.execution.compiled import CompileError

TINY = """\
archspec: 1
input: {channels: 3, size: [8, 8]}
stem: [conv: {out: 4, kernel: 3}]
stages: {repeat: [3, 1], width: 4, blocks: basic, enter: shrink}
paths: {shrink: [max_pool: {kernel: 2, stride: 2}]}
blocks:
  basic: {branch: [conv: {out: width, kernel: 3}, bn], after: [relu]}
head: [global_avg_pool, linear: {out: 5}]
"""

FLAT = """\
archspec: 1
input: {channels: 3, size: [8, 8]}
graph:
  stem.conv: [conv: {out: 4, kernel: 3}]
  stem.relu: {from: stem.conv, ops: [relu]}
  pool: {from: stem.relu, ops: [global_avg_pool]}
  classes: {from: pool, ops: [linear: {out: 5}]}
  output: classes
"""


def build(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["build", "tiny.yaml", "--device", "cpu", *arguments], catch_exceptions=False)


@pytest.fixture(autouse=True)
def _tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)


@pytest.fixture
def _uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be compiled runs as it is: these tests are of what is said."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)


@pytest.mark.usefixtures("_uncompiled")
def test_it_tells_what_is_compiled_and_what_is_not() -> None:
    assert "compiled" not in build().output
    for given in (["--compile"], ["--compile", "regional"], ["--compile=regional"]):
        output = build(*given).output
        assert "compiled   4 kinds of block; nothing runs eagerly" in output
        assert "with compilation" in output
    assert "compiled   the forward as one graph" in build("--compile", "whole").output
    assert "compiled   the forward as one graph" in build("--compile", "whole", "--granularity", "op").output
    told = json.loads(build("--compile", "--json").output)["run"]
    assert (told["mode"], told["compiled"], told["eager"]) == ("regional", 4, 0)


def test_a_word_that_is_no_mode_is_told() -> None:
    result = CliRunner().invoke(main, ["build", "--compile", "tiny.yaml"])
    assert result.exit_code == 2
    assert "SPEC goes before a bare --compile" in result.output
    assert build("--compile", "eager").exit_code == 2
    assert "works by block" in build("--compile", "--granularity", "op").output


def test_what_cannot_be_compiled_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(function: object, **_: object) -> object:
        def run(*inputs: object) -> object:
            raise CompileError("'stage1.0' could not be compiled, and was not run: because\nuse mode='eager'")

        return run

    monkeypatch.setattr(torch, "compile", refused)
    result = build("--compile")
    assert result.exit_code == 1
    assert "'stage1.0' could not be compiled, and was not run: because" in result.output
    assert "use mode='eager'" in result.output
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("_uncompiled")
def test_operators_outside_of_blocks_are_counted(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(FLAT)
    assert "compiled   1 kind of block; operators outside of blocks, 2, run eagerly" in build("--compile").output
