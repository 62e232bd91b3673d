"""The staged form: stem, a table of stages, head, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from archspec.compiler.expand.blocks import Place, expand_block, gate_of
from archspec.compiler.expand.builder import TOO_LARGE, Builder, Signal, strided
from archspec.compiler.expand.drop_path import drop_paths
from archspec.compiler.expand.memo import Memo
from archspec.compiler.expand.paths import Paths, scope_at
from archspec.compiler.expand.shortcuts import Shortcuts, spans_of
from archspec.compiler.expand.skips import STEM, skip_edges
from archspec.compiler.expand.splice import copied
from archspec.compiler.expand.table import Row, stage_table
from archspec.language.items import Path
from archspec.language.schema import Document
from archspec.language.spec import Spec
from archspec.ops import Operator
from archspec.syntax import limits
from archspec.syntax.errors import Problem, suggest
from archspec.syntax.values import show


class Staged:
    """One expansion of the staged form. With a memo, parts that it has met before come from it."""

    def __init__(self, spec: Spec, builder: Builder, paths: Paths, memo: Memo | None) -> None:
        self.spec, self.document, self.builder, self.paths = spec, spec.document, builder, paths
        self.memo = memo
        self.kinds: dict[str, str] = {}
        self.notes: list[Problem] = []
        self.passed: dict[str, Signal] = {}
        """What stages without blocks pass on, and what has become of outputs that skips join, by their addresses."""
        self.total = 0
        """How many blocks there are, those too that `until` cuts off."""
        self.read = _read_inside(self.document)

    def expand(self, start: Signal) -> Signal:
        """The network's last signal."""
        rows = self._rows(start)
        signal = self._path(self.document.stem, start, "stem")
        if rows is not None:
            self.total = sum(row.count for row in rows)
            signal = self._stages(self._truncated(rows), signal)
        if self.document.until is not None:
            return signal
        return self._path(self.document.head, signal, "head")

    def _path(self, path: Path, start: Signal, name: str) -> Signal:
        """The stem or the head."""
        run = partial(self.paths.run, path, [start], name, scope_at(self.spec.params, start), where=name)
        return run() if self.memo is None else self.memo.part(self.builder, name, [("start", start)], run)

    def _rows(self, start: Signal) -> list[Row] | None:
        """The table of stages; None, having told what needs it, if the spec has none."""
        epoch = self.memo.start(self.spec.params) if self.memo else 0
        if self.document.stages is None:
            for name in ("levels", "skips", "drop_path", "until"):
                if getattr(self.document, name):
                    span = self.spec.data.key_spans.get(name)
                    self.builder.problems.add(f"`{name}` needs stages", span, hint="this spec has none: remove it")
            return None
        if self.memo and epoch in self.memo.rows:
            return self.memo.rows[epoch]
        rank = len(start.shape) - 1 if start else None
        rows = stage_table(self.document.stages, self.spec.params, self.builder.problems, rank, self.builder.origins)
        if self.memo and not self.builder.problems:
            self.memo.rows[epoch] = rows
        return rows

    def _truncated(self, rows: list[Row]) -> list[tuple[Row, int]]:
        """Each stage with how many of its blocks are kept: all, unless `until` cuts the network off."""
        kept = [(row, row.count) for row in rows]
        until = self.document.until
        if until is None or not rows:
            return kept
        stage, _, block = until.partition(".")
        for i, (row, count) in enumerate(kept):
            last = int(block) if block.isdecimal() and len(block) < 10 else count
            if stage == f"stage{row.number}" and (not block or last < count):
                return [*kept[:i], (row, last + 1 if block else count)]
        known = [f"stage{row.number}" for row in rows]
        value = self.spec.data.get("until")
        hint = suggest(until, known)
        message = f"until: there is no stage or block '{until[:60]}'"
        self.builder.problems.add(message, value.span if value else None, hint=hint)
        return kept

    def _stages(self, rows: Sequence[tuple[Row, int]], signal: Signal) -> Signal:
        addresses = [[f"stage{row.number}.{i}" for i in range(count)] for row, count in rows]
        shortcuts = self._shortcuts(rows, addresses)
        drop = drop_paths(self.document.drop_path, rows, self.total, self.spec.params, self.builder)
        shortcuts.signals[STEM] = signal
        number = 0
        for row, count in rows:
            if not count:  # the stage is not there, and neither is what runs on entering it
                self.passed[f"stage{row.number}"] = signal
                continue
            copied(self.spec.params)
            copied(row.columns)
            self.builder.origins.stage = row.number
            scope = {
                **self.spec.params, **row.columns, "stage": row.number, "stages": row.stages, "count": row.count,
                "total": self.total,
            }  # fmt: skip
            place, before = f"stage{row.number}.enter", signal
            signal = self.paths.run(row.enter, [signal], place, scope_at(scope, signal), where=place)
            shortcuts.signals[place] = signal
            for index in range(count):
                address = f"stage{row.number}.{index}"
                if address in shortcuts.starts:
                    shortcuts.signals[f"input of {address}"] = signal
                signal = shortcuts.gathered("input", address, signal)
                scope["number"] = number + index
                signal = self._block(row, index, scope, signal, shortcuts, drop.get(address))
                shortcuts.own[address] = signal
                joined = shortcuts.signals[address] = shortcuts.gathered("output", address, signal)
                if joined is not signal:
                    self.passed[address] = self.passed[f"stage{row.number}"] = joined
                else:
                    self.passed.pop(f"stage{row.number}", None)
                signal = joined
            number += row.count
            self._check_stride(row, before, signal)
        if drop and not self.builder.problems and not any(gate_of(address) in self.builder.nodes for address in drop):
            self.builder.problems.add(
                "drop_path: no block has an addition that goes round its branch: there is nothing to drop",
                self.document.drop_path.span if self.document.drop_path else None,
                hint="give a block a shortcut, or an addition of the wire 'branch' and another; or remove drop_path",
            )
        return signal

    def _check_stride(self, row: Row, before: Signal, after: Signal) -> None:
        """Tells of a stage's stride that nothing in the stage takes up."""
        assert self.document.stages is not None
        sizes = before is not None and after is not None and before.reduction == after.reduction is not None
        if sizes and strided(row.columns["stride"]) and not self.builder.problems:  # else it may be what is missing
            stride = self.document.stages.stride
            message = f"stage {row.number} has stride {show(row.columns['stride'])}, and nothing in it strides"
            hint = "write `stride: stride` in the first convolution of its blocks, or leave the stride out"
            self.builder.problems.add(message, stride.span, hint=hint)

    def _shortcuts(self, rows: Sequence[tuple[Row, int]], addresses: Sequence[Sequence[str]]) -> Shortcuts:
        """The levels and skips over all blocks. Raises `SpecError` where the table or they are wrong."""
        document, spec, problems = self.document, self.spec, self.builder.problems
        before = len(problems)
        if sum(count for _, count in rows) > limits.MAX_OPERATORS:
            span = document.stages.repeat.span if document.stages else None
            problems.add(f"the stages have more than {limits.MAX_OPERATORS:,} blocks in all", span)
            problems.check()
        spans = spans_of(document.levels, [count for _, count in rows], spec.params, self.builder)
        entered = {f"stage{row.number}.enter" for row, count in rows if count and row.enter.items}
        edges = skip_edges(document.skips, addresses, entered, spec.params, spec.rules, problems, self.notes)
        if not rows or len(problems) > before:
            problems.check()
        blocks = [address for stage in addresses for address in stage]
        return Shortcuts(blocks, document.levels, spans, edges, spec.params, self.builder, self.paths)

    def _block(
        self, row: Row, index: int, scope: Mapping[str, Any], signal: Signal, shortcuts: Shortcuts,
        drop_path: Operator | None,
    ) -> Signal:  # fmt: skip
        """The signal after the block at a position of a stage."""
        address, name = f"stage{row.number}.{index}", row.block(index)
        if name is None:
            blocks = f"{row.count} block{'s' * (row.count > 1)}"
            message = f"stage {row.number} has {blocks}, and no block is named for position {index}"
            hint = "name `only` for a stage of one block, `middle` for the others"
            self.builder.tell(row.blocks, message, row.blocks.span, address, hint)
            return None
        if name not in self.document.blocks:  # told by check_references
            return None
        self.kinds[address] = name
        block = self.document.blocks[name]
        stride = row.columns["stride"] if index == 0 else 1
        copied(scope)
        self.builder.work.spend(250, TOO_LARGE, row.blocks.span)
        local = {
            **scope, "index": index, "first": index == 0, "last": index == row.count - 1, "stride": stride,
            "downsampled": max(stride) > 1 if isinstance(stride, list) else stride > 1,
        }  # fmt: skip
        place = Place(address, block, local, drop_path, block.span, self.read.get(address, ()))
        joining = shortcuts.joining(address)
        joiner = partial(shortcuts.joined, address=address) if joining else None
        run = partial(expand_block, place, signal, self.paths, self.builder, joiner)
        if self.memo is None:
            return run()
        read = [((join.prefix, id(join.path)), shortcuts.signals[join.source]) for join in joining]
        return self.memo.part(self.builder, address, [("start", signal), *read], run)


def _read_inside(document: Document) -> dict[str, set[str]]:
    """What outputs, heads and a graph that follows the stages read inside of blocks, by the blocks' addresses."""
    addresses = [*(document.outputs or {}).values()]
    for wires in (document.heads, document.graph or {}):
        addresses += [name for wire in wires.values() for name in (*wire.inputs, *([wire.bare] if wire.bare else []))]
    found: dict[str, set[str]] = {}
    for address in addresses:
        stage, _, rest = address.partition(".")
        block, _, inside = rest.partition(".")
        if inside:
            found.setdefault(f"{stage}.{block}", set()).add(inside)
    return found
