"""The columns of a table on a screen: what stands side by side and how wide, so that nothing is cut.

A text may wrap between words; a figure and its unit are one word. Where that is not enough, the columns go into several
tables one below another, the first of them (the labels) repeated in each. A table that is wider even so is printed as
wide as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

EDGE = 1
"""Characters left of the first column, and right of the last."""
READABLE = 20
"""Characters that a column of longer texts asks for before it stands beside others."""
_WORD = re.compile(r"[\d.,]*\d [A-Za-z]+(?!\S)|\S+")
"""A figure with its unit, or what stands between spaces."""
_AFTER_DOT = re.compile(r"(?<=[._])(?=.)")


@dataclass(frozen=True)
class Column:
    """A header and the texts under it."""

    name: str
    cells: tuple[str, ...]

    @property
    def natural(self) -> int:
        """Its width with every text on one line."""
        return max(map(_width, (self.name, *self.cells)))

    @property
    def least(self) -> int:
        """The narrowest it can be: its longest word."""
        return max(map(_width, self._words()), default=0)

    @property
    def broken(self) -> int:
        """The narrowest it can be as a label: addresses may break after a dot."""
        return max((_width(part) for word in self._words() for part in _AFTER_DOT.split(word)), default=0)

    def _words(self) -> Iterator[str]:
        for text in (self.name, *self.cells):
            yield from _WORD.findall(text)


Part = dict[int, int]
"""The columns of one of the tables, by number, and their widths."""


def arrange(columns: Sequence[Column], labels: int, room: int | None, gap: int) -> list[Part]:
    """The tables that hold all columns, each with the first `labels` of them, or fewer on a screen too narrow for that.

    `room` is the screen's width, None for one without end; `gap` the space between columns.
    """
    natural = [column.natural for column in columns]
    if room is None:
        return [dict(enumerate(natural))]
    room -= 2 * EDGE - gap  # from here on every column counts with a gap
    least = [column.least for column in columns]
    while labels > 1 and not _fits(least, labels, room, gap):
        labels -= 1
    if not _fits(least, labels, room, gap):
        least[:labels] = [column.broken for column in columns[:labels]]
    wished = [*least[:labels], *(max(least[i], min(natural[i], READABLE)) for i in range(labels, len(columns)))]
    parts: list[list[int]] = []
    for i in range(labels, len(columns)):
        if not parts or sum(wished[at] + gap for at in [*parts[-1], i]) > room:
            parts.append([*range(labels)])
        parts[-1].append(i)
    return [_widened(part, natural, least, room, gap) for part in parts or [[*range(labels)]]]


def _fits(widths: Sequence[int], labels: int, room: int, gap: int) -> bool:
    """Whether every column fits beside the labels."""
    return sum(widths[:labels]) + max(widths[labels:], default=0) + (labels + 1) * gap <= room


def _widened(part: Sequence[int], natural: Sequence[int], least: Sequence[int], room: int, gap: int) -> Part:
    """Widths from `least` to `natural`: what is left of the room goes in equal shares to those that want more."""
    widths = {i: least[i] for i in part}
    free = room - sum(width + gap for width in widths.values())
    wanting = [i for i in part if natural[i] > least[i]]
    for done, i in enumerate(sorted(wanting, key=lambda i: natural[i] - least[i])):
        more = min(natural[i] - least[i], max(0, free) // (len(wanting) - done))
        widths[i] += more
        free -= more
    return widths


def wrapped(text: str, width: int) -> str:
    """A text in lines of at most `width` characters, broken between words, and in a longer word after a dot."""
    if _width(text) <= width:
        return text
    return "\n".join(_lines(text, width))


def _lines(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in _WORD.findall(text):
        pieces = [word] if _width(word) <= width else _AFTER_DOT.split(word)
        for number, piece in enumerate(pieces):
            space = " " if line and number == 0 else ""
            if line and _width(line + space + piece) > width:
                yield line
                line, space = "", ""
            line += space + piece
    yield line


def _width(text: str) -> int:
    """Characters of a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
