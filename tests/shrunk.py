"""The networks of the zoo at a size that runs in milliseconds, with every kind of block they have."""

from __future__ import annotations

from functools import cache
from typing import Any

import archspec
from archspec.graph import Graph


@cache
def shrunk(name: str) -> Graph:
    params = archspec.load(name).params
    if "n" in params:  # a CIFAR network: as many blocks as its levels need
        each = 1 + max(2, params.get("m", 0))
        depth = params["depth"] - 3 * params.get("per_block", 3) * (params["n"] - each)
        change: dict[str, Any] = {"depth": depth, "input.size": [8, 8]}
        if "k" in params:
            change["k"] = min(params["k"], 2)
    else:
        stages = len(params["counts"])
        width = 64 if stages == 4 else 8  # option A cannot narrow what the stem gives
        change = {"classes": 10, "counts": [3, 1, 1, 2, 1][:stages], "stages.width": [width] * stages}
        change["input.size"] = [4, 32, 32] if "3d" in name else [32, 32]
    return archspec.expand(archspec.load(name, **change))
