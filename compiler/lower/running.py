"""What a network knows of how it runs, once `archspec.compile` has set that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

from archspec.compiler.analysis.segments import Segment

Mode: TypeAlias = Literal["eager", "regional", "whole"]


class Instead:
    """What archspec puts in the place of a forward of an instance, and what computes the same; a copy goes without."""


class InsteadPartial(partial[Any], Instead):
    """Such a one, of a function and some of its arguments."""


@dataclass(frozen=True)
class Execution:
    """How a network runs."""

    mode: Mode
    channels_last: bool
    budget: float | None
    """How much of its activations a compiled region keeps, from 0 to 1; None leaves that to the compiler."""
    segments: tuple[Segment, ...]
    """With a budget, runs of blocks that are compiled as one region each; without, what is run again in backward."""
    kinds: int
    """Forwards compiled: one per structural signature of blocks, or the network's own."""
    eager: int
    """Operators outside of blocks, which run uncompiled."""
    cuda_graphs: bool = False
    """Whether inference replays captured CUDA graphs."""
