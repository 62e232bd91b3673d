"""A module written by hand, from a Python file the user names: the network to compare a spec's with."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from archspec.bench.work import shapes
from archspec.graph import Graph


class RivalError(ValueError):
    """The file cannot be imported, has no such class, or its network is not that of the spec."""


@dataclass(frozen=True)
class Rival:
    """What makes a network, by the name the user gave it."""

    name: str
    """As in "iresnet.py:IResNet50"."""
    construct: Callable[[], object]

    def make(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """The network, on a device. Raises `RivalError`."""
        try:
            with torch.device(device):
                module = self.construct()
        except Exception as error:  # the user's code may raise anything
            raise RivalError(f"{self.name}() failed: {told(error)}") from error
        if not isinstance(module, nn.Module):
            raise RivalError(f"{self.name}() gives a {type(module).__name__}, not a torch.nn.Module")
        return module.to(device=device, dtype=dtype)


def load_rival(reference: str) -> Rival:
    """The class, or function without arguments, that FILE.py:NAME names. Runs the file: it is trusted.

    A file in a package (its folder has an __init__.py) is imported as part of it, so that its relative imports work;
    any other as `python FILE.py` would run it. The folder that holds it, or its package, and the current one are
    importable. Raises `RivalError`.
    """
    file, colon, name = reference.rpartition(":")
    if not colon or not name.isidentifier() or not file.endswith(".py"):
        raise RivalError(f"'{reference}' is not of the form FILE.py:Class")
    path = Path(file).resolve()
    if not path.is_file():
        raise RivalError(f"there is no file {file}")
    try:
        module = _imported(path)
    except Exception as error:  # the user's code may raise anything
        raise RivalError(f"{file} cannot be imported: {told(error)}") from error
    construct = getattr(module, name, None)
    if not callable(construct):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        near = difflib.get_close_matches(name, known, 1)
        raise RivalError(f"{file} has no class '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
    return Rival(f"{path.name}:{name}", construct)


def _imported(path: Path) -> ModuleType:
    folder, parts = path.parent, [path.stem]
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    for entry in (str(Path.cwd()), str(folder)):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    if len(parts) > 1:
        return importlib.import_module(".".join(parts))
    # Under a name of its own: `resnet.py` must not become, or be, another module of that name.
    spec = importlib.util.spec_from_file_location(f"archspec_bench_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def compare(rival: Rival, graph: Graph, device: torch.device) -> None:
    """Makes sure that a module could be the spec's network: as many parameters, outputs of the same shapes.

    Raises `RivalError` saying both figures, or why it cannot run.
    """
    module = rival.make(device, torch.float32).eval()
    params = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    if params != graph.params:
        raise RivalError(f"{rival.name} has {params:,} parameters, {graph.name} {graph.params:,}")
    try:
        with torch.inference_mode():
            given = shapes(module(torch.zeros(1, *graph.input.shape, device=device)))
    except Exception as error:  # the user's code may raise anything
        raise RivalError(f"{rival.name} cannot run on {graph.name}'s input: {told(error)}") from error
    expected = [(1, *shape) for shape in graph.output_shapes().values()]
    if given != expected:
        raise RivalError(f"{rival.name} gives {_listed(given)}, {graph.name} {_listed(expected)}")


def _listed(found: list[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) for shape in found) or "no tensors"


def told(error: BaseException) -> str:
    """An error in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else ""
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        return f"out of memory: {text}" if text else "out of memory"
    return (
        text if type(error) in (RuntimeError, ValueError) and text else f"{type(error).__name__}: {text}".rstrip(": ")
    )
