"""One network, one file: written aside, run beside the network, and put in its place only if they agree."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from archspec.compiler.analysis.signature import signature
from archspec.compiler.lower import Network
from archspec.deployment.exported import Exported, ExportError
from archspec.deployment.verify import BATCHES, Differences, labels
from archspec.version import __version__
from archspec.weights.fold import fold

Format: TypeAlias = Literal["onnx", "pt2", "aoti", "safetensors", "model.py"]
_SUFFIXES: dict[str, Format] = {".onnx": "onnx", ".pt2": "pt2", ".safetensors": "safetensors", ".py": "model.py"}
_RUNNERS: dict[Format, str] = {
    "onnx": "in onnxruntime", "pt2": "by torch.export.load", "aoti": "by AOTInductor's package",
    "safetensors": "loaded into a new network", "model.py": "run with the network's weights",
}  # fmt: skip


def export(network: Network, path: str | os.PathLike[str], format: Format | None, optimize: bool) -> Exported:
    """`archspec.export` of a built network. Raises `ExportError`, `OSError`, having written nothing."""
    path = Path(path)
    kind = format or _SUFFIXES.get(path.suffix)
    if kind not in get_args(Format):
        known = ", ".join(get_args(Format))
        raise ExportError(f"the format is one of {known}, not {format or path.name!r}")
    assert kind is not None
    runs = fold(network) if optimize else deepcopy(network)  # a copy runs eagerly
    runs = runs.cpu().eval()
    graph = network.architecture
    about = {
        "archspec": __version__, "network": graph.name, "signature": signature(graph),
        "parameters": str(graph.params), "optimized": str(optimize).lower(),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        aside = Path(folder) / (path.name if kind != "aoti" else f"{path.stem}.pt2")
        apart = _writer(kind)(runs, aside, about)
        size = aside.stat().st_size
        os.replace(aside, path)
    batches = " and ".join(map(str, BATCHES))
    by = f"{_RUNNERS[kind]} with batches of {batches}"
    return Exported(
        graph.name, kind, str(path), size, ("input",), labels(network), optimize, apart.absolute, apart.relative, by
    )


def _writer(kind: Format) -> Callable[[Network, Path, Mapping[str, str]], Differences]:
    """What writes a format and compares; each needs packages of its own."""
    match kind:
        case "onnx":
            from archspec.deployment.onnx import write_onnx as write
        case "pt2":
            from archspec.deployment.programs import write_pt2 as write
        case "aoti":
            from archspec.deployment.programs import write_aoti as write
        case "safetensors":
            from archspec.deployment.plain import write_weights as write
        case "model.py":
            from archspec.deployment.plain import write_python as write
    return write
