"""The documentation is true: its commands, specs and programs run, and its generated parts are up to date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from archspec.syntax.names import SCOPE_NAMES

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import blocks

    return blocks


@pytest.fixture
def generate(blocks: ModuleType) -> ModuleType:
    import generate

    return generate


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_block_does_what_it_shows(document: Path, blocks: ModuleType, tmp_path: Path) -> None:
    folder = blocks.working_folder(tmp_path)
    names: dict[str, object] = {"__name__": "docs"}
    for block in blocks.blocks(document.read_text(encoding="utf-8")):
        place = f"{document.relative_to(ROOT)}:{block.first}"
        if "file" in block.directives:
            (folder / block.directives["file"]).write_text(block.text, encoding="utf-8")
        if "not run" in block.directives:
            continue
        if block.language == "yaml":
            try:
                blocks.try_spec(block, folder)
            except AssertionError as error:
                pytest.fail(f"{place}: {error}", pytrace=False)
        elif block.language == "console":
            for command, shown in blocks.commands(block):
                output = blocks.run_command(command, folder)
                if not blocks.agrees(shown, output):
                    pytest.fail(
                        f"{place}: $ {command}\nshown:\n{shown}\nprinted:\n{output}\nrun: python docs/generate.py",
                        pytrace=False,
                    )
        elif block.language == "python":
            blocks.run_python(block, names, str(document), folder)


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_generated_parts_are_up_to_date(document: Path, generate: ModuleType) -> None:
    text = document.read_text(encoding="utf-8")
    assert generate.regenerated(text) == text, "run: python docs/generate.py"


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_link_leads_somewhere(document: Path, blocks: ModuleType) -> None:
    for target, anchor in blocks.links(document.read_text(encoding="utf-8")):
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), target
        if anchor:
            assert anchor in blocks.anchors(path.read_text(encoding="utf-8")), f"{target}#{anchor}"


def test_the_reference_names_everything_in_scope() -> None:
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    table = text[text.index("## Names in scope") :].split("\n## ", 2)[0]
    assert {name for name in SCOPE_NAMES if f"`{name}`" not in table} == set()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_runs(example: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert len(example.read_text(encoding="utf-8").splitlines()) < 60
