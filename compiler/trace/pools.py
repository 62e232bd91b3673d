"""Pools: over windows, over the whole map however a module writes that, over channels; and what enlarges a map."""

from __future__ import annotations

from typing import Any

from torch import fx

from archspec.compiler.trace.axes import contiguous, repeats
from archspec.compiler.trace.reader import Handler, Reader
from archspec.compiler.trace.signals import Value, whole
from archspec.compiler.trace.weights import channels, each, module, short, unless


def window(key: str) -> Handler:
    """A pool over windows of the vocabulary's `max_pool` or `avg_pool`."""

    def read(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
        source = args["self"]
        draft = reader.plain(source)
        if draft is None or len(source.signal.shape) < 2:
            return None
        spatial = list(source.signal.shape[1:])
        rank = len(spatial)
        kernel, padding = each(args["kernel_size"], rank), each(args["padding"], rank)
        stride = each(args["stride"], rank) if args["stride"] else kernel
        dilation = each(args.get("dilation", 1), rank)
        if args.get("divisor_override") is not None:
            return None
        whole_map = kernel == spatial and not any(padding) and set(dilation) == {1}
        if set(dilation) != {1}:
            given = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation,
                     "ceil_mode": args["ceil_mode"]}  # fmt: skip
            signal = module(reader, node, draft, f"MaxPool{rank}d", given)
        elif whole_map:
            return over_map(reader, node, source, key, len(spatial))
        elif set(kernel) == {1} and not any(padding) and not args["ceil_mode"]:
            if set(stride) == {1}:
                return whole(source.signal, reader.batch)
            signal = reader.add("subsample", [draft], node, None, stride=short(stride))
        else:
            usual = [(k - 1) // 2 for k in kernel]
            fields: dict[str, Any] = {"kernel": short(kernel), "stride": None if stride == kernel else short(stride)}
            fields |= {"padding": None if padding == usual else short(padding)}
            fields |= {"ceil_mode": unless(args["ceil_mode"], False)}
            if key == "avg_pool":
                counts = args["count_include_pad"] or not any(padding)
                fields["count_padding"] = None if counts else False
            signal = reader.add(key, [draft], node, None, **fields)
        return signal and whole(signal, reader.batch)

    return read


def over_map(reader: Reader, node: fx.Node, source: Value, key: str, ones: int) -> Value | None:
    """A pool over all positions, its vector with so many axes of size one behind it."""
    signal = reader.add(f"global_{key}", [reader.now(source.signal)], node)
    return signal and Value(signal, (*contiguous((reader.batch, *signal.shape)), *((),) * ones))


def adaptive(key: str) -> Handler:
    """A pool to a size that is given."""

    def read(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
        source = args["self"]
        draft = reader.plain(source)
        if draft is None or len(source.signal.shape) < 2:
            return None
        rank = len(source.signal.shape) - 1
        sizes = each(args["output_size"], rank)
        if set(sizes) == {1}:
            return over_map(reader, node, source, key, rank)
        kind = f"Adaptive{'Avg' if key == 'avg_pool' else 'Max'}Pool{rank}d"
        signal = module(reader, node, draft, kind, {"output_size": short(sizes)})
        return signal and whole(signal, reader.batch)

    return read


def with_indices(handler: Handler) -> Handler:
    """A pool that also gives where it found what it gives; nothing where that is read."""

    def read(reader: Reader, node: fx.Node, args: dict[str, Any]) -> tuple[Value | None, ...] | None:
        if any(user.args[1:] != (0,) for user in node.users):
            return None
        value = handler(reader, node, args)
        return (value, None) if isinstance(value, Value) else None

    return read


def reduction(of_map: str, of_channels: str) -> Handler:
    """A mean or maximum over axes: over all positions, or over the channels."""

    def read(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
        source, dims = args["self"], args["dim"]
        if not isinstance(source, Value) or dims is None or args.get("dtype") is not None or repeats(source.layout):
            return None
        rank = len(source.layout)
        dims = {dim % rank for dim in ([dims] if isinstance(dims, int) else dims)} or set(range(rank))
        rest = [axis for i, axis in enumerate(source.layout) if i not in dims and axis]
        samples = contiguous((reader.batch, *source.signal.shape))[0]
        if len(source.signal.shape) < 2 or not channels(source):
            return None
        if rest == [samples, channels(source)]:
            signal = reader.add(of_map, [reader.now(source.signal)], node)
            if signal is None:
                return None
            of_batch, own = contiguous((reader.batch, *signal.shape))
            layout = [
                () if i in dims else of_batch if axis == samples else own if axis else ()
                for i, axis in enumerate(source.layout) if args["keepdim"] or i not in dims
            ]  # fmt: skip
            return Value(signal, tuple(layout))
        if dims == {1} and reader.plain(source) is not None:
            signal = reader.add(of_channels, [reader.now(source.signal)], node)
            if signal is None:
                return None
            axes = contiguous((reader.batch, *signal.shape))
            return Value(signal, axes if args["keepdim"] else (axes[0], *axes[2:]))
        return None

    return read


def upsample(mode: str) -> Handler:
    """A larger map, by numbers near by or between them."""

    def read(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
        source = args["input"]
        draft = reader.plain(source)
        if draft is None or len(source.signal.shape) < 3:
            return None
        before, after = source.signal.shape[1:], reader.sized(node)[2:]
        aligned = bool(args.get("align_corners"))
        factors = list(dict.fromkeys(a // b if a % b == 0 else 0 for a, b in zip(after, before, strict=True)))
        scales = args.get("scale_factors")
        exact = not scales or {float(scale) for scale in scales} == {float(factors[0])}
        if len(factors) == 1 and 0 not in factors and not aligned and exact:
            linear = "linear" if mode != "nearest" else None
            signal = reader.add("upsample", [draft], node, None, factor=unless(factors[0], 2), mode=linear)
        else:
            given: dict[str, Any] = {"scale_factor": scales} if scales else {"size": list(after)}
            if mode != "nearest":
                given["align_corners"] = aligned
            signal = module(reader, node, draft, "Upsample", given, None, mode=mode)
        return signal and whole(signal, reader.batch)

    return read
