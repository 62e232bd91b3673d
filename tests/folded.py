"""What tests of folding share with its benchmark: graphs without names, and lengths of specs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml

from archspec.graph import Graph
from archspec.language import zoo


def nameless(graph: Graph) -> Graph:
    """Equal operators and wiring, every name but the input's replaced by a number, no places and no blocks: as of a
    module that was traced."""
    names = {name: f"n{i}" if i else name for i, name in enumerate(graph.nodes)}
    nodes = [
        replace(node, name=names[node.name], inputs=tuple(names[source] for source in node.inputs), span=None)
        for node in graph
    ]
    return Graph(graph.name, nodes, {label: names[name] for label, name in graph.outputs.items()}, graph.init)


def lines(text: str) -> int:
    """Lines that say something."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.splitlines())


def lines_by_hand(name: str) -> int:
    """The lines of a spec of the zoo and of those that it extends."""
    return _lines_of(Path(zoo.ROOT) / f"{name}.yaml")


def _lines_of(path: Path) -> int:
    text = path.read_text()
    parent = yaml.safe_load(text).get("extends")
    if parent is None:
        return lines(text)
    return lines(text) + _lines_of(path.parent / parent if parent.endswith(".yaml") else zoo.locate(parent))
