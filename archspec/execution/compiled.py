"""torch.compile, by region or whole.

A region is a block. Siblings are instances of one class with one forward (`compiler.codegen`), so that each structural
signature is compiled once, however deep the network; what runs between blocks is the network's own forward, in Python.
Nothing falls back to eager: what cannot be compiled raises `CompileError` when it first runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

from archspec.compiler.analysis.segments import Segment
from archspec.compiler.lower import Network, blocks
from archspec.compiler.lower.codegen import Block, executed
from archspec.execution.parts import Part, Parts


class CompileError(RuntimeError):
    """torch.compile refused, or reached one of its limits. Nothing ran in its place."""


@dataclass(frozen=True)
class Compiling:
    """How functions are compiled: torch.compile's settings, and how much of what a graph would keep for backward it
    does keep, from 0 (recompute all of it) to 1; None leaves that to the backend."""

    backend: str | Callable[..., Any] = "inductor"
    dynamic: bool | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    budget: float | None = None

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function compiled, which happens when it first runs. Raises `ValueError`."""
        backend = self.backend
        if backend == "inductor":
            backend = _inductor(self.budget, tuple(sorted(self.options.items())))
        elif self.budget is not None:
            raise ValueError("only the backend 'inductor' recomputes what it is told to: leave out checkpoint='auto'")
        options = dict(self.options) if backend is self.backend else {}
        return torch.compile(function, fullgraph=True, dynamic=self.dynamic, backend=backend, options=options or None)


def compile_regions(
    network: Network, compiling: Compiling, runs: Sequence[Segment] = ()
) -> tuple[int, Callable[..., Any] | None]:  # fmt: skip
    """Has each block of a network run compiled, once per structural signature, and each of `runs` as one region.

    Returns how many signatures there are, and the forward by which regions of several blocks are called, if there are
    any. Raises `ValueError` where the network has no blocks.
    """
    found = blocks(network)
    if not found:
        raise ValueError(
            "there is nothing to compile by region, since this network has no blocks: build it with "
            "granularity='block', or use mode='whole'"
        )
    together = {address for run in runs for address in run.units}
    compiled: dict[tuple[type[Block], str], Callable[..., Any]] = {}
    for address, block in found.items():
        cls = type(block)
        for name in cls.computing if address not in together else ():
            if (cls, name) not in compiled:
                compiled[cls, name] = compiling(getattr(cls, name))
            block.__dict__[name] = partial(_call, compiled[cls, name], address, block)
    alone = len({cls for cls, _ in compiled})
    if not runs:
        return alone, None
    body = _Runs(network, runs, compiling)
    return alone + body.kinds, body


class _Runs:
    """A network's forward with each run of blocks as one compiled region, one for each way of wiring such blocks."""

    def __init__(self, network: Network, runs: Sequence[Segment], compiling: Compiling) -> None:
        self._parts = Parts(network, runs)
        made: dict[str, Callable[..., Any]] = {}
        self._regions: dict[tuple[str, ...], Callable[..., Any]] = {}
        for part in self._parts:
            if part.segment:
                source = _source(network, part)
                if source not in made:
                    name = f"region_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
                    made[source] = compiling(_region(name, source))
                self._regions[part.outputs] = made[source]
        self.kinds = len(made)

    def __call__(self, network: Network, x: Tensor) -> Any:
        def call(part: Part, inputs: list[Any]) -> Any:
            modules = [network.get_submodule(name) for name in part.modules]
            return _call(self._regions[part.outputs], part.units[0].address, *modules, *inputs)

        return self._parts.run(network, x, call)


def _source(network: Network, part: Part) -> str:
    """The text of a run of blocks as a function of its blocks and the values it reads."""
    names = {name: f"x{i}" for i, name in enumerate(part.inputs)}
    modules = [f"m{i}" for i in range(len(part.units))]
    kinds = ", ".join(type(network.get_submodule(unit.address)).__name__ for unit in part.units)
    lines = [f"    # {kinds}"]
    for module, unit in zip(modules, part.units, strict=True):
        read = ", ".join(names[name] for name in unit.inputs)
        for name in unit.outputs:
            names[name] = f"v{len(names)}"
        lines.append(f"    {', '.join(names[name] for name in unit.outputs)} = {module}({read})")
    given = "".join(f"{names[name]}, " for name in part.outputs)
    arguments = ", ".join([*modules, *(names[name] for name in part.inputs)])
    return "\n".join([f"({arguments}):", *lines, f"    return ({given})\n"])


@cache  # one function, so that dynamo knows the code it has compiled
def _region(name: str, source: str) -> Callable[..., Any]:
    return executed(f"def {name}{source}", name, {})


def uncompile_regions(network: Network) -> None:
    """Undoes `compile_regions`."""
    for block in blocks(network).values():
        for name in block.computing:
            block.__dict__.pop(name, None)


def compile_whole(network: Network, compiling: Compiling) -> Callable[..., Any]:
    """The network's forward as one compiled graph, to be called with its inputs. Hooks of the network itself run
    outside of it."""
    return partial(_call, compiling(type(network).forward), network.architecture.name)


@cache  # dynamo keeps code by its backend: the same settings must be the same object
def _inductor(budget: float | None, options: tuple[tuple[str, Any], ...]) -> Callable[[Any, Any], Any]:
    """Inductor with a pass of ours, under an activation memory budget; for the graphs compiled here and no others."""
    from torch._functorch import config
    from torch._inductor.compile_fx import compile_fx

    from archspec.execution.masks import RecomputeMasks

    patches: dict[str, Any] = {"joint_custom_pre_pass": RecomputeMasks(), **dict(options)}

    def inductor(graph: Any, inputs: Any) -> Any:
        with config.patch({} if budget is None else {"activation_memory_budget": budget}):
            return compile_fx(graph, inputs, config_patches=patches)

    return inductor


def _call(compiled: Callable[..., Any], address: str, *arguments: Any) -> Any:
    try:
        return compiled(*arguments)
    except FailOnRecompileLimitHit as error:
        limit = torch._dynamo.config.recompile_limit
        raise CompileError(
            f"'{address}' was not run: its code has been compiled {limit} times already, for other dtypes, layouts, "
            f"batch sizes, training and evaluation. torch._dynamo.config.recompile_limit allows more, and "
            f"torch.compiler.reset() starts anew"
        ) from error
    except TorchDynamoException as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise CompileError(
            f"'{address}' could not be compiled, and was not run: {reason}\n"
            f"archspec.compile(network, mode='eager') runs it uncompiled"
        ) from error
