"""What a notebook shows of a network: its figure, or its text where there is no engine to draw with."""

from __future__ import annotations

from archspec.compiler.figures.engine import EngineError
from archspec.compiler.figures.figure import figure, rendered
from archspec.compiler.figures.options import FigureError, Options
from archspec.graph import Graph

_SECONDS = 20.0


def mimebundle(graph: Graph, text: str) -> dict[str, str]:
    """The display data of a network: its figure as SVG beside its text."""
    bundle = {"text/plain": text}
    try:
        data, _ = rendered(figure([graph], Options()), "svg", _SECONDS)
    except (EngineError, FigureError):
        return bundle
    return bundle | {"image/svg+xml": data.decode()}
