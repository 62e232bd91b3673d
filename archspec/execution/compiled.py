"""torch.compile, by region or whole.

A region is a block. Siblings are instances of one class with one forward (`compiler.codegen`), so that each structural
signature is compiled once, however deep the network; what runs between blocks is the network's own forward, in Python.
Nothing falls back to eager: what cannot be compiled raises `CompileError` when it first runs.
"""

from __future__ import annotations

import hashlib
import re
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
from archspec.compiler.lower.running import Instead, InsteadPartial
from archspec.execution.failures import told, unrunnable
from archspec.execution.parts import Part, Parts
from archspec.ops import Shape
from archspec.syntax.errors import suggest


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
        backend, options = self.backend, dict(self.options)
        if backend == "inductor":
            own = {name: options.pop(name) for name in list(options) if name not in _DYNAMOS}
            backend = _inductor(self.budget, _known(own))
        elif self.budget is not None:
            raise ValueError("only the backend 'inductor' recomputes what it is told to: leave out checkpoint='auto'")
        try:
            return torch.compile(
                function, fullgraph=True, dynamic=self.dynamic, backend=backend, options=options or None
            )
        except TorchDynamoException as error:  # a backend that there is not
            raise ValueError(str(error).strip().splitlines()[0]) from None


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
    sample = network.architecture.input.shape
    for address, block in found.items():
        cls = type(block)
        for name in cls.computing if address not in together else ():
            if (cls, name) not in compiled:
                compiled[cls, name] = compiling(getattr(cls, name))
            block.__dict__[name] = InsteadPartial(_call, compiled[cls, name], address, sample, block)
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
            sample = network.architecture.input.shape
            return _call(self._regions[part.outputs], part.units[0].address, sample, *modules, *inputs)

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
            if isinstance(block.__dict__.get(name), Instead):
                del block.__dict__[name]


def compile_whole(network: Network, compiling: Compiling) -> Callable[..., Any]:
    """The network's forward as one compiled graph, to be called with its inputs. Hooks of the network itself run
    outside of it."""
    graph = network.architecture
    return partial(_call, compiling(type(network).forward), graph.name, graph.input.shape)


_DYNAMOS = frozenset({"guard_filter_fn"})
"""Options that torch.compile itself takes, and no backend."""
_inductors: dict[tuple[float | None, str], Callable[[Any, Any], Any]] = {}


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as inductor's settings are called. Raises `ValueError` for one that it does not have."""
    if not options:
        return {}
    from torch._inductor import config

    known = config.get_config_copy()
    given = {name.replace("-", "_"): value for name, value in sorted(options.items())}
    for name in given:
        if name not in known:
            hint = suggest(name, known)
            raise ValueError(f"torch.compile has no option '{name}'{f': {hint}' if hint else ''}")
    return given


def _inductor(budget: float | None, options: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """Inductor under settings. Dynamo keeps code by its backend: the same settings must be the same object."""
    key = budget, repr(options)
    if key not in _inductors:
        _inductors[key] = _made_inductor(budget, options)
    return _inductors[key]


def _made_inductor(budget: float | None, options: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """Inductor with a pass of ours, under an activation memory budget; for the graphs compiled here and no others."""
    from torch._functorch import config
    from torch._inductor.compile_fx import compile_fx

    from archspec.execution.masks import RecomputeMasks

    patches: dict[str, Any] = {"joint_custom_pre_pass": RecomputeMasks(), **options}

    def inductor(graph: Any, inputs: Any) -> Any:
        with config.patch({} if budget is None else {"activation_memory_budget": budget}):
            return compile_fx(graph, inputs, config_patches=patches)

    return inductor


_TYPES = re.compile(r"expected scalar type|expected .* to have the same dtype|type .* should be the same")
"""How kernels refuse numbers of two types."""


def _call(compiled: Callable[..., Any], address: str, sample: Shape, *arguments: Any) -> Any:
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
        raise CompileError(told(error, address, sample, arguments)) from error
    except RuntimeError as error:
        if type(error) is RuntimeError and _TYPES.search(str(error)):  # torch before 2.12 compiles it all the same
            raise CompileError(unrunnable(str(error), address, sample, arguments)) from error
        raise
