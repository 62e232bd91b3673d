"""Operators without weights that rescale, reshape or pass a signal on."""

from math import prod
from typing import Annotated, ClassVar, Literal

from archspec.ops.base import (
    Call,
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
from archspec.ops.ranges import Count, Number, PerDimension, Range, Switch
from archspec.ops.windows import need_map, per_dimension, squeezed, windowed


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
    """by * x: a constant (He et al., arXiv 1603.05027, section 3.1), or learned from there on, as one number (ReZero,
    Bachlechner et al., arXiv 2003.04887; SkipInit, De and Smith, arXiv 2002.10444) or one per channel (LayerScale,
    Touvron et al., arXiv 2103.17239)."""

    key: ClassVar[str] = "scale"
    text: ClassVar[frozenset[str]] = frozenset({"per"})

    by: Number
    """The factor, or what it starts from."""
    learned: Switch = False
    """Whether the factor is a parameter."""
    per: Literal["tensor", "channel"] = "tensor"
    """One factor in all, or one per channel."""

    def shape(self, inputs: Shapes) -> Shape:
        if self.per == "channel" and not self.learned:
            raise ShapeError("one constant for all channels needs no `per`", "add 'learned: true', or leave out `per`")
        return inputs[0]

    def params(self, inputs: Shapes) -> int:
        return (inputs[0][0] if self.per == "channel" else 1) if self.learned else 0

    def kept(self, inputs: Shapes) -> Kept:
        """Its input, for the factor's gradient; a constant needs nothing."""
        return Kept((0,)) if self.learned else Kept()

    def call(self, inputs: Shapes, *, inplace: bool = False) -> Call:
        if not self.learned:
            return FunctionCall("operator.mul", (Operand(0), self.by))
        arguments = (("num_parameters", self.params(inputs)),)
        return ModuleCall("archspec.compiler.lower.layers.Scale", arguments, fills=(("weight", self.by),))

    def label(self, rank: int = 2) -> str:
        return f"×{self.by:g}" if not self.learned else "× γ" if self.per == "channel" else "× α"


class Slice(Operator):
    """Some of the channels: (C, *S) -> (stop - start, *S)."""

    key: ClassVar[str] = "slice"
    role: ClassVar[Role] = "reshape"
    overwritable: ClassVar[bool] = False  # a view of its input
    keeps: ClassVar[Kept] = Kept(view=True)

    start: Annotated[int, Range(0, 10**9, "whole numbers")] = 0
    """The first channel, from 0."""
    stop: Annotated[int | None, Range(1, 10**9, "whole numbers", optional=True)] = None
    """The channel after the last; the end by default."""

    def shape(self, inputs: Shapes) -> Shape:
        channels, *spatial = inputs[0]
        stop = channels if self.stop is None else self.stop
        if not self.start < stop <= channels:
            raise ShapeError(f"there are no channels {self.start} to {stop} of {channels}")
        return (stop - self.start, *spatial)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        length = self.shape(inputs)[0]
        return FunctionCall("torch.narrow", (Operand(0),), (("dim", 1), ("start", self.start), ("length", length)))

    def label(self, rank: int = 2) -> str:
        return f"channels {self.start}:{'' if self.stop is None else self.stop}"


class ChannelShuffle(Operator):
    """Channels of the groups dealt out in turn (Zhang et al., arXiv 1707.01083): with n channels a group, channel
    g * n + i becomes i * groups + g."""

    key: ClassVar[str] = "channel_shuffle"
    role: ClassVar[Role] = "reshape"

    groups: Count
    """Groups; the channels must divide by them."""

    def shape(self, inputs: Shapes) -> Shape:
        channels, _ = need_map(inputs, self.key)
        if channels % self.groups:
            raise ShapeError(f"{channels} channels do not divide into {self.groups} groups")
        return inputs[0]

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall("torch.nn.functional.channel_shuffle", (Operand(0),), (("groups", self.groups),))

    def label(self, rank: int = 2) -> str:
        return "shuffle"


_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Upsample(Operator):
    """A larger map: (C, *S) -> (C, *S * factor)."""

    key: ClassVar[str] = "upsample"
    role: ClassVar[Role] = "reshape"
    text: ClassVar[frozenset[str]] = frozenset({"mode"})

    factor: Count = 2
    """How many times as large."""
    mode: Literal["nearest", "linear"] = "nearest"
    """The nearest number, or between them: linear for signals, bilinear for images, trilinear for video, corners not
    aligned."""

    def shape(self, inputs: Shapes) -> Shape:
        channels, spatial = need_map(inputs, self.key)
        return (channels, *(size * self.factor for size in spatial))

    def expansion(self, rank: int) -> Shape:
        return (self.factor,) * rank

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        mode = "nearest" if self.mode == "nearest" else _LINEAR[len(inputs[0]) - 1]
        arguments = (("scale_factor", float(self.factor)), ("mode", mode))
        return FunctionCall("torch.nn.functional.interpolate", (Operand(0),), arguments)

    def label(self, rank: int = 2) -> str:
        return f"upsample ×{self.factor}" + (", linear" if self.mode == "linear" else "")


class OneMinus(Operator):
    """1 - x: the closed share of a gate."""

    key: ClassVar[str] = "one_minus"

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall("operator.sub", (1, Operand(0)))

    def label(self, rank: int = 2) -> str:
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

    def label(self, rank: int = 2) -> str:
        return f"subsample /{show_shape(self.stride) if isinstance(self.stride, tuple) else self.stride}"


class Identity(Operator):
    """The signal itself."""

    key: ClassVar[str] = "identity"
    overwritable: ClassVar[bool] = False  # its input under another name
    keeps: ClassVar[Kept] = Kept(view=True)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall("archspec.compiler.lower.layers.identity")
