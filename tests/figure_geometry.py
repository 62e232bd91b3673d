"""What must hold of every drawing, checked by its geometry alone; each check gives what is wrong, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from archspec.compiler.figures.drawing import Box, Drawing, Wire
from archspec.compiler.figures.metrics import text_width

_TOLERANCE = 0.6


def faults(drawing: Drawing, *, lanes: bool = True) -> list[str]:
    """Everything wrong with a drawing. `lanes` checks that wires share no segment."""
    found = [*overlaps(drawing), *overflows(drawing), *loose_ends(drawing), *repeated(drawing)]
    return found + (list(shared_segments(drawing.wires)) if lanes else [])


def repeated(drawing: Drawing) -> Iterator[str]:
    """Names that two boxes have: Graphviz would draw one of them."""
    seen: set[str] = set()
    for box in drawing.boxes:
        if box.name in seen:
            yield f"two boxes are called {box.name}"
        seen.add(box.name)


def overlaps(drawing: Drawing) -> Iterator[str]:
    """Boxes, sums and texts that cover one another; the cards behind a folded block and what stands on a bar may."""
    extents = sorted(_extent(box) for box in drawing.boxes if _counts(box))
    open_: list[tuple[float, float, float, float, str]] = []
    for x0, x1, y0, y1, name in extents:
        open_ = [other for other in open_ if other[1] > x0 + _TOLERANCE]
        for _, _, low, high, other in open_:
            if low < y1 - _TOLERANCE and y0 < high - _TOLERANCE:
                yield f"{name} and {other} overlap"
        open_.append((x0, x1, y0, y1, name))


def _counts(box: Box) -> bool:
    return (
        box.shape != "dot"
        and "~" not in box.name
        and not box.name.endswith(".bar")
        and (box.shape != "text" or any(box.lines))
    )


def _extent(box: Box) -> tuple[float, float, float, float, str]:
    if box.shape != "text":
        return box.left, box.right, box.top, box.bottom, box.name
    w = max(text_width(line, box.size) for line in box.lines)
    x0 = {"l": box.left, "r": box.right - w, "c": box.x - w / 2}[box.align]
    return x0, x0 + w, box.y - box.size * 0.4, box.y + box.size * 0.35, box.name


def overflows(drawing: Drawing) -> Iterator[str]:
    """Labels wider or higher than their box, by the metrics of Helvetica."""
    for box in drawing.boxes:
        for line in box.lines:
            if text_width(line, box.size) > box.w - 2 + _TOLERANCE and box.shape == "box":
                yield f"'{line}' is wider than {box.name}"
        if box.shape == "box" and any(box.lines) and len(box.lines) * box.size * 1.2 > box.h:
            yield f"the label is higher than {box.name}"


def loose_ends(drawing: Drawing) -> Iterator[str]:
    """Wires that do not begin and end on the boxes they name."""
    boxes = {box.name: box for box in drawing.boxes}
    for wire in drawing.wires:
        for name, (x, y) in ((wire.source, wire.points[0]), (wire.target, wire.points[-1])):
            box = boxes.get(name)
            if box is None:
                yield f"a wire ends at {name}, which is not there"
            elif not (box.left - 1 <= x <= box.right + 1 and box.top - 1 <= y <= box.bottom + 1):
                yield f"the wire {wire.source} -> {wire.target} misses {name} by ({x - box.x:.1f}, {y - box.y:.1f})"


def shared_segments(wires: Sequence[Wire]) -> Iterator[str]:
    """Pairs of wires that run along one another."""
    lines: dict[tuple[bool, int], list[tuple[float, float, int]]] = defaultdict(list)
    for number, wire in enumerate(wires):
        for (x0, y0), (x1, y1) in zip(wire.points, wire.points[1:], strict=False):
            if abs(x0 - x1) < 0.01:
                lines[(True, round(x0 * 2))].append((min(y0, y1), max(y0, y1), number))
            elif abs(y0 - y1) < 0.01:
                lines[(False, round(y0 * 2))].append((min(x0, x1), max(x0, x1), number))
    for members in lines.values():
        members.sort()
        reach, last = float("-inf"), -1
        for low, high, number in members:
            if low < reach - 1 and number != last:
                a, b = wires[number], wires[last]
                yield f"{a.source} -> {a.target} runs along {b.source} -> {b.target}"
            if high > reach:
                reach, last = high, number
