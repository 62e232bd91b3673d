"""Activation checkpointing (Chen et al., arXiv 1604.06174): segments whose inside is computed again in backward.

What running a segment twice would spoil is put back after the second run: batch normalisation's running statistics and
counts (torch's own checkpoint updates them twice, in silence), and every other buffer. The second run sees what the
first saw: the generators' state (torch's checkpoint does that) and the draws of stochastic depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from archspec.compiler.analysis.segments import Segment
from archspec.compiler.lower import Network
from archspec.compiler.lower.layers import DropPath
from archspec.execution.parts import Part, Parts


class Checkpointed:
    """A network's forward, by segments: the same values, gradients and statistics in less memory.

    Without gradients, or in evaluation, nothing is checkpointed. Raises `ValueError` as `Parts` does.
    """

    def __init__(self, network: Network, segments: Sequence[Segment]) -> None:
        self._parts = Parts(network, segments)

    def __call__(self, network: Network, x: Tensor) -> Any:
        if not (network.training and torch.is_grad_enabled()):
            return type(network).forward(network, x)

        def call(part: Part, inputs: list[Any]) -> Any:
            modules = [network.get_submodule(name) for name in part.modules]
            return checkpoint(part.run, network, *inputs, use_reentrant=False, context_fn=partial(_again, modules))

        return self._parts.run(network, x, call)


BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class _Replay:
    """The second run of a segment: with the draws of its first, and leaving every buffer as it was."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        entered = [module for root in modules for module in root.modules()]
        found = list(dict.fromkeys(entered))  # a block may stand twice in a network that was edited
        if sum(isinstance(module, DropPath) for module in entered) > sum(isinstance(m, DropPath) for m in found):
            raise ValueError(
                "a block that stands twice in one segment draws its drop path twice, which cannot be run again: use "
                "checkpoint=1, segments of single blocks, or give each place a block of its own"
            )
        self._modules = [module for module in found if module._buffers]
        self._gates = [module for module in found if isinstance(module, DropPath)]
        self._drawn = [(gate.kept, None) for gate in self._gates]

    def __enter__(self) -> None:
        self._later = [(gate.kept, gate.given) for gate in self._gates]
        self._draw(self._drawn)
        self._kept: list[tuple[nn.Module, dict[str, Tensor | None]]] = []
        for module in self._modules:
            if not module.training:
                continue
            self._kept.append((module, module._buffers))
            # What a batch norm gives in training does not depend on its statistics: it may write to anything.
            scratch = torch.empty_like if isinstance(module, BATCH_NORMS) else torch.clone
            module._buffers = {
                name: None if buffer is None else scratch(buffer) for name, buffer in module._buffers.items()
            }

    def __exit__(self, *error: object) -> None:
        self._draw(self._later)
        for module, buffers in self._kept:
            module._buffers = buffers

    def _draw(self, draws: Sequence[tuple[bool | None, bool | None]]) -> None:
        """Sets each gate's draw, and the one that it was given; without either it draws for itself."""
        for gate, (kept, given) in zip(self._gates, draws, strict=True):
            gate.kept, gate.given = kept, given


def _again(modules: Sequence[nn.Module]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts of a segment's first and second run."""
    return nullcontext(), _Replay(modules)
