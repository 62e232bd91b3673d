"""From a graph to a spec: what a person would have written, proven by its expansion."""

from archspec.compiler.decompile.fold import fold

__all__ = ["fold"]
