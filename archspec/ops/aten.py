"""Calls of torch's own operators, one after another: what a traced module does that the vocabulary has no word for.

It is written by `archspec.trace` and read by nobody else: a spec cannot name it. As with `module`, its shape rule and
its costs are torch's own.
"""

from functools import lru_cache
from math import prod
from typing import Any, ClassVar

from archspec.ops.base import Kept, ModuleCall, Operator, Shape, ShapeError, Shapes, show_shape
from archspec.ops.measured import BATCHES, meta, saved

ATEN = "archspec.compiler.lower.aten.Aten"


class Aten(Operator):
    """Operators of torch in sequence, over any number of inputs and over parameters and buffers of its own."""

    key: ClassVar[str] = "aten"
    overwritable: ClassVar[bool] = False  # not known

    steps: tuple[Any, ...]
    """Calls, each `(operator, arguments, keyword arguments as pairs)`; the last gives the value. In arguments, "%x0"
    is the first input, "%name" a tensor of `tensors`, "%3" what the fourth step gave, "%batch*4" four times the number
    of samples, "%training" the mode, "%dtype" and "%device" those of the input, and "%%" begins a word with a %."""
    tensors: tuple[tuple[str, tuple[int, ...], str, float | None], ...] = ()
    """Tensors of its own: name, shape, `parameter` or the type of a buffer, and what all of it starts from if that is
    one number."""

    @property
    def words(self) -> tuple[str, ...]:
        """The operators it calls, each once, without those that only arrange memory."""
        named = (step[0].partition(".")[0] for step in self.steps)
        plumbing = {"view", "permute", "expand", "getitem", "tensor", "clone", "reshape"}
        called = tuple(dict.fromkeys(named))
        return tuple(name for name in called if name not in plumbing) or called

    def shape(self, inputs: Shapes) -> Shape:
        return _measured(self.call(inputs), inputs)[0]

    def params(self, inputs: Shapes) -> int:
        return sum(prod(shape) for _, shape, kind, _ in self.tensors if kind == "parameter")

    def macs(self, inputs: Shapes) -> int:
        return _measured(self.call(inputs), inputs)[1]

    def kept(self, inputs: Shapes) -> Kept:
        """As measured on torch's meta device: what its kernels save there."""
        return saved(self.call(inputs), inputs)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        return ModuleCall(ATEN, (("steps", self.steps), ("tensors", self.tensors)))

    def label(self, rank: int = 2) -> str:
        words = self.words
        return " · ".join(words) if len(words) <= 2 else f"{words[0]} … {words[-1]}"

    def written(self) -> dict[str, Any]:
        fields = {"steps": _listed(self.steps)}
        return fields | ({"tensors": _listed(self.tensors)} if self.tensors else {})


def _listed(value: Any) -> Any:
    return [_listed(entry) for entry in value] if isinstance(value, tuple) else value


@lru_cache(maxsize=4096)
def _measured(call: ModuleCall, inputs: Shapes) -> tuple[Shape, int]:
    """Output shape and MACs for one sample, by torch's own counter. Raises `ShapeError`."""
    import importlib

    import torch
    from torch.utils.flop_counter import FlopCounterMode

    package, _, name = call.target.rpartition(".")
    told = " · ".join(dict.fromkeys(step[0].partition(".")[0] for step in dict(call.arguments)["steps"]))[:100]
    shapes = []
    try:
        with meta(), torch.no_grad():
            layer = getattr(importlib.import_module(package), name)(**dict(call.arguments)).eval()
            for batch in BATCHES:
                with FlopCounterMode(display=False) as counter:
                    output = layer(*(torch.empty(batch, *shape) for shape in inputs))
                shapes.append(tuple(output.shape))
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ShapeError(f"torch's own {told} fails for another number of samples: {reason}") from None
    for batch, shape in zip(BATCHES, shapes, strict=True):
        if len(shape) < 2 or shape != (batch, *shapes[0][1:]):
            raise ShapeError(f"torch's own {told} gives {show_shape(shape)} for {batch} samples")
    return shapes[0][1:], counter.get_total_flops() // 2 // BATCHES[-1]
