"""Sweeps: thousands of networks of a space, their figures as JSON lines, in parallel, resumable at any moment.

A draw depends on the seed and its number alone, and lines are written in the order of numbers. So a sweep that was
killed goes on behind its last whole line, and however often that happens and however many processes work, the file
is the same. What was changed meanwhile is found again (`archspec.research.sweep_folder`).
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from threading import Thread
from typing import Any

from archspec.compiler.analysis.named import REPORTED
from archspec.research.axes import SpaceError
from archspec.research.seen import Seen
from archspec.research.space import PATIENCE, Found, Space
from archspec.research.sweep_folder import RESULTS, SPECS, Row, line_of, locked, mend, settle, settle_spec, trusted
from archspec.syntax.arguments import whole

CHUNK = 64
"""Draws that a process makes at a time."""
Outcome = tuple[int, "Row | str"]
"""A draw's number, and its network or why it is none."""


@dataclass(frozen=True)
class Swept:
    """What a sweep has come to."""

    folder: Path
    found: int
    """Networks in the file."""
    draws: int
    """Draws made for them."""
    resumed: int
    """Of the networks, those that were there before."""
    rejected: Mapping[str, int]
    """Draws of this run that are no new network, by reason."""
    notes: tuple[str, ...] = ()
    """What was not as the sweep had written it, and where it is kept."""


def sweep(
    space: Space, n: int, folder: str | os.PathLike[str], *, seed: int = 0, jobs: int = 1, specs: bool = True,
    progress: Callable[[int, int], None] = lambda found, draws: None,
) -> Swept:  # fmt: skip
    """Finds `n` networks of a space and writes them under `folder`: `results.jsonl`, and each spec as YAML.

    Goes on with what lies there, as far as it is what the sweep wrote: the rest is kept under `aside`, told in the
    notes of the result and derived again. `progress` is told the networks found and the draws made.

    Raises `SpaceError`, and `ValueError` for numbers that are none.
    """
    n, seed, jobs = whole("n", n, 0), whole("seed", seed), whole("jobs", jobs, 1)
    folder = Path(folder)
    try:
        with locked(folder):
            start = settle(folder, _settings(folder, space, seed))
            return _run(space, n, folder, seed, jobs, specs, progress, start)
    except OSError as error:
        raise SpaceError(f"{folder} cannot be written: {error.strerror or error}") from None


def _run(
    space: Space, n: int, folder: Path, seed: int, jobs: int, specs: bool, progress: Callable[[int, int], None],
    start: str,
) -> Swept:  # fmt: skip
    seen = Seen()
    last, check, end = -1, start, 0
    found: list[str | None] = []
    for row, row_check, row_end in trusted(folder, start):
        seen.add(row["signature"])
        last, check, end = row["number"], row_check, row_end
        if specs:
            found.append(_write_spec(space, folder, seed, row))
    resumed = len(seen)
    found.append(mend(folder, end, resumed))
    notes = tuple(note for note in found if note)
    reasons = Counter[str]()
    misses, number = 0, last
    progress(resumed, last + 1)
    chunks = _chunks(space, seed, last + 1, jobs)
    with (folder / RESULTS).open("a", encoding="utf-8") as results, closing(chunks):
        for chunk in chunks if resumed < n else ():
            lines = []
            for drawn, outcome in chunk:
                number = drawn
                if isinstance(outcome, str) or not seen.add(outcome["signature"]):
                    reasons[outcome.partition(", as with")[0] if isinstance(outcome, str) else "found before"] += 1
                    misses += 1
                    continue
                misses = 0
                if specs:
                    _write_spec(space, folder, seed, outcome)
                line, check = line_of(outcome, check)
                lines.append(line)
                if len(seen) >= n:
                    break
            results.write("".join(f"{line}\n" for line in lines))
            results.flush()
            os.fsync(results.fileno())
            progress(len(seen), number + 1)
            if len(seen) >= n:
                break
            if misses >= PATIENCE:
                why = "; ".join(f"{count:,} times {reason}" for reason, count in reasons.most_common(3))
                raise SpaceError(f"found {len(seen):,} of {n:,} networks, then none in {misses:,} draws: {why}")
    return Swept(folder, len(seen), number + 1, resumed, dict(reasons), notes)


def _chunks(space: Space, seed: int, first: int, jobs: int) -> Generator[list[Outcome], None, None]:
    """Outcomes of draws in order, without end; a few chunks a process ahead of the reader."""
    starts = iter(range(first, 2**62, CHUNK))
    if jobs == 1:
        for start in starts:
            yield [_outcome(space, seed, number) for number in range(start, start + CHUNK)]
    # Spawned, not forked: a fork would hold the folder's lock after this process is killed.
    context, others = get_context("spawn"), set(active_children())
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(space, os.getpid())) as pool:
        ahead: deque[Future[list[Outcome]]] = deque()
        try:
            while True:
                while len(ahead) < 3 * jobs:
                    with _uninterrupted():
                        ahead.append(pool.submit(_work, seed, next(starts)))
                yield ahead.popleft().result()
        finally:
            for process in active_children():
                if process not in others:  # what they still draw is not waited for
                    process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)  # and what they shared is let go of


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes started within never hear of Ctrl-C, which a terminal sends to all: the one that started them does."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_worker: list[Space] = []


def _start(space: Space, parent: int) -> None:
    _worker[:] = [space]
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """Ends this process when the one that started it is gone: a killed one cannot tell its workers."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _work(seed: int, start: int) -> list[Outcome]:
    return [_outcome(_worker[0], seed, number) for number in range(start, start + CHUNK)]


def _outcome(space: Space, seed: int, number: int) -> Outcome:
    found = space.draw(seed, number)
    return number, found if isinstance(found, str) else row_of(space, found)


def row_of(space: Space, found: Found) -> Row:
    """A network as a line of results; whole numbers beyond 53 bits as texts, which JSON readers would round."""
    figures = {name: found.figures[name] for name in REPORTED}
    return {
        "number": found.number,
        "signature": found.signature,
        **{name: value if value < 2**53 else str(value) for name, value in figures.items()},
        "choice": {each.key: value for each, value in zip(space.axes, found.choice, strict=True)},
    }


def _write_spec(space: Space, folder: Path, seed: int, row: Row) -> str | None:
    """Writes the spec of a row, unless it is there; a note where it was another."""
    name = space.sample_name(seed, row["number"])
    text = space.text(
        tuple(row["choice"].values()), name, folder / SPECS, by="sample", seed=seed, number=row["number"]
    )  # fmt: skip
    return settle_spec(folder, name, text)


def _settings(folder: Path, space: Space, seed: int) -> dict[str, Any]:
    """What a sweep is, as JSON."""
    return {
        "space": space.name, "base": space.base.to_yaml(folder),
        "axes": {each.key: repr(each.values) for each in space.axes},
        "where": [each.text for each in space.where], "seed": seed,
    }  # fmt: skip
