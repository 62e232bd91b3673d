"""The passes in order: spec -> graph -> network."""

from __future__ import annotations

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
    spec: Spec | Graph, granularity: Granularity, device: torch.device | None, dtype: torch.dtype | None
) -> Network:
    """The network of a spec or graph. Imports torch, which checking and summarising do without."""
    from archspec.compiler.lower import lower

    return lower(graph_of(spec), granularity, device, dtype)
