"""What is known of a module's values while it is read: signals, their tensors, and operators in the making."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias, final

from torch import fx

from archspec.compiler.trace.axes import Layout, contiguous
from archspec.ops import Operator, Shape


@dataclass(frozen=True, slots=True)
class FromDraft:
    """In a program: what an operator in the making gives."""

    draft: int


@dataclass(frozen=True, slots=True)
class FromModule:
    """In a program: a parameter or buffer of the module, by its name there."""

    key: str


@dataclass(frozen=True, slots=True)
class FromStep:
    """In a program: what an earlier step gives."""

    step: Any


Step: TypeAlias = tuple[str, tuple[Any, ...], tuple[tuple[str, Any], ...]]
"""A call: the operator's name, arguments and keyword arguments, with the above in the place of tensors."""


@dataclass(slots=True)
class Program:
    """Calls of torch's operators; the last one that is named `result` gives the value."""

    steps: dict[Any, Step]
    result: Any


@dataclass(slots=True)
class Draft:
    """An operator in the making: one of the vocabulary, or a program of torch's own."""

    op: Operator | None
    inputs: list[int]
    shape: Shape
    node: fx.Node
    """The call that it comes from, which says where it stands."""
    weights: dict[str, str] = field(default_factory=dict)
    program: Program | None = None
    hint: str = ""
    """What is to be known when it meets its neighbours: how a map was padded."""
    nodes: list[fx.Node] = field(default_factory=list)
    """All calls of a program, for the scope they share."""


@final
@dataclass(slots=True, eq=False)
class Signal:
    """Memory: what it holds at the moment, and which part of another signal it is."""

    draft: int
    shape: Shape
    """Without the batch: (C, *S)."""
    part: tuple[Signal, int, int] | None = None
    """The signal it is a slice of, from which channel to which."""
    version: int = 0
    seen: int = 0
    """Version of the signal it is a part of when it was cut out."""
    pending: list[Signal] = field(default_factory=list)
    """Parts that have been written to since."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor: a signal and how its axes lie in it."""

    signal: Signal
    layout: Layout


@dataclass(frozen=True, slots=True)
class Static:
    """A tensor that does not depend on the input: a parameter or buffer by its name, or what is computed of such."""

    node: fx.Node
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Several:
    """A call that gives several tensors: a program and its operands, of which one entry is used at a time."""

    node: fx.Node
    program: Program
    inputs: list[int]


def whole(signal: Signal, batch: int) -> Value:
    """The signal as it lies."""
    return Value(signal, contiguous((batch, *signal.shape)))


def numbers(shape: Shape) -> int:
    """Numbers of a sample."""
    return prod(shape)
