"""From a spec to a graph: stages, blocks, levels and skips become operators."""

from archspec.compiler.expand.spec import expand

__all__ = ["expand"]
