"""The commands that draw and tabulate: arguments over `archspec.compiler.figures` and `archspec.report.tables`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec import api
from archspec.cli.shared import load, problems, specs_options

if TYPE_CHECKING:
    from archspec.graph import Graph

_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(in|cm|mm|pt)?\Z")
_POINTS = {"in": 72.0, "cm": 72 / 2.54, "mm": 72 / 25.4, "pt": 1.0, None: 1.0}


def length(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A length in points: 3.25in, 17cm, 240pt."""
    if value is None:
        return None
    match = _LENGTH.match(value.strip())
    points = float(match[1]) * _POINTS[match[2]] if match else 0.0
    if not 36 <= points <= 14_400:
        raise click.BadParameter(f"{value!r} is no width: 3.25in, 17cm or 240pt, from half an inch to 200", ctx, param)
    return points


def _graphs(specs: tuple[str, ...], settings: tuple[str, ...], trust: bool) -> list[Graph]:
    with problems():
        return [api.expand(load(spec, settings, trust)) for spec in specs]


@click.command()
@specs_options
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file; its suffix (.svg .pdf .png .dot) says the format. [default: SPEC.svg]",
)
@click.option(
    "--detail",
    type=click.Choice(["auto", "stage", "block", "blocks", "op"]),
    default="auto",
    show_default=True,
    help="A line of stages, every block, one panel per kind of block, every operator.",
)
@click.option(
    "--collapse/--no-collapse",
    default=None,
    help="Fold equal blocks to ×n. [default: where a stage has more than eight]",
)
@click.option("--max-blocks", type=click.IntRange(2), help="Show that many blocks of a stage and an ellipsis instead.")
@click.option(
    "--expand", multiple=True, metavar="STAGE", help="Show all blocks of a stage (stage2), or of every one (all)."
)
@click.option(
    "--theme",
    type=click.Choice(["light", "dark", "paper"]),
    default="light",
    show_default=True,
    help="paper is safe in grey-scale.",
)
@click.option(
    "--width", callback=length, metavar="LENGTH", help="Width of the figure: 3.25in for one column, 6.75in for two."
)
@click.option("--shapes/--no-shapes", default=True, show_default=True, help="Shapes beside the edges.")
@click.option("--legend/--no-legend", default=True, show_default=True, help="A legend of what is in the picture.")
@click.option("--title", help="A title above it.")
@click.option(
    "--timeout", type=click.FloatRange(1), default=120, show_default=True, help="Seconds that Graphviz may take."
)
def render(
    specs: tuple[str, ...], out: Path | None, expand: tuple[str, ...], settings: tuple[str, ...], trust: bool,
    timeout: float, **options: Any,
) -> None:  # fmt: skip
    """Draw a network, or several side by side, without torch."""
    from archspec.compiler.figures import EngineError, FigureError, Options, write_figure

    graphs = _graphs(specs, settings, trust)
    path = out or Path("-".join(graph.name for graph in graphs) + ".svg")
    try:
        messages = write_figure(graphs, path, Options(expand=frozenset(expand), **options), timeout)
    except (FigureError, OSError) as error:
        raise click.UsageError(str(error)) from None
    except EngineError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from None
    for message in messages:
        click.echo(f"note: {message}", err=True)
    click.echo(f"wrote {path}")


@click.command()
@specs_options
@click.option("--format", "form", type=click.Choice(["markdown", "latex"]), default="markdown", show_default=True)
def table(specs: tuple[str, ...], form: str, settings: tuple[str, ...], trust: bool) -> None:
    """Print the papers' table of architectures: stages by networks, blocks in brackets, parameters, MACs.

    MACs are what the papers call FLOPs. LaTeX needs booktabs and amsmath.
    """
    from archspec.report.architecture import architecture_latex, architecture_markdown

    summaries = [api.summarize(graph) for graph in _graphs(specs, settings, trust)]
    click.echo((architecture_latex if form == "latex" else architecture_markdown)(summaries), nl=False)
