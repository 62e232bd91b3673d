"""A pass over the graphs that inductor compiles: masks of ReLUs that end a region are recomputed, not kept.

A region that ends in a ReLU gives the ReLU's output, which the next region keeps anyway. torch's partitioner does not
know: it keeps a mask of one byte per number beside it for the region's own backward, and inductor writes and reads such
masks a number at a time on a CPU. From the output, the mask is one comparison, fused into what reads it. It made a
training step of thin residual networks by region a third faster (docs/performance.md).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.utils.checkpoint import CheckpointPolicy


class RecomputeMasks(CustomGraphPass):
    """Marks comparisons of a graph's own outputs as to be made again in backward."""

    def __call__(self, graph: fx.Graph) -> None:
        outputs = set(next(node for node in reversed(graph.nodes) if node.op == "output").all_input_nodes)
        for node in graph.nodes:
            if node.target is torch.ops.aten.le.Scalar and _origin(node.args[0]) in outputs:
                node.meta["recompute"] = CheckpointPolicy.PREFER_RECOMPUTE

    def uuid(self) -> Any:
        return get_hash_for_files((__file__,))


def _origin(node: fx.Node) -> fx.Node:
    """What a node is another name for."""
    while node.target is torch.ops.aten.alias.default:
        node = node.args[0]  # type: ignore[assignment]
    return node
