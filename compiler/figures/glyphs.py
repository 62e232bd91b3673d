"""What stands in the circle of a join."""

from __future__ import annotations

from archspec.ops import Operator

GLYPHS = {"add": "+", "multiply": "×", "concat": "C", "select": "S"}
WEIGHTED = {"none": "w", "softmax": "σ", "sum": "ŵ"}
"""What stands for a weighted sum, by how its weights are normalised."""


def glyph_of(op: Operator) -> str | None:
    """What stands in the circle of a join; None for what is none."""
    weights = getattr(op, "weights", None) if op.key == "add" else None
    return WEIGHTED[weights.normalize] if weights is not None else GLYPHS.get(op.key)
