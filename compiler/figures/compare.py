"""Several networks side by side at one scale, each one column of stages, with one legend for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archspec.compiler.figures.column import text_box
from archspec.compiler.figures.drawing import Drawing, side_by_side
from archspec.compiler.figures.legend import entries_of, flow, legend
from archspec.compiler.figures.options import Options
from archspec.graph import Graph

_GAP = 34.0


def compared(graphs: Sequence[Graph], options: Options) -> Drawing:
    """The drawings of several graphs in a row, each under its name; stages and block panels one above the other."""
    from archspec.compiler.figures.figure import draw

    stacked = options.detail in ("stage", "blocks")
    single = replace(options, legend=False, title=None, width=None, columns=None if stacked else 1)
    drawings = []
    for number, graph in enumerate(graphs):
        drawing = renamed(draw(graph, single), f"{number}:")
        x0, y0, x1, _ = drawing.bounds()
        at, align = (x0, "l") if stacked else ((x0 + x1) / 2, "c")
        drawing.boxes.append(text_box(f"{number}:name", at, y0 - 14, f"*{graph.name}", align=align, size=11, ink="ink"))
        drawings.append(drawing)
    result = _below_each_other(drawings) if stacked else side_by_side(drawings, _GAP)
    if options.legend:
        x0, _, x1, y1 = result.bounds()
        result.add(legend(flow(entries_of(result), x1 - x0), x0, y1 + 10))
    return result


def renamed(drawing: Drawing, prefix: str) -> Drawing:
    """A copy whose boxes carry a prefix, so that several can share a figure."""
    return Drawing(
        drawing.panels,
        [replace(box, name=prefix + box.name) for box in drawing.boxes],
        [replace(wire, source=prefix + wire.source, target=prefix + wire.target) for wire in drawing.wires],
    )


def _below_each_other(drawings: Sequence[Drawing]) -> Drawing:
    result, y = Drawing(), 0.0
    for drawing in drawings:
        x0, y0, _, y1 = drawing.bounds()
        result.add(drawing.moved(-x0, y - y0))
        y += y1 - y0 + _GAP
    return result
