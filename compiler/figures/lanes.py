"""Shortcuts beside a column: which track each takes so that none share a segment, and their wires, in points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archspec.compiler.figures.column import SMALL, SUM, Column, End
from archspec.compiler.figures.drawing import Box, Drawing, Point, Wire
from archspec.compiler.figures.metrics import text_width
from archspec.compiler.figures.words import ARROWS, PENS

_NARROW = 4.5
_GAP = 3.0


@dataclass(frozen=True)
class Link:
    """A shortcut within a column."""

    name: str
    tap: End
    join: End
    role: str
    marks: tuple[str, ...]
    radius: float = SUM

    @property
    def half(self) -> float:
        """Half the room it needs across."""
        return max(_NARROW, mark_size(self.marks)[0] / 2 + _GAP) if self.marks else _NARROW


def mark_size(marks: Sequence[str]) -> tuple[float, float]:
    """Width and height in points of the box of what stands on a lane."""
    return max((text_width(word, SMALL) for word in marks), default=0) + 9, len(marks) * SMALL * 1.2 + 3.5


def mark_box(name: str, x: float, y: float, marks: tuple[str, ...], role: str) -> Box:
    """The small box on a lane: a projection, a pool."""
    w, h = mark_size(marks)
    return Box(name, x, y, w, h, marks, "background", role, role, SMALL, pen=1.2, tip=name)


def tracks(spans: Sequence[tuple[float, float]]) -> list[int]:
    """A track from 0 for each span so that no two that overlap share one, and inner spans lie inside outer ones."""
    order = sorted(range(len(spans)), key=lambda i: (spans[i][1] - spans[i][0], spans[i]))
    result = [0] * len(spans)
    placed: list[int] = []
    for i in order:
        low, high = spans[i]
        taken, inner = set(), -1
        for j in placed:
            other_low, other_high = spans[j]
            if other_low <= high and low <= other_high:
                taken.add(result[j])
                if low <= other_low and other_high <= high:
                    inner = max(inner, result[j])
        track = inner + 1
        while track in taken:
            track += 1
        result[i] = track
        placed.append(i)
    return result


def draw_links(column: Column, own: Sequence[Link], links: Sequence[Link]) -> None:
    """Draws the shortcuts that stay within a column, the blocks' own innermost."""
    numbers = tracks([(link.tap.y, link.join.y) for link in links])
    first = bool(own)
    placed = [(link, 0) for link in own] + [(link, number + first) for link, number in zip(links, numbers, strict=True)]
    xs = track_positions(column.right, [(number, link.half) for link, number in placed])
    levels = sorted((y, xs[number]) for link, number in placed if number for y in (link.tap.y, link.join.y))
    for link, number in placed:
        x = xs[number]
        points = ((0.0, link.tap.y), (x, link.tap.y), (x, link.join.y), (link.radius, link.join.y))
        column.drawing.wires.append(lane_wire(link, points))
        if link.marks:
            crossing = [] if not number and len(own) > 60 else [y for y, reach in levels if reach > x]
            y = free_place(link.tap.y, link.join.y, mark_size(link.marks)[1], crossing)
            column.drawing.boxes.append(mark_box(link.name, x, y, link.marks, link.role))
        column.right = max(column.right, x + link.half)


def lane_wire(link: Link, points: Sequence[Point]) -> Wire:
    """The wire of a shortcut in its level's style."""
    return Wire(link.tap.name, link.join.name, tuple(points), link.role, PENS[link.role], ARROWS[link.role], 8)


def track_positions(start: float, members: Iterable[tuple[int, float]]) -> list[float]:
    """The x of each track, in points, each as wide as its widest member."""
    halves: dict[int, float] = {}
    for number, half in members:
        halves[number] = max(halves.get(number, 0), half)
    xs, x = [], start + 4
    for number in range(max(halves, default=-1) + 1):
        half = halves.get(number, 0)
        xs.append(x + max(half, 8 if not number else 0))
        x = xs[-1] + half
    return xs


def free_place(low: float, high: float, height: float, crossing: Sequence[float]) -> float:
    """The place nearest to the middle between low and high where nothing crosses a box of a height."""
    middle, room = (low + high) / 2, (high - low) / 2 - height / 2 - 4
    for step in range(int(max(room, 0) // 3) + 1):
        for y in (middle - 3 * step, middle + 3 * step):
            if all(abs(y - other) > height / 2 + 2 for other in crossing):
                return y
    return middle


def boxes_of(drawing: Drawing) -> set[str]:
    """The names of what a drawing holds."""
    return {box.name for box in drawing.boxes}
