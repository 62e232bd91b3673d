"""What the benchmarks share: interleaved timing, which slows both sides alike, and one way to print."""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))  # for `reference`, the hand-written networks

MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_TOP_PAD_": "268435456"}


def keep_memory() -> None:
    """Restarts this process with a malloc that keeps the memory it has been given.

    By default glibc returns every big activation to the kernel, and each step pays for the page faults again: noise
    that differs from run to run and hides a difference of a few per cent.
    """
    if any(os.environ.get(name) != value for name, value in MALLOC.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **MALLOC})


def interleaved(
    rounds: int, works: Mapping[str, Callable[[], object]], clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each work in each round; each round runs them all, in turns of order, after one that does not count.

    With `time.process_time` as clock, what other processes do counts less: use it with one thread on a busy machine.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    for count in range(-1, rounds):
        for name in names if count % 2 else reversed(names):
            gc.collect()
            start = clock()
            works[name]()
            if count >= 0:
                times[name].append(clock() - start)
    return times


def ratio(of: Sequence[float], to: Sequence[float]) -> float:
    """The median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(of, to, strict=True))


def show(times: Sequence[float]) -> str:
    """A median and a least time."""
    factor, unit = (1e3, "ms") if min(times) > 1e-4 else (1e6, "us")
    return f"{statistics.median(times) * factor:.1f} {unit} (least {min(times) * factor:.1f})"


def report(title: str, rows: Sequence[Mapping[str, str]], figures: Mapping[str, float | int], as_json: bool) -> None:
    """Prints a table of rows of equal keys, or the bare figures as one JSON object."""
    if as_json:
        print(json.dumps(figures))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, key in enumerate(rows[0]):
        table.add_column(key, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)
