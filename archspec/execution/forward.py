"""One measured forward pass: what `archspec build` tells. `archspec.bench` measures with more care."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from archspec.compiler.lower import Network


@dataclass(frozen=True)
class Run:
    """A measured forward pass."""

    device: str
    dtype: str
    batch: int
    input: tuple[int, ...]
    """Shape with the batch."""
    outputs: dict[str, tuple[int, ...]]
    """Shapes with the batch, by the name of the output."""
    first: float
    """Seconds of the first pass, compilation included."""
    seconds: float
    """Median seconds of the passes after it."""
    passes: int
    memory: int
    """Peak bytes: allocated on a GPU, resident in the process on a CPU."""


def run_forward(network: Network, device: torch.device, dtype: torch.dtype, batch: int) -> Run:
    """Runs a network in evaluation mode on random input: once to warm up, then up to five times within two seconds.

    Raises what torch raises, out of memory among it, and `CompileError`.
    """
    shape = (batch, *network.architecture.input.shape)
    x = torch.randn(shape, device=device, dtype=dtype)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    network.eval()
    output: torch.Tensor | dict[str, torch.Tensor] = {}

    def forward() -> None:
        nonlocal output
        output = network(x)

    with torch.inference_mode():
        first = _timed(forward, device)
        times = [_timed(forward, device)]
        while len(times) < 5 and sum(times) < 2:
            times.append(_timed(forward, device))
    shapes = output if isinstance(output, dict) else {next(iter(network.architecture.outputs)): output}
    outputs = {name: tuple(value.shape) for name, value in shapes.items()}
    kind, median = str(dtype).removeprefix("torch."), statistics.median(times)
    return Run(str(device), kind, batch, shape, outputs, first, median, len(times), _memory(device))


def _timed(work: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
