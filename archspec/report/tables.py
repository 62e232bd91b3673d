"""Summaries as tables: for the terminal (rich), Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from archspec.graph import Graph
from archspec.ops import show_shape
from archspec.report.summary import Summary, count, shape_text

if TYPE_CHECKING:
    from rich.table import Table

STAGE_HEADER = ("stage", "output", "layers", "blocks", "params", "MACs")
OP_HEADER = ("operator", "kind", "output", "params", "MACs")


def stage_rows(summary: Summary) -> list[tuple[str, ...]]:
    """The rows of the table of stages."""
    return [
        (row.name, shape_text(row.output), row.content, str(row.blocks or ""), f"{row.params:,}", count(row.macs))
        for row in summary.stages
    ]  # fmt: skip


def op_rows(graph: Graph) -> list[tuple[str, ...]]:
    """One row per operator."""
    return [
        (node.name, node.op.label(), show_shape(node.shape), f"{node.params:,}" if node.params else "",
         count(node.macs) if node.macs else "")
        for node in graph
    ]  # fmt: skip


def totals(summary: Summary) -> list[tuple[str, str]]:
    """What a network is in all, as label and text."""
    outputs = ", ".join(
        show_shape(shape) if name == "output" else f"{name} {show_shape(shape)}"
        for name, shape in summary.outputs.items()
    )
    return [
        ("input", show_shape(summary.input)),
        ("output", outputs),
        ("parameters", f"{summary.params:,}"),
        ("MACs", f"{summary.macs:,} ({count(summary.macs)}; FLOPs are twice that)"),
        ("depth", f"{summary.layers} layers on the longest path, {summary.weight_layers} in all"),
        ("size", f"{summary.blocks} blocks, {summary.operators:,} operators"),
    ]


def rich_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], total: Sequence[str] | None) -> Table:
    """A table for the terminal; figures to the right, only long texts may wrap."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_footer=total is not None, pad_edge=False)
    for i, name in enumerate(header):
        figures, long = name in ("params", "MACs", "blocks"), name in ("layers", "reported error, %")
        table.add_column(
            name, justify="right" if figures else "left", footer=total[i] if total else "",
            no_wrap=not long, overflow="fold", ratio=1 if long else None,
        )  # fmt: skip
    for row in rows:
        table.add_row(*row)
    return table


def stage_total(summary: Summary) -> tuple[str, ...]:
    """The last line of the table of stages."""
    return ("total", "", "", str(summary.blocks or ""), f"{summary.params:,}", count(summary.macs))


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    rule = ["---:" if name in ("params", "MACs", "blocks") else "---" for name in header]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows]) + "\n"


LATEX = {"×": r"$\times$", "·": r"$\cdot$", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "−": "$-$"}
"""Characters that LaTeX writes otherwise."""


def latex(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A LaTeX tabular in the style of booktabs."""
    columns = "".join("r" if name in ("params", "MACs", "blocks") else "l" for name in header)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_row(header), r"\midrule"]
    lines += [_latex_row(row) for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join("".join(LATEX.get(c, c) for c in cell) for cell in cells) + r" \\"
