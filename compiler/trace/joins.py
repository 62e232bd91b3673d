"""Sums, products and concatenations, with numbers, parameters and other tensors."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import fx

from archspec.compiler.trace.axes import Layout, bare, contiguous, repeats
from archspec.compiler.trace.patterns import local_response_norm
from archspec.compiler.trace.programs import name_of
from archspec.compiler.trace.reader import Reader
from archspec.compiler.trace.signals import Static, Value, whole
from archspec.compiler.trace.weights import channels, module, vector


def add(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """a + alpha * b."""
    one, other, alpha = args["self"], args["other"], args.get("alpha", 1)
    if isinstance(one, Value) and _number(other) and other == 0:
        return Value(type(one.signal)(reader.now(one.signal), one.signal.shape), one.layout)
    return _sum(reader, node, one, other, alpha)


def subtract(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """a - alpha * b."""
    return _sum(reader, node, args["self"], args["other"], -args.get("alpha", 1))


def reversed_subtract(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """1 - x: the closed share of a gate."""
    if args["other"] != 1 or args.get("alpha", 1) != 1:
        return None
    return reader.pointwise(node, args["self"], "one_minus")


def _sum(reader: Reader, node: fx.Node, one: Any, other: Any, factor: Any) -> Value | None:
    if not isinstance(one, Value) or not isinstance(other, Value):
        return None
    pair = alike(reader, node, one, other)
    if pair is None:
        return None
    first, second, layout = pair
    if factor != 1:
        scaled = reader.add("scale", [second], node, by=float(factor))
        if scaled is None:
            return None
        second = scaled.draft
    signal = reader.add("add", [first, second], node)
    return signal and Value(signal, layout)


def alike(reader: Reader, node: fx.Node, one: Value, other: Value) -> tuple[int, int, Layout] | None:
    """Two tensors of one shape that lie alike, as operators and their layout; a vector with axes of size one and a map
    of one position are."""
    if one.signal.shape == other.signal.shape and one.layout == other.layout:
        return reader.now(one.signal), reader.now(other.signal), one.layout
    if len(one.layout) == len(other.layout) and not repeats(one.layout) and not repeats(other.layout):
        first, second = vector(reader, one, node), vector(reader, other, node)
        if first is not None and second is not None and reader.drafts[first].shape == reader.drafts[second].shape:
            lying = contiguous((reader.batch, *reader.drafts[first].shape))
            return first, second, (*lying, *((),) * (len(one.layout) - 2))
    return None


def multiply(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """a * b: by a number, by a parameter, of tensors of one shape, of a map by a gate of channels or positions."""
    one, other = args["self"], args["other"]
    if isinstance(one, Static | int | float):
        one, other = other, one
    if not isinstance(one, Value):
        return None
    if _number(other):
        return reader.pointwise(node, one, "scale", by=float(other))
    if isinstance(other, Static):
        return _scaled(reader, node, one, other)
    pair = alike(reader, node, one, other)
    if pair is not None:
        signal = reader.add("multiply", [pair[0], pair[1]], node)
        return signal and Value(signal, pair[2])
    return _gated(reader, node, one, other) or _gated(reader, node, other, one)


def _gated(reader: Reader, node: fx.Node, value: Value, gate: Value) -> Value | None:
    """A map times a vector of its channels, or times a map of one channel."""
    shape, layout = value.signal.shape, value.layout
    if len(layout) != len(gate.layout) or len(shape) < 2 or prod(reader.sized(node)) != reader.batch * prod(shape):
        return None
    axes = bare(gate.layout)
    if gate.signal.shape == (1, *shape[1:]):
        of_one = contiguous((reader.batch, *gate.signal.shape))
        own = contiguous((reader.batch, *shape))
        if axes != of_one or layout != own:
            return None
        signal = reader.add("multiply", [reader.now(value.signal), reader.now(gate.signal)], node)
        return signal and Value(signal, layout)
    if prod(gate.signal.shape) != shape[0] or repeats(layout):
        return None
    samples, vector_axis = contiguous((reader.batch, shape[0]))
    there = [axis for axis in axes if axis]
    places = [i for i, axis in enumerate(axes) if axis]
    if there != [samples, vector_axis] or layout[places[0]] != contiguous((reader.batch, *shape))[0]:
        return None
    if layout[places[1]] != channels(value):
        return None
    draft = reader.now(gate.signal)
    if len(gate.signal.shape) > 1:
        flat = reader.add("flatten", [draft], node)
        if flat is None:
            return None
        draft = flat.draft
    signal = reader.add("multiply", [reader.now(value.signal), draft], node)
    return signal and Value(signal, layout)


def _scaled(reader: Reader, node: fx.Node, value: Value, factor: Static) -> Value | None:
    """A tensor times a parameter of one number, or of one per channel."""
    sizes = list(factor.node.meta["val"].shape) if factor.node.op == "placeholder" else None
    if sizes is None or factor.key not in reader.parameters or len(sizes) > len(value.layout):
        return None
    padded = [1] * (len(value.layout) - len(sizes)) + sizes
    along = [i for i, size in enumerate(padded) if size > 1]
    start = reader.start(factor.key)
    names = {"weight": factor.key}
    if not along:
        return _learned(reader, node, value, names, start, "tensor")
    if len(along) > 1 or value.layout[along[0]] != channels(value) or padded[along[0]] != value.signal.shape[0]:
        return None
    return _learned(reader, node, value, names, start, "channel")


def _learned(
    reader: Reader, node: fx.Node, value: Value, names: dict[str, str], start: float | None, per: str
) -> Value | None:
    signal = reader.add(
        "scale", [reader.now(value.signal)], node, names, by=1.0 if start is None else start, learned=True,
        per=None if per == "tensor" else per,
    )  # fmt: skip
    return signal and Value(signal, value.layout)


def divide(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """x / number; and the end of a local response normalisation."""
    if isinstance(args["other"], Value):
        return local_response_norm(reader, node, args)
    if not _number(args["other"]) or not args["other"] or args.get("rounding_mode"):
        return None
    return reader.pointwise(node, args["self"], "scale", by=1 / float(args["other"]))


def negate(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """-x."""
    return reader.pointwise(node, args["self"], "scale", by=-1.0)


def concat(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Tensors side by side along the channels; zeros behind them are `pad_channels`."""
    values, dim = args["tensors"], args["dim"]
    out = reader.sized(node)
    if dim % len(out) != 1:
        return None
    zeros = isinstance(values[-1], Static) and _zeros(values[-1].node)
    found = []
    for value in values[:-1] if zeros else values:
        draft = reader.plain(value)
        if draft is None and isinstance(value, Value) and len(value.layout) == len(out):
            draft = vector(reader, value, node)
        if draft is None:
            return None
        found.append(draft)
    if len({len(reader.drafts[draft].shape) for draft in found}) > 1:
        return None
    ones = len(out) - 1 - len(reader.drafts[found[0]].shape)
    signal = reader.add("concat", found, node) if len(found) > 1 else None
    if zeros:
        draft = signal.draft if signal else found[0]
        signal = reader.add("pad_channels", [draft], node, out=out[1])
    if signal is None or (ones and len(signal.shape) > 1):
        return None
    return Value(signal, (*contiguous((reader.batch, *signal.shape)), *((),) * ones))


def _zeros(node: fx.Node) -> bool:
    """Whether a tensor is made of zeros."""
    return node.op == "call_function" and name_of(node).partition(".")[0] in ("zeros", "new_zeros", "zeros_like")


def pad(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Zeros behind the channels, or a border around a map."""
    source, sizes, mode = args["self"], list(args["pad"]), args.get("mode", "constant")
    draft = reader.plain(source)
    if draft is None or any(size < 0 for size in sizes):
        return None
    rank = len(source.signal.shape) - 1
    if mode == "constant" and args.get("value") not in (None, 0, 0.0):
        return None
    behind = 2 * rank + 1
    if mode == "constant" and len(sizes) > behind and not any(sizes[:behind]) and not any(sizes[behind + 1 :]):
        signal = reader.add("pad_channels", [draft], node, out=source.signal.shape[0] + sizes[behind])
        return signal and whole(signal, reader.batch)
    return border(reader, node, source, draft, sizes, mode)


def border(reader: Reader, node: fx.Node, source: Value, draft: int, sizes: list[int], mode: str) -> Value | None:
    """A border around a map, of zeros or of its own numbers."""
    rank = len(source.signal.shape) - 1
    kinds = {"constant": "ZeroPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad"}
    if len(sizes) > 2 * rank and any(sizes[2 * rank :]):
        return None
    sizes = (sizes + [0] * 2 * rank)[: 2 * rank]
    if not any(sizes):
        return whole(source.signal, reader.batch)
    even = [sizes[i] == sizes[i + 1] for i in range(0, 2 * rank, 2)]
    each = sizes[::2][::-1]  # torch writes the last axis first
    hint = f"{mode} {' '.join(map(str, each))}" if all(even) and mode in ("reflect", "replicate", "circular") else ""
    if mode not in kinds:
        value = reader.fallback.opaque(reader, node, None)
        signal = value.signal if isinstance(value, Value) else None
    else:
        signal = module(reader, node, draft, f"{kinds[mode]}{rank}d", {"padding": sizes})
    if signal is None:
        return None
    reader.drafts[signal.draft].hint = hint
    return whole(signal, reader.batch)


def native_border(mode: str) -> Any:
    """A border by torch's operator for one mode."""

    def read(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
        draft = reader.plain(args["self"])
        return None if draft is None else border(reader, node, args["self"], draft, list(args["padding"]), mode)

    return read


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
