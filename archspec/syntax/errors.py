"""Where a thing was written, what is wrong with it, and how to say so.

Everything a user can get wrong ends as a `Problem`: a message, the `Span` of text it is about, and a hint that says
what to do. Passes collect problems instead of stopping at the first, and raise one `SpecError` that carries them all.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from archspec.syntax import limits
from archspec.syntax.escape import terminal

MAX_REPORTED = 50
LINE_END = re.compile(r"\r\n?|\n")
_CROP = 160


@dataclass(frozen=True, slots=True)
class Source:
    """A text that specs are read from: `name` is what messages call it (a path, or `--set depth=5`)."""

    name: str
    text: str = field(repr=False)
    inline: bool = False  # a value given on the command line or by a caller: messages quote the name alone

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), or the empty string past the end."""
        lines = _lines(self.text)
        return lines[number - 1] if 0 < number <= len(lines) else ""


@lru_cache(maxsize=8)
def _lines(text: str) -> list[str]:
    """The lines of a text, split once: every expression of a file asks for its line."""
    return LINE_END.split(text)


@dataclass(frozen=True, slots=True)
class Span:
    """`length` characters at `line` and `column` (both from 1) of a source."""

    source: Source
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return self.source.name if self.source.inline else f"{self.source.name}:{self.line}:{self.column}"

    def part(self, offset: int, length: int) -> Span:
        """The span of `length` characters that starts `offset` characters into this one."""
        return replace(self, column=self.column + offset, length=length)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a spec. `where` is an address in the network (`stage2.0`), if the problem has one."""

    message: str
    span: Span | None = None
    hint: str | None = None
    where: str | None = None

    def render(self) -> str:
        """`file:line:col: message`, the source line with a caret under it, and the hint."""
        place = f"{self.span}: " if self.span else ""
        address = f"{self.where}: " if self.where else ""
        lines = [f"{place}{address}{self.message}"]
        if self.span and not self.span.source.inline:
            lines += _excerpt(self.span)
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(map(terminal, lines))


def _excerpt(span: Span) -> list[str]:
    line = terminal(span.source.line(span.line))
    if not line.strip():
        return []
    start = max(0, span.column - 1 - _CROP // 2) if len(line) > _CROP else 0
    shown = line[start : start + _CROP]
    column = span.column - 1 - start
    carets = "^" * max(1, min(span.length, len(shown) - column))
    gutter = f"{span.line:>5} | "
    return [gutter + shown, " " * (len(gutter) - 2) + "| " + " " * column + carets]


class SpecError(Exception):
    """A spec that cannot be used; `problems` lists everything found wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = _in_reading_order(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        shown = [problem.render() for problem in self.problems[:MAX_REPORTED]]
        if len(self.problems) > MAX_REPORTED:
            more = len(self.problems) - MAX_REPORTED
            shown.append(f"... and {more} more problem{'s' * (more > 1)}")
        return "\n".join(shown)


def _in_reading_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """File by file as they come up, from top to bottom; what has no place in a text comes last."""
    found = list(problems)
    sources = {source: i for i, source in enumerate(dict.fromkeys(p.span.source for p in found if p.span))}

    def place(problem: Problem) -> tuple[int, int, int]:
        span = problem.span
        return (sources[span.source], span.line, span.column) if span else (len(sources), 0, 0)

    return tuple(sorted(found, key=place))


class Problems:
    """A collector: passes `add` to it and go on; `check` raises what was collected.

    The same message about the same text is kept once, for its first address: an error in a block definition would
    otherwise be told once per block. So many that nobody reads them raise at once.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[Span | None, str], Problem] = {}

    def add(self, message: str, span: Span | None = None, *, hint: str | None = None, where: str | None = None) -> None:
        self.extend([Problem(message, span, hint, where)])

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            key = (problem.span, problem.message)
            if key not in self._found and len(self._found) >= limits.MAX_PROBLEMS:
                raise SpecError(self)
            self._found.setdefault(key, problem)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def check(self) -> None:
        """Raises `SpecError` if anything was collected."""
        if self._found:
            raise SpecError(self)


def suggest(word: str, known: Iterable[str]) -> str | None:
    """A hint naming the known word most like `word`, or listing them if they are few; None if there are none."""
    names = sorted(set(known))
    if len(names) > 500:
        names = [name for name in names if name[:1] == word[:1]][:500]
    close = difflib.get_close_matches(word[:100], names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    if not names:
        return None
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"known here: {listed}"
