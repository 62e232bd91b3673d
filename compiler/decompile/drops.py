"""Stochastic depth: gates that end the branches, as the section `drop_path` if their probabilities follow a rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archspec.compiler.decompile.cells import Cell
from archspec.ops import DropPath


def stochastic_depth(cells: Sequence[Cell]) -> dict[str, Any]:
    """The section, if one says it; then the gates are taken off the branches of the cells. Else it is empty."""
    gates: list[tuple[int, DropPath]] = []
    for i, cell in enumerate(cells):
        branch = cell.wires.get("branch")
        if "shortcut" not in cell.wires:
            continue
        if not branch or not isinstance(branch[-1].op, DropPath) or len(branch) == 1:
            return {}
        gates.append((i, branch[-1].op))
    if not gates or len({(gate.unit, gate.rescale) for _, gate in gates}) > 1:
        return {}
    last, gate = gates[-1]
    survival = round(1 - (1 - gate.survival) * len(cells) / (last + 1), 12)
    linear = all(gate.survival == 1 - (i + 1) / len(cells) * (1 - survival) for i, gate in gates)
    if not linear and len({gate.survival for _, gate in gates}) > 1:
        return {}
    for i, _ in gates:
        cells[i].wires["branch"] = cells[i].wires["branch"][:-1]
    written: dict[str, Any] = {"survival": survival if linear else gate.survival}
    written |= {} if linear else {"decay": "constant"}
    written |= {} if gate.unit == "batch" else {"unit": gate.unit}
    written |= {"rescale": True} if gate.rescale else {}
    return {"drop_path": written}
