"""An export run beside the network it came from: the largest difference of their outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archspec.compiler.lower import Network
from archspec.deployment.exported import ExportError

BATCHES = (1, 3)
"""Batches that an export is tried with; it was traced with another one."""
TRACED = 2
_ROUNDINGS = 1000


@dataclass(frozen=True)
class Differences:
    """The largest difference, as it is and of the largest value."""

    absolute: float
    relative: float


def example(network: Network, batch: int = TRACED) -> Tensor:
    """A batch that the network reads, the same every time."""
    first = next((value for value in network.parameters() if value.is_floating_point()), None)
    x = torch.randn(batch, *network.architecture.input.shape, generator=torch.Generator().manual_seed(batch))
    return x if first is None else x.to(first.device, first.dtype)


def labels(network: Network) -> tuple[str, ...]:
    """Names of the outputs: the spec's, or `output`."""
    return tuple(network.architecture.outputs)


def named(network: Network, out: Any) -> dict[str, Tensor]:
    """What a network gives, by the names of the outputs."""
    return dict(out) if isinstance(out, Mapping) else dict(zip(labels(network), [out], strict=True))


def verified(
    network: Network, run: Callable[[Tensor], Mapping[str, Tensor]], batches: Sequence[int] = BATCHES
) -> Differences:  # fmt: skip
    """The largest difference between a network in evaluation mode and what runs its export.

    Raises `ExportError` where it is more than rounding, or the names or shapes of outputs differ.
    """
    first = next(network.parameters(), None)
    tolerance = _ROUNDINGS * torch.finfo(torch.float32 if first is None else first.dtype).eps
    absolute = relative = 0.0
    for label, expected, given in _pairs(network, run, batches):
        if expected.shape != given.shape:
            raise ExportError(f"the export gives '{label}' as {tuple(given.shape)}, not {tuple(expected.shape)}")
        apart = float((expected.double() - given.double()).abs().max())
        part = apart / max(float(expected.abs().max()), 1e-30)
        if not part <= tolerance:  # nor is NaN
            raise ExportError(f"the export computes something else: '{label}' differs by {apart:.2g}")
        absolute, relative = max(absolute, apart), max(relative, part)
    return Differences(absolute, relative)


def _pairs(
    network: Network, run: Callable[[Tensor], Mapping[str, Tensor]], batches: Sequence[int]
) -> Iterator[tuple[str, Tensor, Tensor]]:  # fmt: skip
    for batch in batches:
        x = example(network, batch)
        with torch.no_grad():
            expected, given = named(network, network(x)), run(x)
        if list(expected) != list(given):
            raise ExportError(f"the export gives {', '.join(given)}, not {', '.join(expected)}")
        yield from ((label, value.cpu(), given[label].cpu()) for label, value in expected.items())
