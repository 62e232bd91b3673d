"""The commands for comparing and inventing topologies: analyze, probe, diff, sweep."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from archspec import api
from archspec.cli import _console, _load, _problems, _spec_options


@contextmanager
def _long_numbers() -> Iterator[None]:
    """Lets whole numbers of any length be printed: a count of paths may have thousands of digits."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


@click.command()
@_spec_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON: every length, every cut, the main path.")
def analyze(spec: str, settings: tuple[str, ...], trust: bool, as_json: bool) -> None:
    """Tell what a network's wiring says: paths, the main path, levels, memory. Exact, without torch."""
    with _problems():
        graph = api.expand(_load(spec, settings, trust))
    from archspec import analysis_text, tables

    analysis = graph.analyze()
    if as_json:
        with _long_numbers():
            click.echo(json.dumps(analysis.to_dict(), indent=1))
        return
    _console().print(tables.rich_table(graph.name, analysis_text.PART_HEADER, analysis_text.part_rows(analysis), None))
    for label, text in analysis_text.lines(analysis):
        click.echo(f"{label:<12} {text}")
