"""Figures of networks, at publication quality: graph -> layout in points -> DOT text -> Graphviz -> file."""

from archspec.compiler.figures.draw import draw
from archspec.compiler.figures.engine import EngineError
from archspec.compiler.figures.figure import Figure, default_figure, figure, rendered, write_figure
from archspec.compiler.figures.options import FigureError, Options

__all__ = [
    "EngineError", "Figure", "FigureError", "Options", "default_figure", "draw", "figure", "rendered", "write_figure",
]  # fmt: skip
