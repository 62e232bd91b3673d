"""Where a thing was written, what is wrong with it, and how to say so.

Everything a user can get wrong ends as a `Problem`: a message, the `Span` of text it is about, and a hint that says
what to do. Passes collect problems instead of stopping at the first, and raise one `SpecError` that carries them all.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from archspec.syntax import limits
from archspec.syntax.escape import terminal
from archspec.syntax.work import Exhausted, Work, afford, budget

MAX_REPORTED = 50
LINE_END = re.compile(r"\r\n?|\n")
_CROP = 160
_LONGEST = 1_000  # characters of a line of a message
_CHUNK = 2_048


@dataclass(frozen=True, slots=True)
class Source:
    """A text that specs are read from: `name` is what messages call it (a path, or `--set depth=5`)."""

    name: str
    text: str = field(repr=False)
    inline: bool = False  # a value given on the command line or by a caller: messages quote the name alone
    _breaks: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), or the empty string past the end."""
        start, end = self.extent(number)
        return self.text[start:end]

    def extent(self, number: int) -> tuple[int, int]:
        """Where line `number` (from 1) begins and ends in the text; both at the end of the text if there is none."""
        text, start = self.text, self.start(number)
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        earlier = text.find("\r", start, end)
        return start, end if earlier < 0 else earlier

    def start(self, number: int) -> int:
        """Where line `number` (from 1) begins in the text; the end of the text if there is none.

        Every expression of a file asks for it, and a line may be the whole file: nothing is split, copied or searched.
        """
        text, before = self.text, number - 1
        breaks = self._breaks
        if not breaks:  # line breaks before each chunk of the text
            breaks.append(0)
            for at in range(0, len(text), _CHUNK):
                alone = text.count("\r", at, at + _CHUNK) - text.count("\r\n", at, at + _CHUNK + 1)
                breaks.append(breaks[-1] + text.count("\n", at, at + _CHUNK) + alone)
        if not 0 <= before <= breaks[-1]:
            return len(text)
        start = 0
        if before:
            chunk = bisect_left(breaks, before) - 1
            start = chunk * _CHUNK
            ends = LINE_END.finditer(text, start)
            for _ in range(before - breaks[chunk]):
                start = next(ends).end()
        return start


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
        return "\n".join(map(_shown, lines))


def _shown(text: str) -> str:
    """A text for a terminal, of bearable length: what a spec says goes into messages."""
    return terminal(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")


def _excerpt(span: Span) -> list[str]:
    begin, end = span.source.extent(span.line)
    start = max(0, span.column - 1 - _CROP // 2) if end - begin > _CROP else 0
    shown = terminal(span.source.text[begin + start : min(end, begin + start + _CROP)])
    if not shown.strip():
        return []
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


@contextmanager
def within_budget(
    problems: Problems, spent: int = 0, *, join: bool = False, span: Span | None = None
) -> Iterator[Work]:  # fmt: skip
    """One budget of work for all that is done within, `spent` steps of it gone already; with `join`, the one that is
    open already, if one is. Raises `SpecError` with the problems and where the work ran out, `span` if it is not known.
    """
    with budget(spent, join=join) as work:
        try:
            yield work
        except Exhausted as error:
            hint = error.hint or "one spec may ask for so much work in all, and no more"
            problems.extend([Problem(error.message, error.span or span, hint)])
            raise SpecError(problems) from None


def suggest(word: str, known: Iterable[str]) -> str | None:
    """A hint naming the known word most like `word`, or listing them if they are few; None if there are none, and
    where a spec has had all the hints that its budget of work allows."""
    known = known if isinstance(known, Collection) else list(known)
    if not afford(2 * len(known)):
        return None
    names = {name for name in known if len(name) <= _NAME}
    if not names:
        return None
    if len(names) > 500:
        near = [name for name in sorted(names) if name[:1] == word[:1] and abs(len(name) - len(word)) <= 8]
        names = set(near[:500])
    word = word[:_NAME]
    if not afford(sum((len(name) + len(word)) * 10 for name in names)):
        return None
    ordered = sorted(names)
    close = difflib.get_close_matches(word, ordered, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    if not ordered:
        return None
    listed = ", ".join(ordered[:12]) + (", ..." if len(ordered) > 12 else "")
    return f"known here: {listed}"


def suggest_address(address: str, known: Iterable[str]) -> str | None:
    """As `suggest`, for addresses: of one that ends in the words given, what stands before them is missing."""
    known = known if isinstance(known, Collection) else list(known)
    if not afford(2 * len(known)):
        return None
    whole = min(
        (name for name in known if name.endswith(f".{address}")), key=lambda name: name.count("."), default=None
    )
    return f"did you mean '{whole}'?" if whole and len(whole) <= _NAME else suggest(address, known)


_NAME = 100  # characters of a word that hints look at


def chain(names: Iterable[str]) -> str:
    """Names joined by arrows, as far as anyone reads: `a -> b -> c`."""
    found = [name[:60] for name in names]
    return " -> ".join(found if len(found) <= 12 else [*found[:8], f"... {len(found) - 11} more ...", *found[-3:]])
