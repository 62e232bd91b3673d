"""The command that compiles a network and runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archspec import api
from archspec.cli.report import claims, print_summary
from archspec.cli.shared import echo, given, problems, spec_options, working

if TYPE_CHECKING:
    from archspec.compiler.lower import Granularity
    from archspec.compiler.lower.running import Mode


class _CompileMode(click.ParamType[str]):
    """A mode that compiles. A bare --compile takes the word after it, which may be the spec: say so."""

    name = "[regional|whole]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in ("regional", "whole"):
            self.fail(f"{value!r} is neither regional nor whole; SPEC goes before a bare --compile", param, ctx)
        return value


@click.command()
@spec_options
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, meta; auto takes CUDA if there.")
@click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16", "float16", "float64"]), default="float32", show_default=True
)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Samples in the forward pass.")
@click.option(
    "--granularity",
    type=click.Choice(["block", "op"]),
    default="block",
    show_default=True,
    help="What a node of the GraphModule is.",
)
@click.option(
    "--compile",
    "mode",
    type=_CompileMode(),
    is_flag=False,
    flag_value="regional",
    help="torch.compile: regional (meant if nothing follows) compiles each kind of block once, whole all as one graph.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build"),
    show_default=True,
    help="Where the folder of results goes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def build(
    spec: str, settings: tuple[str, ...], trust: bool, device: str, dtype: str, batch: int,
    granularity: Granularity, mode: Mode | None, out: Path, as_json: bool,
) -> None:  # fmt: skip
    """Compile a spec, count it, prove its claims and run a forward pass.

    Writes the resolved spec, the graph, the summary and a standalone model.py under OUT/<name>/.
    """
    if mode == "regional" and granularity == "op":
        raise click.UsageError("--compile works by block: leave out --granularity op, or give --compile whole")
    with problems():
        loaded = given(spec, settings, trust)
        report = api.check(loaded)
    summary = api.summarize(report.graph)
    if not as_json:
        print_summary(summary, report)
    with working("loading torch"):
        from archspec.cli.artifacts import write_artifacts
        from archspec.cli.run_build import build_and_run
        from archspec.execution.compiled import CompileError
    try:
        built = build_and_run(report.graph, device, dtype, batch, granularity, mode or "eager", working)
        files = write_artifacts(out / loaded.name, loaded, report.graph, summary)
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from None
    except CompileError as error:
        echo(str(error), err=True)
        raise SystemExit(1) from None
    except RuntimeError as error:
        echo(f"torch could not run it: {str(error).splitlines()[0]}", err=True)
        raise SystemExit(1) from None
    if as_json:
        told = {"summary": summary.to_dict(), "claims": claims(report), "run": built.to_dict()}
        echo(json.dumps({**told, "files": [str(file) for file in files]}))
    else:
        for line in built.lines():
            echo(line)
        echo(f"wrote      {out / loaded.name}/: {', '.join(path.name for path in files)}")
    if not report.ok:
        raise SystemExit(1)
