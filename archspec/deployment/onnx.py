"""ONNX, by torch.onnx's exporter: named inputs and outputs, a free batch, archspec's addresses in the metadata."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor

from archspec.compiler.lower import Network, lower
from archspec.compiler.lower.edits import edits
from archspec.deployment.exported import ExportError
from archspec.deployment.verify import Differences, example, labels, verified

INPUT, BATCH = "input", "batch"
_SCOPES, _TRACE = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.stack_trace"
_SCOPE, _PLACE = re.compile(r"'([^']*)'"), re.compile(r"line \d+, in (\S+)")
_LIMIT = 2**31 - 2**20
"""Bytes of a protobuf message."""


def write_onnx(network: Network, path: Path, about: Mapping[str, str]) -> Differences:
    """Writes an .onnx file with `about` as its metadata, runs it in onnxruntime and compares. Raises `ExportError`."""
    try:
        import onnxruntime  # type: ignore[import-not-found, import-untyped, unused-ignore]
        import onnxscript  # noqa: F401  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ModuleNotFoundError as error:
        raise ExportError(f"ONNX needs the package '{error.name}': pip install 'archspec-nn[onnx]'") from None
    if sum(value.numel() * value.element_size() for value in network.state_dict().values()) > _LIMIT:
        raise ExportError("the weights are more than the 2 GiB that one ONNX file holds")
    names = list(labels(network))
    if INPUT in names:
        raise ExportError(f"an output cannot be called '{INPUT}' in ONNX, as the input is: name it otherwise")
    with _quiet():
        made = torch.onnx.export(
            _by_operator(network), (example(network),), dynamo=True, input_names=[INPUT], output_names=names,
            dynamic_shapes=({0: torch.export.Dim(BATCH)},), verbose=False,
        )  # fmt: skip
    assert made is not None
    model = made.model_proto
    _describe(model, network, about)
    path.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(x: Tensor) -> Mapping[str, Tensor]:
        out = session.run(names, {INPUT: x.cpu().numpy()})
        return {name: torch.from_numpy(value) for name, value in zip(names, out, strict=True)}

    given = [value.name for value in session.get_outputs()]
    if given != names:
        raise ExportError(f"the export gives {', '.join(given)}, not {', '.join(names)}")
    return verified(network, run)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on its own progress."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _by_operator(network: Network) -> Network:
    """The same network by operator, whose every step has its address in what the exporter keeps; the one given, where
    it is no longer what its graph says."""
    if network.granularity == "op" or next(edits(network), None) is not None:
        return network
    made = lower(network.architecture, "op", torch.device("meta"))
    made.load_state_dict(network.state_dict(), assign=True)
    return made.eval()


def _describe(model: Any, network: Network, about: Mapping[str, str]) -> None:
    """Metadata of the model, and for every node the address it came from and the line of YAML that says it."""
    graph = network.architecture
    model.producer_name = "archspec"
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    for node in model.graph.node:
        given = {entry.key: entry.value for entry in node.metadata_props}
        told = (*_PLACE.findall(given.get(_TRACE, "")), *_SCOPE.findall(given.get(_SCOPES, "")))
        address = next((name for name in told if name in graph.nodes), None)
        del node.metadata_props[:]
        if address is not None:
            node.metadata_props.add(key="archspec.address", value=address)
            span = graph[address].span
            if span is not None:
                place = f"{PurePath(span.source.name).name}:{span.line}:{span.column}"
                node.metadata_props.add(key="archspec.source", value=place)
