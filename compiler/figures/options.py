"""What a caller may ask of a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Detail: TypeAlias = Literal["auto", "stage", "block", "blocks", "op"]
DETAILS: tuple[Detail, ...] = ("auto", "stage", "block", "blocks", "op")


class FigureError(Exception):
    """A figure that cannot be drawn as asked; the message says what to do."""


@dataclass(frozen=True)
class Options:
    """How to draw. `width` is in points; None lets the content decide."""

    detail: Detail = "auto"
    collapse: bool | None = None
    """Fold equal blocks to ×n; None folds where a stage has more than eight."""
    max_blocks: int | None = None
    """Show that many blocks of a stage and an ellipsis instead."""
    expand: frozenset[str] = frozenset()
    """Stages (`stage2`) to show in full, or `all`."""
    theme: str = "light"
    shapes: bool = True
    legend: bool = True
    title: str | None = None
    width: float | None = None
    columns: int | None = None
    """Stages side by side in a row; None lets the width decide."""
