"""From graphs to a figure in a file: layout, size, theme, DOT, engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archspec.compiler.figures import engine
from archspec.compiler.figures.column import text_box
from archspec.compiler.figures.compare import compared
from archspec.compiler.figures.dot import MARGIN, dot_text
from archspec.compiler.figures.draw import draw
from archspec.compiler.figures.options import FigureError, Options
from archspec.compiler.figures.themes import FONT, THEMES
from archspec.graph import Graph

PNG_SIDE, PDF_SIDE = 32_767, 14_400
"""Pixels and points of a side that viewers open."""
_PNG_AREA = 150_000_000
_DPI = 200
_LEAST_TEXT = 5.0


@dataclass(frozen=True)
class Figure:
    """A finished figure: its DOT text, its size in points, and what the reader should know about it."""

    text: str
    width: float
    height: float
    messages: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"a figure of {self.width:.0f} x {self.height:.0f} pt", *self.messages])

    def _repr_svg_(self) -> str | None:
        """What a notebook shows; nothing where there is no engine."""
        try:
            return rendered(self, "svg")[0].decode()
        except engine.EngineError:
            return None


def figure(graphs: Sequence[Graph], options: Options, form: str = "svg") -> Figure:
    """One figure of one graph, or of several side by side. Raises `FigureError`."""
    if len(graphs) == 1:
        drawing = draw(graphs[0], options)
    else:
        drawing = compared(graphs, options)
    if options.title:
        x0, y0, x1, _ = drawing.bounds()
        drawing.boxes.append(text_box("_title", (x0 + x1) / 2, y0 - 14, f"*{options.title}", size=11, ink="ink"))
    messages = []
    x0, y0, x1, y1 = drawing.bounds()
    side = max(x1 - x0, y1 - y0)
    factor = 1.0
    if options.width is not None:
        factor = min((options.width - 2 * MARGIN) / (x1 - x0), 1.25)
        if drawing.smallest_text * factor < _LEAST_TEXT:
            messages.append(
                f"at this width the smallest text is {drawing.smallest_text * factor:.1f} pt; "
                f"{(_LEAST_TEXT / drawing.smallest_text * (x1 - x0) + 2 * MARGIN) / 72:.1f} in would keep it readable, "
                "or draw less (--detail stage, --max-blocks, a collapse)"
            )
    room = PDF_SIDE - 2 * MARGIN - 1
    if form == "pdf" and side * factor > room:
        factor = room / side
        messages.append(
            f"scaled to {factor:.0%}: a PDF page has at most {PDF_SIDE:,} pt; collapse blocks to keep its size"
        )
    if factor != 1:
        drawing = drawing.scaled(factor)
        x0, y0, x1, y1 = drawing.bounds()
    width, height = max(x1 - x0 + 2 * MARGIN, options.width or 0), y1 - y0 + 2 * MARGIN
    name = " and ".join(graph.name for graph in graphs)
    return Figure(dot_text(drawing, THEMES[options.theme], name, options.width), width, height, tuple(messages))


def rendered(finished: Figure, form: str, timeout: float = 120) -> tuple[bytes, tuple[str, ...]]:
    """A figure as the bytes of a file, the same for equal figures, and messages. Raises `engine.EngineError`."""
    if form in ("dot", "gv"):
        return finished.text.encode(), ()
    messages: list[str] = []
    dpi = None
    if form == "png":
        side, area = max(finished.width, finished.height), finished.width * finished.height
        dpi = int(min(_DPI, PNG_SIDE * 72 / (side + 1), 72 * (_PNG_AREA / area) ** 0.5))
        if dpi < _DPI:
            limits = f"{PNG_SIDE:,} pixels a side and {_PNG_AREA // 10**6} million in all"
            messages.append(f"drawn at {dpi} dpi: a PNG that viewers open has at most {limits}; SVG has no such limit")
    data = engine.render(finished.text, form, dpi=dpi, timeout=timeout)
    if form == "svg":  # Graphviz gives bold text a family of its own
        data = data.replace(b'font-family="Helvetica,sans-Serif"', f'font-family="{FONT}"'.encode())
    if form == "pdf":  # the only thing in it that changes from day to day
        data = re.sub(rb"/CreationDate \(D:\d{14}", b"/CreationDate (D:20000101000000", data)
    return data, tuple(messages)


def write_figure(graphs: Sequence[Graph], path: Path, options: Options, timeout: float = 120) -> Figure:
    """Writes a figure in the format of the path's suffix, and returns it with messages for the reader.

    Without an engine the DOT text is written beside it, and the error says so. Raises `FigureError`,
    `engine.EngineError`, `OSError`.
    """
    form = path.suffix.removeprefix(".").lower()
    if form not in engine.FORMATS and form != "gv":
        raise FigureError(f"cannot write a figure as '{path.name}'; its name ends in .svg, .pdf, .png or .dot")
    finished = figure(graphs, options, form)
    try:
        data, messages = rendered(finished, form, timeout)
    except engine.EngineError as error:
        fallback = path.with_suffix(".dot")
        fallback.write_text(finished.text, encoding="utf-8")
        raise engine.EngineError(f"{error}; the figure's DOT text is in {fallback}") from None
    path.write_bytes(data)
    return replace(finished, messages=(*finished.messages, *messages))


def default_figure(graph: Graph, folder: Path) -> list[Path]:
    """Writes the figure a network gets unasked: figure.svg, or figure.dot without an engine. Raises `OSError`."""
    path = folder / "figure.svg"
    try:
        write_figure([graph], path, Options(), timeout=30)
    except engine.EngineError:
        path = path.with_suffix(".dot")
    except FigureError:
        return []
    return [path]
