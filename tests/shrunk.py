"""The networks of the zoo at a size that runs in milliseconds, with every kind of block they have."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import archspec
from archspec.graph import Graph

COMPUTED: dict[str, dict[str, Any]] = {  # whose blocks per stage follow from params
    "efficientnet_b0": {"depth": 0.5}, "regnetx_400mf": {"depth": 7, "w_a": 48},
    "regnety_400mf": {"depth": 7, "w_a": 60},
}  # fmt: skip


@cache
def shrunk(name: str) -> Graph:
    spec = archspec.load(name)
    params, change = spec.params, dict[str, Any]()
    if "n" in params:  # a CIFAR network: as many blocks as its levels need
        each = 1 + max(2, params.get("m", 0))
        depth = params["depth"] - 3 * params.get("per_block", 3) * (params["n"] - each)
        change = {"depth": depth, "input.size": [8, 8]}
        if "k" in params:
            change["k"] = min(params["k"], 2)
    elif "counts" in params:
        stages = len(params["counts"])
        width = 64 if stages == 4 else 8  # option A cannot narrow what the stem gives
        change = {"classes": 10, "counts": [3, 1, 1, 2, 1][:stages], "stages.width": [width] * stages}
        change["input.size"] = [4, 32, 32] if "3d" in name else [32, 32]
    else:  # any other: at most two blocks a stage
        graph = archspec.expand(spec)
        blocks = Counter(address.partition(".")[0] for address in graph.kinds)
        change = {"input.size": [32] * (len(graph.input.shape) - 1)}
        if name in COMPUTED:
            change |= COMPUTED[name]
        elif blocks:
            change["stages.repeat"] = [min(2, count) for count in blocks.values()]
        if "classes" in params:
            change["classes"] = 10
    return archspec.expand(archspec.load(name, **change))
