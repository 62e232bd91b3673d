"""What a caller may ask of a figure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Detail: TypeAlias = Literal["auto", "stage", "block", "blocks", "op"]
DETAILS: tuple[Detail, ...] = ("auto", "stage", "block", "blocks", "op")
Theme: TypeAlias = Literal["light", "dark", "paper"]
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(in|cm|mm|pt)?\Z")
_POINTS = {"in": 72.0, "cm": 72 / 2.54, "mm": 72 / 25.4, "pt": 1.0, None: 1.0}


def points(length: str | float) -> float:
    """A length in points: 3.25in, 17cm, 240pt, 240. Raises `ValueError`."""
    match = _LENGTH.match(str(length).strip())
    value = float(match[1]) * _POINTS[match[2]] if match else 0.0
    if not 36 <= value <= 14_400:
        raise ValueError(f"{length!r} is no width: 3.25in, 17cm or 240pt, from half an inch to 200")
    return value


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

    def __post_init__(self) -> None:
        for name, value, known in (("detail", self.detail, DETAILS), ("theme", self.theme, get_args(Theme))):
            if value not in known:
                raise FigureError(f"{name} is one of {', '.join(known)}, not {value!r}")
        most = self.max_blocks
        if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 2):
            raise FigureError(f"max_blocks is a number from 2, not {most!r}")
