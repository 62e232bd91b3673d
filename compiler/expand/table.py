"""The table of stages: columns evaluated to one row per stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from archspec.compiler.expand.origins import Origins
from archspec.language.items import Path
from archspec.language.schema import Positions, Stages
from archspec.ops.ranges import sizes, whole
from archspec.syntax import limits
from archspec.syntax.errors import Problems, Span, chain
from archspec.syntax.expressions import EVALUATED, UNKNOWN, EvaluationError, Expr, Poisoned
from archspec.syntax.values import show
from archspec.syntax.work import spend


@dataclass(frozen=True)
class Row:
    """One stage: its number from 1, of how many, how many blocks it has, its columns, its blocks, what enters it."""

    number: int
    stages: int
    count: int
    columns: Mapping[str, Any]
    blocks: Positions
    enter: Path

    def block(self, index: int) -> str | None:
        """Name of the block at a position; None where the spec does not say."""
        positions = self.blocks
        middle = positions.cycle[index % len(positions.cycle)] if positions.cycle else positions.middle
        if self.count == 1:
            return positions.only or (None if positions.end else positions.start or middle)
        if index == 0 and positions.start:
            return positions.start
        if index == self.count - 1 and positions.end:
            return positions.end
        return middle


def stage_table(
    stages: Stages, params: Mapping[str, Any], problems: Problems, rank: int | None = None,
    origins: Origins | None = None,
) -> list[Row]:  # fmt: skip
    """The rows of the table; empty, having told why, if it cannot be made out. Strides have `rank` sizes, if known.

    `origins` know where values are written that columns name.
    """
    origins = origins or Origins()
    columns: dict[str, Expr] = {"repeat": stages.repeat, "stride": stages.stride, **(stages.__pydantic_extra__ or {})}
    # `stage` and `stages` make a column depend on its row, as another column does.
    own = columns.keys() | {"stage", "stages"}
    lists: dict[str, list[Any]] = {}
    shared: dict[str, Any] = {}
    for name, expr in columns.items():
        if expr.root.kind == "list":
            lists[name] = list(expr.root.parts)
        elif not expr.names & own:
            value = _value(lambda expr=expr: expr(params), problems)
            if isinstance(value, list):
                lists[name] = value
            else:
                shared[name] = value
    lengths = {name: len(entries) for name, entries in lists.items()}
    named = {"blocks": stages.blocks, "enter": stages.enter}
    lengths |= {name: len(entries) for name, entries in named.items() if len(entries) > 1}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        spans: dict[str, Span | None] = {name: expr.span for name, expr in columns.items()}
        span = _odd(lengths, spans, stages.span)
        hint = "a list has one entry per stage; a value that is no list holds for every stage; entries for every block "
        hint += 'are a list in the list, indexed in the block: "width[index]"'
        problems.add(f"columns of stages differ in length: {told}", span, hint=hint)
        return []
    count = next(iter(lengths.values()), 1)
    if not 1 <= count <= 1000:
        problems.add(f"there are {count} stages", stages.span, hint="at least one, at most 1000")
        return []
    order = _order(columns, lists, problems)
    rows = [
        _row(number, count, stages, columns, order, lists, shared, params, problems, rank, origins)
        for number in range(1, count + 1)
    ]  # fmt: skip
    return [row for row in rows if row is not None] if all(rows) else []


def _odd(lengths: Mapping[str, int], spans: Mapping[str, Span | None], own: Span | None) -> Span | None:
    """The list that seems to be wrong: of a length that few have, and in the file that changes the others."""
    counts = Counter(lengths.values())

    def oddness(name: str) -> tuple[int, bool]:
        span = spans[name]
        return counts[lengths[name]], own is None or span is None or span.source is not own.source

    known = [name for name in lengths if name in spans]
    return spans[min(known, key=oddness)] if known else own


def _order(columns: Mapping[str, Expr], lists: Mapping[str, Any], problems: Problems) -> list[str]:
    """Columns in an order in which each finds those it depends on."""
    try:
        graph = {name: sorted(expr.names & columns.keys()) for name, expr in columns.items()}
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        problems.add(f"columns depend on each other in a circle: {chain(circle)}", columns[circle[0]].span)
        problems.check()
        raise


def _row(
    number: int, count: int, stages: Stages, columns: Mapping[str, Expr], order: list[str],
    lists: Mapping[str, list[Any]], shared: Mapping[str, Any], params: Mapping[str, Any], problems: Problems,
    rank: int | None, origins: Origins,
) -> Row | None:  # fmt: skip
    spend(len(params) // 2 + 30 * len(order), "the columns are too many for so many stages", stages.span)
    scope: dict[str, Any] = {**params, "stage": number, "stages": count}
    for name in order:
        if name in shared:
            scope[name] = shared[name]
        elif name in lists:
            entry = lists[name][number - 1]
            written = columns[name].root.kind == "list"
            spend(columns[name].steps // count, EVALUATED, columns[name].span)
            scope[name] = _value(lambda entry=entry: entry.evaluate(scope), problems) if written else entry
        else:
            scope[name] = _value(lambda name=name: columns[name](scope), problems)
    values = {name: scope[name] for name in columns}

    def place(name: str) -> tuple[str, Span | None]:
        """The stage and the entry that a column's value comes from; one for all stages is told once."""
        label = "every stage" if name in shared and count > 1 else f"stage {number}"
        return label, origins.place(columns[name], number - 1)

    repeat = _blocks_of(values["repeat"], *place("repeat"), problems)
    values["stride"] = _stride(values["stride"], *place("stride"), problems, rank)
    if repeat is None or values["stride"] is UNKNOWN:
        return None
    choice = stages.blocks[number - 1 if len(stages.blocks) > 1 else 0]
    enter = stages.enter[number - 1 if len(stages.enter) > 1 else 0]
    return Row(number, count, repeat, {**values, "repeat": repeat}, choice, enter)


def _value(evaluate: Any, problems: Problems) -> Any:
    try:
        return evaluate()
    except EvaluationError as error:
        problems.extend([error.problem])
    except Poisoned:
        pass
    return UNKNOWN


def _blocks_of(value: Any, stage: str, span: Span | None, problems: Problems) -> int | None:
    if value is UNKNOWN:
        return None
    try:
        count = whole(value)
    except ValueError as error:
        problems.add(f"the blocks of {stage} {error}", span)
        return None
    if not 0 <= count <= limits.MAX_OPERATORS:
        limit = f"at most {limits.MAX_OPERATORS:,}" if count > 0 else "none, or more"
        problems.add(f"{stage} has {count:,} blocks; there can be {limit}", span)
        return None
    return int(count)


def _stride(value: Any, stage: str, span: Span | None, problems: Problems, rank: int | None) -> Any:
    if value is UNKNOWN:
        return UNKNOWN
    try:
        if isinstance(value, list) and rank is not None and len(value) != rank:
            raise ValueError(f"{show(value)} has {len(value)} sizes for {rank} spatial dimensions")
        return sizes(value)
    except ValueError as error:
        problems.add(f"the stride of {stage} {error}", span)
        return UNKNOWN
