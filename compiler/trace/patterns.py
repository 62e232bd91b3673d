"""What torch itself writes in several calls."""

from __future__ import annotations

from typing import Any

from torch import fx

from archspec.compiler.trace.programs import name_of
from archspec.compiler.trace.reader import Reader
from archspec.compiler.trace.signals import Value
from archspec.compiler.trace.weights import unless

_ENDS = (("pow",), ("add",), ("mul",), ("view", "reshape", "squeeze"))
_MIDDLE = ("view", "reshape", "squeeze", "unsqueeze", "pad", "constant_pad_nd")


def local_response_norm(reader: Reader, node: fx.Node, args: dict[str, Any]) -> Value | None:
    """x / (k + alpha * mean of the squares of channels around) ** beta, as torch.nn.functional writes it."""
    chain: list[fx.Node] = []
    step: Any = node.args[1]
    while isinstance(step, fx.Node) and hasattr(step.target, "_schema") and len(chain) < 10:
        chain.append(step)
        step = step.args[0] if name_of(step) != "mul.Tensor" or not isinstance(step.args[1], fx.Node) else None
    words = [name_of(each).partition(".")[0] for each in chain]
    if len(words) < 7 or any(word not in allowed for word, allowed in zip(words, _ENDS, strict=False)):
        return None
    pool = next((each for each in chain if name_of(each).startswith("avg_pool")), None)
    square = chain[-1]
    rest = {word for word in words[3:-1] if not word.startswith("avg_pool")}
    if pool is None or words[-1] != "mul" or square.args[0] is not square.args[1] or not rest.issubset(_MIDDLE):
        return None
    source = args["self"]
    if square.args[0] is not node.args[0] or reader.plain(source) is None:
        return None
    window: list[Any] = list(pool.args[1])  # type: ignore[arg-type]
    size: int = window[0]
    pads: Any = next((each.args[1] for each in chain if "pad" in name_of(each)), None)
    sides = [size // 2, (size - 1) // 2]
    if window[1:] != [1] * (len(window) - 1) or not isinstance(pads, list | tuple) or list(pads)[-2:] != sides:
        return None
    beta, k, alpha = (each.args[1] for each in chain[:3])
    return reader.pointwise(
        node, source, "local_response_norm", size=unless(size, 5), alpha=unless(alpha, 1e-4), beta=unless(beta, 0.75),
        k=unless(k, 1.0),
    )  # fmt: skip
