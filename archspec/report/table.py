"""A table, and the formats it is printed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archspec.syntax.escape import latex, markdown, terminal, xml

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

_FIGURES = ("params", "MACs", "blocks")
_LONG = ("layers", "reported error, %")


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

    def rich(self) -> RichTable:
        """The table for the terminal; figures to the right, only long texts may wrap."""
        from rich import box
        from rich.table import Table as RichTable

        total = self.total
        table = RichTable(
            title=_cell(self.title, "table.title") if self.title else None,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            show_footer=total is not None,
            pad_edge=False,
        )
        for i, name in enumerate(self.header):
            long = name in _LONG
            table.add_column(
                _cell(name), justify="right" if name in _FIGURES else "left", footer=_cell(total[i] if total else ""),
                no_wrap=not long, overflow="fold", ratio=1 if long else None,
            )  # fmt: skip
        for row in self.rows:
            table.add_row(*map(_cell, row))
        return table

    def text(self, width: int = 120) -> str:
        """The table in lines of at most `width` characters."""
        from io import StringIO

        from rich.console import Console

        out = StringIO()
        Console(file=out, width=width, highlight=False, color_system=None).print(self.rich())
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n") + "\n"

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


def _cell(text: str, style: str = "") -> Text:
    """A text for rich, which takes brackets in others for its markup."""
    from rich.text import Text

    return Text(terminal(text), style)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(latex, cells)) + r" \\"
