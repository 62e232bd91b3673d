"""A node: one operator of a network with concrete values, what it reads, what it gives and costs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import ClassVar, TypeAlias

from archspec.ops import Operator, Shape, Shapes
from archspec.ops.base import Role
from archspec.syntax.errors import Span

Reduction: TypeAlias = tuple[int | Fraction, ...]
"""Whole numbers, unless a map has grown larger than the input."""
_UNIT = re.compile(r"(stage[0-9]+\.(?:[0-9]+|enter)|(?:levels|skips|heads)\.\w+)(?:\.|\Z)")
_BLOCK = re.compile(r"stage([0-9]+)\.([0-9]+)\Z")


@lru_cache(maxsize=1 << 16)
def _unit_of(name: str) -> str:
    match = _UNIT.match(name)
    return match.group(1) if match else name.partition(".")[0]


class Source(Operator):
    """The input of a network: one sample of (channels, *size)."""

    key: ClassVar[str] = "input"
    role: ClassVar[Role] = "other"
    overwritable: ClassVar[bool] = False

    sample: tuple[int, ...]

    def shape(self, inputs: Shapes) -> Shape:
        return self.sample


@dataclass(frozen=True, slots=True)
class Feature:
    """A map that a network gives: what detection code asks of a backbone."""

    channels: int
    stride: int | Fraction | Reduction
    """By how much it is smaller than the input; by dimension where they differ."""
    size: Shape
    """Its spatial size for the spec's input."""


def squeezed_stride(reduction: Reduction) -> int | Fraction | Reduction:
    """One number where all dimensions agree."""
    return reduction[0] if len(set(reduction)) == 1 else reduction


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of a network. `name` is its address; if it is a module, also its path and state-dict prefix."""

    name: str
    op: Operator
    inputs: tuple[str, ...]
    """Names of the nodes it reads, in the order of its operands."""
    shape: Shape
    """Shape of its output for one sample: (channels, *spatial), or (features,)."""
    params: int
    """Learnable parameters."""
    macs: int
    """Multiply-accumulates for one sample; FLOPs are twice that."""
    reduction: Reduction | None
    """By how much each spatial size has been divided since the input; None for vectors."""
    span: Span | None = field(default=None, compare=False)
    """Where the spec says it."""

    @property
    def size(self) -> int:
        """Numbers in its output for one sample."""
        return prod(self.shape)

    @property
    def label(self) -> str:
        """A few words for a box in a figure or a line of a table."""
        return self.op.label(len(self.shape) - 1)

    @property
    def unit(self) -> str:
        """The part of the network it belongs to: `stem`, `stage1.0`, `stage2.enter`, `levels.root`, `head`."""
        return _unit_of(self.name)

    @property
    def local(self) -> str:
        """Its name within its unit."""
        return self.name[len(self.unit) + 1 :] or self.name.rpartition(".")[2]

    @property
    def path(self) -> str:
        """The path of its block it lies on: `branch`, `shortcut`, a wire's name; empty for the closing addition."""
        return self.local.rpartition(".")[0]

    @property
    def stage(self) -> int | None:
        """Number of its stage, from 1."""
        match = re.match(r"stage([0-9]+)\.", self.name)
        return int(match.group(1)) if match else None

    @property
    def block(self) -> int | None:
        """Number of its block within the stage, from 0."""
        match = _BLOCK.match(self.unit)
        return int(match.group(2)) if match else None

    @property
    def level(self) -> int | None:
        """The shortcut level it serves, if it stands on a shortcut above the blocks' own: 1 is the root."""
        if not self.name.startswith("levels."):
            return None
        return 1 if self.unit == "levels.root" else 2 + self.unit.count("_")
