"""How many shortcuts lie one over another: the effective number of levels.

A plain network has none, a ResNet one, RoR-m has m (Zhang et al., arXiv 1608.02908). Told from the wiring alone, so
that it holds for any topology: an operand of an addition other than the deepest one is a shortcut; it spans from the
signal it branches off to the addition.
"""

from __future__ import annotations

from bisect import bisect_right

from archspec.graph import Graph


def shortcut_spans(graph: Graph) -> list[tuple[int, int]]:
    """Each shortcut's span as the places, in the order of operators, of where it starts and where it joins."""
    depth: dict[str, int] = {}
    origin: dict[str, int] = {}  # the place of the last signal on the way to a node that others read too
    spans: set[tuple[int, int]] = set()
    for place, node in enumerate(graph):
        depth[node.name] = max((depth[source] for source in node.inputs), default=0) + (node.op.role == "weight")
        alone = len(graph.users[node.name]) == 1 and len(node.inputs) == 1
        origin[node.name] = origin[node.inputs[0]] if alone else place
        if node.op.key == "add":
            deepest = max(range(len(node.inputs)), key=lambda i: (depth[node.inputs[i]], -i))
            for i, source in enumerate(node.inputs):
                if i != deepest and origin[source] < place:
                    spans.add((origin[source], place))
    return sorted(spans)


def levels(graph: Graph) -> int:
    """The greatest number of shortcuts nested over one place: the longest chain of spans, each within the last."""
    ends: list[int] = []  # of the innermost span of the best chains by length, negative so that they ascend
    for _, end in sorted(shortcut_spans(graph), key=lambda span: (span[0], -span[1])):
        at = bisect_right(ends, -end)
        ends[at : at + 1] = [-end]
    return len(ends)
