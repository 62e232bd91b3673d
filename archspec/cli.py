"""The command line: arguments over the verbs of `archspec.api`."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec import api, resolve, zoo
from archspec.cli_lazy import Commands
from archspec.errors import SpecError
from archspec.overrides import from_texts
from archspec.resolve import Spec
from archspec.version import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from archspec.api import Report
    from archspec.compiler.lower import Granularity
    from archspec.summary import Summary


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ  # a file is as wide as its lines
    return Console(stderr=stderr, highlight=False, soft_wrap=False, width=200 if piped else None)


@contextmanager
def _problems() -> Iterator[None]:
    """Bad specs end the command with their problems and status 1, never a traceback."""
    try:
        yield
    except SpecError as error:
        click.echo(str(error), err=True)
        count = len(error.problems)
        click.echo(f"\n{count} problem{'s' * (count > 1)}", err=True)
        raise SystemExit(1) from None


@contextmanager
def _working(what: str) -> Iterator[None]:
    """A spinner on a terminal while something long goes on."""
    if not sys.stderr.isatty():
        yield
        return
    with _console(stderr=True).status(what):
        yield


def _existing(ctx: click.Context | None, param: click.Parameter | None, value: str) -> str:
    """A spec's file or name of the zoo, if there is one; else bad usage."""
    try:
        path = zoo.locate(value)
    except SpecError as error:
        problem = error.problems[0]
        hint = f"; {problem.hint}" if problem.hint else ""
        raise click.BadParameter(problem.message + hint, ctx, param) from None
    if not path.exists():
        raise click.BadParameter(f"there is no file {value}", ctx, param)
    return value


def _spec_options(command: Any) -> Any:
    command = click.option("--trust", is_flag=True, help="Let the spec's `module:` name any Python class.")(command)
    option = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Give a param, or anything by dotted keys, another value.")  # fmt: skip
    return click.argument("spec", callback=_existing)(option(command))


def _load(reference: str, settings: tuple[str, ...], trust: bool) -> Spec:
    return resolve.load(reference, trust=trust, overrides=from_texts(settings))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="archspec")
def main() -> None:
    """Neural architectures as declarative graph specs, compiled to torch.fx.

    SPEC is a .yaml file, or the name of a network that comes with archspec (`archspec list`).
    """
    # torch warns of a missing NumPy as it loads; nothing here uses NumPy.
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")


@main.command()
@_spec_options
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, meta; auto takes CUDA if there.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16", "float64"]), default="float32", show_default=True)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Samples in the forward pass.")
@click.option("--granularity", type=click.Choice(["block", "op"]), default="block", show_default=True, help="What a node of the GraphModule is.")
@click.option("--compile", "compiled", is_flag=True, help="torch.compile, once per structural signature.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("build"), show_default=True, help="Where the folder of results goes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def build(
    spec: str, settings: tuple[str, ...], trust: bool, device: str, dtype: str, batch: int,
    granularity: Granularity, compiled: bool, out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Compile a spec, count it, prove its claims and run a forward pass.

    Writes the resolved spec, the graph, the summary and a standalone model.py under OUT/<name>/.
    """
    if compiled and granularity == "op":
        raise click.UsageError("--compile works by block: leave out --granularity op")
    with _problems():
        loaded = _load(spec, settings, trust)
        report = api.check(loaded)
    summary = api.summarize(report.graph)
    if not as_json:
        _print_summary(summary, report)
    with _working("loading torch"):
        from archspec.artifacts import write_artifacts
        from archspec.run_build import build_and_run
    try:
        built = build_and_run(report.graph, device, dtype, batch, granularity, compiled, _working)
        files = write_artifacts(out / loaded.name, loaded, report.graph, summary)
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from None
    except RuntimeError as error:
        click.echo(f"torch could not run it: {str(error).splitlines()[0]}", err=True)
        raise SystemExit(1) from None
    if as_json:
        click.echo(json.dumps({
            "summary": summary.to_dict(), "claims": _claims(report), "run": built.to_dict(), "files": [str(f) for f in files],
        }))  # fmt: skip
    else:
        for line in built.lines():
            click.echo(line)
        click.echo(f"wrote      {out / loaded.name}/: {', '.join(path.name for path in files)}")
    if not report.ok:
        raise SystemExit(1)


def _print_summary(summary: Summary, report: Report | None) -> None:
    from archspec import tables

    console = _console()
    console.print(
        tables.rich_table(summary.name, tables.STAGE_HEADER, tables.stage_rows(summary), tables.stage_total(summary))
    )
    for label, text in tables.totals(summary):
        click.echo(f"{label:<10} {text}")
    if report is not None:
        click.echo(f"{'expect':<10} {_expect_line(report)}")
        for claim in report.claims:
            problem = claim.problem()
            if problem:
                click.echo(problem.render(), err=True)


def _expect_line(report: Report) -> str:
    if report.skipped:
        return "not checked: values were overridden"
    if not report.claims:
        return "nothing claimed"
    proven = [f"{claim.name} {claim.expected}" for claim in report.claims if claim.holds]
    failed = [claim.name for claim in report.claims if not claim.holds]
    return "; ".join(([f"proved {', '.join(proven)}"] if proven else []) + ([f"FAILED {', '.join(failed)}"] if failed else []))


def _claims(report: Report) -> list[Mapping[str, Any]]:
    return [
        {"name": claim.name, "expected": claim.expected, "actual": claim.actual, "holds": claim.holds}
        for claim in report.claims
    ]  # fmt: skip


@main.command()
@_spec_options
@click.option("--depth", type=click.Choice(["stage", "op"]), default="stage", show_default=True, help="One row per stage or per operator.")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--markdown", "form", flag_value="markdown", help="Print a Markdown table.")
@click.option("--latex", "form", flag_value="latex", help="Print a LaTeX table (booktabs).")
def summary(spec: str, settings: tuple[str, ...], trust: bool, depth: str, form: str | None) -> None:
    """Print a network's table of stages or operators, without torch."""
    with _problems():
        graph = api.expand(_load(spec, settings, trust))
    from archspec import tables

    counted = api.summarize(graph)
    if form == "json":
        data = graph.to_dict() if depth == "op" else counted.to_dict()
        click.echo(json.dumps(data, indent=1))
        return
    if depth == "op":
        header: Sequence[str] = tables.OP_HEADER
        rows, total = tables.op_rows(graph), None
    else:
        header, rows, total = tables.STAGE_HEADER, tables.stage_rows(counted), tables.stage_total(counted)
    if form:
        write = tables.markdown if form == "markdown" else tables.latex
        click.echo(write(header, [*rows, *([total] if total else [])]), nl=False)
    elif depth == "op":
        _console().print(tables.rich_table(counted.name, header, rows, total))
    else:
        _print_summary(counted, None)


@main.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--trust", is_flag=True, help="Let the specs' `module:` name any Python class.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(specs: tuple[str, ...], trust: bool, as_json: bool) -> None:
    """Prove the claims (`expect`) of specs against their graphs, without torch.

    SPEC may also be a folder: every .yaml file in it. Status 1 if anything is wrong in any of them.
    """
    start = time.perf_counter()
    references = [reference for given in specs for reference in _expanded(given)]
    results, failed = [], 0
    with _working(f"checking {len(references)} specs"):
        for reference in references:
            result = _checked(reference, trust)
            failed += not result["ok"]
            results.append(result)
            if not as_json:
                click.echo(result["line"], err=not result["ok"])
    seconds = time.perf_counter() - start
    if as_json:
        click.echo(json.dumps({"ok": not failed, "specs": [{k: v for k, v in r.items() if k != "line"} for r in results]}))
    else:
        proved = sum(len(result["claims"]) for result in results if result["ok"])
        click.echo(f"{len(results) - failed} of {len(results)} specs hold, {proved} claims proved, in {seconds:.1f} s", err=bool(failed))
    if failed:
        raise SystemExit(1)


def _expanded(given: str) -> list[str]:
    path = Path(given)
    if path.is_dir():
        found = sorted(str(file) for file in path.iterdir() if file.suffix in zoo.SUFFIXES)
        if not found:
            raise click.UsageError(f"there is no .yaml file in {given}")
        return found
    return [_existing(None, None, given)]


def _checked(reference: str, trust: bool) -> dict[str, Any]:
    try:
        report = api.check(resolve.load(reference, trust=trust))
    except SpecError as error:
        return {"spec": reference, "ok": False, "claims": [], "problems": [p.render() for p in error.problems], "line": str(error)}
    problems = [problem.render() for claim in report.claims if (problem := claim.problem())]
    held = ", ".join(f"{claim.name} {claim.expected}" for claim in report.claims)
    line = "\n".join(problems) if problems else f"ok  {report.spec.name:<28} {held or 'nothing claimed'}"
    return {"spec": reference, "ok": report.ok, "claims": _claims(report), "problems": problems, "line": line}


@main.command()
@_spec_options
@click.option("--graph", "form", flag_value="graph", help="The flat canonical text of the expanded graph.")
@click.option("--json", "form", flag_value="json", help="The graph as JSON (networkx node-link).")
@click.option("--code", "form", flag_value="code", help="The generated forward, and one class per block signature.")
@click.option("--python", "form", flag_value="python", help="A standalone model.py that needs torch alone.")
@click.option("--params", "form", flag_value="params", help="The params and their values.")
def show(spec: str, settings: tuple[str, ...], trust: bool, form: str | None) -> None:
    """Print a spec with everything it extends resolved, or what it compiles to."""
    with _problems():
        loaded = _load(spec, settings, trust)
        if form == "params":
            from archspec.expressions import show as shown

            click.echo("\n".join(f"{name} = {shown(value)}" for name, value in loaded.params.items()))
            return
        if form is None:
            from archspec.artifacts import resolved_text

            click.echo(resolved_text(loaded), nl=False)
            return
        graph = api.expand(loaded)
    if form == "graph":
        click.echo(graph.to_spec_text(), nl=False)
    elif form == "json":
        click.echo(json.dumps(graph.to_dict(), indent=1))
    elif form == "python":
        from archspec.compiler.emit import emit

        click.echo(emit(graph), nl=False)
    else:
        with _working("loading torch"):
            from archspec.run_build import generated_code
        click.echo(generated_code(graph), nl=False)


@main.command()
def schema() -> None:
    """Print a JSON Schema of the language, for an editor's YAML support."""
    from archspec.jsonschema import json_schema

    click.echo(json.dumps(json_schema(), indent=1))


@main.command(name="list")
@click.argument("words", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_zoo(words: tuple[str, ...], as_json: bool) -> None:
    """List the networks that come with archspec; WORDS keep the names that contain them all."""
    names = [name for name in zoo.names() if all(word in name for word in words)]
    with _problems(), _working(f"counting {len(names)} networks"):
        rows = [_zoo_row(name) for name in names]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    from archspec import tables

    header = ("name", "depth", "params", "MACs", "paper", "reported error, %")
    cells = [
        (row["name"], str(row["layers"]), f"{row['params'] / 1e6:.2f} M", f"{row['macs'] / 1e9:.2f} G",
         _cited(row["arxiv"], row["table"]),
         ", ".join(f"{data} {value}" for data, value in row["error"].items()))
        for row in rows
    ]  # fmt: skip
    _console().print(tables.rich_table(f"{len(rows)} networks", header, cells, None))


def _cited(arxiv: str | None, table: str | None) -> str:
    """Where a network comes from: arXiv 2004.04989, table 5."""
    place = table if table is None or " " in table else f"table {table}"
    return ", ".join(filter(None, [arxiv and f"arXiv {arxiv}", place]))


def _zoo_row(name: str) -> dict[str, Any]:
    spec = resolve.load(name)
    graph, paper = api.expand(spec), spec.document.paper
    return {
        "name": name, "layers": graph.layers, "params": graph.params, "macs": graph.macs,
        "arxiv": paper.arxiv if paper else None, "table": paper.table if paper else None,
        "error": dict(paper.error) if paper else {},
    }  # fmt: skip
