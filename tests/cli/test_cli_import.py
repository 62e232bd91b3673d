"""`archspec import`, as a user sees it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

import archspec
from archspec.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_a_spec_is_written_that_is_the_same_network(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    result = run("import", "iresnet50", "-o", str(path))
    assert result.exit_code == 0, result.output
    text = path.read_text()
    assert result.output == (
        f"wrote {path}: {len(text.splitlines())} lines for 177 operators; it expands to the same network\n"
    )
    assert "extends" not in text
    assert archspec.signature(path) == archspec.signature("iresnet50")


def test_without_a_file_it_is_printed() -> None:
    result = run("import", "cifar_resnet20", "--set", "classes=7")
    assert result.exit_code == 0
    assert archspec.signature(archspec.loads(result.output)) == archspec.signature("cifar_resnet20", classes=7)


def test_what_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    assert run("import", "no_such_net").exit_code == 2
    (tmp_path / "bad.yaml").write_text("archspec: 1\n")
    assert run("import", str(tmp_path / "bad.yaml")).exit_code == 1
    result = run("import", "cifar_resnet20", "-o", str(tmp_path / "missing" / "net.yaml"))
    assert result.exit_code == 2
    assert "No such file or directory" in result.output
    own = tmp_path / "own.yaml"
    own.write_text("archspec: 1\nextends: cifar_resnet20\n")
    result = run("import", str(own), "-o", str(own))
    assert result.exit_code == 2
    assert "write elsewhere" in result.output
    assert own.read_text() == "archspec: 1\nextends: cifar_resnet20\n"
