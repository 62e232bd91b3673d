"""The receptive field: how much of the input a number of the output sees."""

from __future__ import annotations

from math import ceil

from archspec.graph import Graph, Node, Reduction
from archspec.ops import Shape
from archspec.ops.windows import per_dimension


def receptive_field(graph: Graph) -> Shape:
    """The largest receptive field of any map, in positions of the input, by dimension; not cut off at its border.

    Each layer adds (its kernel - 1) times the reduction before it (Araujo et al., Distill 2019). Pooling over the whole
    map, which sees everything, is left out.
    """
    rank = len(graph.input.shape) - 1
    fields: dict[str, Reduction] = {}
    for node in graph:
        before = [fields[source] for source in node.inputs if source in fields]
        widest = tuple(max(sizes) for sizes in zip(*before, strict=True)) if before else (1,) * rank
        if len(node.shape) == rank + 1:
            fields[node.name] = _grown(graph, node, widest, rank)
    return tuple(ceil(max(sizes)) for sizes in zip(*fields.values(), strict=True))


def _grown(graph: Graph, node: Node, field: Reduction, rank: int) -> Reduction:
    kernel = getattr(node.op, "kernel", None)
    reduction = graph[node.inputs[0]].reduction if node.inputs else None
    if kernel is None or reduction is None:
        return field
    kernels = per_dimension(kernel, rank, "kernel")
    dilations = per_dimension(getattr(node.op, "dilation", 1), rank, "dilation")
    return tuple(f + d * (k - 1) * r for f, k, d, r in zip(field, kernels, dilations, reduction, strict=True))
