"""Emission: a graph as the text of a standalone `model.py`. Imports no torch."""

from archspec.compiler.emit.model import emit

__all__ = ["emit"]
