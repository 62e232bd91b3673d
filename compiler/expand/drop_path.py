"""Stochastic depth: with what probability each block's branch survives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archspec.compiler.expand.builder import TOO_LARGE, Builder
from archspec.language.schema import StochasticDepth
from archspec.ops import Operator
from archspec.ops.ranges import PROBABILITY
from archspec.ops.regularization import least_divisor
from archspec.syntax.expressions import Poisoned


def drop_paths(
    rule: StochasticDepth | None, blocks: Sequence[str], params: Mapping[str, Any], builder: Builder
) -> dict[str, Operator]:
    """The stochastic depth of each block: p_l = 1 - (l / L) (1 - p_L) for block l of L where it decays."""
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
        builder.problems.add(f"drop_path: survival {error}", rule.survival.span)
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
