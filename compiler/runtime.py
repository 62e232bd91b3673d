"""Running a network: choosing a device, compiling by region, one measured forward pass."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from archspec.compiler.lower import Network, blocks

DTYPES = {
    "float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16,
}  # fmt: skip


def pick_device(name: str) -> torch.device:
    """The device of a name; `auto` takes CUDA where there is one. Raises `ValueError` for what is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type != "meta":
            torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"the device '{name}' cannot be used: {str(error).splitlines()[0]}") from None
    return device


def compile_regions(network: Network) -> int:
    """Compiles each block of a network in place, once per structural signature; returns how many there are.

    A block that cannot be compiled whole raises when it first runs: nothing falls back to eager in silence.
    """
    found = blocks(network)
    if not found:
        raise ValueError("regional compilation needs a network built at block granularity")
    for block in found.values():
        block.compile(fullgraph=True)
    return len({type(block) for block in found.values()})


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

    Raises what torch raises, out of memory among it.
    """
    shape = (batch, *network.architecture.input.shape)
    x = torch.randn(shape, device=device, dtype=dtype)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    network.eval()
    with torch.inference_mode():
        start = time.perf_counter()
        output = network(x)
        first = time.perf_counter() - start
        times = [_timed(lambda: network(x), device)]
        while len(times) < 5 and sum(times) < 2:
            times.append(_timed(lambda: network(x), device))
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
