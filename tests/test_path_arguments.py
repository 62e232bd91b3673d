"""Every public function that takes a path takes a text and any `os.PathLike`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec import research
from archspec.research import Space, load_space, plots, propagation_plot, read_results, sweep


class Lies:
    """A path that is no `Path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


KINDS: list[Callable[[Path], Any]] = [str, Path, Lies]


def functions() -> Iterator[tuple[str, Any]]:
    for module in (archspec, research, plots, propagation_plot):
        for name in getattr(module, "__all__", [name for name in dir(module) if not name.startswith("_")]):
            value = getattr(module, name)
            if inspect.isclass(value) and value.__module__.startswith("archspec"):
                for method, function in inspect.getmembers(value, inspect.isfunction):
                    if not method.startswith("_") or method == "__init__":
                        yield f"{name}.{method}", function
            elif inspect.isfunction(value) and value.__module__.startswith("archspec"):
                yield name, value


def test_no_signature_asks_for_a_path_of_one_class() -> None:
    found = 0
    for name, function in functions():
        if not function.__module__.startswith("archspec"):
            continue
        if name.split(".")[0] in ("Swept", "SpecError") or name == "Spec.__init__":  # values that archspec makes
            continue
        for parameter in inspect.signature(function).parameters.values():
            kind = str(parameter.annotation)
            if re.search(r"\b(Path|PathLike|Model)\b", kind):
                found += 1
                assert "PathLike[str]" in kind.replace("Model", "PathLike[str]"), (name, kind)
    assert found > 20


@pytest.mark.parametrize("kind", KINDS)
def test_paths_of_every_kind_do(kind: Callable[[Path], Any], tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text("archspec: 1\nextends: cifar_resnet20\n")
    space_file = tmp_path / "space.yaml"
    space_file.write_text("space: 1\nbase: net.yaml\naxes: {depth: [20, 26, 32]}\n")
    assert archspec.load(kind(spec)).name == "net"
    assert archspec.summarize(kind(spec)).params == 269722
    assert archspec.load(kind(spec)).to_yaml(kind(tmp_path)).startswith("archspec: 1")
    space = load_space(kind(space_file))
    assert Space(kind(spec), {"depth": [20]}).size == 1
    assert "extends" in space.text((26,), "other", kind(tmp_path / "out"))
    swept = sweep(space, 2, kind(tmp_path / "out"))
    assert swept.folder == tmp_path / "out"
    assert len(list(read_results(kind(tmp_path / "out")))) == 2
    archspec.render(kind(spec), kind(tmp_path / "figure.dot"))
    assert (tmp_path / "figure.dot").read_text().startswith("digraph")


def test_plots_take_a_text(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sweep(Space("cifar_resnet20", {"depth": [20]}), 1, str(tmp_path / "out"))
    plots.scatter(str(tmp_path / "out"), str(tmp_path / "scatter.svg"))
    assert (tmp_path / "scatter.svg").read_text().startswith("<?xml")
