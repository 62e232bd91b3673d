"""One budget of work for everything that a spec asks for, so that any text gets its answer in bounded time and memory.

Reading a text and expanding it spend steps, each worth some tenth of a microsecond: for every value read, entry held,
term evaluated, item unrolled, draw made and operator placed. What runs out raises `Exhausted`, which whoever gave the
budget tells as a problem at its place. Counted, not timed: a text has the same answer on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from archspec.syntax import limits


class Exhausted(Exception):  # noqa: N818 - told as a problem of the spec
    """The budget is spent: `message` says at what, `span` where (None if only callers know)."""

    def __init__(self, message: str, span: Any = None, hint: str | None = None) -> None:
        self.message, self.span, self.hint = message, span, hint
        super().__init__(message)


class Work:
    """What is left of a budget, and of the smaller one for hints, which are left out when it is spent."""

    __slots__ = ("hints", "left")

    def __init__(self, spent: int = 0) -> None:
        self.left = limits.MAX_WORK - spent
        self.hints = limits.MAX_WORK // 10

    @property
    def spent(self) -> int:
        return limits.MAX_WORK - self.left

    def spend(self, steps: int, message: str, span: Any = None, hint: str | None = None) -> None:
        """Raises `Exhausted` with the message where more steps are asked for than are left."""
        self.left -= steps
        if self.left < 0:
            raise Exhausted(message, span, hint)


_current: ContextVar[Work | None] = ContextVar("work", default=None)


@contextmanager
def budget(spent: int = 0, *, join: bool = False) -> Iterator[Work]:
    """Everything done within spends one budget, of which `spent` steps are gone already; with `join`, the one that is
    open already, if one is."""
    work = (_current.get() if join else None) or Work(spent)
    token = _current.set(work)
    try:
        yield work
    finally:
        _current.reset(token)


def spend(steps: int, message: str, span: Any = None, hint: str | None = None) -> None:
    """Spends steps of the budget that is open, if one is. Raises `Exhausted` with the message."""
    work = _current.get()
    if work is not None:
        work.spend(steps, message, span, hint)


def afford(steps: int) -> bool:
    """Whether a hint that costs so much may still be looked for; spends the steps if so."""
    work = _current.get()
    if work is None:
        return True
    work.hints -= steps
    return work.hints >= 0
