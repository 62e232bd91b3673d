"""Operators that join several signals."""

from math import prod
from typing import ClassVar

from archspec.ops.base import FunctionCall, Kept, Operand, Operator, Role, Shape, ShapeError, Shapes, show_shape


class Join(Operator):
    """Takes any number of inputs, two at least."""

    role: ClassVar[Role] = "join"
    joins: ClassVar[bool] = True


class Add(Join):
    """The sum of inputs of one shape."""

    key: ClassVar[str] = "add"

    def shape(self, inputs: Shapes) -> Shape:
        for other in inputs[1:]:
            if other != inputs[0]:
                raise ShapeError(f"an addition joins {show_shape(inputs[0])} with {show_shape(other)}")
        return inputs[0]

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall("operator.add", (Operand(0), Operand(1)), fold=True)

    def label(self, rank: int = 2) -> str:
        return "+"


class Multiply(Join):
    """The product of inputs of one shape; a vector of C gates a map of C channels, channel by channel, and a map of one
    channel gates it position by position."""

    key: ClassVar[str] = "multiply"

    def shape(self, inputs: Shapes) -> Shape:
        widest = max(inputs, key=lambda shape: (len(shape), shape[0]))
        for other in inputs:
            if other not in (widest, widest[:1], (1, *widest[1:])):
                raise ShapeError(
                    f"a product joins {show_shape(widest)} with {show_shape(other)}",
                    "give both one shape, or gate a map with a vector of as many channels or a map of one channel",
                )
        return widest

    def kept(self, inputs: Shapes) -> Kept:
        """All factors, and the products on the way to that of more than two."""
        partial = (inputs[:end] for end in range(2, len(inputs)))
        numbers = sum(max(shape[0] for shape in some) * prod(max(some, key=len)[1:]) for some in partial)
        return Kept(tuple(range(len(inputs))), numbers=numbers)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        if len({len(shape) for shape in inputs}) == 1:
            return FunctionCall("operator.mul", (Operand(0), Operand(1)), fold=True)
        return FunctionCall("archspec.compiler.lower.layers.gate", (Operand(0), Operand(1)), fold=True)

    def label(self, rank: int = 2) -> str:
        return "×"


class Concat(Join):
    """Inputs of one spatial size side by side, along the channels."""

    key: ClassVar[str] = "concat"

    def shape(self, inputs: Shapes) -> Shape:
        for other in inputs[1:]:
            if other[1:] != inputs[0][1:]:
                raise ShapeError(
                    f"a concatenation joins {show_shape(inputs[0])} with {show_shape(other)}, of another size"
                )
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        operands = tuple(Operand(i) for i in range(len(inputs)))
        return FunctionCall("torch.cat", (operands,), (("dim", 1),))

    def label(self, rank: int = 2) -> str:
        return "concat"
