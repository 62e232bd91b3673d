"""Imports point one way, imports inside functions and for type checkers counted, and no files import in a circle."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (
    "archspec.version",
    "archspec.syntax",
    "archspec.topologies",
    "archspec.ops",
    "archspec.report",
    "archspec.language",
    "archspec.graph",
    "archspec.compiler.expand",
    "archspec.compiler.analysis",
    "archspec.compiler.decompile",
    "archspec.compiler.rewrite",
    "archspec.compiler.lower",
    "archspec.compiler.trace",
    "archspec.compiler.emit",
    "archspec.compiler.pipeline",
    "archspec.compiler.figures",
    "archspec.execution",
    "archspec.training",
    "archspec.weights",
    "archspec.deployment",
    "archspec.api",
    "archspec.exchange",
    "archspec",
    "archspec.research",
    "archspec.bench",
    "archspec.cli",
    "archspec.__main__",
)
"""From the bottom to the top: each may import itself and what stands before it."""


def _files() -> Iterator[tuple[str, Path]]:
    for folder, _, names in os.walk(ROOT / "archspec", followlinks=True):
        for name in sorted(names):
            path = Path(folder) / name
            if name.endswith(".py"):
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield ".".join(parts[:-1] if name == "__init__.py" else parts), path


FILES = dict(_files())


def layer(module: str) -> int:
    """The number of the layer whose name is the longest that begins the module's."""
    while module not in LAYERS:
        module = module.rpartition(".")[0]
        assert module not in ("", "archspec", "archspec.compiler"), "every file stands in a room"
    return LAYERS.index(module)


def imported(path: Path) -> Iterator[str]:
    """The modules of archspec that a file names in its imports, wherever they stand."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.partition(".")[0] == "archspec")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "archspec":
            assert node.module is not None
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in FILES else node.module


ROOMS = sorted(name for name in FILES if name != "archspec.compiler")


@pytest.mark.parametrize("module", ROOMS)
def test_no_import_points_up(module: str) -> None:
    above = {name for name in imported(FILES[module]) if layer(name) > layer(module)}
    assert above == set()


def test_no_files_import_each_other_in_a_circle() -> None:
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_edges_from((module, name) for module, path in FILES.items() for name in imported(path))
    assert [sorted(found) for found in networkx.strongly_connected_components(graph) if len(found) > 1] == []
    assert list(networkx.selfloop_edges(graph)) == []


def test_every_layer_is_there() -> None:
    assert {layer(module) for module in ROOMS} == set(range(len(LAYERS)))


def test_few_files_stand_outside_the_rooms() -> None:
    loose = [path.name for path in (ROOT / "archspec").iterdir() if path.is_file() and path.name != "py.typed"]
    assert len(loose) <= 6, loose
    assert {path.name for path in (ROOT / "compiler").iterdir() if path.is_file()} == {"__init__.py", "pipeline.py"}


def test_no_file_grows_past_300_lines() -> None:
    long = {module: lines for module, path in FILES.items() if (lines := len(path.read_text().splitlines())) > 300}
    assert long == {}
