"""What a notebook shows of a spec or graph: its figure, or text where it cannot be drawn."""

from __future__ import annotations

from archspec.compiler.figures.engine import EngineError
from archspec.compiler.figures.figure import figure, rendered
from archspec.compiler.figures.options import FigureError, Options
from archspec.compiler.pipeline import graph_of
from archspec.graph import Graph
from archspec.language.spec import Spec
from archspec.syntax.errors import SpecError

_SECONDS = 20.0


def mimebundle(value: Spec | Graph) -> dict[str, str]:
    """The display data of a network: its figure as SVG beside its text."""
    bundle = {"text/plain": repr(value)}
    try:
        data, _ = rendered(figure([graph_of(value)], Options()), "svg", _SECONDS)
    except SpecError as error:
        return {"text/plain": str(error)}
    except (EngineError, FigureError):
        return bundle
    return bundle | {"image/svg+xml": data.decode()}
