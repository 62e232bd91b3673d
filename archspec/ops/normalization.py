"""Normalisations. All keep the shape."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Annotated, ClassVar

from archspec.ops.base import FunctionCall, Kept, ModuleCall, Need, Operand, Operator, Role, Shape, ShapeError, Shapes
from archspec.ops.ranges import Count, Epsilon, NotNegative, OptionalNumber, Range, Share, Switch
from archspec.ops.windows import need_map

FROZEN = "archspec.compiler.lower.layers.FrozenBatchNorm"


class BatchNorm(Operator):
    """Batch normalisation over batch and space (Ioffe and Szegedy, arXiv 1502.03167); scale and shift per channel."""

    key: ClassVar[str] = "bn"
    role: ClassVar[Role] = "norm"
    needs: ClassVar[Mapping[str, Need]] = {"momentum": Need("frozen statistics do not move", ("frozen",))}

    eps: Epsilon = 1e-5
    """Added to the variance."""
    momentum: Share = 0.1
    """Weight of the new batch in the running statistics."""
    affine: Switch = True
    """Learnable scale and shift."""
    scale_init: OptionalNumber = None
    """What the scale starts from; 1 by default, 0 to start a residual branch as zero."""
    frozen: Switch = False
    """Statistics, scale and shift are given, not learned: they stay as they are in training, and count as no
    parameters. As detection networks use it on pretrained backbones."""

    def idle(self) -> Iterable[str]:
        return ["momentum"] if self.frozen and self.momentum != 0.1 else []

    def shape(self, inputs: Shapes) -> Shape:
        if self.scale_init is not None and not self.affine:
            raise ShapeError("scale_init is given, but the normalisation is not affine")
        if self.frozen and (not self.affine or self.scale_init is not None):
            raise ShapeError("a frozen normalisation has its scale and shift given", "leave out affine and scale_init")
        return inputs[0]

    def params(self, inputs: Shapes) -> int:
        return 2 * inputs[0][0] if self.affine and not self.frozen else 0

    def kept(self, inputs: Shapes) -> Kept:
        """Its input, and each channel's mean and inverse standard deviation; frozen, its input alone."""
        return Kept((0,), statistics=0 if self.frozen else 2 * inputs[0][0])

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        rank = len(inputs[0]) - 1
        arguments = [("num_features", inputs[0][0])]
        if self.frozen:
            return ModuleCall(FROZEN, _given(arguments, [("eps", self.eps, 1e-5)]))
        optional = [("eps", self.eps, 1e-5), ("momentum", self.momentum, 0.1), ("affine", self.affine, True)]
        fills = () if self.scale_init is None else (("weight", self.scale_init),)
        return ModuleCall(f"torch.nn.BatchNorm{max(rank, 1)}d", _given(arguments, optional), fills=fills)

    def label(self, rank: int = 2) -> str:
        return "frozen BN" if self.frozen else "BN"


class GroupNorm(Operator):
    """Group normalisation over space and groups of channels (Wu and He, arXiv 1803.08494)."""

    key: ClassVar[str] = "group_norm"
    role: ClassVar[Role] = "norm"

    groups: Count = 32
    """Groups; the channels must divide by them."""
    eps: Epsilon = 1e-5
    """Added to the variance."""
    affine: Switch = True
    """Learnable scale and shift."""

    def shape(self, inputs: Shapes) -> Shape:
        if inputs[0][0] % self.groups:
            raise ShapeError(f"{inputs[0][0]} channels do not divide into {self.groups} groups")
        return inputs[0]

    def params(self, inputs: Shapes) -> int:
        return 2 * inputs[0][0] if self.affine else 0

    def kept(self, inputs: Shapes) -> Kept:
        """Its input, and each group's mean and inverse standard deviation."""
        return Kept((0,), numbers=2 * self.groups)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        arguments = [("num_groups", self.groups), ("num_channels", inputs[0][0])]
        optional = [("eps", self.eps, 1e-5), ("affine", self.affine, True)]
        return ModuleCall("torch.nn.GroupNorm", _given(arguments, optional))

    def label(self, rank: int = 2) -> str:
        return "GN"


class LayerNorm(Operator):
    """Layer normalisation over the channels at each position (Ba et al., arXiv 1607.06450)."""

    key: ClassVar[str] = "layer_norm"
    role: ClassVar[Role] = "norm"

    eps: Epsilon = 1e-5
    """Added to the variance."""
    affine: Switch = True
    """Learnable scale and shift."""

    def params(self, inputs: Shapes) -> int:
        return 2 * inputs[0][0] if self.affine else 0

    def kept(self, inputs: Shapes) -> Kept:
        """Its input, and each position's mean and inverse standard deviation."""
        return Kept((0,), numbers=2 * prod(inputs[0][1:]))

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        target = "torch.nn.LayerNorm" if len(inputs[0]) == 1 else "archspec.compiler.lower.layers.ChannelLayerNorm"
        arguments = [("normalized_shape", inputs[0][0])]
        optional = [("eps", self.eps, 1e-5), ("elementwise_affine", self.affine, True)]
        return ModuleCall(target, _given(arguments, optional))

    def label(self, rank: int = 2) -> str:
        return "LN"


class RMSNorm(Operator):
    """The channels of each position divided by their root mean square (Zhang and Sennrich, arXiv 1910.07467)."""

    key: ClassVar[str] = "rms_norm"
    role: ClassVar[Role] = "norm"

    eps: Epsilon = 1e-6
    """Added to the mean square."""
    affine: Switch = True
    """A learnable scale per channel."""

    def params(self, inputs: Shapes) -> int:
        return inputs[0][0] if self.affine else 0

    def kept(self, inputs: Shapes) -> Kept:
        """Its input, each position's inverse root mean square, and what the scale multiplies."""
        return Kept((0,), numbers=prod(inputs[0][1:]) + (prod(inputs[0]) if self.affine else 0))

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        target = "torch.nn.RMSNorm" if len(inputs[0]) == 1 else "archspec.compiler.lower.layers.ChannelRMSNorm"
        arguments = [("normalized_shape", inputs[0][0]), ("eps", self.eps)]
        return ModuleCall(target, _given(arguments, [("elementwise_affine", self.affine, True)]))

    def label(self, rank: int = 2) -> str:
        return "RMSNorm"


class LocalResponseNorm(Operator):
    """Each number divided by a power, beta, of k + alpha times the mean of squares over `size` channels around its own
    (Krizhevsky et al., NIPS 2012, section 3.3, who have the sum in the place of the mean)."""

    key: ClassVar[str] = "local_response_norm"
    role: ClassVar[Role] = "norm"

    size: Count = 5
    """Channels in the mean."""
    alpha: NotNegative = 1e-4
    """Weight of the mean."""
    beta: Annotated[float, Range(0, 100)] = 0.75
    """The power."""
    k: Annotated[float, Range(1e-6, 1e6)] = 1.0
    """Added to it."""

    def shape(self, inputs: Shapes) -> Shape:
        need_map(inputs, self.key)
        return inputs[0]

    def kept(self, inputs: Shapes) -> Kept:
        """Its input, the squares between the zeros around the channels, and the two steps of the power."""
        channels, positions = inputs[0][0], prod(inputs[0][1:])
        return Kept((0,), numbers=(3 * channels + self.size - 1) * positions)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        arguments = (("size", self.size), ("alpha", self.alpha), ("beta", self.beta), ("k", self.k))
        return FunctionCall("torch.nn.functional.local_response_norm", (Operand(0),), arguments)

    def label(self, rank: int = 2) -> str:
        return "LRN"


def _given(
    arguments: Sequence[tuple[str, object]], optional: Sequence[tuple[str, object, object]]
) -> tuple[tuple[str, object], ...]:
    """Arguments, with those optional ones that differ from torch's default."""
    return (*arguments, *((name, value) for name, value, default in optional if value != default))
