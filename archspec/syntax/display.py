"""What a notebook shows of archspec's values. They lie below what draws them; the face says who does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class Displayed:
    """A value that a notebook shows as `drawing` says, a function from the value to display data by media type."""

    drawing: ClassVar[Callable[[Any], dict[str, str]] | None] = None
    """Set once, by `archspec` itself."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        drawing = Displayed.drawing
        return {"text/plain": repr(self)} if drawing is None else drawing(self)
