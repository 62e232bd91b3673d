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
    foreign: tuple[str, ...] = ()
    """Where blocks are compiled, addresses at which a module now stands that runs uncompiled: someone's own in a
    block's place, or a block put there after compiling. Blocks within someone's own are compiled all the same."""

    def __str__(self) -> str:
        """In words, a line each."""
        told = {
            "eager": "eagerly, uncompiled",
            "regional": f"compiled by region: {self.kinds} kind{'s' * (self.kinds != 1)} of block",
            "whole": "compiled as one graph",
        }
        lines = [told[self.mode]]
        if self.mode == "regional" and self.eager:
            lines.append(f"uncompiled: {self.eager} operator{'s' * (self.eager > 1)} outside of blocks")
        if self.foreign:
            lines.append(f"uncompiled, since put in a block's place: {', '.join(self.foreign)}")
        if self.budget is not None:
            lines.append(f"recomputed in backward: by the compiler, keeping {self.budget:.0%} of the activations")
        elif self.segments:
            lines.append(
                f"recomputed in backward: {sum(len(each.units) for each in self.segments)} blocks and other "
                f"units, in {len(self.segments)} segments"
            )
        if self.channels_last:
            lines.append("memory: channels last")
        if self.cuda_graphs:
            lines.append("inference: CUDA graphs")
        return "\n".join(lines)
