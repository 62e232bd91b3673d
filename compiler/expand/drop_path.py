"""Stochastic depth: with what probability each block's branch survives, and that something else goes on without it."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from archspec.compiler.expand.builder import TOO_LARGE, Builder
from archspec.graph import Node
from archspec.language.schema import StochasticDepth
from archspec.ops import Operator
from archspec.ops.ranges import PROBABILITY
from archspec.ops.regularization import least_divisor
from archspec.syntax.expressions import Poisoned


def drop_paths(
    rule: StochasticDepth | None, blocks: Sequence[str], params: Mapping[str, Any], builder: Builder
) -> dict[str, Operator]:
    """The stochastic depth of each block: p_l = 1 - (l / L) (1 - p_L) for block l of L where it decays.

    All blocks count, those too that have no addition and so survive for certain (`blocks.expand_block`).
    """
    if rule is None:
        return {}
    try:
        survival = builder.evaluate(rule.survival, params, "drop_path")
        survival = PROBABILITY.check(survival)
        if rule.rescale:
            least_divisor(survival)
    except Poisoned:
        return {}
    except ValueError as error:
        builder.problems.add(f"drop_path: survival {error}", builder.origins.place(rule.survival))
        return {}
    total = len(blocks)
    builder.work.spend(80 * total, TOO_LARGE, rule.survival.span)
    return {
        address: builder.default(
            "drop_path", unit=rule.unit, rescale=rule.rescale,
            survival=1 - (i + 1) / total * (1 - survival) if rule.decay == "linear" else survival,
        )
        for i, address in enumerate(blocks)
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
