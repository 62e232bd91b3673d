"""Any `torch.nn` module of an allow-list, by name: the way out where the vocabulary has no word.

This is the one operator whose shape torch itself must tell, on its meta device, so that a spec which uses it imports
torch even to be checked.
"""

import importlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from archspec.ops.base import Kept, ModuleCall, Operator, Shape, ShapeError, Shapes
from archspec.syntax.values import show

ALLOWED = frozenset(
    "AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool2d AdaptiveMaxPool3d AlphaDropout AvgPool2d AvgPool3d "
    "BatchNorm1d BatchNorm2d BatchNorm3d CELU ChannelShuffle Conv2d Conv3d ConvTranspose2d ConvTranspose3d Dropout "
    "Dropout2d Dropout3d ELU FeatureAlphaDropout Flatten GELU GLU GroupNorm Hardshrink Hardsigmoid Hardswish Hardtanh "
    "Identity InstanceNorm2d InstanceNorm3d LPPool2d LPPool3d LeakyReLU Linear LocalResponseNorm LogSigmoid LogSoftmax "
    "MaxPool2d MaxPool3d Mish PReLU PixelShuffle PixelUnshuffle RReLU ReLU ReLU6 ReflectionPad2d ReflectionPad3d "
    "ReplicationPad2d ReplicationPad3d SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh "
    "Tanhshrink Threshold Upsample UpsamplingBilinear2d UpsamplingNearest2d ZeroPad2d ZeroPad3d".split()
)


def _pairs(value: Any) -> tuple[tuple[str, Any], ...]:
    pairs = value.items() if isinstance(value, Mapping) else value
    frozen = tuple((str(name), tuple(entry) if isinstance(entry, list) else entry) for name, entry in pairs)
    for name, _ in frozen:
        if not name.isidentifier():
            raise ValueError(f"'{name}' is not the name of an argument")
    return frozen


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
        return _measured(self, inputs)[0]

    def params(self, inputs: Shapes) -> int:
        return _measured(self, inputs)[1]

    def macs(self, inputs: Shapes) -> int:
        return _measured(self, inputs)[2]

    def kept(self, inputs: Shapes) -> Kept:
        """As measured on torch's meta device: what its kernels save there."""
        return _saved(self, inputs)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        target = self.type if "." in self.type else f"torch.nn.{self.type}"
        return ModuleCall(target, (*self.args, *self.words), opaque=True)

    def label(self) -> str:
        return self.type.rpartition(".")[2]

    def written(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"type": self.type}
        for name, pairs in (("args", self.args), ("words", self.words)):
            if pairs:
                fields[name] = {key: list(value) if isinstance(value, tuple) else value for key, value in pairs}
        return fields


def _made(module: Module, inputs: Shapes) -> Any:
    """The layer, on torch's default device."""
    package, _, name = module.call(inputs).target.rpartition(".")
    return getattr(importlib.import_module(package), name)(**dict((*module.args, *module.words)))


@lru_cache(maxsize=4096)
def _measured(module: Module, inputs: Shapes) -> tuple[Shape, int, int]:
    """Output shape, parameters and MACs, from one run on torch's meta device."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    name = module.type.rpartition(".")[2]
    try:
        with torch.device("meta"), torch.no_grad():
            layer = _made(module, inputs).eval()
            with FlopCounterMode(display=False) as counter:
                output = layer(torch.empty(1, *inputs[0]))
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        given = ", ".join(f"{key}={show(value)}" for key, value in (*module.args, *module.words))
        raise ShapeError(f"{name}({given}) fails: {reason}", "see the class's documentation in torch") from None
    if not isinstance(output, torch.Tensor) or output.ndim < 2 or output.shape[0] != 1:
        raise ShapeError(f"{name} must give one tensor with the batch first")
    params = sum(parameter.numel() for parameter in layer.parameters())
    return tuple(output.shape[1:]), params, counter.get_total_flops() // 2


@lru_cache(maxsize=4096)
def _saved(module: Module, inputs: Shapes) -> Kept:
    """What its backward needs: the storages saved in runs of two and of four samples, on torch's meta device.

    A class that cannot run there is taken to keep its input and its output.
    """
    try:
        kept, numbers, indices = _saved_of(module, inputs, 2)
        _, more_numbers, more_indices = _saved_of(module, inputs, 4)
    except Exception:
        return Kept((0,), output=True)
    slope = (more_numbers - numbers) // 2
    return replace(kept, numbers=slope, statistics=numbers - 2 * slope, indices=(more_indices - indices) // 2)


def _saved_of(module: Module, inputs: Shapes, batch: int) -> tuple[Kept, int, int]:
    """What is kept of input and output, and the numbers and indices saved besides."""
    import torch

    saved: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.device("meta"), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer, x = _made(module, inputs).train(), torch.empty(batch, *inputs[0], requires_grad=True)
        output = layer(x)
    for own in (*layer.parameters(), *layer.buffers()):
        saved.pop(own.untyped_storage()._cdata, None)
    entry, result = (tensor.untyped_storage()._cdata for tensor in (x, output))
    kept = Kept((0,) * (entry in saved), output=result in saved and result != entry, view=result == entry)
    others = [tensor for storage, tensor in saved.items() if storage not in (entry, result)]
    numbers = sum(tensor.numel() for tensor in others if tensor.is_floating_point())
    return kept, numbers, sum(tensor.numel() for tensor in others) - numbers
