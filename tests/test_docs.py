"""The documentation is true: its commands, specs and programs run, and its generated parts are up to date."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import archspec
from archspec.language.jsonschema import documented
from archspec.language.schema_shortcuts import Skip
from archspec.ops import OPERATORS
from archspec.syntax.names import SCOPE_NAMES
from archspec.topologies import STANDARD

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


@pytest.mark.parametrize("page", ["language.md", "topologies.md"])
def test_every_rule_is_listed(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    table = text[text.index("| rule | fields |") :].split("\n\n", 1)[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(STANDARD.functions)
    assert all(f"{name}" in (documented(Skip)["rule"]) for name in STANDARD.functions)


def test_the_reference_prints_operators_in_bold() -> None:
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert "\\*\\*" not in text
    assert all(f"\n| **`{operator.key}`** |" in text for operator in OPERATORS)


def test_the_densenet_of_the_reference_is_that_of_the_paper(blocks: ModuleType) -> None:
    """Counted by hand from table 1 of arXiv 1608.06993: growth 32, bottlenecks of 128, compression one half."""
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    (block,) = (each for each in blocks.blocks(text) if each.directives.get("file") == "densenet121.yaml")
    params, channels = 3 * 64 * 7 * 7 + 2 * 64, 64
    for number, layers in enumerate((6, 12, 24, 16)):
        if number:
            params, channels = params + 2 * channels + channels * channels // 2, channels // 2
        for _ in range(layers):
            params += 2 * channels + channels * 128 + 2 * 128 + 128 * 32 * 9
            channels += 32
    params += 2 * channels + channels * 1000 + 1000
    graph = archspec.expand(archspec.loads(block.text))
    assert graph.params == params == 7_978_856
    assert graph["head.linear"].macs == channels * 1000


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_runs(example: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert len(example.read_text(encoding="utf-8").splitlines()) < 60
