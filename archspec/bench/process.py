"""The process that measures: memory it keeps, compilers it starts, caches it starts with. Needs no torch."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Parameters of mallopt(3)."""


def keep_memory() -> bool:
    """Has the C library keep the memory it is given back, from now on; returns whether it could be told.

    By default glibc returns every big activation to the kernel, and each step pays for the page faults again: time
    that differs from run to run, and that flatters whoever allocates less. As the variables MALLOC_MMAP_MAX_=0,
    MALLOC_TRIM_THRESHOLD_ and MALLOC_TOP_PAD_ do for a new process. Only glibc listens.
    """
    if sys.platform != "linux":
        return False
    try:
        tell = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 2**28))
    told = [tell(parameter, value) for parameter, value in settings]
    return told == [1, 1, 1]


def children_seconds() -> float:
    """CPU seconds that this process's children have used, and theirs: those that ended, and those that still run.

    Without /proc, only those that ended.
    """
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime + sum(_running_children())


def _running_children() -> list[float]:
    """CPU seconds of each process below this one, with those of its own ended children."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    tick = os.sysconf("SC_CLK_TCK")
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold anything.
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        process = int(path.parent.name)
        parents[process] = int(fields[1])
        seconds[process] = sum(map(int, fields[11:15])) / tick
    own = os.getpid()
    return [seconds[process] for process in seconds if process != own and own in _ancestors(process, parents)]


def _ancestors(process: int, parents: dict[int, int]) -> set[int]:
    found: set[int] = set()
    while process in parents and process not in found:
        found.add(process)
        process = parents[process]
    return found
