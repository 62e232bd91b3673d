"""Pooling over windows and over the whole map."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Annotated, Any, ClassVar

from archspec.ops.base import FunctionCall, Kept, Need, Operand, Operator, Role, Shape, ShapeError, Shapes, show_shape
from archspec.ops.ranges import OptionalPerDimension, Padding, PerDimension, Range, Switch
from archspec.ops.windows import need_map, per_dimension, same_padding, show_window, squeezed, unpadded, windowed


class WindowPool(Operator):
    """Pooling over a sliding window: (C, *S) -> (C, *S / stride)."""

    role: ClassVar[Role] = "pool"
    keeps: ClassVar[Kept] = Kept(inputs=(0,))
    function: ClassVar[str]

    kernel: PerDimension
    """Window size, one number or one per dimension."""
    stride: OptionalPerDimension = None
    """Stride; the kernel by default, as in torch."""
    padding: Padding = None
    """Padding on every side; by default (kernel - 1) // 2."""
    ceil_mode: Switch = False
    """Round the output size up instead of down."""

    def _window(self, rank: int) -> tuple[Shape, Shape, Shape]:
        kernel = per_dimension(self.kernel, rank, "kernel")
        stride = kernel if self.stride is None else per_dimension(self.stride, rank, "stride")
        return kernel, stride, same_padding(self.padding, kernel, (1,) * rank, rank)

    def shape(self, inputs: Shapes) -> Shape:
        channels, spatial = need_map(inputs, self.key)
        kernel, stride, padding = self._window(len(spatial))
        if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
            raise ShapeError(f"padding {show_shape(padding)} is more than half of the window {show_shape(kernel)}")
        return (channels, *windowed(spatial, kernel, stride, padding, (1,) * len(spatial), self.ceil_mode))

    def reduction(self, rank: int) -> Shape:
        return self._window(rank)[1]

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        rank = len(inputs[0]) - 1
        kernel, stride, padding = (squeezed(value) for value in self._window(rank))
        arguments: list[tuple[str, Any]] = [("kernel_size", kernel), ("stride", stride)]
        arguments += [("padding", padding)] if padding else []
        arguments += [("ceil_mode", True)] if self.ceil_mode else []
        return FunctionCall(f"{self.function}{rank}d", (Operand(0),), (*arguments, *self.extra()))

    def extra(self) -> tuple[tuple[str, Any], ...]:
        """Further keyword arguments of the torch function."""
        return ()

    def label(self, rank: int = 2) -> str:
        stride = self.kernel if self.stride is None else self.stride
        shown = show_shape(stride) if isinstance(stride, tuple) else stride
        return f"{show_window(self.kernel, rank)} {self.key.removesuffix('_pool')} pool, /{shown}"


class MaxPool(WindowPool):
    """Maximum over a sliding window."""

    key: ClassVar[str] = "max_pool"
    function: ClassVar[str] = "torch.nn.functional.max_pool"

    def kept(self, inputs: Shapes) -> Kept:
        """Its input, and where in it each maximum lies."""
        return Kept((0,), indices=prod(self.shape(inputs)))


class AvgPool(WindowPool):
    """Mean over a sliding window."""

    key: ClassVar[str] = "avg_pool"
    function: ClassVar[str] = "torch.nn.functional.avg_pool"
    needs: ClassVar[Mapping[str, Need]] = {"count_padding": Need("there is no padding", ("padding", "kernel"))}

    count_padding: Switch = True
    """Whether padding counts in the mean, as in torch."""

    def idle(self) -> Iterable[str]:
        return ["count_padding"] if not self.count_padding and unpadded(self.padding, self.kernel) else []

    def shape(self, inputs: Shapes) -> Shape:
        shape, (kernel, _, _) = super().shape(inputs), self._window(len(inputs[0]) - 1)
        if len(kernel) == 3 and any(size < k for size, k in zip(inputs[0][1:], kernel, strict=True)):
            raise ShapeError(
                f"a window of {show_shape(kernel)} does not fit {show_shape(inputs[0][1:])}",
                "torch's 3-D avg_pool takes no window larger than the map, whatever the padding",
            )
        return shape

    def extra(self) -> tuple[tuple[str, Any], ...]:
        return () if self.count_padding else (("count_include_pad", False),)


class BlurPool(Operator):
    """Every stride-th position of the map blurred by a binomial filter, its border mirrored (Zhang, arXiv 1904.11486):
    (C, *S) -> (C, *S / stride)."""

    key: ClassVar[str] = "blur_pool"
    role: ClassVar[Role] = "pool"

    kernel: Annotated[int, Range(2, 1000, "whole numbers")] = 3
    """Size of the filter: 3 is [1, 2, 1] / 4 in each dimension."""
    stride: PerDimension = 2
    """Stride, one number or one per dimension."""

    def shape(self, inputs: Shapes) -> Shape:
        channels, spatial = need_map(inputs, self.key)
        rank = len(spatial)
        if min(spatial) <= self.kernel // 2:
            raise ShapeError(
                f"a border of {self.kernel // 2} cannot be mirrored in a map of {show_shape(spatial)}",
                "use a smaller kernel or a larger map",
            )
        padded = tuple(size + self.kernel - 1 for size in spatial)
        stride = per_dimension(self.stride, rank, "stride")
        return (channels, *windowed(padded, (self.kernel,) * rank, stride, (0,) * rank, (1,) * rank))

    def reduction(self, rank: int) -> Shape:
        return per_dimension(self.stride, rank, "stride")

    def kept(self, inputs: Shapes) -> Kept:
        """What each mean of two neighbours reads: the padded map, and the maps on the way but the first."""
        channels, spatial = need_map(inputs, self.key)
        sides = range(self.kernel - 1, 0, -1)
        return Kept((0,), numbers=sum(channels * prod(size + side for size in spatial) for side in sides))

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        rank = len(inputs[0]) - 1
        arguments = (("kernel_size", self.kernel), ("stride", self.reduction(rank)))
        return FunctionCall("archspec.compiler.lower.layers.blur_pool", (Operand(0),), arguments)

    def label(self, rank: int = 2) -> str:
        shown = show_shape(self.stride) if isinstance(self.stride, tuple) else self.stride
        return f"{show_window(self.kernel, rank)} blur pool, /{shown}"


class GlobalPool(Operator):
    """Pooling over all positions: (C, *S) -> (C,)."""

    role: ClassVar[Role] = "pool"
    function: ClassVar[str]

    def shape(self, inputs: Shapes) -> Shape:
        return (need_map(inputs, self.key)[0],)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall(self.function, (Operand(0),), (("dim", tuple(range(2, len(inputs[0]) + 1))),))

    def label(self, rank: int = 2) -> str:
        return f"{self.key.split('_')[1]} pool"


class GlobalMaxPool(GlobalPool):
    """Maximum over all positions: (C, *S) -> (C,)."""

    key: ClassVar[str] = "global_max_pool"
    function: ClassVar[str] = "torch.amax"
    overwritable: ClassVar[bool] = False  # backward compares its output with its input
    keeps: ClassVar[Kept] = Kept(inputs=(0,), output=True)


class GlobalAvgPool(GlobalPool):
    """Mean over all positions: (C, *S) -> (C,)."""

    key: ClassVar[str] = "global_avg_pool"
    function: ClassVar[str] = "torch.mean"


class ChannelPool(Operator):
    """Pooling over the channels of each position: (C, *S) -> (1, *S)."""

    role: ClassVar[Role] = "pool"
    function: ClassVar[str]

    def shape(self, inputs: Shapes) -> Shape:
        return (1, *inputs[0][1:])

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall(self.function, (Operand(0),), (("dim", 1), ("keepdim", True)))


class ChannelMean(ChannelPool):
    """Mean over the channels of each position: (C, *S) -> (1, *S)."""

    key: ClassVar[str] = "channel_mean"
    function: ClassVar[str] = "torch.mean"


class ChannelMax(ChannelPool):
    """Maximum over the channels of each position: (C, *S) -> (1, *S)."""

    key: ClassVar[str] = "channel_max"
    function: ClassVar[str] = "torch.amax"
    overwritable: ClassVar[bool] = False  # backward compares its output with its input
    keeps: ClassVar[Kept] = Kept(inputs=(0,), output=True)
