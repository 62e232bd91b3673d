"""`output_stride`: strides beyond it become dilation of what follows (atrous convolution: Chen et al., 1606.00915).

An operator whose stride would take its map beyond the output stride keeps the size; what comes after it sees a map so
many times as dense, and its kernels are spread by that rate, so that weights see what they would have seen. As in
torchvision's `replace_stride_with_dilation`, the kernel that strode is spread by the rate before it. Pools keep their
windows, as in DeepLab.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, TypeAlias

from archspec.compiler.expand.builder import Builder, Signal
from archspec.graph import Node, Reduction
from archspec.ops import Conv, Operator
from archspec.ops.windows import per_dimension, squeezed
from archspec.syntax.expressions import Expr, Poisoned, Scope

Rate: TypeAlias = tuple[int, ...]
_POOLS = ("max_pool", "avg_pool", "subsample", "blur_pool")
_ADVICE = "take a larger output_stride, or leave it out"


def dilate(builder: Builder, output_stride: Expr, scope: Scope) -> None:
    """Rewrites a builder's nodes so that no map is smaller than the input by more than the output stride."""
    try:
        limit = builder.evaluate(output_stride, scope, "output_stride")
    except Poisoned:
        return
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        message = f"output_stride is a whole number, as 8 or 16, not {limit!r}"
        builder.problems.add(message, output_stride.span)
        return
    Dilation(builder, limit, output_stride).rewrite(builder.undo(1))


class Dilation:
    """One rewriting: the rate at which each map is denser than it was."""

    def __init__(self, builder: Builder, limit: int, where: Expr) -> None:
        self.builder, self.limit, self.where = builder, limit, where
        self.rates: dict[str, Rate] = {}
        self.sparsest: int | Fraction = 1

    def rewrite(self, nodes: list[Node]) -> None:
        """Adds the nodes again, those that dilation changes changed."""
        start = self.builder.nodes["input"]
        self.rates["input"] = (1,) * (len(start.shape) - 1)
        for node in nodes:
            sources: list[Signal] = [self.builder.nodes.get(name) for name in node.inputs]
            if None in sources:
                continue
            op = self._changed(node, [source for source in sources if source is not None])
            if op is not None:
                made = self.builder.add(node.name, op, sources, node.span)
                self.sparsest = max(self.sparsest, *self._reduction(made)) if made else self.sparsest
        spread = any(max(rate, default=1) > 1 for rate in self.rates.values())
        if spread and self.sparsest != self.limit and not self.builder.problems:
            message = f"output_stride is {self.limit}, and the network's strides give {self.sparsest} or more"
            self.builder.problems.add(message, self.where.span, hint="a product of its strides, from the input on")

    def _reduction(self, node: Node) -> Reduction:
        return node.reduction or (1,)

    def _changed(self, node: Node, sources: list[Node]) -> Operator | None:
        """The operator as it is to be; None, having told why, if it cannot be dilated. Notes the rate of its output."""
        maps = [source for source in sources if len(source.shape) > 1]
        rates = list(dict.fromkeys(self.rates[source.name] for source in maps))
        rate = next(iter(rates), ())
        if len(rates) > 1:
            return self._refuse(node, "it joins maps of which only some would have been denser")
        self.rates[node.name] = rate if len(node.shape) > 1 else ()
        if not rate or _everywhere(node.op):
            return node.op
        rank = len(rate)
        if len(node.shape) == 1:
            flat = max(rate) > 1 and node.op.key == "flatten"
            return self._refuse(node, "a denser map would be a longer vector") if flat else node.op
        strides = node.op.reduction(rank)
        before = self._reduction(maps[0])
        kept = tuple(self._kept(b, s) for b, s in zip(before, strides, strict=True))
        self.rates[node.name] = tuple(r * (s // k) for r, s, k in zip(rate, strides, kept, strict=True))
        if max(rate) == 1 and kept == strides:
            return node.op
        return self._spread(node, maps[0], rate, strides, kept)

    def _kept(self, before: int | Fraction, stride: int) -> int:
        """The largest part of a stride that stays within the limit."""
        parts = (part for part in range(stride, 1, -1) if stride % part == 0 and before * part <= self.limit)
        return next(parts, 1)

    def _spread(self, node: Node, source: Node, rate: Rate, strides: Rate, kept: Rate) -> Operator | None:
        """A convolution or pool with other strides, its kernel spread by the rate of what it reads."""
        op, rank = node.op, len(rate)
        change: dict[str, Any] = {"stride": squeezed(kept)}
        if isinstance(op, Conv):
            spread = per_dimension(op.dilation, rank, "dilation")
            change["dilation"] = squeezed(tuple(d * r for d, r in zip(spread, rate, strict=True)))
            if op.padding is not None:
                sides = per_dimension(op.padding, rank, "padding")
                change["padding"] = squeezed(tuple(p * r for p, r in zip(sides, rate, strict=True)))
        elif op.key not in _POOLS:
            return self._refuse(node, f"{op.key} cannot be spread over a denser map")
        elif kept == strides:
            return op
        changed = op.model_copy(update=change)
        sizes = zip(source.shape[1:], changed.shape((source.shape,))[1:], strides, kept, strict=True)
        if any(new != old for old, new, stride, left in sizes if left == 1 < stride):
            return self._refuse(node, "without its stride it changes the size of the map, as an even kernel does")
        return changed

    def _refuse(self, node: Node, why: str) -> Operator | None:
        """Adds why an operator cannot be dilated, and gives None."""
        self.builder.problems.add(f"output_stride: {why}", node.span, hint=_ADVICE, where=node.name)
        return None


_ROLES = ("norm", "activation", "join", "regularizer")
_SAFE = "channel_mean channel_max scale one_minus slice channel_shuffle pad_channels identity".split()


def _everywhere(op: Operator) -> bool:
    """Whether an operator does the same at every position, or over all of them. What is not known to is refused on a
    denser map."""
    return op.role in _ROLES or op.key in _SAFE
