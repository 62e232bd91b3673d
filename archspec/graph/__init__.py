"""Graphs: operators with concrete values, what they read, what they give and cost."""

from archspec.graph.graph import Graph, Node, Source

__all__ = ["Graph", "Node", "Source"]
