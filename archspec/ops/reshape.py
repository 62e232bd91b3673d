"""Operators without weights that rescale, reshape or pass a signal on."""

from math import prod
from typing import ClassVar

from archspec.ops.base import (
    FunctionCall,
    Kept,
    Operand,
    Operator,
    Role,
    Shape,
    ShapeError,
    Shapes,
    need_map,
    per_dimension,
    show_shape,
    squeezed,
    windowed,
)
from archspec.ops.ranges import Count, Number, PerDimension


class Flatten(Operator):
    """A map as a vector: (C, *S) -> (C * prod(S),)."""

    key: ClassVar[str] = "flatten"
    role: ClassVar[Role] = "reshape"
    overwritable: ClassVar[bool] = False  # a view of its input
    keeps: ClassVar[Kept] = Kept(view=True)

    def shape(self, inputs: Shapes) -> Shape:
        return (prod(inputs[0]),)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall("torch.flatten", (Operand(0),), (("start_dim", 1),))


class Scale(Operator):
    """by * x, a constant (the constant scaling of He et al., arXiv 1603.05027, section 3.1)."""

    key: ClassVar[str] = "scale"

    by: Number
    """The factor."""

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall("operator.mul", (Operand(0), self.by))

    def label(self) -> str:
        return f"×{self.by:g}"


class OneMinus(Operator):
    """1 - x: the closed share of a gate."""

    key: ClassVar[str] = "one_minus"

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall("operator.sub", (1, Operand(0)))

    def label(self) -> str:
        return "1−x"


class PadChannels(Operator):
    """Zero channels appended at the end: (C, *S) -> (out, *S) (option A of He et al., arXiv 1512.03385)."""

    key: ClassVar[str] = "pad_channels"
    role: ClassVar[Role] = "reshape"

    out: Count
    """Channels afterwards."""

    def shape(self, inputs: Shapes) -> Shape:
        channels, *spatial = inputs[0]
        if self.out < channels:
            raise ShapeError(
                f"pad_channels cannot reach {self.out} channels from {channels}", "use a projection (B or C)"
            )
        return (self.out, *spatial)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        pad = (0, 0) * (len(inputs[0]) - 1) + (0, self.out - inputs[0][0])
        return FunctionCall("torch.nn.functional.pad", (Operand(0), pad))


class Subsample(Operator):
    """Every stride-th position: (C, *S) -> (C, *S / stride)."""

    key: ClassVar[str] = "subsample"
    role: ClassVar[Role] = "pool"
    keeps: ClassVar[Kept] = Kept(inputs=(0,))

    stride: PerDimension
    """Stride, one number or one per dimension."""

    def shape(self, inputs: Shapes) -> Shape:
        channels, spatial = need_map(inputs, self.key)
        rank = len(spatial)
        ones, stride = (1,) * rank, per_dimension(self.stride, rank, "stride")
        return (channels, *windowed(spatial, ones, stride, (0,) * rank, ones))

    def reduction(self, rank: int) -> Shape:
        return per_dimension(self.stride, rank, "stride")

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        # A mean over one element: exact, differentiable, of any rank.
        rank = len(inputs[0]) - 1
        stride = squeezed(self.reduction(rank))
        return FunctionCall(
            f"torch.nn.functional.avg_pool{rank}d", (Operand(0),), (("kernel_size", 1), ("stride", stride))
        )

    def label(self) -> str:
        return f"subsample /{show_shape(self.stride) if isinstance(self.stride, tuple) else self.stride}"


class Identity(Operator):
    """The signal itself."""

    key: ClassVar[str] = "identity"
    overwritable: ClassVar[bool] = False  # its input under another name
    keeps: ClassVar[Kept] = Kept(view=True)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall("archspec.compiler.lower.layers.identity")
