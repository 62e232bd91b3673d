"""What callers of Python functions may give as numbers and conditions: told by name, with what is legal."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def whole(name: str, value: Any, least: int = _SMALLEST, most: int = _LARGEST) -> int:
    """A whole number of a range; numpy's count too. Raises `ValueError`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        start = f" from {least}" if least > _SMALLEST else ""
        end = f" to {most:,}" if most < _LARGEST else ""
        raise ValueError(f"{name} is a whole number{start}{end}, not {value!r}")
    return number


def wholes(name: str, value: Any, example: str) -> list[int]:
    """Several whole numbers from 1. Raises `ValueError`."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"{name} is a list of whole numbers, as {example}, not {value!r}")
    return [whole(f"each of {name}", each, 1) for each in value]


def positive(name: str, value: Any) -> float:
    """A finite number above 0. Raises `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{name} is a number above 0, not {value!r}")
    return value


def condition(name: str, value: Any, *, none: bool = False) -> None:
    """Raises `ValueError` for what is neither True nor False, nor None where that may stand."""
    if not (isinstance(value, bool) or (none and value is None)):
        raise ValueError(f"{name} is {'True, False or None' if none else 'True or False'}, not {value!r}")
