"""Expansion: a spec's stages, blocks, levels and skips become one graph of operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from archspec.compiler.expand.blocks import Place, expand_block, shortcut_scope
from archspec.compiler.expand.builder import Builder, Signal
from archspec.compiler.expand.drop_path import drop_paths
from archspec.compiler.expand.flat import expand_flat
from archspec.compiler.expand.input import input_node
from archspec.compiler.expand.memo import Memo
from archspec.compiler.expand.outputs import output_nodes
from archspec.compiler.expand.paths import Paths, scope_at
from archspec.compiler.expand.references import check_references
from archspec.compiler.expand.skips import STEM, Edge, skip_edges
from archspec.compiler.expand.table import Row, stage_table
from archspec.graph import Graph
from archspec.language.items import Path
from archspec.language.spec import Spec
from archspec.ops import Operator, ShapeError, show_shape
from archspec.ops.base import whole
from archspec.syntax import limits
from archspec.syntax.errors import Problem, Span, SpecError, suggest
from archspec.syntax.expressions import EvaluationError, Poisoned
from archspec.topologies.levels import LevelSpan, level_spans


def expand(spec: Spec, memo: Memo | None = None) -> Graph:
    """The graph of a spec. Raises `SpecError` with everything found wrong.

    `memo` keeps what expansions of one document with different params have in common.
    """
    builder = Builder(spec.trust, memo.operators if memo else None)
    # Dangling references are told and expansion goes on around them, so that one run tells of wrong shapes too.
    if not (memo and memo.checked) and not check_references(spec.document, builder.problems):
        builder.problems.check()
    if memo and not builder.problems:
        memo.checked = True
    start = input_node(spec, builder)
    paths = Paths(spec.document.paths, builder)
    try:
        if spec.document.graph is not None:
            kinds, notes = {}, []
            end = expand_flat(spec.document, spec.params, start, paths, builder)
        else:
            network = _Network(spec, builder, paths, memo)
            kinds, notes, end = network.kinds, network.notes, network.expand(start)
    except SpecError as error:
        builder.problems.extend(error.problems)
    builder.problems.check()
    headless = spec.document.until is not None
    outputs = output_nodes(spec.document.outputs, end, builder, headless)
    builder.problems.check()
    return Graph(spec.name, builder.nodes.values(), outputs, spec.document.init, kinds, notes)


@dataclass(frozen=True, slots=True)
class _Join:
    """A shortcut from outside that ends in a block: what starts it, its path, its place among the names."""

    source: str
    path: Path
    prefix: str
    label: str
    span: Span | None


class _Network:
    """One expansion of the staged form; `signals` are the outputs of blocks and the inputs of level spans."""

    def __init__(self, spec: Spec, builder: Builder, paths: Paths, memo: Memo | None) -> None:
        self.spec, self.document, self.builder, self.paths = spec, spec.document, builder, paths
        self.memo = memo
        self.kinds: dict[str, str] = {}
        self.notes: list[Problem] = []
        self.signals: dict[str, Signal] = {}

    def expand(self, start: Signal) -> Signal:
        document, params = self.document, self.spec.params
        epoch = self.memo.start(params) if self.memo else 0
        signal = self.kept("stem", start, partial(self.run, document.stem, start, "stem"))
        if document.stages is None:
            self.refuse_without_stages()
        else:
            rows = self.memo.rows.get(epoch) if self.memo else None
            if rows is None:
                rank = len(start.shape) - 1 if start else None
                rows = stage_table(document.stages, params, self.builder.problems, rank)
                if self.memo and not self.builder.problems:
                    self.memo.rows[epoch] = rows
            signal = self.stages(self.truncated(rows), signal)
        if document.until is not None:
            return signal
        return self.kept("head", signal, partial(self.run, document.head, signal, "head"))

    def run(self, path: Path, start: Signal, name: str) -> Signal:
        """The stem or the head."""
        return self.paths.run(path, [start], name, scope_at(self.spec.params, start), where=name)

    def kept(self, what: str, start: Signal, make: Callable[[], Signal], joins: Sequence[_Join] = ()) -> Signal:
        """A part of the network, from the memo if there is one and it has it."""
        if self.memo is None:
            return make()
        signals = [("start", start), *(((join.prefix, id(join.path)), self.signals[join.source]) for join in joins)]
        return self.memo.part(self.builder, what, signals, make)

    def refuse_without_stages(self) -> None:
        for name in ("levels", "skips", "drop_path", "until"):
            if getattr(self.document, name):
                span = self.spec.data.key_spans.get(name)
                self.builder.problems.add(f"`{name}` needs stages", span, hint="this spec has none: remove it")

    def truncated(self, rows: list[Row]) -> list[tuple[Row, int]]:
        """Each stage with how many of its blocks are kept: all, unless `until` cuts the network off."""
        kept = [(row, row.count) for row in rows]
        until = self.document.until
        if until is None or not rows:
            return kept
        stage, _, block = until.partition(".")
        for i, (row, count) in enumerate(kept):
            if stage == f"stage{row.number}" and (not block or (block.isdecimal() and int(block) < count)):
                return [*kept[:i], (row, int(block) + 1 if block else count)]
        known = [f"stage{row.number}" for row in rows]
        value = self.spec.data.get("until")
        hint = suggest(until, known)
        message = f"until: there is no stage or block '{until[:60]}'"
        self.builder.problems.add(message, value.span if value else None, hint=hint)
        return kept

    def stages(self, rows: Sequence[tuple[Row, int]], signal: Signal) -> Signal:
        before = len(self.builder.problems)
        if sum(count for _, count in rows) > limits.MAX_OPERATORS:
            span = self.document.stages.repeat.span if self.document.stages else None
            self.builder.problems.add(f"the stages have more than {limits.MAX_OPERATORS:,} blocks in all", span)
            self.builder.problems.check()
        addresses = [[f"stage{row.number}.{i}" for i in range(count)] for row, count in rows]
        blocks = [address for stage in addresses for address in stage]
        spans = self.level_spans(rows)
        document, spec, problems = self.document, self.spec, self.builder.problems
        entered = {f"stage{row.number}.enter" for row, _ in rows if row.enter.items}
        edges = skip_edges(document.skips, addresses, entered, spec.params, spec.rules, problems, self.notes)
        if not rows or len(self.builder.problems) > before:
            self.builder.problems.check()
        joins, widenings = self.joins(blocks, spans, edges), _by_target(edges, "concat")
        drop = drop_paths(self.document.drop_path, blocks, self.spec.params, self.builder)
        span_starts = {blocks[span.first] for span in spans}
        self.signals[STEM] = signal
        for row, count in rows:
            scope = {**self.spec.params, **row.columns, "stage": row.number, "stages": row.stages, "count": row.count}
            enter = scope_at(scope, signal)
            place = f"stage{row.number}.enter"
            signal = self.signals[place] = self.paths.run(row.enter, [signal], place, enter, where=place)
            for index in range(count):
                address = f"stage{row.number}.{index}"
                if address in span_starts:
                    self.signals[f"input of {address}"] = signal
                signal = self.widened(address, signal, widenings.get(address, ()))
                joining, kind = joins.get(address, ()), row.block(index)
                if kind in self.document.blocks:
                    self.kinds[address] = kind
                make = partial(self.block, row, index, scope, signal, joining, drop.get(address))
                signal = self.kept(address, signal, make, joining)
                self.signals[address] = signal
        return signal

    def block(
        self, row: Row, index: int, scope: Mapping[str, Any], signal: Signal, joins: Sequence[_Join],
        drop_path: Operator | None,
    ) -> Signal:  # fmt: skip
        address = f"stage{row.number}.{index}"
        name = row.block(index)
        if name is None:
            blocks = f"{row.count} block{'s' * (row.count > 1)}"
            message = f"stage {row.number} has {blocks}, and no block is named for position {index}"
            hint = "name `only` for a stage of one block, `middle` for the others"
            self.builder.tell(row.blocks, message, row.blocks.span, address, hint)
            return None
        if name not in self.document.blocks:  # told by check_references
            return None
        block = self.document.blocks[name]
        stride = row.columns["stride"] if index == 0 else 1
        local = {
            **scope, "index": index, "first": index == 0, "last": index == row.count - 1, "stride": stride,
            "downsampled": max(stride) > 1 if isinstance(stride, list) else stride > 1,
        }  # fmt: skip
        place = Place(address, block, local, drop_path, block.span)
        joiner = (lambda label, target: self.joined(joins, label, target, address)) if joins else None
        return expand_block(place, signal, self.paths, self.builder, joiner)

    def joins(self, blocks: Sequence[str], spans: Sequence[LevelSpan], edges: Sequence[Edge]) -> dict[str, list[_Join]]:
        """What joins each block's closing addition: levels from inner to outer, then skips."""
        found: dict[str, list[_Join]] = {}
        for span in sorted(spans, key=lambda span: -span.level):
            levels = self.document.levels
            assert levels is not None
            join = _Join(
                f"input of {blocks[span.first]}", levels.path, f"levels.{span.name}", f"level {span.name}",
                levels.path.span or levels.span,
            )  # fmt: skip
            found.setdefault(blocks[span.last], []).append(join)
        for target, edges_here in _by_target(edges, "add").items():
            for edge in edges_here:
                join = _edge_join(edge)
                found.setdefault(target, []).append(join)
        return found

    def joined(self, joins: Sequence[_Join], label: str, target: Signal, address: str) -> list[tuple[str, Signal]]:
        """The signals that join an addition whose first operand is `target`."""
        return [(join.label, self.shortcut(join, label, target, address)) for join in joins]

    def shortcut(self, join: _Join, label: str, target: Signal, address: str) -> Signal:
        """A level's or skip's path from where it starts, to reach the shape of `target`; messages call that `label`."""
        source = self.signals[join.source]
        try:
            scope = shortcut_scope(self.spec.params, source, target)
        except ShapeError as error:
            self.builder.problems.add(str(error), join.span, where=join.prefix)
            return None
        signal = self.paths.run(join.path, [source], join.prefix, scope, where=join.prefix)
        if signal is not None and target is not None and signal.shape != target.shape:
            shapes = f"{show_shape(target.shape)} ({label}) with {show_shape(signal.shape)} ({join.label})"
            hint = "give it a path that changes the shape, as in `path: B`"
            self.builder.problems.add(f"the addition joins {shapes}", join.span, hint=hint, where=address)
            return None
        return signal

    def widened(self, address: str, signal: Signal, edges: Sequence[Edge]) -> Signal:
        """A block's input with the skips that widen it alongside."""
        if not edges:
            return signal
        operands = [signal]
        for edge in edges:
            join = _edge_join(edge)
            source = self.signals[edge.source]
            try:
                scope = shortcut_scope(self.spec.params, source, signal)
            except ShapeError as error:
                self.builder.problems.add(str(error), edge.skip.span, where=join.prefix)
                continue
            scope["out"] = scope["channels"]
            scope["changed"] = scope["downsampled"]
            operands.append(self.paths.run(edge.path, [source], join.prefix, scope, where=join.prefix))
        span = edges[0].skip.span
        return self.builder.add(f"{address}.concat", self.builder.default("concat"), operands, span, where=address)

    def level_spans(self, rows: Sequence[tuple[Row, int]]) -> list[LevelSpan]:
        levels = self.document.levels
        if levels is None or not rows:
            return []
        numbers = []
        for name, expr in (("m", levels.m), ("split", levels.split)):
            try:
                number = whole(expr(self.spec.params))
                if number < (2 if name == "split" else 1):
                    raise ValueError(f"must be at least {2 if name == 'split' else 1}, not {number}")
                numbers.append(number)
            except EvaluationError as error:
                self.builder.problems.extend([error.problem])
            except ValueError as error:
                self.builder.problems.add(f"levels: {name} {error}", expr.span)
            except Poisoned:
                pass
        if len(numbers) < 2:
            return []
        try:
            return level_spans([count for _, count in rows], *numbers)
        except ValueError as error:
            self.builder.problems.add(f"levels: {error}", levels.m.span)
            return []


def _edge_join(edge: Edge) -> _Join:
    span = edge.path.span or edge.skip.span
    return _Join(edge.source, edge.path, f"skips.{edge.name}", f"skip from {edge.source}", span)


def _by_target(edges: Sequence[Edge], join: str) -> dict[str, list[Edge]]:
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        if edge.join == join:
            found.setdefault(edge.target, []).append(edge)
    return found
