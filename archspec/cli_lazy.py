"""Commands that live in files of their own, imported when first used."""

from __future__ import annotations

import importlib

import click

ELSEWHERE = {
    "analyze": "archspec.cli_research",
    "diff": "archspec.cli_research",
    "probe": "archspec.cli_research",
    "sweep": "archspec.cli_research",
    "render": "archspec.cli_render",
    "table": "archspec.cli_render",
}
"""Modules by the names of their commands; a command is called there as it is on the command line."""


class Commands(click.Group):
    """A group that also knows the commands of `ELSEWHERE`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        found: click.Command = getattr(importlib.import_module(ELSEWHERE[cmd_name]), cmd_name)
        return found
