"""Operators with weights that cost multiply-accumulates: convolution and linear."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, ClassVar, Literal

from archspec.ops.base import Kept, ModuleCall, Need, Operator, Role, Shape, ShapeError, Shapes, show_shape
from archspec.ops.ranges import Count, OptionalNumber, Padding, PerDimension, Switch
from archspec.ops.windows import (
    need_map,
    per_dimension,
    same_padding,
    show_window,
    squeezed,
    undilated,
    unpadded,
    windowed,
)  # fmt: skip

_BORDER = {"reflect": -1, "circular": 0}
"""How far a border that is taken from the map may go beyond its size."""


class Conv(Operator):
    """Convolution: (C, *S) -> (out, *S / stride). No bias unless asked for; pads to keep the size at stride 1."""

    key: ClassVar[str] = "conv"
    role: ClassVar[Role] = "weight"
    text: ClassVar[frozenset[str]] = frozenset({"padding_mode"})
    needs: ClassVar[Mapping[str, Need]] = {
        "padding_mode": Need("there is no padding", ("padding", "kernel", "dilation")),
        "dilation": Need("a kernel of 1 has nothing to space", ("dilation", "kernel")),
    }

    out: Count
    """Output channels."""
    kernel: PerDimension
    """Kernel size, one number or one per dimension."""
    stride: PerDimension = 1
    """Stride, one number or one per dimension."""
    groups: Count = 1
    """Groups; input and output channels must divide by them."""
    dilation: PerDimension = 1
    """Spacing of the kernel's elements."""
    padding: Padding = None
    """Zeros on every side; by default dilation * (kernel - 1) // 2."""
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    """What stands around the map where it is padded."""
    bias: Switch = False
    """A learnable bias."""
    bias_init: OptionalNumber = None
    """What the bias starts from; 0 by default."""
    standardize: Switch = False
    """Weights with mean 0 and variance 1 for each output channel (Qiao et al., arXiv 1903.10520)."""

    def idle(self) -> Iterable[str]:
        if self.padding_mode != "zeros" and unpadded(self.padding, self.kernel, self.dilation):
            yield "padding_mode"
        if self.dilation != 1 and undilated(self.kernel, self.dilation):
            yield "dilation"

    def _window(self, rank: int) -> tuple[Shape, Shape, Shape, Shape]:
        kernel = per_dimension(self.kernel, rank, "kernel")
        dilation = per_dimension(self.dilation, rank, "dilation")
        padding = same_padding(self.padding, kernel, dilation, rank)
        return kernel, per_dimension(self.stride, rank, "stride"), padding, dilation

    def shape(self, inputs: Shapes) -> Shape:
        channels, spatial = need_map(inputs, self.key)
        _need_groups(self.groups, input=channels, output=self.out)
        if self.bias_init is not None and not self.bias:
            raise ShapeError("bias_init is given, but the convolution has no bias", "add 'bias: true'")
        window = self._window(len(spatial))
        most, padding = _BORDER.get(self.padding_mode), window[2]
        if most is not None and any(p > size + most for p, size in zip(padding, spatial, strict=True)):
            raise ShapeError(
                f"a border of {show_shape(padding)} cannot be taken from a map of {show_shape(spatial)}",
                f"use a smaller padding, or another padding_mode than {self.padding_mode}",
            )
        return (self.out, *windowed(spatial, *window))

    def reduction(self, rank: int) -> Shape:
        return per_dimension(self.stride, rank, "stride")

    def kept(self, inputs: Shapes) -> Kept:
        """Its input, padded if not by zeros; of standardised weights, two steps of standardising and the deviations."""
        channels, spatial = need_map(inputs, self.key)
        _, _, padding, _ = self._window(len(spatial))
        weights = 2 * (self.params(inputs) - (self.out if self.bias else 0)) + self.out if self.standardize else 0
        if self.padding_mode == "zeros" or not any(padding):
            return Kept((0,), statistics=weights)
        padded = channels * prod(size + 2 * p for size, p in zip(spatial, padding, strict=True))
        copied = self.padding_mode == "circular"  # put together from slices; the others keep what they mirror
        return Kept(() if copied else (0,), numbers=padded, statistics=weights)

    def params(self, inputs: Shapes) -> int:
        channels, spatial = need_map(inputs, self.key)
        kernel = prod(per_dimension(self.kernel, len(spatial), "kernel"))
        return self.out * (channels // self.groups) * kernel + (self.out if self.bias else 0)

    def macs(self, inputs: Shapes) -> int:
        weights = self.params(inputs) - (self.out if self.bias else 0)
        return weights * prod(self.shape(inputs)[1:])

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        channels, spatial = need_map(inputs, self.key)
        kernel, stride, padding, dilation = (squeezed(value) for value in self._window(len(spatial)))
        arguments: list[tuple[str, Any]] = [
            ("in_channels", channels), ("out_channels", self.out), ("kernel_size", kernel),
        ]  # fmt: skip
        optional = [("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1)]
        optional.append(("groups", self.groups, 1))
        arguments += [(name, value) for name, value, default in optional if value != default]
        if not self.bias:
            arguments.append(("bias", False))
        if self.padding_mode != "zeros":
            arguments.append(("padding_mode", self.padding_mode))
        fills = (("bias", self.bias_init or 0.0),) if self.bias else ()
        package = "archspec.compiler.lower.layers.Standardized" if self.standardize else "torch.nn."
        return ModuleCall(f"{package}Conv{len(spatial)}d", tuple(arguments), init="conv", fills=fills)

    def label(self, rank: int = 2) -> str:
        shown = show_shape(self.stride) if isinstance(self.stride, tuple) else self.stride
        stride = "" if self.stride == 1 else f", /{shown}"
        return f"{show_window(self.kernel, rank)} conv, {self.out}{stride}"


class ConvTranspose(Operator):
    """Transposed convolution: (C, *S) -> (out, *S * stride). No bias unless asked for.

    Without `padding`, the output is exactly `stride` times as large: what the kernel adds beyond that is cut off.
    """

    key: ClassVar[str] = "conv_transpose"
    role: ClassVar[Role] = "weight"
    keeps: ClassVar[Kept] = Kept(inputs=(0,))

    out: Count
    """Output channels."""
    kernel: PerDimension
    """Kernel size, one number or one per dimension."""
    stride: PerDimension = 1
    """By how much the map grows, one number or one per dimension."""
    groups: Count = 1
    """Groups; input and output channels must divide by them."""
    padding: Padding = None
    """What is cut off on every side; by default (kernel - stride + 1) // 2."""
    bias: Switch = False
    """A learnable bias."""

    def _window(self, rank: int) -> tuple[Shape, Shape, Shape, Shape]:
        """Kernel, stride, padding, and what torch adds on one side to reach the exact multiple."""
        kernel, stride = per_dimension(self.kernel, rank, "kernel"), per_dimension(self.stride, rank, "stride")
        if self.padding is not None:
            return kernel, stride, per_dimension(self.padding, rank, "padding"), (0,) * rank
        if any(k < s for k, s in zip(kernel, stride, strict=True)):
            advice = "give the padding: an output that is `stride` times as large would have holes"
            raise ShapeError(f"kernel {show_shape(kernel)} is smaller than stride {show_shape(stride)}", advice)
        padding = tuple((k - s + 1) // 2 for k, s in zip(kernel, stride, strict=True))
        return kernel, stride, padding, tuple((k - s) % 2 for k, s in zip(kernel, stride, strict=True))

    def shape(self, inputs: Shapes) -> Shape:
        channels, spatial = need_map(inputs, self.key)
        _need_groups(self.groups, input=channels, output=self.out)
        sizes = tuple(
            (size - 1) * s - 2 * p + k + extra
            for size, k, s, p, extra in zip(spatial, *self._window(len(spatial)), strict=True)
        )
        if min(sizes) < 1:
            raise ShapeError("the feature map vanishes: the padding cuts all of it off")
        return (self.out, *sizes)

    def expansion(self, rank: int) -> Shape:
        return per_dimension(self.stride, rank, "stride")

    def params(self, inputs: Shapes) -> int:
        channels, spatial = need_map(inputs, self.key)
        kernel = prod(per_dimension(self.kernel, len(spatial), "kernel"))
        return channels * (self.out // self.groups) * kernel + (self.out if self.bias else 0)

    def macs(self, inputs: Shapes) -> int:
        """Each number of the input times the kernels it meets."""
        return (self.params(inputs) - (self.out if self.bias else 0)) * prod(inputs[0][1:])

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        channels, spatial = need_map(inputs, self.key)
        kernel, stride, padding, extra = (squeezed(value) for value in self._window(len(spatial)))
        arguments = [("in_channels", channels), ("out_channels", self.out), ("kernel_size", kernel)]
        optional = [("stride", stride, 1), ("padding", padding, 0), ("output_padding", extra, 0)]
        optional.append(("groups", self.groups, 1))
        arguments += [(name, value) for name, value, default in optional if value != default]
        if not self.bias:
            arguments.append(("bias", False))
        fills = (("bias", 0.0),) if self.bias else ()
        return ModuleCall(f"torch.nn.ConvTranspose{len(spatial)}d", tuple(arguments), init="conv", fills=fills)

    def label(self, rank: int = 2) -> str:
        shown = show_shape(self.stride) if isinstance(self.stride, tuple) else self.stride
        return f"{show_window(self.kernel, rank)} transposed conv, {self.out}, ×{shown}"


class Linear(Operator):
    """Fully connected: (features,) -> (out,), with a bias unless switched off."""

    key: ClassVar[str] = "linear"
    role: ClassVar[Role] = "weight"
    keeps: ClassVar[Kept] = Kept(inputs=(0,))

    out: Count
    """Output features."""
    bias: Switch = True
    """A learnable bias."""

    def shape(self, inputs: Shapes) -> Shape:
        if len(inputs[0]) != 1:
            raise ShapeError(
                f"linear needs a vector, and gets a map of {show_shape(inputs[0])}",
                "put global_avg_pool or flatten before it",
            )
        return (self.out,)

    def params(self, inputs: Shapes) -> int:
        return inputs[0][0] * self.out + (self.out if self.bias else 0)

    def macs(self, inputs: Shapes) -> int:
        return inputs[0][0] * self.out

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        arguments = (("in_features", inputs[0][0]), ("out_features", self.out))
        return ModuleCall("torch.nn.Linear", arguments if self.bias else (*arguments, ("bias", False)), init="linear")

    def label(self, rank: int = 2) -> str:
        return f"fc {self.out}"


def _need_groups(groups: int, **channels: int) -> None:
    """Raises `ShapeError` if the channels of either side do not divide into the groups."""
    for side, count in channels.items():
        if count % groups:
            raise ShapeError(f"{count} {side} channels do not divide into {groups} groups")
