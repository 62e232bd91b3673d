"""A whole network in columns, one for each stage: blocks as boxes, or opened to operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil

from archspec.compiler.figures.anatomy import marks
from archspec.compiler.figures.blockcell import draw_block, draw_steps
from archspec.compiler.figures.cell import common_half_widths
from archspec.compiler.figures.chain import Chain
from archspec.compiler.figures.collapse import Folding, Group, Grouping, grouped
from archspec.compiler.figures.column import Column, End, main_wire, text_box
from archspec.compiler.figures.drawing import Box, Drawing
from archspec.compiler.figures.lanes import Link
from archspec.compiler.figures.legend import entries_of, flow, legend, notes_below, size_of
from archspec.compiler.figures.opcell import draw_operators, even_frames
from archspec.compiler.figures.options import FigureError, Options
from archspec.compiler.figures.outputs import draw_outputs
from archspec.compiler.figures.serpentine import Bay, Crossing, inner_links, lay_out
from archspec.compiler.figures.stack import build_column, join_below
from archspec.compiler.figures.words import block_fill, shape_words

_FEW = 8
"""Blocks of a stage that are drawn one by one unless asked otherwise."""


def folding_of(chain: Chain, options: Options) -> Folding:
    """How to fold, from what was asked and what the network has."""
    stages = [part.stage for part in chain.parts if part.is_block]
    opened = frozenset(stage for stage in stages if stage and {f"stage{stage}", "all"} & options.expand)
    unknown = options.expand - {f"stage{stage}" for stage in stages} - {"all"}
    if unknown:
        raise FigureError(f"there is no {sorted(unknown)[0]} to expand; this network has {len(set(stages))} stages")
    most = max((stages.count(stage) for stage in set(stages)), default=0)
    collapse = most > _FEW if options.collapse is None else options.collapse
    return Folding(collapse, options.max_blocks, opened)


def network(chain: Chain, options: Options, *, operators: bool) -> Drawing:
    """The drawing of a network, legend and notes included."""
    grouping = grouped(chain, replace(folding_of(chain, options), joins_apart=operators))
    stem, stages, head = _zones(grouping.groups)
    if not stages:
        stages, stem, head = [[*stem, *head]], [], []
    style = "track" if operators else "line"
    kinds = list(dict.fromkeys(part.kind for part in chain.parts if part.is_block))
    draw = _drawer(kinds, operators)
    shapes = [chain.graph[group_main(chain, g)].shape for g in grouping.groups]
    longest = 60 if operators else 110
    columns = [run for stage in stages for run in _split(stage, longest)]
    bays = []
    home = {i: c for c, members in enumerate(columns) for i in members}
    for c, members in enumerate(columns):
        shown = [grouping.groups[i].part for i in members if grouping.groups[i].part.is_block]
        halves = common_half_widths(shown) if operators else ()
        entering = shapes if options.shapes else None
        column = build_column(grouping, members, draw, style, entering, opening=c == 0, halves=halves)
        first = grouping.groups[members[0]].part
        framed = first.stage is not None
        bay = Bay(column, _title(columns, grouping.groups, c), framed, bottom=column.y + 8)
        bays.append(bay)
    for bay in bays:
        even_frames(bay.column)
    crossings = _wire_lanes(grouping, columns, home, bays)
    drawing = lay_out(bays, crossings, _per_row(bays, crossings, options), style)
    _stem(drawing, chain, grouping, stem, bays[0], style, options)
    _head(drawing, chain, grouping, head, bays[-1], style, options)
    draw_outputs(drawing, chain, grouping, home, bays)
    if options.legend:
        _legend(drawing, kinds, bays[0])
    notes = list(grouping.notes)
    if options.legend and any(group.count > 1 and not group.omitted for group in grouping.groups):
        shortcut = any(group.count > 1 and group.part.anatomy.shortcut is not None for group in grouping.groups)
        notes.insert(0, "×n: n equal blocks in sequence" + (", each with a shortcut of its own" if shortcut else ""))
    x0, _, x1, _ = drawing.bounds()
    notes_below(drawing, notes, x1 - x0)
    return drawing


def group_main(chain: Chain, group: Group) -> str:
    """The node whose output a group continues."""
    return chain.parts[group.first].main


def _zones(groups: Sequence[Group]) -> tuple[list[int], list[list[int]], list[int]]:
    """Groups before the stages, by stage, and after them; what lies between two stages goes with the former."""
    staged = [i for i, group in enumerate(groups) if group.part.stage is not None]
    if not staged:
        return list(range(len(groups))), [], []
    stages: list[list[int]] = []
    current = None
    for i in range(staged[0], staged[-1] + 1):
        stage = groups[i].part.stage
        if stage is not None and stage != current:
            stages.append([])
            current = stage
        stages[-1].append(i)
    return list(range(staged[0])), stages, list(range(staged[-1] + 1, len(groups)))


def _split(members: Sequence[int], longest: int) -> list[list[int]]:
    """Columns of a stage: as many as keep each from growing too long, of nearly equal length."""
    count = ceil(len(members) / longest)
    size = ceil(len(members) / count)
    return [list(members[start : start + size]) for start in range(0, len(members), size)]


def _title(columns: Sequence[Sequence[int]], groups: Sequence[Group], c: int) -> str:
    stages = [groups[members[0]].part.stage for members in columns]
    if stages[c] is None:
        return ""
    same = [i for i, stage in enumerate(stages) if stage == stages[c]]
    return f"stage {stages[c]}" + (f" ({same.index(c) + 1}/{len(same)})" if len(same) > 1 else "")


def _drawer(kinds: list[str], operators: bool) -> Callable[[Column, Group, Callable[[Column], None]], None]:
    def draw(column: Column, group: Group, join_lanes: Callable[[Column], None]) -> None:
        if operators and not group.omitted and group.part.is_block:
            draw_operators(column, group, join_lanes)
        else:
            draw_block(column, group, kinds, join_lanes)

    return draw


def _wire_lanes(
    grouping: Grouping, columns: Sequence[Sequence[int]], home: dict[int, int], bays: Sequence[Bay]
) -> list[Crossing]:
    """Draws the lanes within each column, and gives those between columns."""
    inner: dict[int, list[Link]] = {}
    crossings = []
    later: list[tuple[int, int, int]] = []
    for n, lane in enumerate(grouping.lanes):
        source, target = home[lane.source + 1], home[lane.target]
        if source == target:
            taps, joins = bays[source].column.taps, bays[source].column.joins
            inner.setdefault(source, []).append(
                Link(_lane_name(grouping, n), taps[n], joins[n], lane.role, marks(lane.nodes))
            )
        else:
            later.append((n, source, target))
    for c, bay in enumerate(bays):
        bay.bottom = bay.column.y + 8
        inner_links(bay, inner.get(c, []))
        join_below(bay.column, grouping, columns[c])
    for n, source, target in later:
        lane = grouping.lanes[n]
        above = n not in bays[source].column.taps
        tap = End(f"lane{n}.tap", 0.0, True) if above else bays[source].column.taps[n]
        link = Link(_lane_name(grouping, n), tap, bays[target].column.joins[n], lane.role, marks(lane.nodes))
        crossings.append(Crossing(n, link, source, target, above))
    return crossings


def _lane_name(grouping: Grouping, n: int) -> str:
    lane = grouping.lanes[n]
    return lane.nodes[0].unit if lane.nodes else f"lane{n}"


def _per_row(bays: Sequence[Bay], crossings: Sequence[Crossing], options: Options) -> int:
    """Columns in a row: all, unless that would make them unreadably small at the width asked for, or a ribbon."""
    legs = [sum((c.source == i and not c.above) + (c.target == i) for c in crossings) for i in range(len(bays))]
    widths = [bay.left + bay.column.right + 11 + 24 + 14 * count for bay, count in zip(bays, legs, strict=True)]
    count = len(bays)
    if options.columns is not None:
        return options.columns
    if options.width is not None:
        while count > 1 and options.width / max(sum(widths[i : i + count]) for i in range(0, len(bays), count)) < 0.67:
            count -= 1
        return ceil(len(bays) / ceil(len(bays) / count))
    height = max(bay.column.y for bay in bays) + 100
    while count > 4 and sum(widths[:count]) > 3.2 * ceil(len(bays) / count) * height:
        count -= 1
    return count


def _stem(
    drawing: Drawing, chain: Chain, grouping: Grouping, stem: Sequence[int], bay: Bay, style: str, options: Options
) -> None:
    """The input and the stem above the first column."""
    column = Column("line")
    source = chain.graph.input
    column.box(source.name, ("input",), "io", gap=0)
    if options.shapes:
        column.text("input.shape", -5, column.y + 9, shape_words(source.shape), align="r")
    gap = 18.0
    for i in stem:
        draw_steps(column, grouping.groups[i], gap)
        gap = 13.0
    tops = [box.y for box in drawing.boxes] + [y for wire in drawing.wires for _, y in wire.points] + [-10.0]
    dy = min(tops) - 12 - column.y
    assert column.end is not None
    assert bay.column.first is not None
    drawing.add(column.drawing.moved(bay.x, dy))
    points = ((bay.x, column.end[1] + dy), (bay.x, bay.y + bay.column.first[1]))
    drawing.wires.append(main_wire(style, column.end[0], bay.column.first[0], points))


def _head(
    drawing: Drawing, chain: Chain, grouping: Grouping, head: Sequence[int], bay: Bay, style: str, options: Options
) -> None:
    """What follows the last stage, in a row to the left below it, or below one another where there is no room."""
    assert bay.column.end is not None
    name, y = bay.column.end
    y += bay.y
    x0, _, _, low = drawing.bounds()
    column = Column("line")
    for i in head:
        draw_steps(column, grouping.groups[i])
    boxes = [box for box in column.drawing.boxes if box.shape == "box"]
    last = chain.parts[-1].output
    if not boxes and len(chain.outputs) == 1:
        boxes = [Box("output", 0, 0, 74, 18, ("output",), "io")]
    if not boxes:
        return
    room = bay.x - x0
    if sum(box.w + 15 for box in boxes) > room or style == "track":
        _head_down(drawing, boxes, bay, style)
    else:
        row, x = low + 6 + max(box.h for box in boxes) / 2, bay.x
        for number, box in enumerate(boxes):
            x -= box.w + 15
            at = Box(box.name, x + box.w / 2, row, box.w, box.h, box.lines, box.fill, size=box.size, tip=box.tip)
            points = (
                ((bay.x, y), (bay.x, row), (at.right, row)) if not number else ((x + box.w + 15, row), (at.right, row))
            )
            drawing.boxes.append(at)
            drawing.wires.append(main_wire(style, name, box.name, points))
            name = box.name
    if options.shapes:
        text = shape_words(
            last.shape
            if boxes[0].name == "output"
            else chain.graph[chain.parts[grouping.groups[head[0]].first].main].shape
        )
        below = max(y, bay.y + bay.bottom if bay.framed else y) + 8
        drawing.boxes.append(text_box("features.shape", bay.x + (5 if style == "line" else 9), below, text, align="l"))


def _head_down(drawing: Drawing, boxes: Sequence[Box], bay: Bay, style: str) -> None:
    assert bay.column.end is not None
    name, y = bay.column.end[0], bay.column.end[1] + bay.y
    top = max(y, bay.y + bay.bottom if bay.framed else y) + 20
    for number, box in enumerate(boxes):
        at = Box(box.name, bay.x, top + box.h / 2, box.w, box.h, box.lines, box.fill, size=box.size, tip=box.tip)
        drawing.boxes.append(at)
        points = ((bay.x, y), (bay.x, at.top))
        drawing.wires.append(main_wire(style if not number else "line", name, box.name, points))
        name, y, top = box.name, at.bottom, at.bottom + 13


def _legend(drawing: Drawing, kinds: Sequence[str], bay: Bay) -> None:
    """Beside the stem where there is room, else below."""
    named = [(kind, block_fill(kind, kinds)) for kind in kinds] if len(kinds) > 1 else []
    entries = entries_of(drawing, named)
    if not entries:
        return
    x0, y0, x1, y1 = drawing.bounds()
    stem = [box for box in drawing.boxes if box.bottom < bay.y - 20 and abs(box.x - bay.x) < 60]
    wires = [y for wire in drawing.wires for x, y in wire.points if x > bay.x + 1]
    start = max((box.right for box in stem), default=x0) + 22
    space = min([*wires, *(box.top for box in drawing.boxes if box.left > start)], default=y0) - y0
    lines = flow(entries, x1 - start)
    w, h = size_of(lines)
    if w <= x1 - start + 1 and h <= space - 4:
        drawing.add(legend(lines, max(start, x1 - w) if len(lines) == 1 else start, y0))
        return
    drawing.add(legend(flow(entries, x1 - x0), x0, y1 + 8))
