"""What torch says of a class that a `module:` names, and what is held against it: a layer maps each sample of a batch
to one of a fixed shape, and leaves its input as it is.

Classes run on torch's meta device, which computes shapes alone: nothing of their size is ever allocated. What a shape
does not show (a layer for another rank reads the batch as channels, a softmax runs over the batch) follows from the
names of torch's own classes; the few classes of other packages, which only `trust` admits, run once on random numbers
if they are small.
"""

import importlib
import inspect
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import Any

from archspec.ops.base import Kept, ModuleCall, Shape, ShapeError, Shapes, show_shape
from archspec.syntax.values import show

BATCHES = (2, 3)
"""Sizes of the batches that shapes are inferred for: what takes a batch of one for a single sample differs in these."""
_IMPLICIT = ("Softmax", "LogSoftmax", "Softmin")
"""Classes whose `dim`, where none is given, is the first of three axes, and else the second."""
SMALL = 1 << 20
"""Numbers, weights and activations in all, up to which a class of another package is run to see what it does."""
_DOCUMENTED = "see the class's documentation in torch"
_CHANNELS = frozenset({"in_channels", "num_channels", "num_features"})
"""What arguments of torch's classes call the channels of their input."""
_RANK = re.compile(r"([123])d\Z")


@lru_cache(maxsize=4096)
def measured(call: ModuleCall, inputs: Shapes) -> tuple[Shape, int, int]:
    """Output shape, parameters and MACs for one sample. Raises `ShapeError` for what is no layer of a network."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    name = call.target.rpartition(".")[2]
    given = ", ".join(f"{key}={show(value)}" for key, value in call.arguments)
    try:
        with meta(), torch.no_grad():
            cls = _class(call.target)
            _check_arguments(cls, call, inputs[0])
            layer = cls(**dict(call.arguments)).eval()
            shapes, overwritten = [], False
            for batch in BATCHES:
                x = torch.empty(batch, *inputs[0])
                with FlopCounterMode(display=False) as counter:
                    output = layer(x)
                shapes.append(tuple(output.shape) if isinstance(output, torch.Tensor) else None)
                overwritten |= x._version > 0
    except ShapeError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ShapeError(f"{name}({given}) fails: {reason}", _DOCUMENTED) from None
    if overwritten or _overwrites(layer, inputs[0]):
        raise ShapeError(f"{name}({given}) overwrites its input, which a shortcut or the caller may read")
    shape = _sample(f"{name}({given})", inputs[0], shapes)
    params = sum(parameter.numel() for parameter in layer.parameters())
    if not _of_torch(cls) and _mixes(cls, call, inputs[0], params + prod(shape)):
        raise ShapeError(f"{name}({given}) mixes the samples of a batch", "a layer maps each sample on its own")
    return shape, params, counter.get_total_flops() // 2 // BATCHES[-1]


@contextmanager
def meta() -> Iterator[None]:
    """Torch's meta device, without warnings, which would tell of the checking and not of the spec."""
    import torch

    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _class(target: str) -> Any:
    package, _, name = target.rpartition(".")
    return getattr(importlib.import_module(package), name)


def _of_torch(cls: Any) -> bool:
    """Whether a class is one of torch.nn's own, under whatever name a spec reaches it."""
    return str(getattr(cls, "__module__", "")).startswith("torch.nn.")


def _check_arguments(cls: Any, call: ModuleCall, sample: Shape) -> None:
    """What the names of torch's classes and of their arguments say. Raises `ShapeError`."""
    if not _of_torch(cls):
        return
    name, arguments, rank = cls.__name__, dict(call.arguments), len(sample) - 1
    kinds = [argument for argument in inspect.signature(cls).parameters.values() if argument.kind.name[:3] != "VAR"]
    known = [argument.name for argument in kinds]
    for argument in arguments:
        if argument not in known:  # some classes take anything, and pass over it
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise ShapeError(
                f"{name}({argument}={show(arguments[argument])}) fails: {name}.__init__() got an unexpected keyword "
                f"argument '{argument}'; {takes}", _DOCUMENTED,
            )  # fmt: skip
    meant = _RANK.search(name)
    if meant and rank != int(meant[1]) and (name, rank) != ("BatchNorm1d", 0):
        what = f"a map of {show_shape(sample)}" if rank else f"a vector of {sample[0]}"
        sibling = f"{name[:-2]}{rank}d"
        raise ShapeError(
            f"{name} is for {meant[1]} spatial dimensions, and gets {what}",
            f"use {sibling}" if rank and hasattr(importlib.import_module("torch.nn"), sibling) else _DOCUMENTED,
        )
    dim, axes = arguments.get("dim"), len(sample) + 1
    if dim is None and axes == 3 and name in _IMPLICIT:
        raise ShapeError(f"{name} without a dim runs over the samples of a batch of signals", "the channels are dim: 1")
    if isinstance(dim, int) and dim in (0, -axes):
        raise ShapeError(f"{name}(dim={dim}) runs over the samples of the batch", "the channels are dim: 1")
    # Torch's meta device lets these pass, and the CPU does not.
    if isinstance(dim, int) and not -axes < dim < axes:
        raise ShapeError(f"{name}(dim={dim}) fails: a batch of {show_shape(sample)} has dim 0 to {axes - 1}")
    for argument in sorted(_CHANNELS & arguments.keys()):
        if arguments[argument] != sample[0]:
            raise ShapeError(f"{name}({argument}={show(arguments[argument])}) gets {sample[0]} channels")


def _overwrites(layer: Any, sample: Shape) -> bool:
    """Whether a layer writes to its input in training; one that cannot be trained on the meta device is not judged."""
    import torch

    with meta(), torch.no_grad():
        x = torch.empty(BATCHES[0], *sample)
        try:
            layer.train()(x)
        except Exception:
            return False
        finally:
            layer.eval()
        return bool(x._version > 0)


def _sample(told: str, sample: Shape, shapes: list[Shape | None]) -> Shape:
    """The output's shape for one sample, from those for the batches. Raises `ShapeError` where there is none."""
    first = shapes[0]
    if first is None:
        raise ShapeError(f"{told} must give one tensor with the batch first")
    for batch, shape in zip(BATCHES, shapes, strict=True):
        if shape is None or len(shape) < 2 or shape[0] != batch or shape[1:] != first[1:]:
            gives = "several" if shape is None else show_shape(shape)
            raise ShapeError(f"{told} must give one tensor with the batch first: a batch of {batch} gives {gives}")
    shape = first[1:]
    if min(shape) < 1:
        raise ShapeError(f"{told} gives nothing: {show_shape(sample)} becomes {show_shape(shape)}")
    if len(shape) > 4 or (len(sample) > 1 and len(shape) not in (1, len(sample))):
        raise ShapeError(
            f"{told} makes {show_shape(shape)} of {show_shape(sample)}: a layer keeps the spatial dimensions, or gives "
            "a vector", "a Flatten from dim 1 on, or global_avg_pool, gives a vector",
        )  # fmt: skip
    return shape


def _mixes(cls: Any, call: ModuleCall, sample: Shape, numbers: int) -> bool:
    """Whether another first sample changes what a small layer makes of the second, in evaluation."""
    import torch

    if numbers + prod(sample) > SMALL:
        return False
    try:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer = cls(**dict(call.arguments)).eval()
            x = torch.randn(BATCHES[0], *sample)
            outputs = []
            for first in (x[0], 2 * x[0] + 1):
                torch.manual_seed(0)  # the same draws, if it draws
                outputs.append(layer(torch.stack([first, x[1]]))[1])
            return not torch.allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-6, equal_nan=True)
    except Exception:
        return False


@lru_cache(maxsize=4096)
def saved(call: ModuleCall, inputs: Shapes) -> Kept:
    """What its backward needs: the storages saved in runs of two and of four samples, on torch's meta device.

    A class that cannot run there is taken to keep its input and its output.
    """
    try:
        kept, numbers, indices = _saved_of(call, inputs, 2)
        _, more_numbers, more_indices = _saved_of(call, inputs, 4)
    except Exception:
        return Kept((0,), output=True)
    slope = (more_numbers - numbers) // 2
    return replace(kept, numbers=slope, statistics=numbers - 2 * slope, indices=(more_indices - indices) // 2)


def _saved_of(call: ModuleCall, inputs: Shapes, batch: int) -> tuple[Kept, int, int]:
    """What is kept of input and output, and the numbers and indices saved besides."""
    import torch

    saved: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with meta(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer = _class(call.target)(**dict(call.arguments)).train()
        operands = [torch.empty(batch, *shape, requires_grad=True) for shape in inputs]
        output = layer(*operands)
    for own in (*layer.parameters(), *layer.buffers()):
        saved.pop(own.untyped_storage()._cdata, None)
    *entries, result = (tensor.untyped_storage()._cdata for tensor in (*operands, output))
    places = tuple(i for i, entry in enumerate(entries) if entry in saved)
    kept = Kept(places, output=result in saved and result not in entries, view=result == entries[0])
    others = [tensor for storage, tensor in saved.items() if storage not in (*entries, result)]
    numbers = sum(tensor.numel() for tensor in others if tensor.is_floating_point())
    return kept, numbers, sum(tensor.numel() for tensor in others) - numbers
