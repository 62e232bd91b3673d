"""What every result of a verb has in common: it prints readably, and a notebook shows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import groupby

from archspec.report.table import Table
from archspec.syntax.escape import terminal_lines, xml


class Fact(ABC):
    """A result that is told in tables and lines; `print` gives them as text, a notebook as HTML."""

    @abstractmethod
    def report(self) -> Iterable[Table | str]:
        """What is told, in order: tables, and lines of text."""

    def __str__(self) -> str:
        return "\n".join(part.text() if isinstance(part, Table) else terminal_lines(part) for part in self.report())

    def _repr_html_(self) -> str:
        told = []
        for tabular, parts in groupby(self.report(), key=lambda part: isinstance(part, Table)):
            if tabular:
                told += [part.html() for part in parts if isinstance(part, Table)]
            else:
                told.append(
                    "<pre>" + "\n".join(xml(line) for part in parts for line in str(part).split("\n")) + "</pre>"
                )
        return "\n".join(told)


def labelled(pairs: Iterable[tuple[str, str]], width: int) -> Iterable[str]:
    """Lines of a label and its text, the texts one below another."""
    return [f"{label:<{width}} {text}" for label, text in pairs]
