"""Legal values of numbers: a field's range stands in its declaration, and nowhere else.

    eps: Annotated[float, Range(1e-12, 1)] = 1e-5

Reading, the JSON Schema, the reference and the tests take it from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from archspec.syntax import limits
from archspec.syntax.values import show


def whole(value: Any) -> Any:
    """A whole number: 96 and 96.0 are, 96.5, true and lists are not. Raises `ValueError`."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be a whole number, not {show(value)}")
    return value


class Alike(int):
    """One number for every dimension, written once for each: [3, 3] is 3, but for two dimensions only."""

    dimensions: int

    @staticmethod
    def of(sizes: Any) -> Any:
        """Equal sizes as one number; anything else as it is."""
        if not isinstance(sizes, tuple) or len(set(sizes)) > 1:
            return sizes
        number = Alike(sizes[0])
        number.dimensions = len(sizes)
        return number


class AlikeNumber(float):
    """One number for every operand, written once for each: [1, 1] is 1, but for two operands only."""

    operands: int


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from `low` to `high`, both included: any of them, whole ones, or whole ones for each dimension."""

    low: float
    high: float
    of: Literal["numbers", "whole numbers", "sizes"] = "numbers"
    optional: bool = False
    """Whether null is legal too, for a field that is not given."""

    def __str__(self) -> str:
        if self.high >= limits.MAX_NUMBER and self.low > -limits.MAX_NUMBER:  # larger ones are in no spec
            return f"at least {_figure(self.low)}"
        return f"between {_figure(self.low)} and {_figure(self.high)}"

    def check(self, value: Any) -> Any:
        """The value as the field holds it. Raises `ValueError` with the range where it is not legal."""
        if value is None and self.optional:
            return None
        if self.of != "sizes" or not isinstance(value, list | tuple):
            return self._one(value)
        sizes = tuple(self._one(entry) for entry in value)
        if not 1 <= len(sizes) <= 3:
            raise ValueError(f"takes one number, or one per dimension (1 to 3), not {show(list(value))}")
        return Alike.of(sizes)

    def _one(self, value: Any) -> int | float:
        if self.of != "numbers":
            value = whole(value)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"must be a number {self}, not {show(value)}")
        if not self.low <= value <= self.high or not isfinite(value):  # nan is in no range
            raise ValueError(f"must be {self}, not {show(value)}")
        return value if self.of != "numbers" else float(value)

    @property
    def schema(self) -> dict[str, Any]:
        """What JSON Schema can hold a number to that is written out."""
        one = {"minimum": self.low, "maximum": self.high}
        return {**one, "items": one} if self.of == "sizes" else one

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "number", **self.schema}


@dataclass(frozen=True, slots=True)
class EachOperand:
    """A number, or a list of one for each operand of a join."""

    def check(self, value: Any) -> Any:
        """The value as the field holds it: equal numbers as one. Raises `ValueError`."""
        if not isinstance(value, list | tuple):
            return NUMBERS.check(value)
        numbers = tuple(NUMBERS.check(entry) for entry in value)
        if not numbers:
            raise ValueError("takes one number, or one per operand, not []")
        if len(set(numbers)) > 1:
            return numbers
        number = AlikeNumber(numbers[0])
        number.operands = len(numbers)
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)


def _figure(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) and abs(number) < 10**12 else f"{number:g}"


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {show(value)}")
    return value


_FINITE = limits.MAX_NUMBER

NUMBERS = Range(-_FINITE, _FINITE)
COUNT = Range(1, 10**9, "whole numbers")
SIZES = Range(1, 10**6, "sizes")
PROBABILITY = Range(0, 1)
DIVISOR = Range(1e-6, 1)
"""Of a probability that something is divided by: below, float32 overflows on the way."""

Count: TypeAlias = Annotated[int, COUNT]
PerDimension: TypeAlias = Annotated[int | tuple[int, ...], SIZES]
OptionalPerDimension: TypeAlias = Annotated[int | tuple[int, ...] | None, Range(1, 10**6, "sizes", optional=True)]
Padding: TypeAlias = Annotated[int | tuple[int, ...] | None, Range(0, 10**6, "sizes", optional=True)]
Number: TypeAlias = Annotated[float, NUMBERS]
OptionalNumber: TypeAlias = Annotated[float | None, Range(-_FINITE, _FINITE, optional=True)]
NotNegative: TypeAlias = Annotated[float, Range(0, _FINITE)]
Probability: TypeAlias = Annotated[float, PROBABILITY]
Share: TypeAlias = Annotated[float, Range(0, 1)]
Epsilon: TypeAlias = Annotated[float, Range(1e-12, 1)]
"""Added to a variance: of a constant channel it is all there is to divide by."""
Switch: TypeAlias = Annotated[bool, BeforeValidator(_switch)]


def sizes(value: Any) -> int | list[int]:
    """A stride as expressions hold it: one number, or a list where dimensions differ. Raises `ValueError`."""
    found = [SIZES.check(size) for size in (value if isinstance(value, list) else [value])]
    if not found:
        raise ValueError(f"must be {SIZES}, not {show(value)}")
    return found[0] if len(set(found)) == 1 else found
