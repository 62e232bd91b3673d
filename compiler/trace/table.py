"""Which of torch's operators is read by which handler: the one list of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import fx

from archspec.compiler.trace import joins, pools, views, weights
from archspec.compiler.trace.reader import Handler, Reader
from archspec.compiler.trace.signals import Value, whole


def _function(key: str, **fields: str) -> Handler:
    """A function of each number; `fields` are the operator's by the names of torch's arguments."""

    def read(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
        given = {name: args[argument] for name, argument in fields.items()}
        return reader.pointwise(node, args.get("self", args.get("input")), key, **given)

    return read


def _elu(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    if args["scale"] != 1 or args["input_scale"] != 1:
        return None
    return reader.pointwise(node, args["self"], "elu", alpha=weights.unless(float(args["alpha"]), 1.0))


def _clamp(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """Between 0 and 6 it is relu6, above 0 relu; between other bounds a layer of torch's."""
    least, most = (args.get(name, args.get(f"{name}_val")) for name in ("min", "max"))
    if least == 0 and most in (None, 6):
        return reader.pointwise(node, args["self"], "relu" if most is None else "relu6")
    draft = reader.plain(args["self"])
    if draft is None or least is None or most is None:
        return None
    signal = weights.module(reader, node, draft, "Hardtanh", {"min_val": float(least), "max_val": float(most)})
    return signal and whole(signal, reader.batch)


def _gelu(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    return reader.pointwise(node, args["self"], "gelu", approximate=weights.unless(args["approximate"], "none"))


def _leaky(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    return reader.pointwise(node, args["self"], "leaky_relu", slope=weights.unless(args["negative_slope"], 0.01))


def _softmax(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    source = args["self"]
    if not isinstance(source, Value) or args["dtype"] is not None or not weights.at(source, args["dim"]):
        return None
    return reader.pointwise(node, source, "softmax")


def _dropout(kind: str | None) -> Handler:
    """Dropout, of numbers or of whole channels, which a module's mode switches on. One that is always on is torch's
    own; one that is off while the module trains does nothing."""

    def read(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
        source = args["input"]
        if not isinstance(source, Value) or (args["train"] and not reader.training):
            return None
        if reader.training and not args["train"]:
            return source
        if kind is None:
            return reader.pointwise(node, source, "dropout", p=weights.unless(float(args["p"]), 0.5))
        draft, rank = reader.plain(source), len(source.signal.shape) - 1
        if draft is None:
            return None
        signal = weights.module(reader, node, draft, kind.format(rank=rank), {"p": float(args["p"])})
        return signal and whole(signal, reader.batch)

    return read


def _layer(kind: str, **arguments: str) -> Handler:
    """A layer of torch's that a spec may name, over a map as it lies."""

    def read(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
        source = args["self"]
        draft = reader.plain(source)
        if draft is None:
            return None
        signal = weights.module(reader, node, draft, kind, {name: args[own] for name, own in arguments.items()})
        return signal and whole(signal, reader.batch)

    return read


def _shuffle(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    draft = reader.plain(args.get("self", args.get("input")))
    signal = None if draft is None else reader.add("channel_shuffle", [draft], node, groups=args["groups"])
    return signal and whole(signal, reader.batch)


HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(("conv1d.default", "conv2d.default", "conv3d.default", "conv1d.padding", "conv2d.padding",
                     "conv3d.padding"), weights.conv),
    **dict.fromkeys(("conv_transpose1d.default", "conv_transpose2d.input", "conv_transpose3d.input"),
                    weights.conv_transpose),
    "linear.default": weights.linear, "batch_norm.default": weights.batch_norm, "prelu.default": weights.prelu,
    "group_norm.default": weights.group_norm, "instance_norm.default": weights.instance_norm,
    "layer_norm.default": weights.layer_norm, "rms_norm.default": weights.rms_norm,
    "relu.default": _function("relu"), "relu6.default": _function("relu6"), "silu.default": _function("silu"),
    "hardswish.default": _function("hardswish"), "hardsigmoid.default": _function("hardsigmoid"),
    "mish.default": _function("mish"), "sigmoid.default": _function("sigmoid"), "tanh.default": _function("tanh"),
    "gelu.default": _gelu, "leaky_relu.default": _leaky, "elu.default": _elu, "clamp.default": _clamp,
    "clamp_min.default": _clamp, "hardtanh.default": _clamp, "softmax.int": _softmax,
    "celu.default": _layer("CELU", alpha="alpha"), "selu.default": _layer("SELU"),
    "softplus.default": _layer("Softplus", beta="beta", threshold="threshold"),
    "log_sigmoid.default": _layer("LogSigmoid"), "log_softmax.int": _layer("LogSoftmax", dim="dim"),
    "threshold.default": _layer("Threshold", threshold="threshold", value="value"),
    "glu.default": _layer("GLU", dim="dim"),
    "dropout.default": _dropout(None), "feature_dropout.default": _dropout("Dropout{rank}d"),
    "alpha_dropout.default": _dropout("AlphaDropout"), "feature_alpha_dropout.default": _dropout("FeatureAlphaDropout"),
    **{f"max_pool{rank}d.default": pools.window("max_pool") for rank in (1, 2, 3)},
    **{f"avg_pool{rank}d.default": pools.window("avg_pool") for rank in (1, 2, 3)},
    **{f"adaptive_avg_pool{rank}d.default": pools.adaptive("avg_pool") for rank in (1, 2, 3)},
    **{f"max_pool{rank}d_with_indices.default": pools.with_indices(pools.window("max_pool")) for rank in (1, 2, 3)},
    **{f"adaptive_max_pool{rank}d.default": pools.with_indices(pools.adaptive("max_pool")) for rank in (1, 2, 3)},
    "max.dim": pools.with_indices(pools.reduction("global_max_pool", "channel_max")),
    "mean.dim": pools.reduction("global_avg_pool", "channel_mean"),
    "amax.default": pools.reduction("global_max_pool", "channel_max"),
    "upsample_nearest2d.vec": pools.upsample("nearest"), "upsample_nearest3d.vec": pools.upsample("nearest"),
    "upsample_bilinear2d.vec": pools.upsample("bilinear"), "upsample_trilinear3d.vec": pools.upsample("trilinear"),
    "pixel_shuffle.default": _layer("PixelShuffle", upscale_factor="upscale_factor"),
    "pixel_unshuffle.default": _layer("PixelUnshuffle", downscale_factor="downscale_factor"),
    "channel_shuffle.default": _shuffle, "native_channel_shuffle.default": _shuffle,
    "add.Tensor": joins.add, "sub.Tensor": joins.subtract, "rsub.Scalar": joins.reversed_subtract,
    "mul.Tensor": joins.multiply, "mul.Scalar": joins.multiply, "div.Tensor": joins.divide,
    "div.Scalar": joins.divide, "neg.default": joins.negate, "cat.default": joins.concat,
    "pad.default": joins.pad, "constant_pad_nd.default": joins.pad,
    **{f"reflection_pad{rank}d.default": joins.native_border("reflect") for rank in (1, 2, 3)},
    **{f"replication_pad{rank}d.default": joins.native_border("replicate") for rank in (1, 2, 3)},
    **dict.fromkeys((
        "view.default", "reshape.default", "_unsafe_view.default", "flatten.using_ints", "unflatten.int",
        "squeeze.default", "squeeze.dim", "squeeze.dims", "unsqueeze.default", "view_as.default", "reshape_as.default",
    ), views.reshape),
    "permute.default": views.permute, "transpose.int": views.transpose, "swapaxes.default": views.transpose,
    "movedim.int": views.move, "movedim.intlist": views.move, "expand.default": views.expand,
    "expand_as.default": views.expand, "slice.Tensor": views.cut, "narrow.default": views.narrow,
    **dict.fromkeys(("split.Tensor", "split.sizes", "split_with_sizes.default", "chunk.default",
                     "unsafe_chunk.default"), views.pieces),
    "contiguous.default": views.compact, "alias.default": views.same, "to.dtype": views.same,
    "to.dtype_layout": views.same, "to.device": views.same, "type_as.default": views.same, "clone.default": views.copy,
    "lift_fresh_copy.default": views.copy,
}  # fmt: skip
"""By operator and overload. A handler gives None where the vocabulary cannot say what a call does."""
