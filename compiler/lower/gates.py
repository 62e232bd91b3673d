"""Stochastic depth's draws: all of a step's at once, on the host, so that dropped blocks are never started.

A gate that multiplies on the device saves nothing. Drawn before the step, it lets a network pass by a dropped block
altogether, eager or compiled; and whatever runs a part of the step again (checkpointing) can put the same draws back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from archspec.compiler.lower.layers import DropPath
from archspec.graph import Graph


def dropping(graph: Graph) -> list[str]:
    """Names of the drop paths that decide for the whole mini-batch, sorted: the order in which they draw.

    Whatever order a network holds its modules in, emitted ones and edited ones too, it can follow this one.
    """
    return sorted(
        node.name for node in graph
        if node.op.key == "drop_path" and node.op.unit == "batch"  # type: ignore[attr-defined]
    )  # fmt: skip


class DrawGates:
    """The forward pre-hook of a network with stochastic depth: in training, decides which blocks this step drops.

    Draws from `network.drop_generator`, or torch's global CPU generator: `torch.manual_seed` repeats it.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def __call__(self, network: nn.Module, inputs: Any) -> None:
        if not network.training:
            return
        gates: list[DropPath] = [network.get_submodule(name) for name in self._names]  # type: ignore[misc]
        if torch.compiler.is_compiling() or not network.skips_dropped:
            for gate in gates:
                gate.kept = None
            return
        generator: torch.Generator | None = network.drop_generator  # type: ignore[assignment]
        drawn = torch.rand(len(gates), generator=generator, device="cpu").tolist()
        for gate, number in zip(gates, drawn, strict=True):
            gate.kept = number < gate.probability
