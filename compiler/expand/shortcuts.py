"""Shortcuts beyond the block: which levels and skips join which block, and what each of them gives there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archspec.compiler.expand.blocks import shortcut_scope, widening
from archspec.compiler.expand.builder import Builder, Signal
from archspec.compiler.expand.paths import Paths, scope_at
from archspec.compiler.expand.skips import Edge
from archspec.language.items import Operation, Path
from archspec.language.schema_shortcuts import Levels, Skip
from archspec.ops import Operator, ShapeError, show_shape
from archspec.ops.ranges import Range
from archspec.syntax import limits
from archspec.syntax.errors import Span
from archspec.syntax.expressions import EvaluationError, Poisoned
from archspec.syntax.work import Exhausted, spend
from archspec.topologies.levels import LevelSpan, level_spans

HOW = ("add", "multiply", "concat")
_SHAPED = "give it a path that changes the shape, as in `path: B`"
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
    skip: Skip | None = None
    entering: bool = False


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
    whoever runs the blocks puts there as they come; `own` are outputs of blocks before skips have joined them."""

    def __init__(
        self, blocks: Sequence[str], levels: Levels | None, spans: Sequence[LevelSpan], edges: Sequence[Edge],
        params: Mapping[str, Any], builder: Builder, paths: Paths,
    ) -> None:  # fmt: skip
        self._params, self._builder, self._paths = params, builder, paths
        self.signals: dict[str, Signal] = {}
        self.own: dict[str, Signal] = {}
        self.starts = {blocks[span.first] for span in spans}
        """Blocks whose input a level reads: their `input of ADDRESS` is to be in `signals`."""
        self._joins: dict[str, list[Join]] = {}
        self._gatherings: dict[tuple[str, str, str], list[Join]] = {}
        """Those that join a block's input or output, by place, block and how."""
        for span in sorted(spans, key=lambda span: -span.level):  # from inner to outer, then skips
            assert levels is not None
            self._joins.setdefault(blocks[span.last], []).append(Join(
                f"input of {blocks[span.first]}", levels.path, f"levels.{span.name}", f"level {span.name}",
                levels.path.span or levels.span,
            ))  # fmt: skip
        for edge in edges:
            where = edge.path.span or edge.skip.span
            label = f"skip from {edge.source}"
            join = Join(edge.source, edge.path, f"skips.{edge.name}", label, where, edge.skip, edge.entering)
            if edge.place == "addition":
                self._joins.setdefault(edge.target, []).append(join)
            else:
                self._gatherings.setdefault((edge.place, edge.target, edge.join), []).append(join)
        self._settings = {key: self._setting(joins) for key, joins in self._gatherings.items()}

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
            hint = widening(join.path, otherwise=_SHAPED)
            self._builder.problems.add(f"the addition joins {shapes}", join.span, hint=hint, where=address)
            return None
        return signal

    def _setting(self, joins: Sequence[Join]) -> tuple[Operation | None, bool]:
        """The weights of what skips join, if any of them says so, and whether they come before what is there."""
        skips = list({id(join.skip): join.skip for join in joins if join.skip is not None}.values())
        weighted = [skip.weights for skip in skips if skip.weights is not None]
        if len(weighted) > 1:
            message = "two skips give weights to one addition"
            hint = "give them in one of the two: they hold for all that join there"
            self._builder.tell(weighted[1], message, weighted[1].span, "skips", hint)
        orders = [skip for skip in skips if "order" in skip.model_fields_set]
        other = next((skip for skip in orders if skip.order != orders[0].order), None)
        if other is not None:
            self._builder.tell(other, "two skips give one concatenation two orders", other.span, "skips", "leave one")
        return (weighted[0] if weighted else None), bool(orders and orders[0].order == "last")

    def gathered(self, place: str, address: str, signal: Signal) -> Signal:
        """A block's input or output with the skips that join it there: sums, then products, then concatenations."""
        for how in HOW:
            joins = self._gatherings.get((place, address, how), ())
            if joins:
                signal = self._gathered(place, address, how, joins, signal)
        return signal

    def _gathered(self, place: str, address: str, how: str, joins: Sequence[Join], signal: Signal) -> Signal:
        operands = [signal]
        for join in joins:
            source = self.signals[join.source]
            if place == "output" and not join.entering:
                source = self.own.get(join.source, source)
            span = join.skip.span if join.skip else join.span
            try:
                scope = shortcut_scope(self._params, source, signal)
            except ShapeError as error:
                self._builder.problems.add(str(error), span, where=join.prefix)
                continue
            if how == "concat":
                scope["out"] = scope["channels"]
                scope["changed"] = scope["downsampled"]
            operands.append(self._paths.run(join.path, [source], join.prefix, scope, where=join.prefix))
        weights, last = self._settings[place, address, how]
        labels = [f"{place} of {address}", *(join.label for join in joins)]
        op: Operator | None = self._builder.default(how)
        if weights is not None:
            op = self._builder.operator(weights, scope_at(self._params, signal), address, operands=len(operands))
        if op is None or len(operands) < 2:
            return None
        span = joins[0].skip.span if joins[0].skip else joins[0].span
        name = f"{address}.{place}.{how}"
        if (place, how) == ("input", "concat"):
            name = f"{address}.concat"  # as it has always been called
        elif place == "output":  # apart from the block: blocks alike but for what joins behind them share a class
            name = f"skips.{address.replace('.', '_')}_joined.{how}"
        if last:
            operands, labels = [*operands[1:], operands[0]], [*labels[1:], labels[0]]
        hint = widening(*(join.path for join in joins), otherwise=_SHAPED)
        return self._builder.add(name, op, operands, span, labels, address, hint)
