"""What `archspec build` leaves in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from archspec.compiler.analysis.summary import Summary
from archspec.compiler.emit import emit
from archspec.compiler.figures import default_figure
from archspec.graph import Graph
from archspec.language.spec import Spec
from archspec.syntax.escape import terminal_lines
from archspec.syntax.source import Data, Map, Scalar, Seq


class _Dumper(yaml.SafeDumper):
    """Short collections in flow style, as specs are written."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_LAYOUT: dict[str, Any] = {"sort_keys": False, "default_flow_style": None, "width": 110}


def _written(data: Data) -> Any:
    """Data for YAML; texts that are plain in the spec stay plain."""
    if isinstance(data, Scalar):
        return data.value
    if isinstance(data, Seq):
        return [_written(item) for item in data]
    assert isinstance(data, Map)
    return {key: _written(value) for key, value in data.items()}


def resolved_text(spec: Spec) -> str:
    """The spec with `extends` and overrides carried out, as YAML that loads on its own to the same network."""
    data = _written(spec.data)
    standard = ("identity", "A", "B", "C")
    paths = {name: path for name, path in data.get("paths", {}).items() if name not in standard or _own(spec, name)}
    order = {"archspec": 1, "name": spec.name, **{key: value for key, value in data.items() if key != "archspec"}}
    order["paths"] = paths
    if spec.overridden:
        order.pop("expect", None)
    kept = {key: value for key, value in order.items() if key != "extends" and value not in ({}, [])}
    text: str = yaml.dump(kept, Dumper=_Dumper, **_LAYOUT, allow_unicode=True)
    if text == terminal_lines(text):
        return text
    escaped: str = yaml.dump(kept, Dumper=_Dumper, **_LAYOUT)  # YAML's own escapes for what a terminal would obey
    return escaped


def _own(spec: Spec, name: str) -> bool:
    """Whether a path of the standard's name is the author's own."""
    paths = spec.data.get("paths")
    span = paths[name].span if isinstance(paths, Map) else None
    return span is None or span.source.name != "archspec/language/standard.yaml"


def write_artifacts(folder: Path, spec: Spec | Graph, graph: Graph, summary: Summary) -> list[Path]:
    """Writes the spec, the graph, the summary and the network in Python; returns the files. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "spec.yaml": resolved_text(spec) if isinstance(spec, Spec) else spec.to_spec_text(),
        "graph.json": json.dumps(graph.to_dict(), separators=(",", ":")) + "\n",
        "summary.json": json.dumps(summary.to_dict(), indent=1) + "\n",
        "model.py": emit(graph),
    }
    files = []
    for name, text in texts.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        files.append(path)
    return files + default_figure(graph, folder)
