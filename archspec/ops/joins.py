"""Operators that join several signals."""

from collections.abc import Mapping
from math import exp, prod
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from archspec.ops.base import (
    Call,
    Fields,
    FunctionCall,
    Kept,
    ModuleCall,
    Operand,
    Operator,
    Role,
    Shape,
    ShapeError,
    Shapes,
    show_shape,
)
from archspec.ops.ranges import EachOperand, Number, Switch

EPS = 1e-4
"""Added to a sum of weights that something is divided by (Tan et al., arXiv 1911.09070, section 3.3)."""


class Join(Operator):
    """Takes any number of inputs, two at least."""

    role: ClassVar[Role] = "join"
    joins: ClassVar[bool] = True


class Weight(Fields):
    """The weight of one shortcut: a `scale` at the end of its path."""

    text: ClassVar[frozenset[str]] = frozenset({"per"})

    init: Number = 1.0
    """What it starts from."""
    per: Literal["tensor", "channel"] = "tensor"
    """One weight in all, or one per channel."""
    learned: Switch = True
    """Whether it is a parameter; else it is a constant."""


class Weights(Fields):
    """A weight for each operand of an addition: one parameter, a number for each, or for each and each channel."""

    text: ClassVar[frozenset[str]] = frozenset({"per", "normalize"})

    init: Annotated[float | tuple[float, ...], EachOperand()] = 1.0
    """What they start from, before `normalize`: a number, an expression over `operand` and `operands`, or a list."""
    per: Literal["tensor", "channel"] = "tensor"
    """One weight for all of an operand, or one per channel."""
    learned: Switch = True
    """Whether the weights are parameters; else they are constants."""
    normalize: Literal["none", "softmax", "sum"] = "none"
    """softmax over the operands, of which `init` are the logits; or sum, max(w, 0) / (sum of max(w, 0) + 1e-4) (Tan et
    al., arXiv 1911.09070, section 3.3)."""

    def label(self) -> str:
        """What they are, in a word."""
        return {"none": "w", "softmax": "softmax", "sum": "w/Σw"}[self.normalize]

    def starts(self, operands: int) -> tuple[float, ...]:
        """What the weight of each operand starts from. Raises `ShapeError` where they are not as many."""
        starts = self.init if isinstance(self.init, tuple) else (self.init,) * getattr(self.init, "operands", operands)
        if len(starts) != operands:
            raise ShapeError(
                f"the weights start from {len(starts)} number{'s' * (len(starts) > 1)}, and the addition has "
                f"{operands} operands",
                "give one number for all, a list of as many, or an expression over `operand` and `operands`",
            )
        return starts

    def check(self, operands: int) -> None:
        """Raises `ShapeError` for weights that cannot be, or that nothing could be learned of."""
        starts = self.starts(operands)
        if self.per == "channel" and not self.learned:
            raise ShapeError("one constant for all channels needs no `per`", "leave out `per`, or `learned: false`")
        if self.normalize == "sum" and max(starts) <= 0:
            raise ShapeError(
                "with `normalize: sum` no weight starts above 0: the addition gives 0, and no gradient reaches them",
                "let one start above 0",
            )

    def constants(self, operands: int) -> tuple[float, ...]:
        """The weight of each operand, normalised."""
        starts = self.starts(operands)
        if self.normalize == "softmax":
            powers = [exp(start - max(starts)) for start in starts]
            return tuple(power / sum(powers) for power in powers)
        if self.normalize == "sum":
            positive = [max(start, 0.0) for start in starts]
            return tuple(start / (sum(positive) + EPS) for start in positive)
        return starts


class Add(Join):
    """The sum of inputs of one shape; with `weights` each times its own (DenseFormer, Pagliardini et al., arXiv
    2402.02622; BiFPN, Tan et al., arXiv 1911.09070)."""

    key: ClassVar[str] = "add"
    mappings: ClassVar[Mapping[str, type[Fields]]] = MappingProxyType({"weights": Weights})

    weights: Weights | None = None
    """A weight for each input: `init`, `per`, `learned`, `normalize`."""

    @property
    def commutes(self) -> bool:
        return self.weights is None or not isinstance(self.weights.init, tuple)

    def shape(self, inputs: Shapes) -> Shape:
        for other in inputs[1:]:
            if other != inputs[0]:
                raise ShapeError(f"an addition joins {show_shape(inputs[0])} with {show_shape(other)}")
        if self.weights is not None:
            self.weights.check(len(inputs))
        return inputs[0]

    def params(self, inputs: Shapes) -> int:
        if self.weights is None or not self.weights.learned:
            return 0
        return len(inputs) * (inputs[0][0] if self.weights.per == "channel" else 1)

    def kept(self, inputs: Shapes) -> Kept:
        """For learned weights their operands, and what `normalize` makes of the weights on the way."""
        if self.weights is None or not self.weights.learned:
            return Kept()
        each = self.params(inputs) // len(inputs)
        sums = each if each > 1 else 0  # a single number, such as a factor, counts as none
        numbers = {"none": 0, "softmax": len(inputs) * each, "sum": 2 * len(inputs) * each + sums}
        return Kept(tuple(range(len(inputs))), statistics=numbers[self.weights.normalize])

    def call(self, inputs: Shapes, *, inplace: bool = False) -> Call:
        weights, count = self.weights, len(inputs)
        if weights is None:
            return FunctionCall("operator.add", (Operand(0), Operand(1)), fold=True)
        if not weights.learned:
            operands = tuple(Operand(i) for i in range(count))
            constants = (("weights", weights.constants(count)),)
            return FunctionCall("archspec.compiler.lower.layers.weighted_sum", (operands,), constants)
        channels = (("num_channels", inputs[0][0]),) if weights.per == "channel" else ()
        arguments = (("num_operands", count), *channels, ("normalize", weights.normalize))
        starts = weights.starts(count)
        fills = (("weight", starts if len(set(starts)) > 1 else starts[0]),)
        return ModuleCall("archspec.compiler.lower.layers.WeightedSum", arguments, fills=fills, joins=True)

    def label(self, rank: int = 2) -> str:
        return "+" if self.weights is None else f"+ {self.weights.label()}"


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


class Select(Join):
    """A soft choice between maps: n of one shape, then n vectors, of as many channels or of one. Each map is multiplied
    by its share, the softmax over the vectors channel by channel, and all are added (Li et al., arXiv 1903.06586)."""

    key: ClassVar[str] = "select"

    def shape(self, inputs: Shapes) -> Shape:
        maps, vectors = inputs[: len(inputs) // 2], inputs[len(inputs) // 2 :]
        channels = maps[0][0]
        if len(maps) < 2 or len(maps) != len(vectors):
            raise ShapeError(f"select takes maps and as many vectors, two of each at least, not {len(inputs)} inputs")
        if len({*maps}) > 1 or len({*vectors}) > 1 or vectors[0] not in ((channels,), (1,)):
            shapes = f"{', '.join(map(show_shape, maps))} by {', '.join(map(show_shape, vectors))}"
            hint = f"the maps have one shape; then come vectors of {channels} channels, or of one"
            raise ShapeError(f"select weighs {shapes}", hint)
        return maps[0]

    def kept(self, inputs: Shapes) -> Kept:
        """The maps, and the shares."""
        count = len(inputs) // 2
        return Kept(tuple(range(count)), numbers=count * inputs[-1][0])

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        operands = tuple(Operand(i) for i in range(len(inputs)))
        return FunctionCall("archspec.compiler.lower.layers.select", (operands,))


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
