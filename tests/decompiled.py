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
    """The lines of a spec of the zoo and of those that it extends, each of them once."""
    found: set[Path] = set()
    queue = [Path(zoo.ROOT) / f"{name}.yaml"]
    while queue:
        path = queue.pop().resolve()
        if path not in found:
            found.add(path)
            parents = yaml.safe_load(path.read_text()).get("extends") or []
            parents = parents if isinstance(parents, list) else [parents]
            queue += [path.parent / one if one.endswith(".yaml") else zoo.locate(one) for one in parents]
    return sum(lines(path.read_text()) for path in found)
