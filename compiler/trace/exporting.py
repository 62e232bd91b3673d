"""From a module to torch.export's program: what is asked of a module, and what is said where it cannot be traced."""

from __future__ import annotations

import io
import linecache
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from archspec.syntax.errors import Problem, SpecError

PRIMES = (101, 103, 107, 109, 113, 127, 131)
"""Sizes of the batch that a module is traced with, whatever the example's: one that divides no other size tells
which numbers of the program are the batch's."""


class TraceError(SpecError):
    """A module that no graph can be made of; the message says why, and where in the module."""

    def __init__(self, message: str, hint: str | None = None, where: str | None = None) -> None:
        super().__init__([Problem(message, hint=hint, where=where)])

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> TraceError:
        """One that tells all of these."""
        error = cls("")
        SpecError.__init__(error, problems)
        return error


def exported(module: nn.Module, example: Any) -> tuple[ExportedProgram, int]:
    """The module's program for a batch of samples like the example's, and the size of that batch.

    Raises `TraceError` for an example that is not one batch of samples and for a module that torch.export refuses.
    """
    if not isinstance(module, nn.Module):
        raise TraceError(f"a torch.nn.Module can be traced, and this is a {type(module).__name__}")
    if isinstance(example, tuple | list) and len(example) == 1:
        (example,) = example
    if isinstance(example, tuple | list | dict):
        raise TraceError(
            f"a graph has one input, and the example has {len(example)}",
            "wrap the module in one that takes a single tensor and makes the others itself",
        )
    if not isinstance(example, Tensor) or example.ndim < 2:
        told = f"of shape {tuple(example.shape)}" if isinstance(example, Tensor) else type(example).__name__
        raise TraceError(
            f"the example is to be a batch of samples, (N, C, *size) or (N, features), and it is {told}",
            "give torch.empty(1, 3, 224, 224), or whatever the module takes",
        )
    batch = _batch(module, example)
    like = next((p for p in module.parameters() if p.is_floating_point() and example.is_floating_point()), example)
    samples = like.new_empty((batch, *example.shape[1:]))  # never read: torch.export looks at its shape
    try:
        with _quiet():
            program = torch.export.export(module, (samples,), strict=False)
    except Exception as error:
        raise _refused(error, example) from None
    return program, batch


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings and logs of what it tries: what fails is told in one message."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _batch(module: nn.Module, example: Tensor) -> int:
    sizes = {size for tensor in module.state_dict().values() for size in tensor.shape} | set(example.shape[1:])
    return next((prime for prime in PRIMES if all(size % prime for size in sizes)), PRIMES[0])


def _refused(error: Exception, example: Tensor) -> TraceError:
    """What torch.export's refusal means, in one message."""
    name, text = type(error).__name__, _first(" ".join(str(error).split()))
    where = _place(error)
    if "DataDependent" in name or "data-dependent" in text.lower() or "DynamicOutputShape" in name:
        return TraceError(
            f"the module decides by numbers that it computes{where}, which no graph can show",
            "a graph computes the same for every input: take the decision out of forward, or trace the module in the "
            "other mode, if it decides in one alone",
        )  # fmt: skip
    if isinstance(error, TypeError) and "argument" in text:
        return TraceError(
            f"the module cannot be called with one tensor: {text}",
            "a graph has one input: wrap the module in one whose forward takes a single tensor",
        )
    if "UserError" in name and "output" in text:
        return TraceError(f"the module gives what is no tensor: {text}")
    shape = "x".join(map(str, example.shape[1:]))
    return TraceError(f"the module fails for samples of {shape}{where}: {name}: {text}")


def _place(error: BaseException) -> str:
    """Where in the module's own code an error came up: file, line and the line's text."""
    own = Path(torch.__file__).parent
    found, trace = None, error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if own not in Path(code.co_filename).parents and code.co_filename != __file__:
            found = (code.co_filename, trace.tb_lineno, code.co_name)
        trace = trace.tb_next
    if found is None or found[2] in ("exported", "trace"):
        return ""
    file, line, _ = found
    return f" at {Path(file).name}:{line} ({linecache.getline(file, line).strip()[:80]})"


def _first(text: str) -> str:
    """The beginning of a message, which says what; the rest is advice about torch's own code."""
    text = text.partition(" (unhinted")[0].partition(" Caused by")[0]
    return text[:300] + ("..." if len(text) > 300 else "")
