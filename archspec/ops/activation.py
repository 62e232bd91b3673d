"""Pointwise non-linearities, and softmax over channels. All keep the shape."""

from typing import Any, ClassVar, Literal

from archspec.ops.base import FunctionCall, Kept, ModuleCall, Operand, Operator, Role, Shapes
from archspec.ops.ranges import NotNegative, Share, Switch


class Activation(Operator):
    """A function of one tensor, by its dotted name in torch."""

    role: ClassVar[Role] = "activation"
    overwritable: ClassVar[bool] = False  # many keep their output for backward
    keeps: ClassVar[Kept] = Kept(inputs=(0,))
    function: ClassVar[str]

    def arguments(self) -> tuple[tuple[str, Any], ...]:
        """Keyword arguments of the torch function."""
        return ()

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall | ModuleCall:
        return FunctionCall(self.function, (Operand(0),), self.arguments())


class ReLU(Activation):
    """max(x, 0)."""

    key: ClassVar[str] = "relu"
    keeps: ClassVar[Kept] = Kept(output=True)
    function: ClassVar[str] = "torch.nn.functional.relu"

    def call(self, inputs: Shapes, *, inplace: bool = False) -> FunctionCall:
        return FunctionCall(self.function, (Operand(0),), (("inplace", True),) if inplace else ())

    def label(self, rank: int = 2) -> str:
        return "ReLU"


class LeakyReLU(Activation):
    """x where positive, slope * x elsewhere."""

    key: ClassVar[str] = "leaky_relu"
    function: ClassVar[str] = "torch.nn.functional.leaky_relu"

    slope: Share = 0.01
    """Slope of the negative side."""

    def arguments(self) -> tuple[tuple[str, Any], ...]:
        return (("negative_slope", self.slope),)


class PReLU(Activation):
    """Leaky ReLU with a learnable slope (He et al., arXiv 1502.01852), one per channel or one in all."""

    key: ClassVar[str] = "prelu"

    per_channel: Switch = True
    """One slope per channel; else a single one."""
    slope: Share = 0.25
    """What the slopes start from."""

    def params(self, inputs: Shapes) -> int:
        return inputs[0][0] if self.per_channel else 1

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        return ModuleCall("torch.nn.PReLU", (("num_parameters", self.params(inputs)), ("init", self.slope)))


class ELU(Activation):
    """x where positive, alpha * (exp(x) - 1) elsewhere (Clevert et al., arXiv 1511.07289)."""

    key: ClassVar[str] = "elu"
    function: ClassVar[str] = "torch.nn.functional.elu"

    alpha: NotNegative = 1.0
    """Minus the limit at minus infinity."""

    def arguments(self) -> tuple[tuple[str, Any], ...]:
        return (("alpha", self.alpha),)


class SiLU(Activation):
    """x * sigmoid(x), also called swish."""

    key: ClassVar[str] = "silu"
    function: ClassVar[str] = "torch.nn.functional.silu"


class GELU(Activation):
    """x times the normal distribution's probability of being below x (Hendrycks and Gimpel, arXiv 1606.08415)."""

    key: ClassVar[str] = "gelu"
    text: ClassVar[frozenset[str]] = frozenset({"approximate"})
    function: ClassVar[str] = "torch.nn.functional.gelu"

    approximate: Literal["none", "tanh"] = "none"
    """Exact, or the tanh approximation."""

    def arguments(self) -> tuple[tuple[str, Any], ...]:
        return (("approximate", self.approximate),)


class ReLU6(Activation):
    """min(max(x, 0), 6)."""

    key: ClassVar[str] = "relu6"
    function: ClassVar[str] = "torch.nn.functional.relu6"

    def label(self, rank: int = 2) -> str:
        return "ReLU6"


class HardSwish(Activation):
    """x * min(max(x + 3, 0), 6) / 6 (Howard et al., arXiv 1905.02244, section 5.2)."""

    key: ClassVar[str] = "hardswish"
    function: ClassVar[str] = "torch.nn.functional.hardswish"


class HardSigmoid(Activation):
    """min(max(x + 3, 0), 6) / 6."""

    key: ClassVar[str] = "hardsigmoid"
    function: ClassVar[str] = "torch.nn.functional.hardsigmoid"


class Mish(Activation):
    """x * tanh(log(1 + exp(x))) (Misra, arXiv 1908.08681)."""

    key: ClassVar[str] = "mish"
    function: ClassVar[str] = "torch.nn.functional.mish"


class Sigmoid(Activation):
    """1 / (1 + exp(-x)): the gate of highway and exclusive-gating shortcuts."""

    key: ClassVar[str] = "sigmoid"
    keeps: ClassVar[Kept] = Kept(output=True)
    function: ClassVar[str] = "torch.sigmoid"


class Tanh(Activation):
    """Hyperbolic tangent."""

    key: ClassVar[str] = "tanh"
    keeps: ClassVar[Kept] = Kept(output=True)
    function: ClassVar[str] = "torch.tanh"


class Softmax(Activation):
    """Softmax over the channels."""

    key: ClassVar[str] = "softmax"
    keeps: ClassVar[Kept] = Kept(output=True)
    function: ClassVar[str] = "torch.softmax"

    def arguments(self) -> tuple[tuple[str, Any], ...]:
        return (("dim", 1),)
