"""A network that stands in Python: `py:package.module:name`, run because its user says that it is trusted."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from torch import nn

PREFIX = "py:"


def python_module(reference: str, trust: bool) -> nn.Module:
    """The module that `py:package.module:name` names: the name is a module, or a class or function that makes one.

    Packages are looked for in the current folder too. Raises `click.BadParameter`.
    """
    if not trust:
        raise click.BadParameter(f"{reference} runs Python code: add --trust if you trust it")
    package, _, name = reference.removeprefix(PREFIX).partition(":")
    if not package or not name:
        raise click.BadParameter(f"'{reference}' is not of the form py:package.module:function")
    from torch import nn

    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(package)
        for part in name.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        raise click.BadParameter(f"there is no Python module '{error.name}', which {reference} needs") from None
    except AttributeError:
        raise click.BadParameter(f"there is no '{name}' in the Python module '{package}'") from None
    try:
        made = found if isinstance(found, nn.Module) else found()
    except Exception as error:
        raise click.BadParameter(f"{reference} failed: {type(error).__name__}: {error}") from error
    if not isinstance(made, nn.Module):
        raise click.BadParameter(f"{reference} is or gives a {type(made).__name__}, not a torch module")
    return made
