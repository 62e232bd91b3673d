"""A table, and the formats it is printed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archspec.report.columns import EDGE, Column, Part, arrange, wrapped
from archspec.syntax.escape import latex, markdown, terminal, xml

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

_FIGURES = ("params", "MACs", "blocks")
GAP = 3
"""Characters between columns."""


@dataclass(frozen=True)
class Table:
    """Rows of texts under a header; `total` is a last line apart from the others."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] | None = None

    @property
    def lines(self) -> tuple[tuple[str, ...], ...]:
        """The rows, and the total where there is one."""
        return (*self.rows, *([self.total] if self.total else []))

    def rich(self, width: int | None) -> list[RichTable]:
        """The table for a terminal of `width` characters, in several where one does not fit. None: no end.

        Figures are never cut: see `archspec.report.columns`.
        """
        columns = [
            Column(terminal(name), tuple(terminal(line[i]) for line in self.lines))
            for i, name in enumerate(self.header)
        ]
        parts = arrange(columns, 1, width, GAP)
        titles = [self.title, *("" for _ in parts[1:])]
        return [self._part(part, title) for part, title in zip(parts, titles, strict=True)]

    def _part(self, part: Part, title: str) -> RichTable:
        from rich import box
        from rich.table import Table as RichTable

        table = RichTable(
            title=_cell(title, style="table.title") if title else None, title_justify="left", box=box.SIMPLE_HEAD,
            show_footer=self.total is not None, pad_edge=False,
        )  # fmt: skip
        for i, width in part.items():
            table.add_column(
                _cell(self.header[i], width), justify="right" if self.header[i] in _FIGURES else "left",
                footer=_cell(self.total[i] if self.total else "", width), no_wrap=True, width=width,
            )  # fmt: skip
        for row in self.rows:
            table.add_row(*(_cell(row[i], width) for i, width in part.items()))
        return table

    def text(self, width: int | None = 120) -> str:
        """The table in lines of at most `width` characters, or as wide as a figure and its label ask for."""
        return "\n".join(printed(table) for table in self.rich(width))

    def markdown(self) -> str:
        """A Markdown table."""
        rule = ["---:" if name in _FIGURES else "---" for name in self.header]
        head, *body = [list(map(markdown, cells)) for cells in (self.header, *self.lines)]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *body]) + "\n"

    def latex(self) -> str:
        """A LaTeX tabular in the style of booktabs."""
        columns = "".join("r" if name in _FIGURES else "l" for name in self.header)
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_row(self.header), r"\midrule"]
        lines += [_latex_row(row) for row in self.lines]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"

    def html(self) -> str:
        """An HTML table."""
        head = "".join(f"<th>{xml(name)}</th>" for name in self.header)
        rows = "".join(f"<tr>{self._cells(row)}</tr>" for row in self.lines)
        return f"<table><caption>{xml(self.title)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _cells(self, row: Sequence[str]) -> str:
        return "".join(
            f'<td style="text-align:{"right" if name in _FIGURES else "left"}">{xml(cell)}</td>'
            for name, cell in zip(self.header, row, strict=True)
        )


def _cell(text: str, width: int | None = None, style: str = "") -> Text:
    """A text for rich, in lines of a width; rich takes brackets in others for its markup."""
    from rich.text import Text

    shown = terminal(text)
    return Text(shown if width is None else wrapped(shown, width), style)


def printed(table: RichTable) -> str:
    """A terminal's table as plain text, as wide as it is."""
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    Console(file=out, width=needed(table, GAP), highlight=False, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n") + "\n"


def needed(table: RichTable, gap: int = GAP) -> int:
    """The width of a screen that shows a table uncut."""
    from rich.cells import cell_len

    title = cell_len(str(table.title)) if table.title else 0
    return max(title, sum((column.width or 0) + gap for column in table.columns) - gap + 2 * EDGE)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(latex, cells)) + r" \\"
