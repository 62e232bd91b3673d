"""Calls that look at a tensor in another way, or at a part of it; and the shuffle that views write."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from archspec.compiler.trace.axes import contiguous, expanded, repeats, reshaped, size_of
from archspec.compiler.trace.reader import Reader
from archspec.compiler.trace.signals import Signal, Value, whole
from archspec.ops import Shape

_COPYING = ("reshape", "contiguous", "flatten")


def same(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """The tensor itself, or a copy of it."""
    source = args.get("self", args.get("input"))
    if not isinstance(source, Value) or node.meta["val"].dtype != node.args[0].meta["val"].dtype:  # type: ignore[union-attr]
        return None
    return source


def copy(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """The same numbers in memory of their own."""
    source = args.get("self", args.get("input"))
    if not isinstance(source, Value) or node.meta["val"].dtype != node.args[0].meta["val"].dtype:  # type: ignore[union-attr]
        return None
    return Value(Signal(reader.now(source.signal), source.signal.shape), source.layout)


def compact(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """The tensor itself if it lies in memory in its own order, else a copy."""
    lies = node.args[0].meta["val"].is_contiguous()  # type: ignore[union-attr]
    return (same if lies else copy)(reader, node, args)


def reshape(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Other sizes of the same numbers in the same order: view, reshape, flatten, squeeze, unsqueeze. Where these deal
    out the channels of groups in turn, that is a shuffle."""
    source = args["self"]
    if not isinstance(source, Value):
        return None
    layout = reshaped(source.layout, reader.sized(node))
    if layout is None:
        return None
    name = node.target._schema.name.rpartition("::")[2]  # type: ignore[union-attr]
    if name in _COPYING and not _viewable(node.args[0].meta["val"], reader.sized(node)):  # type: ignore[union-attr]
        source = Value(Signal(reader.now(source.signal), source.signal.shape), source.layout)
    return shuffled(reader, node, Value(source.signal, layout))


def _viewable(tensor: Tensor, sizes: Shape) -> bool:
    """Whether a tensor, as it lies in memory, can be seen in other sizes without a copy."""
    try:
        torch.empty_strided(tensor.shape, tensor.stride(), device="meta").view(sizes)
    except RuntimeError:
        return False
    return True


def shuffled(reader: Reader, node: fx.Node, value: Value) -> Value:
    """A map whose channels lie as a shuffle leaves them, as that shuffle; anything else as it is."""
    shape, layout = value.signal.shape, value.layout
    own = contiguous((reader.batch, *shape))
    if len(layout) != len(own) or len(shape) < 2 or layout[:1] + layout[2:] != own[:1] + own[2:]:
        return value
    if len(layout[1]) != 2:
        return value
    (each, inner), (groups, outer) = layout[1]
    positions = own[1][0][1] if own[1] else 1
    if inner != positions or outer != positions * each or each * groups != shape[0]:
        return value
    signal = reader.add("channel_shuffle", [reader.now(value.signal)], node, groups=groups)
    return whole(signal, reader.batch) if signal else value


def permute(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Axes in another order."""
    source = args["self"]
    if not isinstance(source, Value):
        return None
    rank = len(source.layout)
    order = [dim % rank for dim in args["dims"]]
    return Value(source.signal, tuple(source.layout[i] for i in order))


def transpose(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Two axes exchanged."""
    source = args["self"]
    if not isinstance(source, Value):
        return None
    layout = list(source.layout)
    if len(layout) > 1:
        one, other = (args[f"{'axis' if 'axis0' in args else 'dim'}{i}"] % len(layout) for i in (0, 1))
        layout[one], layout[other] = layout[other], layout[one]
    return Value(source.signal, tuple(layout))


def move(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """An axis, or several, moved."""
    source = args["self"]
    if not isinstance(source, Value):
        return None
    rank = len(source.layout)
    sources, targets = (
        [dim % rank for dim in ([args[name]] if isinstance(args[name], int) else args[name])]
        for name in ("source", "destination")
    )  # fmt: skip
    order: list[int | None] = [None] * rank
    for one, other in zip(sources, targets, strict=True):
        order[other] = one
    rest = iter(i for i in range(rank) if i not in sources)
    return Value(source.signal, tuple(source.layout[next(rest) if i is None else i] for i in order))


def expand(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Axes of size one repeated."""
    source = args["self"]
    if not isinstance(source, Value):
        return None
    return Value(source.signal, expanded(source.layout, reader.sized(node)))


def part(reader: Reader, node: fx.Node, source: Any, dim: int, start: int, stop: int) -> Value | None:
    """Numbers `start` to `stop` along an axis: of the channels, or all of any axis."""
    if not isinstance(source, Value):
        return None
    layout = source.layout
    length = size_of(layout[dim])
    if (start, stop) == (0, length):
        return source
    signal = source.signal
    own = contiguous((reader.batch, *signal.shape))[1]
    if not dim or repeats(layout) or layout[dim] != own or length != signal.shape[0] or not start < stop:
        return None
    now = reader.now(signal)
    made = reader.add("slice", [now], node, start=start or None, stop=None if stop == length else stop)
    if made is None:
        return None
    made.part, made.seen = (signal, start, stop), signal.version
    samples, channels, *_ = contiguous((reader.batch, *made.shape))
    axes = [samples if axis == contiguous((reader.batch, *signal.shape))[0] else axis for axis in layout]
    axes[dim] = channels
    return Value(made, tuple(axes))


def cut(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """x[:, a:b], or every so many positions of one axis of a map."""
    source = args["self"]
    if not isinstance(source, Value):
        return None
    dim, step = (args["dim"] or 0) % len(source.layout), args["step"] or 1
    length = size_of(source.layout[dim])
    start, stop = (_place(args[name], length, default) for name, default in (("start", 0), ("end", length)))
    if step == 1:
        return part(reader, node, source, dim, start, stop)
    draft = reader.plain(source)
    if draft is None or dim < 2 or (start, stop) != (0, length):
        return None
    stride = tuple(step if i == dim - 2 else 1 for i in range(len(source.layout) - 2))
    signal = reader.add("subsample", [draft], node, stride=stride if len(set(stride)) > 1 else stride[0])
    if signal is None:
        return None
    signal.part = (signal, -1, -1)
    return whole(signal, reader.batch)


def narrow(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """So many numbers along an axis from a place on."""
    source = args["self"]
    if not isinstance(source, Value) or not isinstance(args["start"], int):
        return None
    dim = args["dim"] % len(source.layout)
    start = _place(args["start"], size_of(source.layout[dim]), 0)
    return part(reader, node, source, dim, start, start + args["length"])


def pieces(reader: Reader, node: fx.Node, args: dict[str, Any]) -> tuple[Value, ...] | None:
    """A tensor in parts along an axis: split and chunk, of whatever sizes these come to."""
    source = args["self"]
    if not isinstance(source, Value):
        return None
    dim = args["dim"] % len(source.layout)
    found, start = [], 0
    for piece in node.meta["val"]:
        value = part(reader, node, source, dim, start, start + piece.shape[dim])
        if value is None:
            return None
        found.append(value)
        start += piece.shape[dim]
    return tuple(found)


def _place(value: Any, length: int, default: int) -> int:
    if value is None:
        return default
    place: int = value + length if value < 0 else value
    return max(0, min(length, place))
