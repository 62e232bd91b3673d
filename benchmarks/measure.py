"""What the benchmarks share: interleaved timing, which slows both sides alike, and one way to print."""

from __future__ import annotations

import json
import statistics
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from archspec.bench import timing
from archspec.bench.process import keep_memory as keep_memory
from archspec.bench.spread import speedup

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))  # for `reference`, the hand-written networks


def arguments(about: str | None, *, spec: str, batch: int, rounds: int, modes: Sequence[str]) -> ArgumentParser:
    """The options of the benchmarks of training steps, with each one's own defaults; `modes` are of archspec.compile,
    and the first two run unless others are asked for."""
    parser = ArgumentParser(description=about, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--spec", default=spec)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--mode", nargs="+", choices=modes, default=list(modes[:2]))
    parser.add_argument("--threads", type=int, default=0, help="torch's threads; 0 leaves its own choice")
    parser.add_argument("--cpu-time", action="store_true", help="count the process's time: for a busy machine")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    return parser


def timed(about: str | None, rounds: int = 7) -> ArgumentParser:
    """The options of the benchmarks that time one thing by another."""
    parser = ArgumentParser(description=about, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--cpu-time", action="store_true", help="count the process's time: for a busy machine")
    parser.add_argument("--json", action="store_true")
    return parser


def interleaved(
    rounds: int, works: Mapping[str, Callable[[], object]], clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each work in each round; each round runs them all, in turns of order, after one that does not count.

    With `time.process_time` as clock, what other processes do counts less: use it with one thread on a busy machine.
    """
    return timing.interleaved(rounds, {name: partial(timing.wall, work, 1, clock) for name, work in works.items()})


def ratio(of: Sequence[float], to: Sequence[float]) -> float:
    """The median over rounds of the ratio within a round."""
    return speedup(of, to).median


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
