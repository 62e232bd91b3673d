"""Blocks within paths: a definition run where it stands, once or so many times in sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.compiler.expand.blocks import Place, expand_block
from archspec.compiler.expand.builder import TOO_LARGE, Builder, Signal, strided
from archspec.compiler.expand.origins import Loops
from archspec.compiler.expand.paths import Paths
from archspec.compiler.expand.splice import absurd, copied
from archspec.language.items import Inner
from archspec.language.schema import Block
from archspec.ops.ranges import sizes, whole
from archspec.syntax import limits
from archspec.syntax.expressions import Poisoned, Scope


class InnerBlocks:
    """Runs the blocks that stand in paths. They are blocks of their own: no level or skip joins them, stochastic depth
    leaves them alone, and their stride is 1 unless an argument says otherwise."""

    def __init__(self, blocks: Mapping[str, Block]) -> None:
        self._blocks = blocks
        self._depth = 0

    def __call__(
        self, item: Inner, start: Signal, address: str, scope: Scope, loops: Loops, paths: Paths, builder: Builder
    ) -> Signal:
        """The signal after an inner block; None, having told why, if it has none. Its nodes stand under `address`, or,
        where it is repeated, under `address.0` and so on."""
        block = self._blocks.get(item.block)
        if block is None:  # told by check_references
            return None
        try:
            given = {name: builder.evaluate(expr, scope, address) for name, expr in item.given.items()}
            count = self._count(item, scope, address, builder)
            stride = self._stride(item, given, address, builder)
        except Poisoned:
            return None
        self._depth += 1
        if self._depth > limits.MAX_PATH_DEPTH:
            absurd(f"blocks stand in blocks more than {limits.MAX_PATH_DEPTH} deep", item.span, address)
        around = builder.origins.around
        own = ["index", "first", "last", "count", *([] if "stride" in given else ["stride", "downsampled"])]
        written = [(name, expr, None) for name, expr in item.given.items()]
        builder.origins.around = [*around, *loops, *((name, None, None) for name in own), *written]
        signal = start
        for index in range(count):
            copied(scope)
            builder.work.spend(250, TOO_LARGE, item.span)
            local: dict[str, Any] = {
                **scope, **given, "index": index, "first": index == 0, "last": index == count - 1, "count": count,
                "stride": stride if index == 0 else 1, "downsampled": index == 0 and strided(stride),
            }  # fmt: skip
            name = address if item.repeat is None else f"{address}.{index}"
            signal = expand_block(Place(name, block, local, None, item.span), signal, paths, builder, None)
        self._depth -= 1
        builder.origins.around = around
        return signal

    def _count(self, item: Inner, scope: Scope, address: str, builder: Builder) -> int:
        if item.repeat is None:
            return 1
        value = builder.evaluate(item.repeat, scope, address)
        try:
            count = int(whole(value))
            if not 0 <= count <= limits.MAX_OPERATORS:
                raise ValueError(f"must be between 0 and {limits.MAX_OPERATORS:,}, not {count:,}")
        except ValueError as error:
            builder.tell(item.repeat, f"repeat {error}", item.repeat.span, address)
            raise Poisoned from None
        return count

    def _stride(self, item: Inner, given: Mapping[str, Any], address: str, builder: Builder) -> Any:
        try:
            return sizes(given.get("stride", 1))
        except ValueError as error:
            builder.tell(item.given["stride"], f"stride {error}", item.given["stride"].span, address)
            raise Poisoned from None
