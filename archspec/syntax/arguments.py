"""What callers of Python functions may give as numbers, conditions and networks: told by name, with what is legal."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any, TypeVar

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


_Given = TypeVar("_Given")


def unwrapped(model: _Given) -> _Given:
    """What is no wrapper of torch.compile's, which passes for the network within. Raises `TypeError`."""
    if "_orig_mod" in getattr(model, "_modules", ()):
        raise TypeError(
            "this is torch.compile's wrapper around a module: give that, its `_orig_mod`; archspec.compile and "
            "network.compile() wrap nothing"
        )
    return model


def unbuilt(model: _Given) -> _Given:
    """What is to be built, if it is no network yet. Raises `TypeError`."""
    unwrapped(model)
    if hasattr(model, "architecture"):
        raise TypeError(
            "this network is built, and has its weights: build(network.architecture) builds another one with new "
            "weights, copy.deepcopy(network) copies this one"
        )
    return model
