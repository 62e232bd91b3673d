"""`archspec render` and `archspec table`, as a user sees them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from archspec.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_render_writes_what_the_suffix_says(elsewhere: Path) -> None:
    for suffix, start in (("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG"), ("dot", b"digraph")):
        result = run("render", "wrn16_4", "-o", f"a.{suffix}", "--detail", "stage")
        assert result.exit_code == 0, result.output
        assert result.output == f"wrote a.{suffix}\n"
        assert (elsewhere / f"a.{suffix}").read_bytes().startswith(start)


def test_render_without_a_file_is_named_after_the_network(elsewhere: Path) -> None:
    assert run("render", "iresnet50").output == "wrote iresnet50.svg\n"
    assert (elsewhere / "iresnet50.svg").exists()


def test_render_compares(elsewhere: Path) -> None:
    result = run(
        "render", "plain18", "resnet18", "-o", "ab.dot", "--title", "With and without shortcuts", "--theme", "dark"
    )
    assert result.exit_code == 0, result.output
    text = (elsewhere / "ab.dot").read_text()
    assert "plain18" in text
    assert "resnet18" in text
    assert "With and without shortcuts" in text


def test_render_with_other_params(elsewhere: Path) -> None:
    assert run("render", "resnet50", "--set", "until=stage1", "-o", "a.dot", "--detail", "block").exit_code == 0
    assert "stage2" not in (elsewhere / "a.dot").read_text()


@pytest.mark.parametrize(("arguments", "message"), [
    (("resnet51",), "did you mean"),
    (("resnet50", "--width", "3 feet"), "'3 feet' is no width"),
    (("resnet50", "--expand", "stage7"), "there is no stage7 to expand"),
    (("resnet50", "-o", "a.gif"), "its name ends in .svg, .pdf, .png or .dot"),
    (("resnet50", "--max-blocks", "1"), "--max-blocks"),
    (("resnet50", "-o", "no/such/folder/a.svg"), "No such file or directory"),
])  # fmt: skip
def test_bad_usage(arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(main, ["render", *arguments])
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["render", "table"])
def test_problems_are_told_as_by_every_command(command: str, elsewhere: Path) -> None:
    (elsewhere / "bad.yaml").write_text("archspec: 1\nextends: resnet18\nstages: {blocks: residul}\n")
    told = run("check", "bad.yaml").output.rpartition("\n0 of")[0]
    result = run(command, "resnet18", "bad.yaml")
    assert result.exit_code == 1
    assert result.output == told + "\n\n1 problem\n"


def test_table_in_markdown() -> None:
    lines = run("table", "resnet50", "iresnet50").output.splitlines()
    assert lines[0] == "| stage | output | resnet50 | iresnet50 |"
    assert "| stage2 | 28×28 | [1×1, 128 · 3×3, 128 · 1×1, 512] × 4 | [1×1, 128 · 3×3, 128 · 1×1, 512] × 4 |" in lines
    assert lines[-2] == "| params |  | 25.557 M | 25.557 M |"
    assert lines[-1] == "| MACs (the papers' FLOPs) |  | 4.089 G | 4.128 G |"


def test_table_in_latex() -> None:
    text = run("table", "resnet18", "ror3_110", "--format", "latex").output
    assert r"\begin{tabular}{llcc}" in text
    assert r"$\begin{bmatrix}\text{3$\times$3, 64}\\ \text{3$\times$3, 64}\end{bmatrix}\times 2$" in text
    assert r"ror3\_110" in text
    assert text.count(r"\\" + "\n") == 10
