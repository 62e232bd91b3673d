"""Imports point one way: from the command line down to the language, never up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "archspec"
FILES = sorted({*PACKAGE.glob("*.py"), *PACKAGE.glob("*/**/*.py"), *(PACKAGE / "compiler").glob("**/*.py")})
LAYERS = ("language", "compiler", "execution", "api", "research", "bench", "cli")
PLACES = {"artifacts": "api", "run_build": "api", "__init__": "api", "__main__": "cli"}
"""Modules of `archspec/` itself that are not of the language."""


def layer(module: str) -> int:
    if module == "archspec.topologies.levels":  # arithmetic on spans, which imports nothing; the rule `ror` uses it
        return 0
    part = module.split(".")[1]
    return LAYERS.index(part if part in LAYERS else PLACES.get(part, "language"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("archspec."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "archspec":
            yield from (f"archspec.{name.name}" for name in node.names) if node.module == "archspec" else [node.module]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path) -> None:
    module = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    own = layer(module)
    at_once = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
    assert {name for name in imported(at_once) if layer(name) > own} == set()
    # `graph.analyze()` and its like reach the compiler when called; nothing reaches research or what is above it.
    assert {name for name in imported(tree) if layer(name) > max(own, LAYERS.index("api"))} == set()


def test_the_layers_are_looked_at() -> None:
    assert {layer(".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)) for file in FILES} == set(range(7))
