"""A drawing as DOT text with every position given: Graphviz renders it (`neato -n2`) and lays out nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil

from archspec.compiler.figures.drawing import Box, Drawing, Panel, Wire
from archspec.compiler.figures.splines import shortened, spline
from archspec.compiler.figures.themes import FONT, Theme
from archspec.syntax.escape import dot

MARGIN = 6.0
"""Points of blank around a figure."""
_DOT = 0.36
"""Radius of the smallest node that Graphviz draws."""


def dot_text(drawing: Drawing, theme: Theme, title: str, width: float | None = None) -> str:
    """The DOT text of a drawing. `width` is the whole figure's in points, if it shall be wider than its content."""
    x0, y0, x1, y1 = drawing.bounds()
    x0, y0, x1, y1 = x0 - MARGIN, y0 - MARGIN, x1 + MARGIN, y1 + MARGIN
    if width is not None and width > x1 - x0:
        spare = (width - (x1 - x0)) / 2
        x0, x1 = x0 - spare, x1 + spare
    x1, y1 = x0 + _whole(x1 - x0), y1 + _whole(y1 - y0) - (y1 - y0)
    moved = drawing.moved(-x0, -y1)  # Graphviz's y grows upwards, from 0
    head = _attributes({
        "bb": f"0,0,{_n(x1 - x0)},{_n(y1 - y0)}", "bgcolor": theme.colour("background"), "fontname": FONT,
        "margin": "0", "notranslate": "true", "outputorder": "edgesfirst", "pad": "0", "splines": "true",
        "tooltip": title,
    })  # fmt: skip
    lines = [
        f'digraph "{dot(title)}" {{', f" graph [{head}];", f' node [fontname="{FONT}" fixedsize=shape margin=0];',
        f' edge [fontname="{FONT}"];',
    ]  # fmt: skip
    w, h = x1 - x0, y1 - y0  # two corners nobody sees, since the bounding box is computed anew from what is there
    for name, x, y in (("_corner1", _DOT, _DOT), ("_corner2", w - _DOT, h - _DOT)):
        lines.append(f' "{name}" [pos="{_n(x)},{_n(y)}" shape=point style=invis width=0 height=0 label=""];')
    lines += [_panel(panel, number, theme) for number, panel in enumerate(moved.panels)]
    back = [wire for wire in moved.wires if wire.back]
    for number, wire in enumerate(back):
        x, y = wire.points[0]
        lines.append(
            f' "_back{number}" [pos="{_n(x)},{_n(-y)}" shape=point style=invis width=0.01 height=0.01 label=""];'
        )
    lines += [_node(box, theme) for box in moved.boxes]
    lines += [_edge(wire, theme, f"_back{number}") for number, wire in enumerate(back)]
    lines += [_edge(wire, theme, wire.source) for wire in moved.wires if not wire.back]
    return "\n".join([*lines, "}", ""])


def _whole(length: float) -> float:
    """A length as whole pixels of 200 to the inch, so that the background fills the last."""
    return ceil(length / 0.36 - 1e-6) * 0.36


def _n(value: float) -> str:
    """A number of points, to a hundredth."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _attributes(values: Mapping[str, str]) -> str:
    return " ".join(f'{key}="{dot(value)}"' for key, value in values.items())


def _panel(panel: Panel, number: int, theme: Theme) -> str:
    box = f"{_n(panel.x0)},{_n(-panel.y1)},{_n(panel.x1)},{_n(-panel.y0)}"
    values = _attributes({
        "bb": box, "style": "rounded,filled", "fillcolor": theme.colour(panel.fill), "color": theme.colour(panel.line),
        "penwidth": _n(panel.pen), "tooltip": " ",
    })  # fmt: skip
    x, y = _n((panel.x0 + panel.x1) / 2), _n(-(panel.y0 + panel.y1) / 2)
    inside = f'"_panel{number}" [pos="{x},{y}" shape=point style=invis width=0.01 height=0.01 label=""]'
    return f' subgraph "cluster_{number}" {{ graph [{values}]; {inside}; }}'


def _node(box: Box, theme: Theme) -> str:
    """A box; with a bold line in it, its lines stand on it one by one, so that each is centred in any font."""
    if any(line.startswith("*") for line in box.lines) and len(box.lines) > 1:
        own = _shape(replace(box, lines=()), theme)
        top = box.y - (len(box.lines) - 1) * box.size * 0.6
        parts = [
            Box(f"{box.name}/{i}", box.x, top + i * box.size * 1.2, box.w, box.size * 1.2, (line,), ink=box.ink,
                size=box.size, shape="text", align=box.align)
            for i, line in enumerate(box.lines)
        ]  # fmt: skip
        return "\n".join([own, *(_shape(part, theme) for part in parts)])
    return _shape(box, theme)


def _shape(box: Box, theme: Theme) -> str:
    bold = box.lines[:1] and box.lines[0].startswith("*")
    end = {"l": "\\l", "r": "\\r", "c": "\\n"}[box.align]
    label = end.join(dot(line.removeprefix("*")) for line in box.lines) + (end if box.align != "c" else "")
    values = {"pos": f"{_n(box.x)},{_n(-box.y)}", "width": f"{box.w / 72:.4f}", "height": f"{box.h / 72:.4f}"}
    if box.shape == "text":
        values |= {"shape": "plaintext"}
    else:
        style = "filled" if box.shape != "box" else "rounded,filled"
        values |= {
            "shape": "box" if box.shape == "box" else "circle", "style": style, "fillcolor": theme.colour(box.fill),
            "color": theme.colour(box.line), "penwidth": "0" if box.shape == "dot" else _n(box.pen),
        }  # fmt: skip
    if box.lines:
        values |= {"fontcolor": theme.colour(box.ink), "fontsize": _n(box.size)}
        if bold:
            values["fontname"] = "Helvetica-Bold"
    values["tooltip"] = box.tip or " "
    return f' "{dot(box.name)}" [label="{label}" {_attributes(values)}];'


def _edge(wire: Wire, theme: Theme, tail: str) -> str:
    values = {"color": theme.colour(wire.role), "penwidth": _n(wire.width)}
    points = list(wire.points)
    prefix = ""
    if wire.arrow:
        x, y = points[-1]
        prefix = f"e,{_n(x)},{_n(-y)} "
        points = shortened(points, 10 * wire.arrow)
        values["arrowsize"] = _n(wire.arrow)
    else:
        values["arrowhead"] = "none"
    values["pos"] = prefix + " ".join(f"{_n(x)},{_n(-y)}" for x, y in spline(points, wire.radius))
    if dash := theme.dashes.get(wire.role):
        values["style"] = dash
    values["tooltip"] = " "
    return f' "{dot(tail)}" -> "{dot(wire.target)}" [{_attributes(values)}];'
