"""Who reads which names: every expression of a part of a spec."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from archspec.syntax.expressions import Expr


def names_read(*parts: Any) -> set[str]:
    """The names in all expressions of sections, paths and whatever holds them."""
    found: set[str] = set()
    for expr in expressions(*parts):
        found |= expr.names
    return found


def expressions(*parts: Any) -> Iterator[Expr]:
    """Every expression of sections, paths and whatever holds them."""
    queue = list(parts)
    while queue:
        value = queue.pop()
        if isinstance(value, Expr):
            yield value
        elif isinstance(value, BaseModel):
            queue += [*vars(value).values(), *(value.__pydantic_extra__ or {}).values()]
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value) if field.name not in ("span", "places")]
            queue += [getattr(value, name) for name in names]
        elif isinstance(value, Mapping):
            queue += value.values()
        elif isinstance(value, list | tuple):
            queue += value
