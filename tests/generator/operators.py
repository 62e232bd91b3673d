"""Random operators: how each may be written where a signal of some shape arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interpreter import RULES

from archspec.ops import BY_KEY
from generator.drawn import Draw

Shape = tuple[int, ...]


def divisor(draw: Draw, number: int) -> int:
    return draw.pick([n for n in range(1, number + 1) if number % n == 0])


def per_dimension(draw: Draw, shape: Shape, low: int, high: int) -> Any:
    """One number, or one for each dimension."""
    if draw.one_in(4, "sizes by dimension"):
        return [draw.number(low, high) for _ in shape[1:]]
    return draw.number(low, high)


def conv(draw: Draw, shape: Shape) -> dict[str, Any]:
    groups = divisor(draw, shape[0]) if draw.one_in(3, "groups") else 1
    fields: dict[str, Any] = {"out": groups * draw.number(1, max(1, 8 // groups))}
    fields["kernel"] = per_dimension(draw, shape, 1, 3)
    for name, low, high in (("stride", 1, 3), ("dilation", 1, 2), ("padding", 0, 2)):
        if draw.one_in(3):
            fields[name] = per_dimension(draw, shape, low, high)
    if groups > 1:
        fields["groups"] = groups
    if draw.one_in(2):
        fields |= {"bias": True} | ({"bias_init": 0.5} if draw.one_in(2) else {})
    if draw.one_in(6):
        fields["padding_mode"] = draw.pick(["reflect", "replicate", "circular"])
    return taken_up("conv", fields | ({"standardize": True} if draw.one_in(8) else {}))


def taken_up(key: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without those that do nothing, which a spec may not have."""
    idle = set(BY_KEY[key](**fields).idle())
    return {name: value for name, value in fields.items() if name not in idle}


def window(draw: Draw, shape: Shape) -> dict[str, Any]:
    kernel = draw.number(1, 3)
    fields: dict[str, Any] = {"kernel": kernel}
    if draw.one_in(2):
        fields["stride"] = per_dimension(draw, shape, 1, 3)
    if draw.one_in(3):
        fields["padding"] = draw.number(0, kernel // 2)
    if draw.one_in(3, "ceil_mode"):
        fields["ceil_mode"] = True
    return fields


def averaging(draw: Draw, shape: Shape) -> dict[str, Any]:
    return taken_up("avg_pool", window(draw, shape) | ({"count_padding": False} if draw.one_in(3) else {}))


def norm(draw: Draw, shape: Shape) -> dict[str, Any]:
    return ({"eps": 1e-3} if draw.one_in(3) else {}) | ({"affine": False} if draw.one_in(4) else {})


def bn(draw: Draw, shape: Shape) -> dict[str, Any]:
    if draw.one_in(6):
        return {"frozen": True}
    fields = norm(draw, shape) | ({"momentum": 0.3} if draw.one_in(4) else {})
    return fields | ({"scale_init": 0.4} if draw.one_in(4) and "affine" not in fields else {})


def scale(draw: Draw, shape: Shape) -> dict[str, Any]:
    if draw.one_in(2):
        return {"by": draw.pick([0.5, -2]), "learned": True, "per": draw.pick(["tensor", "channel"])}
    return {"by": draw.pick([0.5, -2, 0])}


def weighted(draw: Draw) -> str:
    """An addition, as written, and sometimes with weights."""
    if not draw.one_in(3, "weights"):
        return "add"
    init = draw.pick(["1", "0.5", "1 if operand == 0 else 0", "(operand + 1) / operands"])
    learned = "false" if draw.one_in(4, "constant weights") else f"true, per: {draw.pick(['tensor', 'channel'])}"
    normalize = draw.pick(["none", "softmax", "sum"])
    draw.features.add(f"normalize {normalize}")
    return f"add: {{weights: {{init: {init}, learned: {learned}, normalize: {normalize}}}}}"


def drop_path(draw: Draw, shape: Shape) -> dict[str, Any]:
    unit, rescale = draw.pick(["batch", "sample"]), draw.pick([False, True])
    return {"survival": draw.pick([0.5, 0.7, 1]), "unit": unit, "rescale": rescale}


MODULES: dict[str, dict[str, Any]] = {
    "Hardtanh": {"args": {"min_val": -1, "max_val": 2}}, "Mish": {}, "Softplus": {}, "ReLU": {}, "SELU": {},
    "PReLU": {}, "LogSigmoid": {}, "Identity": {},
}  # fmt: skip


def module(draw: Draw, shape: Shape) -> dict[str, Any]:
    name = draw.pick(sorted(MODULES))
    maps = {"InstanceNorm": {"args": {"num_features": shape[0], "affine": True}}, "Conv": {
        "args": {"in_channels": shape[0], "out_channels": shape[0], "kernel_size": 1}
    }}  # fmt: skip
    if len(shape) > 1 and draw.one_in(3):
        name = draw.pick(sorted(maps))
        return {"type": f"{name}{len(shape) - 1}d", **maps[name]}
    return {"type": name, **MODULES[name]}


def slices(draw: Draw, shape: Shape) -> dict[str, Any]:
    start = draw.number(0, shape[0] - 1)
    return {"start": start} | ({"stop": draw.number(start + 1, shape[0])} if draw.one_in(2) else {})


def groups(draw: Draw, shape: Shape) -> dict[str, Any]:
    return {"groups": divisor(draw, shape[0])}


FIELDS: dict[str, Callable[[Draw, Shape], dict[str, Any]]] = {
    "conv": conv,
    "linear": lambda draw, shape: {"out": draw.number(1, 8)} | ({"bias": False} if draw.one_in(3) else {}),
    "bn": bn,
    "group_norm": lambda draw, shape: norm(draw, shape) | groups(draw, shape),
    "layer_norm": norm,
    "leaky_relu": lambda draw, shape: {"slope": 0.2},
    "prelu": lambda draw, shape: {"slope": 0.3} | ({"per_channel": False} if draw.one_in(2) else {}),
    "elu": lambda draw, shape: {"alpha": 0.7},
    "gelu": lambda draw, shape: {"approximate": draw.pick(["none", "tanh"])},
    "max_pool": window,
    "avg_pool": averaging,
    "scale": scale,
    "rms_norm": norm,
    "local_response_norm": lambda draw, shape: {"size": draw.number(1, 4), "alpha": 0.5, "beta": 0.6, "k": 2},
    "pad_channels": lambda draw, shape: {"out": shape[0] + draw.number(0, 2)},
    "subsample": lambda draw, shape: {"stride": per_dimension(draw, shape, 1, 2)},
    "dropout": lambda draw, shape: {"p": draw.pick([0.3, 0, 1])},
    "drop_path": drop_path,
    "module": module,
    "conv_transpose": lambda draw, shape: {"out": draw.number(1, 4), "kernel": draw.number(2, 3), "stride": 2},
    "channel_shuffle": groups,
    "slice": slices,
    "blur_pool": lambda draw, shape: {"kernel": draw.number(2, 3)},
    "upsample": lambda draw, shape: {"factor": 2, "mode": draw.pick(["nearest", "linear"])},
}
"""Fields of the operators that take or need some."""
JOINS = ("add", "multiply", "concat", "select")
KEYS = sorted(key for key in BY_KEY if key in RULES and key not in (*JOINS, "drop_path"))
"""What may stand on a wire of one input; `drop_path` only where an addition goes round it."""
SMOOTH = (
    "relu", "silu", "tanh", "sigmoid", "elu: {alpha: 0.7}", "gelu", "gelu: {approximate: tanh}", "identity",
    "leaky_relu: {slope: 0.2}", "prelu", "prelu: {per_channel: false, slope: 0.3}", "softmax", "scale: {by: -1.5}",
    "one_minus", "dropout: {p: 0.3}", "bn", "bn: {eps: 0.001, momentum: 0.3}", "bn: {affine: false}",
    "bn: {scale_init: 0.5}", "layer_norm", "layer_norm: {affine: false}", "module: {type: Mish}",
    "module: {type: Hardtanh, args: {min_val: -1, max_val: 2}}", "module: {type: ReLU, args: {inplace: false}}",
)  # fmt: skip
"""Operators, as written, that take any map and keep its shape."""


def operator(draw: Draw, shape: Shape) -> tuple[str, dict[str, Any], Shape]:
    """An operator's key and fields, and the shape it gives: one that fits, and leaves at most a few numbers."""
    while True:
        key = draw.pick(KEYS)
        try:
            fields = FIELDS[key](draw, shape) if key in FIELDS else {}
            given = BY_KEY[key](**fields).shape((shape,))
        except Exception:  # whatever its reason, it does not fit here
            continue
        if min(given) > 0 and max(given) <= 64:
            return key, fields, given


def written(value: Any) -> str:
    """A value in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {written(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def item(key: str, fields: dict[str, Any]) -> str:
    return f"{key}: {written(fields)}" if fields else key
