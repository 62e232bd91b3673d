"""Shortcuts beyond the block: which levels and skips join which block, and what each of them gives there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archspec.compiler.expand.blocks import shortcut_scope, widening
from archspec.compiler.expand.builder import Builder, Signal
from archspec.compiler.expand.paths import Paths
from archspec.compiler.expand.skips import Edge
from archspec.language.items import Path
from archspec.language.schema import Levels
from archspec.ops import ShapeError, show_shape
from archspec.ops.ranges import Range
from archspec.syntax import limits
from archspec.syntax.errors import Span
from archspec.syntax.expressions import EvaluationError, Poisoned
from archspec.syntax.work import Exhausted, spend
from archspec.topologies.levels import LevelSpan, level_spans

_LEVELS = Range(1, limits.MAX_NUMBER, "whole numbers")
_PARTS = Range(2, limits.MAX_NUMBER, "whole numbers")


@dataclass(frozen=True, slots=True)
class Join:
    """A shortcut from outside that ends in a block: what starts it, its path, its place among the names."""

    source: str
    path: Path
    prefix: str
    label: str
    span: Span | None


def spans_of(
    levels: Levels | None, counts: Sequence[int], params: Mapping[str, Any], builder: Builder
) -> list[LevelSpan]:
    """The spans of a spec's levels over stages of `counts` blocks; none, having told why, where they do not fit."""
    if levels is None or not counts:
        return []
    numbers = []
    for name, expr, legal in (("m", levels.m, _LEVELS), ("split", levels.split, _PARTS)):
        try:
            numbers.append(legal.check(expr(params)))
        except EvaluationError as error:
            builder.problems.extend([error.problem])
        except ValueError as error:
            builder.problems.add(f"levels: {name} {error}", builder.origins.place(expr))
        except Poisoned:
            pass
    if len(numbers) < 2:
        return []
    try:
        spend(20 * sum(counts), "the levels are too many", levels.m.span)
        return level_spans(counts, *numbers)
    except Exhausted as error:
        error.span = error.span or levels.m.span
        raise
    except ValueError as error:
        builder.problems.add(f"levels: {error}", builder.origins.place(levels.m))
        return []


class Shortcuts:
    """The levels and skips of one network. `signals` are the outputs of blocks and the inputs of level spans, which
    whoever runs the blocks puts there as they come."""

    def __init__(
        self, blocks: Sequence[str], levels: Levels | None, spans: Sequence[LevelSpan], edges: Sequence[Edge],
        params: Mapping[str, Any], builder: Builder, paths: Paths,
    ) -> None:  # fmt: skip
        self._params, self._builder, self._paths = params, builder, paths
        self.signals: dict[str, Signal] = {}
        self.starts = {blocks[span.first] for span in spans}
        """Blocks whose input a level reads: their `input of ADDRESS` is to be in `signals`."""
        self._joins: dict[str, list[Join]] = {}
        self._widenings: dict[str, list[Join]] = {}
        for span in sorted(spans, key=lambda span: -span.level):  # from inner to outer, then skips
            assert levels is not None
            self._joins.setdefault(blocks[span.last], []).append(Join(
                f"input of {blocks[span.first]}", levels.path, f"levels.{span.name}", f"level {span.name}",
                levels.path.span or levels.span,
            ))  # fmt: skip
        for edge in edges:
            found = self._joins if edge.join == "add" else self._widenings
            where = edge.path.span or edge.skip.span
            found.setdefault(edge.target, []).append(
                Join(edge.source, edge.path, f"skips.{edge.name}", f"skip from {edge.source}", where)
            )
        self._places = {f"skips.{edge.name}": edge.skip.span for edge in edges}

    def joining(self, address: str) -> Sequence[Join]:
        """What joins a block's closing addition."""
        return self._joins.get(address, ())

    def joined(self, label: str, target: Signal, address: str) -> list[tuple[str, Signal]]:
        """The signals that join a block's addition, whose first operand is `target`; messages call that `label`."""
        return [(join.label, self._shortcut(join, label, target, address)) for join in self.joining(address)]

    def _shortcut(self, join: Join, label: str, target: Signal, address: str) -> Signal:
        """A level's or skip's path from where it starts, to reach the shape of `target`."""
        source = self.signals[join.source]
        try:
            scope = shortcut_scope(self._params, source, target)
        except ShapeError as error:
            self._builder.problems.add(str(error), join.span, where=join.prefix)
            return None
        signal = self._paths.run(join.path, [source], join.prefix, scope, where=join.prefix)
        if signal is not None and target is not None and signal.shape != target.shape:
            shapes = f"{show_shape(target.shape)} ({label}) with {show_shape(signal.shape)} ({join.label})"
            hint = widening(join.path, otherwise="give it a path that changes the shape, as in `path: B`")
            self._builder.problems.add(f"the addition joins {shapes}", join.span, hint=hint, where=address)
            return None
        return signal

    def widened(self, address: str, signal: Signal) -> Signal:
        """A block's input with the skips that widen it alongside."""
        joins = self._widenings.get(address, ())
        if not joins:
            return signal
        operands = [signal]
        for join in joins:
            source = self.signals[join.source]
            try:
                scope = shortcut_scope(self._params, source, signal)
            except ShapeError as error:
                self._builder.problems.add(str(error), self._places[join.prefix], where=join.prefix)
                continue
            scope["out"] = scope["channels"]
            scope["changed"] = scope["downsampled"]
            operands.append(self._paths.run(join.path, [source], join.prefix, scope, where=join.prefix))
        span = self._places[joins[0].prefix]
        return self._builder.add(f"{address}.concat", self._builder.default("concat"), operands, span, where=address)
