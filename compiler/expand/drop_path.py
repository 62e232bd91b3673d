"""Stochastic depth: with what probability each block's branch survives, and that something else goes on without it."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from archspec.compiler.expand.builder import TOO_LARGE, Builder
from archspec.compiler.expand.splice import copied
from archspec.compiler.expand.table import Row
from archspec.graph import Node
from archspec.language.schema import StochasticDepth
from archspec.ops import Operator
from archspec.ops.ranges import PROBABILITY
from archspec.ops.regularization import least_divisor
from archspec.syntax.expressions import Expr, Poisoned


def drop_paths(
    rule: StochasticDepth | None, rows: Sequence[tuple[Row, int]], total: int, params: Mapping[str, Any],
    builder: Builder,
) -> dict[str, Operator]:  # fmt: skip
    """The stochastic depth of each block: p_l = 1 - (l / L) (1 - p_L) for block l of L where it decays; what a list
    says of its stage; what an expression over the block's names says of it.

    `rows` are the stages with how many of their blocks are kept, `total` counts all blocks. All count, those too that
    have no addition and so survive for certain (`blocks.expand_block`).
    """
    if rule is None:
        return {}
    kept = sum(count for _, count in rows)
    builder.work.spend(80 * kept, TOO_LARGE, rule.survival.span)
    found: dict[str, Operator] = {}
    before = 0  # blocks of the stages before
    done = 0  # of those that are kept
    try:
        of_all = None if _of_blocks(rule.survival, rows) else builder.evaluate(rule.survival, params, "drop_path")
        if of_all is None or isinstance(of_all, list):
            _check_own(rule, of_all, rows)
        for place, (row, count) in enumerate(rows):
            for index in range(count):
                if of_all is None:
                    value = builder.evaluate(rule.survival, _scope(row, index, before, total, params), "drop_path")
                else:
                    value = of_all[place] if isinstance(of_all, list) else of_all
                survival = PROBABILITY.check(value)
                if rule.rescale:
                    least_divisor(survival)
                done += 1
                if rule.decay != "constant" and of_all is not None and not isinstance(of_all, list):
                    survival = 1 - done / kept * (1 - survival)
                found[f"stage{row.number}.{index}"] = builder.default(
                    "drop_path", unit=rule.unit, rescale=rule.rescale, survival=survival
                )
            before += row.count
        if not kept:
            PROBABILITY.check(of_all)
    except Poisoned:
        return {}
    except ValueError as error:
        builder.problems.add(f"drop_path: survival {error}", builder.origins.place(rule.survival))
        return {}
    return found


def _of_blocks(expr: Expr, rows: Sequence[tuple[Row, int]]) -> bool:
    """Whether an expression names what blocks know of themselves, or columns."""
    columns = rows[0][0].columns.keys() if rows else ()
    return bool(expr.names & {*columns, "stage", "stages", "index", "first", "last", "count", "number", "total"})


def _check_own(rule: StochasticDepth, values: Any, rows: Sequence[tuple[Row, int]]) -> None:
    """Raises `ValueError` where what is said of each stage or block is said of others, or decays besides."""
    if "decay" in rule.model_fields_set:
        raise ValueError("says what each block's is, which does not decay: leave `decay` out")
    stages = rows[0][0].stages if rows else 0
    if values is not None and len(values) != stages:
        raise ValueError(f"is a list of {len(values)} for {stages} stages")


def _scope(row: Row, index: int, before: int, total: int, params: Mapping[str, Any]) -> dict[str, Any]:
    copied(params)
    return {
        **params, **row.columns, "stage": row.number, "stages": row.stages, "count": row.count, "index": index,
        "first": index == 0, "last": index == row.count - 1, "number": before + index, "total": total,
    }  # fmt: skip


def lost(gates: Collection[str], nodes: Sequence[Node]) -> set[str]:
    """What passes nothing on where all of `gates` drop: they, and what follows them up to additions with an operand
    that is left. `nodes` are in topological order."""
    found = set(gates)
    for node in nodes:
        dropped = found.intersection(node.inputs)
        if dropped and (node.op.key != "add" or dropped.issuperset(node.inputs)):
            found.add(node.name)
    return found


def check_drops(builder: Builder, outputs: Collection[str]) -> None:
    """Tells of every `drop_path` that could drop the whole signal: none of an output may be lost with it."""
    nodes = list(builder.nodes.values())
    gates = [node for node in nodes if node.op.key == "drop_path"]
    if not gates:
        return
    readers: dict[str, list[int]] = {}
    for i, node in enumerate(nodes):
        for source in dict.fromkeys(node.inputs):
            readers.setdefault(source, []).append(i)
    for gate in gates:
        near, ahead = {gate.name}, [*readers.get(gate.name, ())]
        while ahead and near.isdisjoint(outputs):
            node = nodes[heapq.heappop(ahead)]  # whatever it reads has been looked at
            if node.name not in near and node.name in lost(near, [node]):
                near.add(node.name)
                for reader in readers.get(node.name, ()):
                    heapq.heappush(ahead, reader)
        if not near.isdisjoint(outputs):
            builder.problems.add(
                "drop_path drops the whole signal here", gate.span, where=gate.name,
                hint="put it where an addition goes round it: at the end of a branch",
            )  # fmt: skip
