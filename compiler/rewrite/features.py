"""The stages of a network alone: a graph whose outputs are what stages give, without what only the head needs.

What detection and segmentation read of a classifier. Names, and with them state-dict keys, stay: a classifier's weights
load into what is left of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from archspec.graph import Graph


def features(graph: Graph, stages: Sequence[int] | None = None) -> Graph:
    """The graph that gives the outputs of stages, by the names `stage1`, `stage2`; of all of them by default.

    Raises `ValueError` for stages that there are not.
    """
    last = {node.stage: node.name for node in graph if node.stage is not None and node.block is not None}
    wanted = sorted(last) if stages is None else list(stages)
    if not last or not wanted:
        raise ValueError(f"'{graph.name}' has no stages to take features from" if not last else "no stage is named")
    for number in wanted:
        if number not in last:
            known = ", ".join(map(str, sorted(last)))
            raise ValueError(f"'{graph.name}' has no stage {number!r}; it has {known}")
    outputs = {f"stage{number}": last[number] for number in wanted}
    return needed(graph, outputs)


def needed(graph: Graph, outputs: dict[str, str]) -> Graph:
    """The part of a graph that some of its nodes need, with these for outputs."""
    needs = set(outputs.values())
    for node in reversed(list(graph)):
        if node.name in needs:
            needs.update(node.inputs)
    nodes = [node for node in graph if node.name in needs]
    units = {node.unit for node in nodes}
    kinds = {address: kind for address, kind in graph.kinds.items() if address in units}
    return Graph(graph.name, nodes, outputs, graph.init, kinds)
