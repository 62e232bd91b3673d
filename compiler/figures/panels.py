"""The kinds of blocks of a network side by side, opened to operators: the papers' building-block figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from re import sub

from archspec.compiler.figures.chain import Chain, Part
from archspec.compiler.figures.collapse import Group, difference, signature
from archspec.compiler.figures.column import Column, text_box
from archspec.compiler.figures.drawing import Box, Drawing, Panel, Wire
from archspec.compiler.figures.legend import entries_of, flow, legend, notes_below
from archspec.compiler.figures.opcell import draw_operators
from archspec.compiler.figures.options import FigureError, Options
from archspec.compiler.figures.words import block_fill, shape_words

_GAP = 22.0
_MARKS = "†‡§¶"


@dataclass
class Kind:
    """Blocks that are equal but for their numbers of channels, and almost equal ones with the footnote's sign."""

    part: Part
    members: list[Part]
    mark: str = ""


def panels(chain: Chain, options: Options) -> Drawing:
    """One panel for each distinct kind of block, with how many there are."""
    blocks = [part for part in chain.parts if part.is_block]
    if not blocks:
        raise FigureError("this network has no blocks; draw it with --detail op")
    exact = "all" in options.expand
    kinds, notes = _kinds(blocks, exact, collapse=options.collapse is not False)
    names = list(dict.fromkeys(part.kind for part in blocks))
    columns = [_column(kind) for kind in kinds]
    tall = max(column.y for column in columns)
    drawing, x, y, low = Drawing(), 0.0, 0.0, 0.0
    limit = _limit(columns, options)
    for number, (kind, column) in enumerate(zip(kinds, columns, strict=True)):
        left, right = max(column.left + 12, 46.0), column.right + 12
        if x and x + left + right > limit:
            x, y = 0.0, low + 34
        _panel(drawing, kind, column, number, x, y, left, right, tall, names, options, chain)
        low = max(low, y + tall + 74)
        x += left + right + _GAP + (7 if len(kind.members) > 1 else 0)
    x0, _, x1, y1 = drawing.bounds()
    if options.legend:
        drawing.add(legend(flow(entries_of(drawing), x1 - x0), x0, y1 + 8))
    if not exact and (spread := _widths(chain, kinds)):
        notes.append(spread)
    notes_below(drawing, notes, x1 - x0)
    return drawing


def _limit(columns: Sequence[Column], options: Options) -> float:
    whole = sum(max(c.left + 12, 46.0) + c.right + 12 + _GAP + 7 for c in columns)
    if options.width is not None:
        return max(options.width / 0.62, 1.0)
    return whole if len(columns) <= 5 else max(whole / (len(columns) // 5 + 1) * 1.1, 500)


def _structure(part: Part) -> tuple[tuple[str, str], ...]:
    """A block's operators without their channels."""
    return tuple((node.local, sub(r", \d+|fc \d+|\d\.\d+", "", node.label)) for node in part.nodes)


def _kinds(blocks: Sequence[Part], exact: bool, *, collapse: bool) -> tuple[list[Kind], list[str]]:
    found: dict[object, Kind] = {}
    for part in blocks:
        key = (part.kind, signature(part) if exact else _structure(part))
        if key in found:
            found[key].members.append(part)
        else:
            found[key] = Kind(part, [part])
    kinds = list(found.values())
    notes: list[str] = []
    if exact or not collapse:
        return kinds, notes
    merged: list[Kind] = []
    for kind in sorted(kinds, key=lambda k: (-len(k.members), -blocks.index(k.part))):
        host = next((k for k in merged if _almost(kind.part, k.part)), None)
        if host is None:
            merged.append(kind)
            continue
        mark = _MARKS[min(len(notes), 3)]
        notes.append(f"{mark} {_where(kind.members)}: {difference(kind.part, _twin(kind.part, host), numbers=False)}")
        host.members += kind.members
        host.mark += mark
    merged.sort(key=lambda k: min(blocks.index(part) for part in k.members))
    return merged, notes


def _twin(part: Part, host: Kind) -> Part:
    """A member of the host of the same stage, so that numbers agree."""
    return next((member for member in host.members if member.stage == part.stage), host.part)


def _where(parts: Sequence[Part]) -> str:
    names = [part.address for part in parts]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _almost(a: Part, b: Part) -> bool:
    """Equal but for a normalisation or an activation at their beginning or end."""
    if a.kind != b.kind:
        return False
    odd = {name for name, _ in set(_structure(a)) ^ set(_structure(b))}
    roles = {node.local: node.op.role for part in (a, b) for node in part.nodes}
    return 0 < len(odd) <= 2 and all(roles[name] in ("norm", "activation", "regularizer") for name in odd)


def _column(kind: Kind) -> Column:
    column = Column("track")
    column.drawing.boxes.append(Box(f"{kind.part.address}.in", 0, 0, 0.6, 0.6, (), "none", "none", shape="dot", pen=0))
    column.reach(f"{kind.part.address}.in", 0, 0)
    column.y = 8
    draw_operators(column, Group(0, 0, kind.part), lambda _: None, framed=False)
    column.right = max([column.right, *(box.right for box in column.drawing.boxes)])
    column.y = max(column.y, *(box.bottom for box in column.drawing.boxes))
    return column


def _panel(
    drawing: Drawing, kind: Kind, column: Column, number: int, x: float, y: float, left: float, right: float,
    tall: float, names: Sequence[str], options: Options, chain: Chain,
) -> None:  # fmt: skip
    part, count = kind.part, len(kind.members)
    bottom = y + 34 + tall + 22
    for d in (7.0, 3.5) if count > 1 else ():
        drawing.panels.append(Panel(x + d, y - d, x + left + right + d, bottom - d))
    drawing.panels.append(Panel(x, y, x + left + right, bottom))
    middle, width = x + (left + right) / 2, left + right
    drawing.boxes.append(
        Box(f"panel{number}.bar", middle, y + 15, width - 14, 20, (), block_fill(part.kind, names), "none", pen=0)
    )
    label = part.kind + (f" {kind.mark}" if kind.mark else "")
    drawing.boxes.append(
        text_box(f"panel{number}.kind", middle - (10 if count > 1 else 0), y + 15, f"*{label}", size=11, ink="ink")
    )
    if count > 1:
        drawing.boxes.append(
            text_box(f"panel{number}.count", x + width - 12, y + 15, f"*×{count}", align="r", size=11, ink="ink")
        )
    main = x + left
    drawing.add(column.drawing.moved(main, y + 34))
    end = column.end
    assert end is not None
    tip = Box(f"panel{number}.out", main, bottom + 22, 0.6, 0.6, (), "none", "none", shape="dot", pen=0)
    drawing.boxes.append(tip)
    drawing.wires.append(
        Wire(end[0], tip.name, ((main, y + 34 + end[1]), (main, bottom + 22)), "track", 7, 1.35, back=True)
    )
    if options.shapes:
        entering, leaving = chain.graph[part.main].shape, part.output.shape
        drawing.boxes.append(
            text_box(f"panel{number}.enters", main + 8, y + 34, shape_words(entering), align="l", size=8)
        )
        drawing.boxes.append(
            text_box(f"panel{number}.leaves", main + 8, bottom - 9, shape_words(leaving), align="l", size=8)
        )


def _widths(chain: Chain, kinds: Sequence[Kind]) -> str:
    """What the numbers in the panels stand for, where other stages have others."""
    stages = sorted({part.stage for kind in kinds for part in kind.members if part.stage is not None})
    outs: dict[int, int] = {}
    for part in (part for kind in kinds for part in kind.members):
        if part.stage is not None:
            outs[part.stage] = part.output.shape[0]
    first = outs[stages[0]]
    if len(stages) < 2 or len(set(outs.values())) == 1:
        return ""
    shown = {kind.part.stage for kind in kinds}
    ratios = [outs[stage] / first for stage in stages[1:]]
    if shown == {stages[0]} and all(ratio == int(ratio) for ratio in ratios):
        words = ", ".join(f"{ratio:g}" for ratio in ratios)
        rest = f"stage {stages[1]}" if len(stages) == 2 else f"stages {stages[1]} to {stages[-1]}"
        verb = "has" if len(stages) == 2 else "have"
        return f"Numbers of channels are those of stage 1; {rest} {verb} {words} times as many."
    return "Numbers of channels are those of the first block of each kind; later stages have others."
