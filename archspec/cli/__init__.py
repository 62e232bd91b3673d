"""The command line: arguments over the verbs of `archspec.api`. Each command is imported when it is called."""

from __future__ import annotations

import gc
import importlib
import warnings
from typing import Any

import click

from archspec.syntax.escape import terminal_lines
from archspec.version import __version__

COMMANDS = {
    "build": "build",
    "bench": "bench",
    "check": "check",
    "summary": "inspect",
    "show": "inspect",
    "schema": "inspect",
    "list": "inspect",
    "render": "render",
    "table": "render",
    "analyze": "research",
    "diff": "research",
    "probe": "research",
    "import": "importing",
    "sweep": "research",
    "weights": "weights",
    "export": "export",
}
"""The file of each command, in the order a new user meets them."""


class Commands(click.Group):
    """A group of the commands of `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"archspec.cli.{COMMANDS[cmd_name]}")
        if not gc.isenabled():  # a process of its own, until its modules are loaded
            gc.freeze()
            gc.enable()
        found: click.Command = getattr(module, {"list": "list_zoo", "import": "import_network"}.get(cmd_name, cmd_name))
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = terminal_lines(error.message)  # type: ignore[misc]  # printed by click itself
            raise


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="archspec")
def main() -> None:
    """Neural architectures as declarative graph specs, compiled to torch.fx.

    SPEC is a .yaml file, or the name of a network that comes with archspec (`archspec list`); or a torch module, which
    is traced, as py:package.module:function or py:FILE.py:function.
    """
    # torch warns of a missing NumPy as it loads; nothing here uses NumPy.
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
