"""Graphs: operators with concrete values, what they read, what they give and cost."""

from archspec.graph.graph import Graph
from archspec.graph.node import Node, Reduction, Source

__all__ = ["Graph", "Node", "Reduction", "Source"]
