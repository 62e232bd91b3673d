"""The command that turns a network from elsewhere into a spec."""

from __future__ import annotations

import os
from pathlib import Path

import click

from archspec import api
from archspec.cli.shared import echo, given, problems, spec_options
from archspec.compiler.decompile import fold


@click.command(name="import")
@spec_options
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; printed without it."
)
def import_network(spec: str, settings: tuple[str, ...], trust: bool, out: Path | None) -> None:
    """Write a network as a spec found from its operators and wiring alone, and proven to expand to the same network.

    SPEC may be a torch module, as `py:package.module:function` or `py:FILE.py:function` (with --trust): it is traced.
    Of a spec nothing but the graph of its operators is used.
    """
    with problems():
        graph = api.expand(given(spec, settings, trust))
        folded = fold(graph)
    text = folded.to_yaml()
    if out is not None and os.path.exists(spec) and os.path.exists(out) and os.path.samefile(spec, out):
        raise click.UsageError(f"{out} is what is read, and would lose its params, names and comments: write elsewhere")
    if out is None:
        echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{out}: {error.strerror or error}") from None
    lines, operators = len(text.splitlines()), len(graph) - 1
    echo(f"wrote {out}: {lines} lines for {operators:,} operators; it expands to the same network")
