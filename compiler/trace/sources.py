"""A torch module from a program that the user names and trusts, as `py:package.module:function`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from archspec.compiler.trace.exporting import TraceError
from archspec.compiler.trace.tracing import trace
from archspec.graph import Graph
from archspec.syntax.errors import suggest

CHANNELS, SIZE = 3, (224, 224)
"""Of the samples, where neither the command line nor the module says it."""
_FORM = "py:package.module:function, or py:FILE.py:function"


def graph_of_code(reference: str, settings: Mapping[str, Any]) -> Graph:
    """The graph of the module that a function without required arguments gives, a class, or an instance. Runs its
    code, which the caller trusts.

    `settings` are the function's keyword arguments; `input.channels` and `input.size` say what samples are, images of
    3x224x224 by default, and `training: false` traces in evaluation mode. Raises `TraceError`.
    """
    given = dict(settings)
    sample, training = _sample(given), given.pop("training", True)
    made = module_of_code(reference, given)
    name = reference.rpartition(":")[2]
    return trace(made.train(bool(training)), torch.empty(1, *sample, device="meta"), name)


def module_of_code(reference: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The module itself. Runs its code, which the caller trusts. Raises `TraceError`."""
    place, colon, name = reference.removeprefix("py:").rpartition(":")
    if not colon or not place or not name.isidentifier():
        raise TraceError(f"'{reference}' names no module", f"write {_FORM}")
    made = _found(_imported(reference, place), reference, name)
    if not isinstance(made, nn.Module):
        made = _called(made, reference, arguments)
    if not isinstance(made, nn.Module):
        raise TraceError(f"{reference} gives a {type(made).__name__}, and not a torch.nn.Module")
    return made


def _sample(given: dict[str, Any]) -> tuple[int, ...]:
    """The shape of a sample, taken out of the settings."""
    channels, size = given.pop("input.channels", CHANNELS), given.pop("input.size", SIZE)
    sizes = [channels, *(size if isinstance(size, list | tuple) else [size])]
    if not all(isinstance(each, int) and not isinstance(each, bool) and each > 0 for each in sizes):
        raise TraceError("input.channels is a whole number, and input.size a list of such, as [224, 224]")
    return tuple(sizes)


def _imported(reference: str, place: str) -> ModuleType:
    try:
        with _here():
            if not place.endswith(".py"):
                return importlib.import_module(place)
            path = Path(place).resolve()
            if not path.is_file():
                raise TraceError(f"there is no file {place}")
            spec = importlib.util.spec_from_file_location(f"archspec_traced_{path.stem}", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            sys.path.insert(0, str(path.parent))
            spec.loader.exec_module(module)
            return module
    except TraceError:
        raise
    except ModuleNotFoundError as error:
        raise TraceError(f"{reference}: {error}", f"write {_FORM}; packages of the current folder are found") from None
    except Exception as error:  # the user's code may raise anything
        raise TraceError(f"{reference} cannot be imported: {_line(error)}") from None


@contextmanager
def _here() -> Iterator[None]:
    """With the current folder among those that packages are looked for in, as `python -m` has it."""
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def _found(module: ModuleType, reference: str, name: str) -> Any:
    found = getattr(module, name, None)
    if found is None or not (callable(found) or isinstance(found, nn.Module)):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise TraceError(f"{reference}: there is no function '{name}'", suggest(name, known))
    return found


def _called(function: Any, reference: str, given: Mapping[str, Any]) -> Any:
    try:
        return function(**given)
    except Exception as error:  # the user's code may raise anything
        hint = (
            "the function is called with what --set gives it, as --set depth=50"
            if isinstance(error, TypeError)
            else None
        )
        raise TraceError(f"{reference} fails: {_line(error)}", hint) from None


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}".rstrip(": ")
