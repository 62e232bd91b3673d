"""The commands that draw and tabulate: arguments over `archspec.compiler.figures` and `archspec.table`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec import api
from archspec.cli.shared import echo, given, problems, specs_options

if TYPE_CHECKING:
    from archspec.graph import Graph


def length(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A length in points."""
    from archspec.compiler.figures.options import points

    try:
        return None if value is None else points(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _graphs(specs: tuple[str, ...], settings: tuple[str, ...], trust: bool) -> list[Graph]:
    with problems():
        return [api.expand(given(spec, settings, trust)) for spec in specs]


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
        messages = write_figure(graphs, path, Options(expand=frozenset(expand), **options), timeout).messages
    except (FigureError, OSError) as error:
        raise click.UsageError(str(error)) from None
    except EngineError as error:
        echo(str(error), err=True)
        raise SystemExit(1) from None
    for message in messages:
        echo(f"note: {message}", err=True)
    echo(f"wrote {path}")


@click.command()
@specs_options
@click.option("--format", "form", type=click.Choice(["markdown", "latex"]), default="markdown", show_default=True)
def table(specs: tuple[str, ...], form: str, settings: tuple[str, ...], trust: bool) -> None:
    """Print the papers' table of architectures: stages by networks, blocks in brackets, parameters, MACs.

    MACs are what the papers call FLOPs. LaTeX needs booktabs and amsmath.
    """
    with problems():
        found = api.table(*_graphs(specs, settings, trust))
    echo(found.latex() if form == "latex" else found.markdown(), nl=False)
