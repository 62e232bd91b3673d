"""Figures of networks, at publication quality: graph -> layout in points -> DOT text -> Graphviz -> file."""

from archspec.compiler.figures.engine import EngineError
from archspec.compiler.figures.figure import Figure, draw, figure, rendered, write_figure
from archspec.compiler.figures.options import FigureError, Options

__all__ = ["EngineError", "Figure", "FigureError", "Options", "draw", "figure", "rendered", "write_figure"]
