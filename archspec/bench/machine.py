"""What the machine is called and what it can do at best."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from archspec.bench.result import Ceiling, Machine
from archspec.bench.timing import Timer, timer

SIZES = {"cuda": (2048, 4096, 8192, 16384)}
"""Sizes of square matrices that are tried, by device; small ones leave a GPU idle."""
SMALL_SIZES = (512, 1024, 2048)


def describe_machine(device: torch.device, memory_kept: bool) -> Machine:
    """The machine as it is told."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return Machine(
        str(device), name, torch.get_num_threads(), str(torch.__version__), platform.python_version(), memory_kept
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def measure_ceiling(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> Ceiling:
    """The best rate of a product of two square matrices on a device, each size tried for some seconds.

    Sizes that would take longer than that for one product are left out. Raises what torch raises, where it has no
    such product.
    """
    time = timer(device)
    best, reached = 0.0, 0
    with _as_convolutions(device, dtype) as tf32:
        for size in SIZES.get(device.type, SMALL_SIZES):
            flops = 2 * size**3
            if best and flops / best > seconds:
                break
            rate = flops / _least(time, size, device, dtype, seconds)
            if rate > best:
                best, reached = rate, size
    return Ceiling(best, reached, str(dtype).removeprefix("torch."), tf32)


def _least(time: Timer, size: int, device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    """The least seconds of a product: of a ceiling the best is wanted, not the usual."""
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(one)

    def product() -> None:
        torch.mm(one, other, out=out)

    found = [time(product, 1)]  # the first pays for loading kernels
    while len(found) < 4 or (sum(found) < seconds and len(found) < 200):
        found.append(time(product, 1))
    return min(found)


@contextmanager
def _as_convolutions(device: torch.device, dtype: torch.dtype) -> Iterator[bool]:
    """Lets float32 products on a GPU use TensorFloat-32 where convolutions may, which by default they may."""
    tf32 = device.type == "cuda" and dtype == torch.float32 and torch.backends.cudnn.allow_tf32
    before = torch.get_float32_matmul_precision()
    if tf32:
        torch.set_float32_matmul_precision("high")
    try:
        yield tf32
    finally:
        if tf32:
            torch.set_float32_matmul_precision(before)
