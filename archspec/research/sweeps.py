"""Sweeps: thousands of networks of a space, their figures as JSON lines, in parallel, resumable at any moment.

A draw depends on the seed and its number alone, and lines are written in the order of numbers. So a sweep that was
killed goes on behind its last whole line, and however often that happens and however many processes work, the file
is the same.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Any, TextIO

from archspec.compiler.analysis.named import REPORTED
from archspec.research.axes import SpaceError
from archspec.research.seen import Seen
from archspec.research.space import PATIENCE, Found, Space

CHUNK = 64
"""Draws that a process makes at a time."""
RESULTS, SETTINGS, SPECS = "results.jsonl", "sweep.json", "specs"
Row = dict[str, Any]
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


def sweep(
    space: Space, n: int, folder: str | os.PathLike[str], *, seed: int = 0, jobs: int = 1, specs: bool = True,
    progress: Callable[[int, int], None] = lambda found, draws: None,
) -> Swept:  # fmt: skip
    """Finds `n` networks of a space and writes them under `folder`: `results.jsonl`, and each spec as YAML.

    Goes on with what lies there. `progress` is told the networks found and the draws made. Raises `SpaceError`.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SPECS).mkdir(exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            _locked(lock, folder)
            _settle(folder, space, seed)
            return _run(space, n, folder, seed, jobs, specs, progress)
    except OSError as error:
        raise SpaceError(f"{folder} cannot be written: {error.strerror or error}") from None


def _run(
    space: Space, n: int, folder: Path, seed: int, jobs: int, specs: bool, progress: Callable[[int, int], None]
) -> Swept:
    seen = Seen()
    last = -1
    for row in read_results(folder, mend=True):
        seen.add(row["signature"])
        last = row["number"]
    resumed = len(seen)
    reasons = Counter[str]()
    misses, number = 0, last
    progress(resumed, last + 1)
    with (folder / RESULTS).open("a", encoding="utf-8") as results:
        for chunk in _chunks(space, seed, last + 1, jobs) if resumed < n else ():
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
                lines.append(json.dumps(outcome, separators=(",", ":")))
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
    return Swept(folder, len(seen), number + 1, resumed, dict(reasons))


def _chunks(space: Space, seed: int, first: int, jobs: int) -> Iterator[list[Outcome]]:
    """Outcomes of draws in order, without end; a few chunks a process ahead of the reader."""
    starts = iter(range(first, 2**62, CHUNK))
    if jobs == 1:
        for start in starts:
            yield [_outcome(space, seed, number) for number in range(start, start + CHUNK)]
    # Spawned, not forked: a fork would hold the folder's lock after this process is killed.
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(space, os.getpid())) as pool:
        ahead: deque[Future[list[Outcome]]] = deque()
        try:
            while True:
                while len(ahead) < 3 * jobs:
                    ahead.append(pool.submit(_work, seed, next(starts)))
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


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


def _write_spec(space: Space, folder: Path, seed: int, row: Row) -> None:
    name = space.sample_name(seed, row["number"])
    text = space.text(
        tuple(row["choice"].values()), name, folder / SPECS, by="sample", seed=seed, number=row["number"]
    )  # fmt: skip
    (folder / SPECS / f"{name}.yaml").write_text(text, encoding="utf-8")


def read_results(folder: str | os.PathLike[str], *, mend: bool = False) -> Iterator[Row]:
    """The lines of a sweep, one at a time. With `mend`, a last line that a kill cut off is removed from the file.

    Raises `SpaceError` for a line that is no result; the file is left as it is.
    """
    path = Path(folder) / RESULTS
    if not path.exists():
        return
    whole, last = 0, -1
    with path.open("rb") as file:
        for line_number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                row = json.loads(line)
                number, signature = row["number"], row["signature"]
                if not isinstance(number, int) or number <= last or len(bytes.fromhex(signature)) != 16:
                    raise ValueError
            except (ValueError, KeyError, TypeError):
                raise SpaceError(
                    f"{path}, line {line_number}, is no result of a sweep; mend or remove the line, or sweep into "
                    "another folder (nothing was changed)"
                ) from None
            whole, last = whole + len(line), number
            yield row
    if mend and path.stat().st_size > whole:
        with path.open("r+b") as file:
            file.truncate(whole)


def _settle(folder: Path, space: Space, seed: int) -> None:
    """Writes what the sweep is, or makes sure that the folder holds this very one."""
    settings = json.dumps({
        "space": space.name, "base": space.base.to_yaml(folder),
        "axes": {each.key: repr(each.values) for each in space.axes},
        "where": [each.text for each in space.where], "seed": seed,
    }, indent=1)  # fmt: skip
    path = folder / SETTINGS
    if not path.exists():
        if (folder / RESULTS).exists():
            raise SpaceError(f"{folder} has results of something else: sweep into another folder")
        scratch = path.with_suffix(".part")
        scratch.write_text(settings + "\n", encoding="utf-8")
        scratch.replace(path)
    elif path.read_text(encoding="utf-8").rstrip("\n") != settings:
        raise SpaceError(
            f"{folder} holds another sweep ({SETTINGS} differs): take its space and seed, or another folder"
        )


def _locked(lock: TextIO, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SpaceError(f"another sweep is writing into {folder}") from None
