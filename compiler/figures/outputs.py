"""Names of several outputs, where each leaves the main path."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.compiler.figures.chain import Chain
from archspec.compiler.figures.collapse import Grouping
from archspec.compiler.figures.column import text_box
from archspec.compiler.figures.drawing import Box, Drawing, Wire
from archspec.compiler.figures.serpentine import Bay


def draw_outputs(drawing: Drawing, chain: Chain, grouping: Grouping, home: dict[int, int], bays: Sequence[Bay]) -> None:
    """Names of several outputs, where each leaves the main path."""
    if len(chain.outputs) < 2:
        return
    number = {part: i for i, group in enumerate(grouping.groups) for part in range(group.first, group.last + 1)}
    places = {box.name: box for box in drawing.boxes}
    for label, part in chain.outputs:
        i = number.get(part)
        if i is None:
            continue
        if i in home:
            bay = bays[home[i]]
            ends = [
                box for box in bay.column.drawing.boxes if box.x == 0 and box.name.startswith(chain.parts[part].address)
            ]
            y = (
                bay.y + bay.column.y + 12.5
                if not ends or i == max(j for j in home if home[j] == home[i])
                else bay.y + ends[-1].bottom + 4
            )
            x = bay.x
        else:
            box = places.get(chain.parts[part].output.name) or next(
                b for b in drawing.boxes if b.name == grouping.groups[i].part.nodes[0].name
            )
            drawing.boxes.append(text_box(f"_output.{label}", box.x, box.bottom + 9, f"*{label}", size=8.5, ink="ink"))
            continue
        name = f"_output.{label}"
        text = text_box(name, x - 32, y, f"*{label}", align="r", size=8.5, ink="ink")
        drawing.boxes.append(Box(f"{name}.tap", x, y, 3.4, 3.4, (), "main", "main", shape="dot", pen=0))
        drawing.boxes.append(text)
        drawing.wires.append(Wire(f"{name}.tap", name, ((x, y), (text.right, y)), "main", 1.3))
