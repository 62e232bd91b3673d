"""Runs random networks in every way and compares: `make fuzz N=10000 SEED=1`, or `python tests/fuzz.py --help`.

A network is named by its seed and its number: `--seed 1 --only 17` runs it again, and shrinks its spec if it fails.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

COMPILED = 50
"""One network in so many is compiled too, which takes seconds."""


@dataclass(frozen=True)
class Case:
    """A network that was run, and what went wrong."""

    number: int
    features: frozenset[str]
    text: str
    failed: str | None
    """The error's class and first line."""


def drawn(seed: int, number: int) -> tuple[str, frozenset[str]]:
    """The spec of a number, and what of the language is in it."""
    from generator import anything

    found = anything(random.Random(f"{seed}:{number}"))
    return found.text, found.features


def failure(text: str, compiled: bool) -> str | None:
    """Why a spec's network is not the same in every way; None if it is."""
    from executions import check

    with tempfile.TemporaryDirectory() as folder:
        try:
            check(text, Path(folder), compiled)
        except Exception as error:  # whatever it is, it is the finding
            first = (str(error).strip().splitlines() or [""])[0]
            return f"{type(error).__name__}: {first}"
    return None


def run(seed: int, number: int) -> Case:
    """Runs the network of a number."""
    import torch

    torch.set_num_threads(1)
    text, features = drawn(seed, number)
    compiled = number % COMPILED == 0
    return Case(number, features | ({"compiled"} if compiled else set()), text, failure(text, compiled))


def kind(failed: str) -> str:
    """A failure without its figures and names: what is alike is told once."""
    parts = [part for part in failed.split(" differs")[0].split(": ") if not part.startswith("test.yaml")]
    if " differs" in failed:
        parts.pop()  # the tensor's name
    return re.sub(r", step of seed \d+|, line \d+", "", ": ".join(parts))[:90]


def shrunk(text: str, fails: Callable[[str], bool]) -> str:
    """A shorter text that still fails: lines and entries of lists are left out one by one, as long as any can be."""
    while True:
        shorter = next((candidate for candidate in _shorter(text) if fails(candidate)), None)
        if shorter is None:
            return text
        text = shorter


def _shorter(text: str) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    for i in range(2, len(lines)):
        yield "".join(lines[:i] + lines[i + 1 :])
    for start, end in _entries(text):
        yield text[:start] + text[end:]


def _entries(text: str) -> Iterator[tuple[int, int]]:
    """Where each entry of a flow list or mapping stands, with a comma."""
    opened: list[int] = []
    for at, sign in enumerate(text):
        if sign in "[{":
            opened.append(at + 1)
        elif sign == "," and opened:
            yield opened[-1], at + 2
            opened[-1] = at + 2
        elif sign in "]}" and opened:
            begun = opened.pop()
            if text[begun - 2 : begun] == ", ":
                yield begun - 2, at


def report(cases: Iterator[Case], total: int, seed: int) -> int:
    """Prints failures as they come, then counts; gives the number of failures."""
    began, features, failed, done = time.monotonic(), Counter[str](), Counter[str](), 0
    for case in cases:
        done += 1
        features.update(case.features)
        if case.failed is not None:
            if not failed[kind(case.failed)]:
                print(f"FAILS --seed {seed} --only {case.number}: {case.failed}\n{case.text}", flush=True)
            else:
                print(f"fails --seed {seed} --only {case.number}: {case.failed}", flush=True)
            failed[kind(case.failed)] += 1
        if done % 500 == 0:
            print(f"{done} of {total}: {failed.total()} fail, {time.monotonic() - began:.0f} s", flush=True)
    print("networks with a feature:")
    for name, count in sorted(features.items()):
        print(f"  {count:6} {name}")
    for name, count in failed.most_common():
        print(f"  {count:6} fail: {name}")
    seconds = time.monotonic() - began
    print(
        f"fuzz: {done} networks of seed {seed} in {seconds:.0f} s: {done - failed.total()} hold, {failed.total()} fail"
    )
    return failed.total()


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs random networks in every way and compares.")
    parser.add_argument("--cases", type=int, default=1000, help="how many networks")
    parser.add_argument("--seed", type=int, default=0, help="of the networks")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--only", type=int, help="the number of one network, to be shrunk if it fails")
    given = parser.parse_args()
    if given.only is None:
        with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
            found = pool.imap_unordered(_run, ((given.seed, number) for number in range(given.cases)), chunksize=10)
            return 1 if report(found, given.cases, given.seed) else 0
    case = run(given.seed, given.only)
    if case.failed is None:
        print(f"{case.text}holds")
        return 0
    compiled, wanted = "compiled" in case.features, kind(case.failed)

    def fails(text: str) -> bool:
        why = failure(text, compiled)
        return why is not None and kind(why) == wanted

    short = shrunk(case.text, fails)
    print(f"{short}{failure(short, compiled)}")
    return 1


def _run(place: tuple[int, int]) -> Case:
    return run(*place)


if __name__ == "__main__":
    sys.exit(main())
