"""Convolutions, linear layers and normalisations: calls that read parameters of the module."""

from __future__ import annotations

from typing import Any

from torch import fx

from archspec.compiler.trace.axes import Axis, Layout, contiguous, size_of
from archspec.compiler.trace.reader import Reader
from archspec.compiler.trace.signals import Signal, Static, Value, whole


def tensors(**given: Any) -> dict[str, str] | None:
    """The module's names of what a call reads, by the names of the operator; None where some of it is computed."""
    found = {}
    for name, value in given.items():
        if value is None:
            continue
        if not isinstance(value, Static) or value.key is None:
            return None
        found[name] = value.key
    return found


def vector(reader: Reader, value: Any, node: fx.Node) -> int | None:
    """The operator that gives a tensor of shape (N, F), or (N, F, 1, 1), as the vector it is; None if it is none."""
    if not isinstance(value, Value) or len(value.layout) < 2 or any(value.layout[2:]):
        return None
    shape, (samples, features) = value.signal.shape, value.layout[:2]
    layout = contiguous((reader.batch, *shape))
    if samples != layout[0] or (features and features[0][1] != 1):
        return None
    if len(shape) == 1:
        return reader.now(value.signal) if size_of(features) == shape[0] else None
    flat = reader.add("flatten", [reader.now(value.signal)], node)
    return flat.draft if flat and flat.shape[0] == size_of(features) else None


def squeezed(value: Any) -> bool:
    """Whether a tensor with axes of size one behind its channels is a vector to archspec."""
    return isinstance(value, Value) and len(value.signal.shape) == 1 and len(value.layout) > 2


def channels(value: Value) -> Axis:
    """The axis of a signal's channels."""
    return contiguous(value.signal.shape)[0]


def at(value: Value, axis: int) -> bool:
    """Whether an axis of a tensor is that of its signal's channels."""
    layout = value.layout
    return -len(layout) <= axis < len(layout) and axis % len(layout) > 0 and layout[axis] == channels(value)


def conv(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """A convolution; of a vector with axes of size one, a linear layer; after a border in its own layer, one that pads
    by it."""
    source, weight, padding = args["input"], args["weight"], args["padding"]
    names = tensors(weight=weight, bias=args["bias"])
    if names is None or not isinstance(source, Value):
        return None
    out, _, *kernel = weight.node.meta["val"].shape
    stride, dilation = (each(args[name], len(kernel)) for name in ("stride", "dilation"))
    if isinstance(padding, str):
        whole_rest = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        if padding == "same" and any(rest % 2 for rest in whole_rest):
            return None
        padding = [rest // 2 for rest in whole_rest] if padding == "same" else 0
    padding = each(padding, len(kernel))
    if squeezed(source):
        plain = set(kernel) == {1} and not any(padding) and args["groups"] == 1
        return linear_of(reader, node, source, out, names) if plain else None
    draft = reader.plain(source)
    if draft is None or len(source.signal.shape) != 1 + len(kernel):
        return None
    mode, border = "zeros", reader.drafts[draft]
    if border.hint and border.node.meta.get("nn_module_stack") and not any(padding):
        same = list(border.node.meta["nn_module_stack"]) == list(node.meta.get("nn_module_stack", {}))
        if same:
            mode, _, sizes = border.hint.partition(" ")
            padding, draft = [int(size) for size in sizes.split()], border.inputs[0]
    usual = [d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True)]
    signal = reader.add(
        "conv", [draft], node, names, out=out, kernel=short(kernel), stride=unless(short(stride), 1),
        groups=unless(args["groups"], 1), dilation=unless(short(dilation), 1),
        padding=None if padding == usual else short(padding), padding_mode=unless(mode, "zeros"),
        bias="bias" in names or None,
    )  # fmt: skip
    return signal and whole(signal, reader.batch)


def conv_transpose(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """A transposed convolution."""
    source, weight = args["input"], args["weight"]
    names, draft = tensors(weight=weight, bias=args["bias"]), reader.plain(source)
    if names is None or draft is None or squeezed(source):
        return None
    inputs, out, *kernel = weight.node.meta["val"].shape
    stride, padding, more, dilation = (
        each(args[name], len(kernel)) for name in ("stride", "padding", "output_padding", "dilation")
    )
    out *= args["groups"]
    exact = [(k - s + 1) // 2 == p and (k - s) % 2 == m and k >= s
             for k, s, p, m in zip(kernel, stride, padding, more, strict=True)]  # fmt: skip
    fields = {"out": out, "kernel": short(kernel), "stride": unless(short(stride), 1),
              "groups": unless(args["groups"], 1), "bias": "bias" in names or None}  # fmt: skip
    if set(dilation) == {1} and (all(exact) or not any(more)):
        signal = reader.add(
            "conv_transpose", [draft], node, names, padding=None if all(exact) else short(padding), **fields
        )
    else:
        given = {
            "in_channels": inputs, "out_channels": out, "kernel_size": kernel, "stride": stride, "padding": padding,
            "output_padding": more, "groups": args["groups"], "bias": "bias" in names, "dilation": dilation,
        }  # fmt: skip
        signal = module(reader, node, draft, f"ConvTranspose{len(kernel)}d", given, names)
    return signal and whole(signal, reader.batch)


def linear(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """A linear layer; over the last axis of a map, where that is its channels, a 1x1 convolution."""
    source, names = args["input"], tensors(weight=args["weight"], bias=args["bias"])
    if names is None or not isinstance(source, Value):
        return None
    out = args["weight"].node.meta["val"].shape[0]
    return linear_of(reader, node, source, out, names)


def linear_of(reader: Reader, node: fx.Node, source: Value, out: int, names: dict[str, str]) -> Value | None:
    """A linear layer with `out` features."""
    shape, layout = source.signal.shape, source.layout
    if len(shape) > 1 and len(layout) > 2 and at(source, -1):
        signal = reader.add(
            "conv", [reader.now(source.signal)], node, names, out=out, kernel=1, bias="bias" in names or None
        )
        return signal and Value(signal, _with_channels(reader, source, signal))
    draft = vector(reader, source, node)
    if draft is None:
        return None
    signal = reader.add("linear", [draft], node, names, out=out, bias=None if "bias" in names else False)
    if signal is None:
        return None
    samples, features = contiguous((reader.batch, out))
    return Value(signal, (samples, features, *((),) * (len(layout) - 2)))


def _with_channels(reader: Reader, source: Value, signal: Signal) -> Layout:
    """The layout of another signal of the same positions, seen as the source is, channels last."""
    samples, own, *_ = contiguous((reader.batch, *signal.shape))
    return (samples, *source.layout[1:-1], own)


def batch_norm(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Batch normalisation. One that stands in evaluation mode in a module that trains is frozen; one that keeps no
    statistics is torch's."""
    source = args["input"]
    if not isinstance(source, Value) or not at(source, 1):
        return None
    names = tensors(weight=args["weight"], bias=args["bias"], running_mean=args["running_mean"],
                    running_var=args["running_var"])  # fmt: skip
    draft = reader.plain(source) if len(source.signal.shape) > 1 else vector(reader, source, node)
    if names is None or draft is None or ("weight" in names) != ("bias" in names):
        return None
    affine, rank = "weight" in names, len(source.signal.shape) - 1
    frozen = not args["training"] and reader.training
    fields: dict[str, Any] = {"eps": unless(args["eps"], 1e-5)}
    if "running_mean" not in names:
        given = {"num_features": source.signal.shape[0], "eps": args["eps"], "affine": affine,
                 "track_running_stats": False}  # fmt: skip
        signal = module(reader, node, draft, f"BatchNorm{max(rank, 1)}d", given, names)
    elif frozen and not affine:
        return None
    else:
        if frozen:
            fields["frozen"] = True
        else:
            fields |= {"momentum": unless(args["momentum"], 0.1), "affine": None if affine else False}
            counter = names["running_mean"].rpartition(".")[0] + ".num_batches_tracked"
            names |= {"num_batches_tracked": counter.lstrip(".")} if counter.lstrip(".") in reader.buffers else {}
        signal = reader.add("bn", [draft], node, names, **fields)
    return signal and Value(signal, source.layout)


def group_norm(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Group normalisation."""
    names, draft = tensors(weight=args["weight"], bias=args["bias"]), reader.plain(args["input"])
    if names is None or draft is None or len(names) == 1:
        return None
    signal = reader.add(
        "group_norm", [draft], node, names, groups=unless(args["num_groups"], 32), eps=unless(args["eps"], 1e-5),
        affine=None if names else False,
    )  # fmt: skip
    return signal and whole(signal, reader.batch)


def instance_norm(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Instance normalisation by the sample's own statistics."""
    names, draft = tensors(weight=args["weight"], bias=args["bias"]), reader.plain(args["input"])
    if names is None or draft is None or len(names) == 1 or args["running_mean"] is not None:
        return None
    given = {"num_features": args["input"].signal.shape[0], "eps": args["eps"], "affine": bool(names)}
    rank = len(args["input"].signal.shape) - 1
    signal = module(reader, node, draft, f"InstanceNorm{rank}d", given, names)
    return signal and whole(signal, reader.batch)


def layer_norm(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Layer normalisation over the channels, wherever these are the last axis."""
    return _over_channels(reader, node, args, "layer_norm", tensors(weight=args["weight"], bias=args["bias"]), 1e-5)


def rms_norm(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Division by the root mean square of the channels."""
    return _over_channels(reader, node, args, "rms_norm", tensors(weight=args["weight"]), 1e-6)


def _over_channels(
    reader: Reader, node: fx.Node, args: dict[str, Any], key: str, names: dict[str, str] | None, eps: float
) -> Value | None:
    source = args["input"]
    if names is None or not isinstance(source, Value) or len(args["normalized_shape"]) != 1 or not at(source, -1):
        return None
    if args["eps"] is None or (key == "layer_norm" and len(names) == 1):
        return None
    signal = reader.add(
        key, [reader.now(source.signal)], node, names, eps=unless(args["eps"], eps), affine=None if names else False
    )
    return signal and Value(signal, source.layout)


def prelu(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """A leaky ReLU whose slope is a parameter."""
    source, names = args["self"], tensors(weight=args["weight"])
    if names is None or not isinstance(source, Value):
        return None
    slopes = args["weight"].node.meta["val"].numel()
    if slopes > 1 and not at(source, 1):
        return None
    signal = reader.add("prelu", [reader.now(source.signal)], node, names, per_channel=None if slopes > 1 else False)
    if slopes == 1 == source.signal.shape[0]:
        signal = reader.add("prelu", [reader.now(source.signal)], node, names)
    return signal and Value(signal, source.layout)


def module(
    reader: Reader, node: fx.Node, draft: int, kind: str, given: dict[str, Any], names: dict[str, str] | None = None,
    **words: str,
) -> Signal | None:  # fmt: skip
    """A layer of torch's by its class's name and arguments; None where a spec could not name it."""
    from archspec.ops.module import ALLOWED

    if kind not in ALLOWED:
        return None
    args = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in given.items())
    return reader.add("module", [draft], node, names, type=kind, args=args, words=tuple(words.items()) or None)


def each(value: Any, rank: int) -> list[int]:
    """One number per dimension, as torch takes one or as many."""
    found = [value] if isinstance(value, int) else list(value)
    return found * rank if len(found) == 1 else found


def short(sizes: Any) -> Any:
    """One number where all dimensions agree."""
    return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)


def unless(value: Any, default: Any) -> Any:
    return None if value == default else value
