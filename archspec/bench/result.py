"""What a benchmark found, as plain data: everything the table says, and every round's seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from archspec.bench.spread import Spread

Work: TypeAlias = Literal["inference", "training"]
Layout: TypeAlias = Literal["contiguous", "channels_last"]
OURS = "archspec"
"""What archspec's networks are called, next to those written by hand."""


@dataclass(frozen=True)
class Machine:
    """Where it ran."""

    device: str
    """"cpu", "cuda:0"."""
    name: str
    """The model of the processor or GPU."""
    threads: int
    """torch's threads on the CPU."""
    torch: str
    python: str
    memory_kept: bool
    """Whether the C library was told to keep freed memory, so that steps do not pay for page faults."""


@dataclass(frozen=True)
class Ceiling:
    """The best rate of a matrix product on the device: what a network's rate is compared with."""

    flops_per_second: float
    """Two per multiply-accumulate."""
    size: int
    """Rows and columns of the square matrices that reached it."""
    dtype: str
    tf32: bool
    """Whether float32 products were allowed TensorFloat-32, as torch's convolutions are by default."""


@dataclass(frozen=True)
class Compile:
    """What compiling cost: the first calls less as many steady ones."""

    seconds: float
    """On the wall clock."""
    python: float
    """CPU seconds of this process: tracing and generating code."""
    children: float
    """CPU seconds of its children: the compilers."""
    cold: bool
    """Whether it began with empty caches."""


@dataclass(frozen=True)
class Row:
    """One network in one mode at one batch size, in inference (evaluation mode, no gradients) or in training."""

    network: str
    """"archspec", or FILE:NAME of the module written by hand."""
    mode: str
    layout: Layout
    work: Work
    batch: int
    failed: str | None = None
    """Why there are no figures."""
    rounds: tuple[float, ...] = ()
    """Seconds of a step in each round."""
    calls: int = 0
    """Steps measured together in a round."""
    seconds: Spread | None = None
    """Of a step, over the rounds."""
    speedup: Spread | None = None
    """The baseline's seconds over this row's, within each round; None without a baseline."""
    samples_per_second: float | None = None
    flops_per_second: float | None = None
    """Two per multiply-accumulate of convolutions and linear layers; backward counts as twice the forward."""
    of_ceiling: float | None = None
    """The share of the ceiling: may exceed 1 where a convolution needs fewer multiplications than it is counted."""
    compile: Compile | None = None
    """None where nothing is compiled."""
    peak: int | None = None
    """Bytes of tensors that a step allocates at most, above weights, their gradients and the optimiser's state."""
    predicted: int | None = None
    """The same from the graph, for eager training."""
    kinds: int | None = None
    """Forwards compiled: one per kind of block, or one."""
    eager: int | None = None
    """Operators that run outside of compiled blocks."""
    segments: int | None = None
    """Segments recomputed in backward."""


@dataclass(frozen=True)
class Section:
    """The rows of one spec."""

    name: str
    input: tuple[int, ...]
    """Shape of one sample."""
    params: int
    """Learnable parameters."""
    macs: int
    """Multiply-accumulates for one sample; FLOPs are twice that."""
    baseline: str
    """What `speedup` is over, as "network mode"; where that failed, there are no speed-ups."""
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Result:
    """A whole benchmark."""

    archspec: str
    machine: Machine
    dtype: str
    autocast: bool
    """Whether training kept parameters in float32 and computed in `dtype` where torch's autocast does."""
    ceiling: Ceiling
    compiler_start: float | None
    """Seconds to load the compiler and start its processes, once; in no row. None where nothing is compiled."""
    specs: tuple[Section, ...]

    @property
    def failed(self) -> Sequence[Row]:
        """Rows without figures."""
        return [row for section in self.specs for row in section.rows if row.failed is not None]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return asdict(self)
