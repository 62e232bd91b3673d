"""The commands that show: a summary, a spec, the language, the zoo."""

from __future__ import annotations

import json
from typing import Any

import click

from archspec import api
from archspec.cli.report import print_summary
from archspec.cli.shared import echo, given, print_table, problems, spec_options, working
from archspec.cli.training import asked, training_options
from archspec.compiler.analysis.summary import operator_table
from archspec.graph import Graph
from archspec.language import spec as language
from archspec.language import zoo
from archspec.report.table import Table


@click.command()
@spec_options
@click.option(
    "--depth",
    type=click.Choice(["stage", "op"]),
    default="stage",
    show_default=True,
    help="One row per stage or per operator.",
)
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--markdown", "form", flag_value="markdown", help="Print a Markdown table.")
@click.option("--latex", "form", flag_value="latex", help="Print a LaTeX table (booktabs).")
@training_options
def summary(
    spec: str, settings: tuple[str, ...], trust: bool, depth: str, form: str | None, **training: Any
) -> None:  # fmt: skip
    """Print a network's table of stages or operators, without torch."""
    question = asked(**training)
    if question and (depth == "op" or form in ("markdown", "latex")):
        raise click.UsageError("--train is told below the table of stages, or with --json")
    with problems():
        graph = api.expand(given(spec, settings, trust))
    counted = api.summarize(graph)
    predicted = question.of(graph) if question else None
    if form == "json":
        data = graph.to_dict() if depth == "op" else counted.to_dict()
        echo(json.dumps(data | ({"training": predicted.data} if predicted else {}), indent=1))
        return
    table = operator_table(graph) if depth == "op" else counted.table()
    if form:
        echo(table.markdown() if form == "markdown" else table.latex(), nl=False)
    elif depth == "op":
        print_table(table)
    else:
        print_summary(counted, None)
        for label, text in predicted.lines if predicted else ():
            echo(f"{label:<12} {text}")


@click.command()
@spec_options
@click.option("--graph", "form", flag_value="graph", help="The flat canonical text of the expanded graph.")
@click.option("--json", "form", flag_value="json", help="The graph as JSON (networkx node-link).")
@click.option("--code", "form", flag_value="code", help="The generated forward, and one class per block signature.")
@click.option("--python", "form", flag_value="python", help="A standalone model.py that needs torch alone.")
@click.option("--params", "form", flag_value="params", help="The params and their values.")
def show(spec: str, settings: tuple[str, ...], trust: bool, form: str | None) -> None:
    """Print a spec with everything it extends resolved, or what it compiles to."""
    with problems():
        loaded = given(spec, settings, trust)
        if isinstance(loaded, Graph):  # of a module, which has no params and extends nothing
            form = "graph" if form in (None, "params") else form
        elif form == "params":
            from archspec.syntax.values import show as shown

            echo("\n".join(f"{name} = {shown(value)}" for name, value in loaded.params.items()))
            return
        elif form is None:
            from archspec.cli.artifacts import resolved_text

            echo(resolved_text(loaded), nl=False)
            return
        graph = api.expand(loaded)
    if form == "graph":
        echo(graph.to_spec_text(), nl=False)
    elif form == "json":
        echo(json.dumps(graph.to_dict(), indent=1))
    elif form == "python":
        echo(api.emit(graph), nl=False)
    else:
        with working("loading torch"):
            from archspec.cli.run_build import generated_code
        echo(generated_code(graph), nl=False)


@click.command()
def schema() -> None:
    """Print a JSON Schema of the language, for an editor's YAML support."""
    from archspec.language.jsonschema import json_schema

    echo(json.dumps(json_schema(), indent=1))


@click.command(name="list")
@click.argument("words", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_zoo(words: tuple[str, ...], as_json: bool) -> None:
    """List the networks that come with archspec; WORDS keep the names that contain them all."""
    names = [name for name in zoo.names() if all(word in name for word in words)]
    with problems(), working(f"counting {len(names)} networks"):
        rows = [_zoo_row(name) for name in names]
    if as_json:
        echo(json.dumps(rows, indent=1))
        return
    header = ("name", "depth", "params", "MACs", "paper", "reported error, %")
    cells = tuple(
        (row["name"], str(row["layers"]), f"{row['params'] / 1e6:.2f} M", f"{row['macs'] / 1e9:.2f} G",
         _cited(row["arxiv"], row["table"]),
         ", ".join(f"{data} {value}" for data, value in row["error"].items()))
        for row in rows
    )  # fmt: skip
    print_table(Table(f"{len(rows)} networks", header, cells))


def _cited(arxiv: str | None, table: str | None) -> str:
    """Where a network comes from: arXiv 2004.04989, table 5."""
    place = table if table is None or " " in table else f"table {table}"
    return ", ".join(filter(None, [arxiv and f"arXiv {arxiv}", place]))


def _zoo_row(name: str) -> dict[str, Any]:
    spec = language.load(name)
    graph, paper = api.expand(spec), spec.document.paper
    return {
        "name": name, "layers": graph.layers, "params": graph.params, "macs": graph.macs,
        "arxiv": paper.arxiv if paper else None, "table": paper.table if paper else None,
        "error": dict(paper.error) if paper else {},
    }  # fmt: skip
