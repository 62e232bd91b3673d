"""Several networks side by side at one scale, each one column of stages, with one legend for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from archspec.compiler.figures.column import text_box
from archspec.compiler.figures.drawing import Drawing, side_by_side
from archspec.compiler.figures.legend import entries_of, flow, legend
from archspec.compiler.figures.options import Options
from archspec.graph import Graph

_GAP = 34.0
_ABREAST = 1150.0
"""Points up to which panels of several networks stand in one row."""


def compared(graphs: Sequence[Graph], options: Options) -> Drawing:
    """The drawings of several graphs in a row, each under its name; stages and block panels one above the other."""
    from archspec.compiler.figures.draw import draw

    rows = options.detail in ("stage", "blocks")
    single = replace(options, legend=False, title=None, width=None, columns=None if rows else 1)
    drawings = []
    for number, graph in enumerate(graphs):
        drawing = renamed(draw(graph, single), f"{number}:")
        x0, y0, x1, _ = drawing.bounds()
        at, align = (x0, "l") if rows else ((x0 + x1) / 2, "c")
        drawing.boxes.append(text_box(f"{number}:name", at, y0 - 14, f"*{graph.name}", align=align, size=11, ink="ink"))
        drawings.append(drawing)
    if options.detail == "stage":
        result = _below_each_other(drawings)
    elif options.detail == "blocks":
        result = _below_each_other([side_by_side(row, _GAP) for row in _rows(drawings)])
    else:
        result = side_by_side(drawings, _GAP)
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


def _rows(drawings: Sequence[Drawing]) -> list[list[Drawing]]:
    """Drawings in as few rows as keep each narrow, of nearly equal width."""
    widths = [x1 - x0 + _GAP for x0, _, x1, _ in (drawing.bounds() for drawing in drawings)]
    limit = max(sum(widths) / ceil(sum(widths) / _ABREAST) * 1.25, max(widths))
    rows: list[list[Drawing]] = []
    room = 0.0
    for drawing, width in zip(drawings, widths, strict=True):
        if width > room:
            rows.append([])
            room = limit
        rows[-1].append(drawing)
        room -= width
    return rows
