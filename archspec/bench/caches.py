"""The compiler's caches: empty ones for each row, so that compile times are cold, and all of them gone afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import torch

NAME = "TORCHINDUCTOR_CACHE_DIR"


class Caches:
    """Where compiled code is kept while a benchmark runs."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder

    @property
    def cold(self) -> bool:
        """Whether rows begin with empty caches."""
        return self._folder is not None

    @contextmanager
    def empty(self) -> Iterator[None]:
        """A time in which the compiler finds and leaves nothing in the caches of others. What it wrote stays on disk
        until the benchmark ends, since code may be loaded late."""
        if self._folder is None:
            yield
            return
        from torch._inductor.utils import fresh_cache

        failed: Exception | None = None
        with fresh_cache(dir=self._folder, delete=False):
            try:
                yield
            except Exception as error:  # kept from torch, which would tell that it leaves the folder behind
                failed = error
        if failed is not None:
            raise failed


@contextmanager
def caches(warm: bool) -> Iterator[Caches]:
    """The caches of a benchmark: the user's own if `warm`, else folders that are removed at the end.

    The environment says so to the compiler's processes, which start with the first compilation.
    """
    if warm:
        yield Caches(None)
        return
    before = os.environ.get(NAME)
    with TemporaryDirectory(prefix="archspec-bench-", ignore_cleanup_errors=True) as folder:
        os.environ[NAME] = folder
        try:
            yield Caches(folder)
        finally:
            if before is None:
                os.environ.pop(NAME, None)
            else:
                os.environ[NAME] = before


def start_compiler(device: torch.device) -> float:
    """Compiles something trivial, forward and backward; returns the seconds: loading the compiler is no row's cost."""
    start = time.perf_counter()
    x = torch.ones(8, device=device, requires_grad=True)
    torch.compile(_trivial)(x).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - start


def _trivial(x: torch.Tensor) -> torch.Tensor:
    return (x + 1).relu().sum()
