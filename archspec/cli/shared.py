"""What the commands have in common: how specs are given, how problems and work are told."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archspec.language import spec as language
from archspec.language import zoo
from archspec.language.overrides import from_texts
from archspec.language.spec import Spec
from archspec.report.table import Table, needed
from archspec.syntax.errors import Problem, SpecError
from archspec.syntax.escape import terminal, terminal_lines
from archspec.syntax.source import plain

if TYPE_CHECKING:
    from rich.console import Console
    from torch import nn

    from archspec.graph import Graph

MODULE = "py:"
"""What the reference of a torch module begins with."""
TRUST = "Let a spec's `module:` name any Python class, and a py: reference run its code."


def console(stderr: bool = False, width: int | None = None) -> Console:
    """A terminal, or one as if it were `width` characters wide."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise

    return Screen(stderr=stderr, highlight=False, soft_wrap=False, width=width)


def screen_width() -> int | None:
    """Characters of a line of standard output; None where it is no terminal: a file is as wide as its lines."""
    return console().width if sys.stdout.isatty() or "COLUMNS" in os.environ else None


def print_table(table: Table) -> None:
    """Prints a table for the width of the screen."""
    for part in table.rich(screen_width()):
        console(width=needed(part)).print(part)


def echo(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Prints lines. Names in them are a spec's: nothing but line ends reaches the terminal as an order."""
    click.echo(terminal_lines(str(text)), err=err, nl=nl)


@contextmanager
def problems() -> Iterator[None]:
    """Bad specs end the command with their problems and status 1, never a traceback."""
    try:
        yield
    except SpecError as error:
        echo(str(error), err=True)
        count = len(error.problems)
        echo(f"\n{count} problem{'s' * (count > 1)}", err=True)
        raise SystemExit(1) from None


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on a terminal while something long goes on."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.text import Text

    with console(stderr=True).status(Text(terminal(what))):
        yield


def existing(ctx: click.Context | None, param: click.Parameter | None, value: str) -> str:
    """A spec's file or name of the zoo, if there is one, or a torch module's; else bad usage."""
    if value.startswith(MODULE):
        return value
    try:
        path = zoo.locate(value)
    except SpecError as error:
        problem = error.problems[0]
        hint = f"; {problem.hint}" if problem.hint else ""
        raise click.BadParameter(problem.message + hint, ctx, param) from None
    if not path.exists():
        raise click.BadParameter(f"there is no file {value}", ctx, param)
    return value


def with_values(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, tuple[str, ...]]:
    """A spec and the values given with it in one argument, as in "iresnet50 released=true", if there is one."""
    reference, *settings = [value] if Path(value).exists() else value.split() or [value]
    return existing(ctx, param, reference), tuple(settings)


def _all_existing(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(existing(ctx, param, value) for value in values)


def spec_options(command: Any) -> Any:
    """The argument and the options of every command that takes one spec."""
    return click.argument("spec", callback=existing)(_reading_options(command))


def specs_options(command: Any) -> Any:
    """The argument and the options of every command that takes several specs, all with the same values."""
    argument = click.argument("specs", nargs=-1, required=True, metavar="SPEC...", callback=_all_existing)
    return argument(_reading_options(command))


def _reading_options(command: Any) -> Any:
    trust = click.option("--trust", is_flag=True, help=TRUST)
    told = "Give a param, or anything by dotted keys, another value."
    settings = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=told)
    return settings(trust(command))


def load(reference: str, settings: tuple[str, ...], trust: bool) -> Spec:
    """The spec as the command line gives it. Raises `SpecError`."""
    if reference.startswith(MODULE):
        hint = "trace it and save what `archspec show` prints, or give the name or file of a spec"
        raise SpecError([Problem(f"this command takes specs, and {reference} is a module", hint=hint)])
    return language.load(reference, trust=trust, overrides=from_texts(settings))


def given(reference: str, settings: tuple[str, ...], trust: bool) -> Spec | Graph:
    """The spec, or the graph of the torch module, that the command line gives: for `py:package.module:function`,
    settings are the function's arguments, and `input.size` and `input.channels` the samples'. Raises `SpecError`."""
    if not reference.startswith(MODULE):
        return load(reference, settings, trust)
    _trusted(reference, trust)
    with working("loading torch"):
        from archspec.compiler.trace.sources import graph_of_code
    with working(f"tracing {reference}"):
        return graph_of_code(reference, {key: plain(value) for key, value in from_texts(settings).items()})


def module(reference: str, trust: bool) -> nn.Module:
    """The torch module of `py:package.module:function` itself. Raises `SpecError`."""
    _trusted(reference, trust)
    from archspec.compiler.trace.sources import module_of_code

    return module_of_code(reference, {})


def _trusted(reference: str, trust: bool) -> None:
    if not trust:
        told = f"{reference} is a Python program: archspec imports it and calls it, which runs its code"
        raise SpecError([Problem(told, hint="if you trust that code, add --trust")])
