"""From any torch module to a graph, through torch.export."""

from archspec.compiler.trace.exporting import TraceError
from archspec.compiler.trace.moving import moved
from archspec.compiler.trace.tracing import trace

__all__ = ["TraceError", "moved", "trace"]
