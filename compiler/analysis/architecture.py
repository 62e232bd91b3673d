"""The papers' table of architectures: a row for each stage, a column for each network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archspec.compiler.analysis.summary import Summary
from archspec.ops import Shape, show_shape
from archspec.report.fact import Fact
from archspec.report.numbers import count
from archspec.report.table import Table
from archspec.syntax.escape import latex

_BRACKET = re.compile(r"\[([^\]]*)\] ×(\d+)")
_LAST = ("head",)


@dataclass(frozen=True)
class Architectures(Fact):
    """Networks side by side. MACs are what the papers call FLOPs."""

    summaries: tuple[Summary, ...]

    def table(self) -> Table:
        """Stage, output, the layers of each network; at the end parameters and MACs."""
        header, rows = _rows(self.summaries)
        return Table("", tuple(header), tuple(map(tuple, rows)))

    def report(self) -> Iterable[Table | str]:
        """The table."""
        return [self.table()]

    def markdown(self) -> str:
        """The table in Markdown."""
        header, rows = _rows(self.summaries)
        spaced = tuple((*row[:2], *(cell.replace("] ×", "] × ") for cell in row[2:])) for row in rows)
        return Table("", tuple(header), spaced).markdown()

    def latex(self) -> str:
        """The table in LaTeX, blocks in brackets; needs booktabs, and amsmath for the brackets."""
        header, rows = _rows(self.summaries)
        columns = "ll" + "c" * len(self.summaries)
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(map(latex, header)) + r" \\"]
        lines.append(r"\midrule")
        for row in rows:
            if row[0] == "params":
                lines.append(r"\midrule")
            cells = [latex(row[0]), latex(row[1]), *(_layers(cell) for cell in row[2:])]
            lines.append(" & ".join(cells) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _rows(summaries: Sequence[Summary]) -> tuple[list[str], list[list[str]]]:
    names: list[str] = []
    for summary in summaries:
        names += [row.name for row in summary.stages if row.name not in names]
    names = [name for name in names if name not in _LAST] + [name for name in names if name in _LAST]
    rows = []
    for name in names:
        found = [next((row for row in summary.stages if row.name == name), None) for summary in summaries]
        outputs = dict.fromkeys(_size(row.output) for row in found if row is not None)
        rows.append([name, " or ".join(filter(None, outputs)), *(row.content if row else "" for row in found)])
    rows.append(["params", "", *(count(summary.params) for summary in summaries)])
    rows.append(["MACs (the papers' FLOPs)", "", *(count(summary.macs) for summary in summaries)])
    return ["stage", "output", *(summary.name for summary in summaries)], rows


def _size(shape: Shape | None) -> str:
    """The spatial size, as the papers print it: `56×56`, and 1×1 for a vector."""
    if shape is None:
        return ""
    return show_shape(shape[1:]).replace("x", "×") if len(shape) > 1 else "1×1"


def _layers(cell: str) -> str:
    """A cell's layers, blocks as matrices in brackets."""
    parts, at = [], 0
    for match in _BRACKET.finditer(cell):
        parts.append(latex(cell[at : match.start()].replace(" · ", ", ")))
        lines = r"\\ ".join(rf"\text{{{latex(layer)}}}" for layer in match[1].split(" · "))
        parts.append(rf"$\begin{{bmatrix}}{lines}\end{{bmatrix}}\times {match[2]}$")
        at = match.end()
    parts.append(latex(cell[at:].replace(" · ", ", ")))
    return "".join(parts)
