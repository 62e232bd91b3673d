"""The passes in order: spec -> graph -> network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archspec.compiler.expand import expand
from archspec.graph import Graph
from archspec.language.spec import Spec

if TYPE_CHECKING:
    import torch

    from archspec.compiler.lower import Granularity, Network


def graph_of(spec: Spec | Graph) -> Graph:
    """A spec's graph; a graph is its own."""
    return spec if isinstance(spec, Graph) else expand(spec)


def network_of(
    spec: Spec | Graph, granularity: Granularity, device: torch.device | None, dtype: torch.dtype | None,
    stages: Sequence[int] | None = None,
) -> Network:  # fmt: skip
    """The network of a spec or graph, or of what some of its stages need. Imports torch, which checking and summarising
    do without. Raises `ValueError` for stages that there are not."""
    from archspec.compiler.lower import lower
    from archspec.compiler.rewrite.features import features

    graph = graph_of(spec)
    return lower(graph if stages is None else features(graph, stages), granularity, device, dtype)
