"""Topologies of shortcuts: rules that place skips. Spaces of networks to search are in `archspec.research`.

A rule is a function `rule(points, **fields) -> pairs`. `points` are addresses in order: the signal that enters the
first block (`stem`; within a stage its `enter`, or the last block before), then every block's output. A pair
`(source, block)` is a skip from the output of `source` to the closing addition (or the input) of `block`; a skip from
point i to point j spans j - i blocks. Add your own: `load(spec, rules=STANDARD.with_rule("mine", function))`.
"""

from __future__ import annotations

from typing import Any

from archspec.topologies.registry import Pair, Rule, RuleError, Rules
from archspec.topologies.rules import cross_stage, dense, every, fractal, log_dense, random, ror

STANDARD = Rules({
    "every": every, "dense": dense, "log_dense": log_dense, "fractal": fractal, "ror": ror, "cross_stage": cross_stage,
    "random": random,
})  # fmt: skip


def rule(name: str, /, **fields: Any) -> dict[str, Any]:
    """A rule as an entry of `skips`: `rule("every", step=4, path="B", within="stage")`."""
    return {"rule": name, **fields}


def edge(source: str, to: str, /, **fields: Any) -> dict[str, Any]:
    """A single skip as an entry of `skips`: `edge("stage1.2", "stage3.0", path="B")`."""
    return {"from": source, "to": to, **fields}


__all__ = [
    "STANDARD", "Pair", "Rule", "RuleError", "Rules", "cross_stage", "dense", "edge", "every", "fractal", "log_dense",
    "random", "ror", "rule",
]  # fmt: skip
