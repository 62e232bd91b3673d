"""A whole network on one line or a few: stem, stages with their kinds of blocks, head; sizes in points.

Shortcuts above the blocks' own run as arcs over what they skip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from archspec.compiler.figures.chain import Chain
from archspec.compiler.figures.collapse import Folding, Grouping, grouped
from archspec.compiler.figures.column import SUM, dot_box, text_box
from archspec.compiler.figures.drawing import Box, Drawing, Panel, Point, Wire
from archspec.compiler.figures.lanes import tracks
from archspec.compiler.figures.legend import entries_of, flow, legend, notes_below
from archspec.compiler.figures.metrics import text_width
from archspec.compiler.figures.options import Options
from archspec.compiler.figures.words import ARROWS, PENS, block_fill, fill_of, group_name, op_label, steps

_HEIGHT = 40.0
_INNER = 13.0
_PAD = 7.0


@dataclass
class Item:
    """A box on the line, with what is written under the arrow into it."""

    name: str
    lines: tuple[str, ...]
    fill: str
    stage: int | None
    groups: tuple[int, ...] = ()
    stack: int = 0
    under: tuple[str, ...] = ()
    size: float = 10
    width: float = 22
    x: float = 0.0
    row: int = 0
    taps: list[int] = field(default_factory=list)
    joins: list[int] = field(default_factory=list)


def line(chain: Chain, options: Options) -> Drawing:
    """The drawing of a network at the level of stages."""
    grouping = grouped(chain, Folding(by_kind=True))
    kinds = list(dict.fromkeys(part.kind for part in chain.parts if part.is_block))
    signs = _signs(kinds)
    items = _items(chain, grouping, kinds, signs, options)
    _attach_lanes(items, grouping)
    drawing = Drawing()
    _place(items, options)
    _draw(drawing, chain, items, grouping)
    x0, _, x1, y1 = drawing.bounds()
    notes = list(grouping.notes)
    if options.legend:
        named = [
            (f"{signs[kind]}  {kind} block" if signs[kind] != kind else f"{kind} block", block_fill(kind, kinds))
            for kind in kinds
        ]
        drawing.add(legend(flow(entries_of(drawing, named), x1 - x0), x0, y1 + 6))
        sizes = ". Sizes are channels, then height × width." if options.shapes else ""
        if any(group.count > 1 for group in grouping.groups):
            notes.insert(0, "×n: n blocks in sequence" + sizes)
    notes_below(drawing, notes, x1 - x0)
    return drawing


def _signs(kinds: Sequence[str]) -> dict[str, str]:
    """A letter for each kind of block where the letters differ, else the kinds' names."""
    letters = {kind: kind[0].upper() for kind in kinds}
    return letters if len(set(letters.values())) == len(kinds) else {kind: kind for kind in kinds}


def _items(
    chain: Chain, grouping: Grouping, kinds: Sequence[str], signs: dict[str, str], options: Options
) -> list[Item]:
    source = chain.graph.input
    items: list[Item] = [Item(source.name, (), "none", None, width=0)]
    under = _shape_lines(source.shape)
    for i, group in enumerate(grouping.groups):
        part = group.part
        stage = part.stage
        if part.is_block:
            lines = [signs[part.kind] + (f" {group.mark}" if group.mark else "")]
            if group.count > 1:
                lines.append(f"*×{group.count}")
            items.append(
                Item(
                    group_name(group),
                    tuple(lines),
                    block_fill(part.kind, kinds),
                    stage,
                    (i,),
                    2 if group.count > 1 else 0,
                )
            )
        elif any(len(node.inputs) > 1 for node in part.nodes):
            items.append(Item(part.address, (part.address,), "other", stage, (i,), size=8))
        else:
            for nodes in steps(part.nodes):
                words = [w for node in nodes for w in op_label(node).split(", ")]
                items.append(Item(nodes[0].name, _packed(words), fill_of(nodes[0]), stage, (i,), size=8))
                items[-1].under, under = under, _shape_lines(nodes[-1].shape)
            continue
        first = stage != items[-2].stage or not items[-2].groups
        items[-1].under = under if first else ()
        under = _shape_lines(chain.parts[group.last].output.shape)
    for item in items[1:]:
        widest = max(text_width(text, item.size) for text in item.lines)
        item.width = max(22 if item.size > 8 else 30, widest * 1.17 + 8)
        if not options.shapes:
            item.under = ()
    return items


def _packed(words: Sequence[str]) -> tuple[str, ...]:
    """Words of a layer in short lines: `7×7 conv`, `64, /2`, `BN, ReLU`."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) <= 8 and len(lines) > 1:
            lines[-1] += f", {word}"
        elif len(words) == 1 and " " in word and len(word) > 6:
            lines += word.split(" ", 1)
        else:
            lines.append(word)
    return tuple(lines[:4])


def _shape_lines(shape: Sequence[int]) -> tuple[str, ...]:
    return (str(shape[0]), "×".join(map(str, shape[1:]))) if len(shape) > 1 else (str(shape[0]),)


def _attach_lanes(items: Sequence[Item], grouping: Grouping) -> None:
    first: dict[int, Item] = {}
    last: dict[int, Item] = {}
    for item in items:
        for i in item.groups:
            first.setdefault(i, item)
            last[i] = item
    for n, lane in enumerate(grouping.lanes):
        first[lane.source + 1].taps.append(n)
        last[lane.target].joins.append(n)
    for item in items:
        item.taps.sort(key=lambda n: (-grouping.lanes[n].target, n))
        item.joins.sort(key=lambda n: (-grouping.lanes[n].source, n))


def _place(items: Sequence[Item], options: Options) -> None:
    """Gives every item its place. Stages stay whole; lanes keep to one row."""
    limit = None
    if options.width is not None and not any(item.joins for item in items):
        whole = _run(items, None)
        rows = 1
        while rows < 6 and options.width * rows / whole < 0.72:
            rows += 1
        limit = whole / rows * 1.04 if rows > 1 else None
    _run(items, limit)


def _run(items: Sequence[Item], limit: float | None) -> float:
    x, row = 0.0, 0
    widest = 0.0
    for k, item in enumerate(items):
        before = items[k - 1] if k else None
        if before is not None:
            entering = item.stage is not None and item.stage != before.stage
            leaving = before.stage is not None and item.stage != before.stage
            words = max((text_width(text, 7) for text in item.under), default=0)
            gap = max(words + 10, 24) if item.under else _INNER
            gap += (_PAD if entering else 0) + (_PAD if leaving else 0) + 2.6 * before.stack
            gap += 5.5 * len(item.taps) + (2 if item.taps else 0) + (2 * SUM + 8) * len(before.joins)
            block = [i for i in items[k:] if i.stage == item.stage and item.stage is not None]
            length = sum(i.width + 5.2 + _INNER for i in block) if entering else item.width
            if limit is not None and x + gap + length > limit and (entering or item.stage is None):
                row, x = row + 1, 0.0
                gap = max(words + 10, 24) + (_PAD if entering else 0)
            x += gap
        item.x, item.row = x + item.width / 2, row
        x += item.width
        widest = max(widest, x)
    return widest


def _draw(drawing: Drawing, chain: Chain, items: Sequence[Item], grouping: Grouping) -> None:
    arcs = _arcs(items, grouping)
    lift = 9 * (max((t for t in arcs.values()), default=-1) + 1) + (10 if arcs else 0)
    pitch = _HEIGHT + 74 + lift
    joins: dict[int, tuple[str, float]] = {}
    taps: dict[int, tuple[str, float]] = {}
    end: tuple[str, float] | None = None
    bounds: dict[tuple[int, int], list[float]] = {}
    for k, item in enumerate(items):
        y = item.row * pitch
        left, right = item.x - item.width / 2, item.x + item.width / 2
        if not item.lines:
            drawing.boxes.append(Box(item.name, item.x, y, 0.6, 0.6, (), "none", "none", shape="dot", pen=0))
            end = (item.name, item.x)
            continue
        assert end is not None
        wrapped = k > 0 and items[k - 1].row != item.row
        start = -22.0 if wrapped else end[1]
        words_right = left - (_PAD if item.stage is not None and item.stage != items[k - 1].stage else 0)
        for number, n in enumerate(item.taps):
            at = left - 11 - 5.5 * (len(item.taps) - number)
            if item.stage is not None and item.stage != items[k - 1].stage:
                at -= 0 if grouping.lanes[n].role != "level1" else _PAD
            name = f"{item.name}.tap{n}"
            role = grouping.lanes[n].role
            box = dot_box(name, role, y)
            drawing.boxes.append(Box(box.name, at, y, box.w, box.h, (), role, role, shape="dot", pen=0))
            taps[n] = (name, at)
        if wrapped:
            _wrap(drawing, end, items[k - 1].row * pitch, item, left, y)
        else:
            drawing.wires.append(Wire(end[0], item.name, ((end[1], y), (left, y)), "main", 1.8, 0.6))
        after = end[1] + (_PAD if items[k - 1].stage not in (None, item.stage) else 0)
        middle = (start + words_right) / 2 if wrapped else (after + words_right) / 2 - 1.5
        for number, text in enumerate(item.under):
            drawing.boxes.append(text_box(f"{item.name}.under{number}", middle, y + 9 + 8.5 * number, text, size=7))
        for depth in range(item.stack, 0, -1):
            d = 2.6 * depth
            drawing.boxes.append(
                Box(f"{item.name}~{depth}", item.x + d, y - d, item.width, _HEIGHT, fill=item.fill, pen=0.7)
            )
        drawing.boxes.append(
            Box(item.name, item.x, y, item.width, _HEIGHT, item.lines, item.fill, size=item.size, tip=item.name)
        )
        end = (item.name, right)
        x = right + 2.6 * item.stack
        for n in item.joins:
            role, name = grouping.lanes[n].role, f"{item.name}.join{n}"
            x += 8 + SUM
            glyph = grouping.lanes[n].join
            drawing.boxes.append(
                Box(name, x, y, 2 * SUM, 2 * SUM, (glyph,), "sum", role, role, 12 if glyph == "+" else 8, "circle", 1.3)
            )
            drawing.wires.append(Wire(end[0], name, ((end[1], y), (x - SUM, y)), "main", 1.8, 0.5))
            joins[n] = (name, x)
            x += SUM
            end = (name, x)
        if item.stage is not None:
            span = bounds.setdefault(
                (item.row, item.stage),
                [left - _PAD - 5.5 * sum(grouping.lanes[n].role != "level1" for n in item.taps), x],
            )
            span[1] = max(span[1], x)
    _frames(drawing, chain, bounds, pitch, bool(arcs))
    for n, track in arcs.items():
        role = grouping.lanes[n].role
        high = -_HEIGHT / 2 - 34 - 9 * track if arcs else 0.0
        (tap, x0), (join, x1) = taps[n], joins[n]
        points: tuple[Point, ...] = ((x0, 0), (x0, high), (x1, high), (x1, -SUM))
        drawing.wires.append(Wire(tap, join, points, role, PENS[role], ARROWS[role]))


def _arcs(items: Sequence[Item], grouping: Grouping) -> dict[int, int]:
    """The track of each lane above the line."""
    spans, order = [], []
    place = {n: k for k, item in enumerate(items) for n in item.taps}
    for k, item in enumerate(items):
        for n in item.joins:
            spans.append((place[n] + 0.1, k + 0.5))
            order.append(n)
    return dict(zip(order, tracks(spans), strict=True)) if order else {}


def _wrap(drawing: Drawing, end: tuple[str, float], above: float, item: Item, left: float, y: float) -> None:
    """The main path from the end of a row to the start of the next."""
    turn, middle = end[1] + 16, (above + y) / 2 - 3
    points = ((end[1], above), (turn, above), (turn, middle), (-34.0, middle), (-34.0, y), (left, y))
    drawing.wires.append(Wire(end[0], item.name, points, "main", 1.8, 0.6))


def _frames(
    drawing: Drawing, chain: Chain, bounds: dict[tuple[int, int], list[float]], pitch: float, arcs: bool
) -> None:
    stages = [part.stage for part in chain.parts if part.is_block]
    for (row, stage), (left, right) in bounds.items():
        y = row * pitch
        x0, x1 = left, right + _PAD
        count = stages.count(stage)
        middle = (x0 + x1) / 2
        drawing.panels.append(Panel(x0, y - _HEIGHT / 2 - 27, x1, y + _HEIGHT / 2 + 20))
        at, align = (x0 + 8, "l") if arcs else (middle, "c")
        title = text_box(
            f"stage{stage}.title", at, y - _HEIGHT / 2 - 17, f"*Stage {stage}", align=align, size=9.5, ink="ink"
        )
        drawing.boxes.append(title)
        words = f"{count} block{'s' * (count > 1)}"
        drawing.boxes.append(text_box(f"stage{stage}.count", middle, y + _HEIGHT / 2 + 11, words, size=8))
