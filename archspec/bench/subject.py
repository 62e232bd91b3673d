"""One thing to measure: a network, in a mode and a layout, ready to step. And how its figures come about."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, get_args

import torch
from torch import nn

from archspec import api
from archspec.bench.caches import Caches
from archspec.bench.process import children_seconds
from archspec.bench.result import OURS, Compile, Layout, Work
from archspec.bench.rival import Rival
from archspec.bench.timing import wall
from archspec.bench.work import HALF, Inference, Training
from archspec.compiler.lower.running import Execution, Mode
from archspec.execution.network import LAYOUTS, Checkpoint
from archspec.graph import Graph

Step: TypeAlias = Inference | Training
FIRST = 3
"""Calls in which a compiled step settles; the first compiles."""


@dataclass(frozen=True)
class Settings:
    """What is measured, and for how long."""

    modes: tuple[Mode, ...] = get_args(Mode)
    train: bool = False
    """A training step too."""
    batches: tuple[int, ...] = (1,)
    dtype: torch.dtype = torch.float32
    """Of weights and inputs. Training in half precision keeps parameters in float32 and computes under autocast."""
    checkpoint: Checkpoint | None = None
    """Of `archspec.compile`, for archspec's rows of training."""
    channels_last: bool | None = None
    """The layout of every row; None goes by mode: compiled rows are channels-last, eager ones contiguous."""
    rounds: int | None = None
    """Rounds to measure; None: as many as fit into `seconds`."""
    seconds: float = 5.0
    """Time to measure each row for, beside compiling."""
    warm_cache: bool = False
    """Compile with the user's caches instead of empty ones."""
    ceiling_seconds: float = 1.0
    """Time for each size of matrix in measuring the ceiling."""

    @property
    def compiles(self) -> bool:
        """Whether any row is compiled."""
        return any(mode != "eager" for mode in self.modes)

    def layout(self, mode: Mode) -> Layout:
        """The layout of rows in a mode, ours and the hand-written alike."""
        last = mode != "eager" if self.channels_last is None else self.channels_last
        return "channels_last" if last else "contiguous"


@dataclass(frozen=True)
class Case:
    """What the rows of one comparison share."""

    graph: Graph
    work: Work
    batch: int
    device: torch.device
    settings: Settings

    @property
    def autocast(self) -> torch.dtype | None:
        """The number type that training computes in under autocast."""
        dtype = self.settings.dtype
        return dtype if self.work == "training" and dtype in HALF else None

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and inputs."""
        return torch.float32 if self.autocast else self.settings.dtype


@dataclass(frozen=True)
class Subject:
    """A row to be: archspec's network or the hand-written one, in a mode."""

    case: Case
    mode: Mode
    rival: Rival | None = None

    @property
    def name(self) -> str:
        """Whose network it is."""
        return self.rival.name if self.rival else OURS

    @property
    def key(self) -> str:
        """What it is called within its comparison."""
        return f"{self.name} {self.mode}"

    @property
    def layout(self) -> Layout:
        """Of weights and inputs."""
        return self.case.settings.layout(self.mode)

    def prepare(self, batches: dict[Layout, torch.Tensor]) -> tuple[Step, Execution | None]:
        """Builds the network and its step; it compiles when first called. `batches` holds the inputs by layout.

        Raises `ValueError` for what does not go together, `RivalError`, and what torch raises.
        """
        torch.manual_seed(0)
        module = self._ours() if self.rival is None else self._theirs(self.rival)
        execution: Execution | None = getattr(module, "execution", None) if self.rival is None else None
        x = self._input(batches)
        if self.case.work == "inference":
            return Inference(module, x), execution
        return Training(module, x, self.case.autocast), execution

    def _ours(self) -> nn.Module:
        case = self.case
        network = api.build(case.graph, device=case.device, dtype=case.dtype)
        checkpoint = case.settings.checkpoint if case.work == "training" else None
        return api.compile(
            network, self.mode, channels_last=self.layout == "channels_last", checkpoint=checkpoint,
            batch=case.batch if checkpoint == "auto" else None,
        )  # fmt: skip

    def _theirs(self, rival: Rival) -> nn.Module:
        module = rival.make(self.case.device, self.case.dtype)
        if self.layout == "channels_last":
            module = module.to(memory_format=self._format)  # type: ignore[call-overload]
        if self.mode == "whole":
            module.compile()
        return module

    def _input(self, batches: dict[Layout, torch.Tensor]) -> torch.Tensor:
        if self.layout not in batches:
            case = self.case
            x = torch.randn(case.batch, *case.graph.input.shape, device=case.device, dtype=case.dtype)
            batches[self.layout] = x.contiguous(
                memory_format=self._format if self.layout == "channels_last" else torch.contiguous_format
            )
        return batches[self.layout]

    @property
    def _format(self) -> torch.memory_format:
        return LAYOUTS[len(self.case.graph.input.shape) - 1]


def first_calls(step: Callable[[], object], compiled: bool, caches: Caches) -> tuple[float, Compile | None]:
    """Runs a step until it is steady; returns the seconds of a steady call, and what compiling cost if it was."""

    def settled(calls: int) -> tuple[float, float, float]:
        before = time.process_time(), children_seconds()
        seconds = wall(finished, calls) * calls
        return seconds, time.process_time() - before[0], children_seconds() - before[1]

    def finished() -> None:
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    if not compiled:
        settled(2)
        return settled(1)[0], None
    with caches.empty():
        seconds, python, children = settled(FIRST)
    steady, steady_python, _ = settled(1)
    return steady, Compile(
        max(0.0, seconds - FIRST * steady), max(0.0, python - FIRST * steady_python), children, caches.cold
    )
