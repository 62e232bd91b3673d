"""Polylines as the cubic splines Graphviz draws: 3n + 1 control points, corners rounded."""

from __future__ import annotations

from collections.abc import Sequence
from math import dist

from archspec.compiler.figures.drawing import Point

_KAPPA = 0.5522847498  # a quarter circle as a cubic


def spline(points: Sequence[Point], radius: float) -> list[Point]:
    """Control points of a polyline whose corners are quarter circles of at most `radius` points."""
    out = [points[0]]
    here = points[0]
    last = len(points) - 2
    for i in range(1, len(points) - 1):
        before, corner, after = points[i - 1 : i + 2]
        length, following = dist(before, corner), dist(corner, after)
        if not length or not following:
            continue
        r = min(radius, length / 2 if i > 1 else length, following / 2 if i < last else following)
        back = ((before[0] - corner[0]) / length, (before[1] - corner[1]) / length)
        on = ((after[0] - corner[0]) / following, (after[1] - corner[1]) / following)
        start = (corner[0] + back[0] * r, corner[1] + back[1] * r)
        stop = (corner[0] + on[0] * r, corner[1] + on[1] * r)
        if dist(here, start) > 0.01:
            out += _straight(here, start)
        out.append((start[0] - back[0] * r * _KAPPA, start[1] - back[1] * r * _KAPPA))
        out.append((stop[0] - on[0] * r * _KAPPA, stop[1] - on[1] * r * _KAPPA))
        out.append(stop)
        here = stop
    out += _straight(here, points[-1])
    return out


def _straight(a: Point, b: Point) -> list[Point]:
    third = ((b[0] - a[0]) / 3, (b[1] - a[1]) / 3)
    return [(a[0] + third[0], a[1] + third[1]), (a[0] + 2 * third[0], a[1] + 2 * third[1]), b]


def shortened(points: Sequence[Point], length: float) -> list[Point]:
    """The polyline without its last `length` points: room for an arrowhead."""
    (x0, y0), (x1, y1) = points[-2], points[-1]
    d = dist((x0, y0), (x1, y1))
    if d <= length:
        length = d * 0.9
    return [*points[:-1], (x1 - (x1 - x0) / d * length, y1 - (y1 - y0) / d * length)]
