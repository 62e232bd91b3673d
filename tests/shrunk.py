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
CHANGES: dict[str, dict[str, Any]] = {
    "bifpn": {"input.size": [128, 128], "counts": [2, 1, 1, 1], "stages.width": [64] * 4},
    "convnext_tiny": {"input.size": [32, 32], "counts": [1, 2, 1, 1], "wide": 8},
    "cspdarknet53": {"input.size": [32, 32], **{f"stages.{column}": [8] * 5 for column in ("width", "half", "inner")}},
    "darknet53": {"input.size": [32, 32], "stages.width": [16] * 5, "stages.repeat": [1, 2, 1, 1, 2]},
    "densenet121": {"input.size": [32, 32], "counts": [2, 1, 3, 1]},
    "densenet_bc100_k12": {"input.size": [8, 8], "counts": [2, 1, 3]},
    "dla34": {"input.size": [32, 32], "stages.width": [8] * 4},
    "fractalnet_cifar10": {"stages.width": [8] * 5},
    "googlenet": {"input.size": [32, 32]},
    "hardnet68": {"input.size": [32, 32]},
    "hrnet_w18": {"input.size": [32, 32]},
    "inception_v3": {"input.size": [75, 75], "heads": None},  # the auxiliary one needs a map of 17x17
    "r2plus1d_18": {"input.size": [4, 16, 16], "stages.width": [8] * 4},
    "repvgg_a0": {"input.size": [32, 32], "a": 0.125, "b": 0.25},
    "resnet1d_18": {"input.size": [64], "stages.width": [8] * 4},
    "slowfast_r50": {"input.size": [8, 32, 32]},
    "ssd300_resnet50": {"input.size": [257, 257], "counts": [2, 1, 1], "stages.width": [8] * 3, "classes": 2},
    "unet": {"input.size": [32, 32], "stages.width": [4, 8, 16, 32, 64]},
}
"""What makes some networks small."""


@cache
def shrunk(name: str) -> Graph:
    spec = archspec.load(name)
    params, change = spec.params, dict[str, Any]()
    if name in CHANGES:
        change = CHANGES[name]
    elif "n" in params:  # a CIFAR network: as many blocks as its levels need
        each = 1 + max(2, params.get("m", 0))
        per_block = params.get("per_block", (params["depth"] - 2) // (3 * params["n"]))
        depth = params["depth"] - 3 * per_block * (params["n"] - each)
        change = {"depth": depth, "input.size": [8, 8]}
        if "k" in params:
            change["k"] = min(params["k"], 2)
    elif "counts" in params:
        stages = len(params["counts"])
        width = 64 if stages == 4 else 8  # option A cannot narrow what the stem gives
        change = {"counts": [3, 1, 1, 2, 1][:stages], "stages.width": [width] * stages}
        change |= {"classes": 10} if "classes" in params else {}
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
