"""Any `torch.nn` module of an allow-list, by name: the way out where the vocabulary has no word.

This is the one operator whose shape torch itself must tell (archspec.ops.measured), so that a spec which uses it
imports torch even to be checked.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from archspec.ops.base import Kept, ModuleCall, Operator, Shape, ShapeError, Shapes
from archspec.syntax.values import show

ALLOWED = frozenset(
    "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d "
    "AlphaDropout AvgPool1d AvgPool2d AvgPool3d BatchNorm1d BatchNorm2d BatchNorm3d CELU ChannelShuffle Conv1d Conv2d "
    "Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Dropout Dropout1d Dropout2d Dropout3d ELU "
    "FeatureAlphaDropout Flatten GELU GLU GroupNorm Hardshrink Hardsigmoid Hardswish Hardtanh Identity InstanceNorm1d "
    "InstanceNorm2d InstanceNorm3d LPPool1d LPPool2d LPPool3d LeakyReLU Linear LocalResponseNorm LogSigmoid LogSoftmax "
    "MaxPool1d MaxPool2d MaxPool3d Mish PReLU PixelShuffle PixelUnshuffle RReLU ReLU ReLU6 ReflectionPad1d "
    "ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d SELU SiLU Sigmoid Softmax "
    "Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold Upsample UpsamplingBilinear2d "
    "UpsamplingNearest2d ZeroPad1d ZeroPad2d ZeroPad3d".split()
)

REFUSED = {
    "device": "'device' is the network's own: leave it out, and build the network where it is to be",
    "dtype": "'dtype' is the network's own: leave it out, and build the network in the type it is to have",
    "inplace": "'inplace' would overwrite what a shortcut, or the caller, may read: leave it out",
    "return_indices": "'return_indices' gives two tensors, and an operator gives one: leave it out",
}
"""Arguments that say where, in what and into what a module computes, which is the network's to decide."""
NESTED = 8
"""How deep lists of an argument may nest."""


def _pairs(value: Any) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, Mapping | tuple):
        raise ValueError(f"must be arguments by name, as in {{kernel_size: 3}}, not {show(value)}")
    frozen = []
    for name, entry in value.items() if isinstance(value, Mapping) else value:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"'{str(name)[:60]}' is not the name of an argument")
        if name in REFUSED and entry is not False:
            raise ValueError(REFUSED[name])
        frozen.append((name, _constant(name, entry)))
    return tuple(frozen)


def _constant(name: str, value: Any, depth: int = 0) -> Any:
    """An argument's value, lists as tuples. Raises `ValueError` for anything but numbers, words and lists of them."""
    if isinstance(value, list | tuple):
        if depth == NESTED:
            raise ValueError(f"'{name}' nests lists more than {NESTED} deep")
        return tuple([_constant(name, entry, depth + 1) for entry in value])
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"'{name}' must be a number, a condition, a word or a list of these, not {show(value)}")


def _listed(value: Any) -> Any:
    return [_listed(entry) for entry in value] if isinstance(value, tuple) else value


Pairs = Annotated[tuple[tuple[str, Any], ...], BeforeValidator(_pairs)]


class Module(Operator):
    """A `torch.nn` class with constant arguments; its shape rule and costs are torch's own."""

    key: ClassVar[str] = "module"
    text: ClassVar[frozenset[str]] = frozenset({"type", "words"})
    overwritable: ClassVar[bool] = False  # not known

    type: str
    """The class's name in torch.nn; with `trust`, any dotted `package.Class`."""
    args: Pairs = ()
    """Arguments that are numbers, lists or conditions; expressions may be used."""
    words: Pairs = ()
    """Arguments that are words, as `{mode: nearest}`."""

    @property
    def trusted_only(self) -> bool:
        """Whether the class lies outside the allow-list."""
        return self.type not in ALLOWED

    def shape(self, inputs: Shapes) -> Shape:
        for name in sorted(dict(self.args).keys() & dict(self.words)):
            raise ShapeError(f"'{name}' is given twice, in args and in words")
        return self._measured(inputs)[0]

    def params(self, inputs: Shapes) -> int:
        return self._measured(inputs)[1]

    def macs(self, inputs: Shapes) -> int:
        return self._measured(inputs)[2]

    def kept(self, inputs: Shapes) -> Kept:
        """As measured on torch's meta device: what its kernels save there."""
        from archspec.ops.measured import saved

        return saved(self.call(inputs), inputs)

    def _measured(self, inputs: Shapes) -> tuple[Shape, int, int]:
        from archspec.ops.measured import measured

        return measured(self.call(inputs), inputs)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        target = self.type if "." in self.type else f"torch.nn.{self.type}"
        return ModuleCall(target, (*self.args, *self.words), opaque=True)

    def label(self, rank: int = 2) -> str:
        return self.type.rpartition(".")[2]

    def written(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"type": self.type}
        for name, pairs in (("args", self.args), ("words", self.words)):
            if pairs:
                fields[name] = {key: _listed(value) for key, value in pairs}
        return fields
