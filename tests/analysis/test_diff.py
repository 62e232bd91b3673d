"""Differences: what was edited is told, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import archspec
from archspec import diff
from archspec.cli import main
from archspec.topologies import edge

BASE = archspec.load("cifar_resnet20")


def test_a_spec_does_not_differ_from_itself() -> None:
    found = diff(BASE, BASE)
    assert found.equal
    assert (found.language, found.units, found.wiring, found.figures) == ((), (), (), ())
    assert diff(BASE, BASE.with_name("other")).equal


def test_a_block_put_in_shifts_no_other() -> None:
    found = diff(BASE, BASE.with_params(counts=[3, 4, 3]))
    assert [change.what for change in found.language] == ["params.counts"]
    assert len(found.units) == 1
    assert found.units[0].before is None
    assert found.units[0].what.startswith("stage2.")
    removed = diff(BASE.with_params(counts=[3, 4, 3]), BASE)
    assert [(change.before is None, change.after) for change in removed.units] == [(False, None)]
    assert {change.what: (change.before, change.after) for change in found.figures}["blocks"] == ("9", "10")


def test_a_skip_is_wiring() -> None:
    """An identity skip changes what the block's addition reads, and no operator."""
    found = diff(BASE, BASE.with_skips([edge("stage2.0", "stage2.2")]))
    assert found.units == ()
    assert [(change.what, change.after) for change in found.wiring] == [("stage2.2", "stage2.1, stage2.0")]
    projected = diff(BASE, BASE.with_skips([edge("stage1.0", "stage2.2", path="B")]))
    assert [change.what for change in projected.units] == ["skips.stage1_0_to_stage2_2"]
    assert [change.what for change in projected.wiring] == ["stage2.2"]


def test_operators_changed_inside_a_block() -> None:
    wide = BASE.with_changes(paths={"joint": []})
    found = diff(BASE, wide)
    assert {change.what for change in found.units} == {f"stage{s}.{b}" for s in (1, 2, 3) for b in range(3)}
    assert {(change.before, change.after) for change in found.units} == {("after.relu: relu()", "")}


@pytest.mark.parametrize(
    "names", [("resnet50", "iresnet50"), ("cifar_resnet110", "cifar_resnet1001"), ("ror3_110", "ror3_164")]
)
def test_both_ways_tell_the_same(names: tuple[str, str]) -> None:
    there, back = diff(*names), diff(*reversed(names))
    assert {(c.what, c.before, c.after) for c in there.figures} == {(c.what, c.after, c.before) for c in back.figures}
    assert {(c.what, c.before, c.after) for c in there.language} == {(c.what, c.after, c.before) for c in back.language}
    assert there.units
    assert not there.equal


def test_the_command(tmp_path: Path) -> None:
    figure = tmp_path / "both.dot"
    run = CliRunner().invoke(main, ["diff", "cifar_resnet20", "cifar_resnet32", "--figure", str(figure)])
    assert run.exit_code == 0, run.output
    assert "cifar_resnet32" in figure.read_text()
    run = CliRunner().invoke(main, ["diff", "resnet50", "iresnet50"])
    assert run.exit_code == 0
    assert "params.pool: true -> false" in run.output
    assert "macs: 4,089,184,256 -> 4,127,719,424" in run.output
    run = CliRunner().invoke(main, ["diff", "resnet50", "iresnet50", "--json"])
    assert json.loads(run.output)["names"] == ["resnet50", "iresnet50"]
