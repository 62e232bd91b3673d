"""Graphs: operators with concrete values, what they read, what they give and cost."""

from archspec.graph.graph import Graph
from archspec.graph.node import Feature, Node, Reduction, Source

__all__ = ["Feature", "Graph", "Node", "Reduction", "Source"]
