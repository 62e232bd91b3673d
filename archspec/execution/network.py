"""How a network runs: `archspec.compile` in one place, over compiling, checkpointing and the memory layout.

All of it hangs on the instance: the network's class, graph, names and state dict stay as they are, and a copy of the
network (deepcopy, pickle) runs eagerly again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from archspec.compiler.analysis.checkpoints import auto
from archspec.compiler.analysis.outline import outline
from archspec.compiler.analysis.segments import Segment, every
from archspec.compiler.analysis.training import training_memory
from archspec.compiler.lower import Network, blocks
from archspec.compiler.lower.edits import agreed, edits, rerouted
from archspec.compiler.lower.gates import dropping
from archspec.compiler.lower.running import Execution, Instead, InsteadPartial, Mode
from archspec.execution import hooks
from archspec.execution.checkpointing import Checkpointed
from archspec.execution.compiled import Compiling, compile_regions, compile_whole, uncompile_regions
from archspec.execution.cuda_graphs import CapturedForward
from archspec.execution.recorder import device_of
from archspec.graph import Graph
from archspec.syntax.arguments import condition, whole

Checkpoint: TypeAlias = Literal["auto"] | int
LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}
"""Channels-last layouts by spatial dimensions."""
BLOCKS, BUDGET = 2, 0.15
"""Blocks in a region, and the part of its activations that it keeps, where a compiled network checkpoints. By
benchmarks/checkpointing.py, that is under a third of the memory at next to no cost; keeping nothing, as under a memory
budget, is a sixth of it, and slower."""


def run_as(
    network: Network, mode: Mode, *, channels_last: bool | None = None, checkpoint: Checkpoint | None = None,
    memory: int | None = None, batch: int | None = None, dynamic: bool | None = None,
    options: Mapping[str, Any] | None = None,
    backend: str | Callable[..., Any] = "inductor", cuda_graphs: bool = False,
) -> Network:  # fmt: skip
    """Has a network run in a mode, in place, and returns it; see `archspec.compile`. Raises `ValueError`."""
    if mode not in get_args(Mode):
        raise ValueError(f"mode is 'eager', 'regional' or 'whole', not {mode!r}")
    condition("channels_last", channels_last, none=True)
    condition("dynamic", dynamic, none=True)
    condition("cuda_graphs", cuda_graphs)
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"options is a mapping of torch.compile's, not {options!r}")
    graph = network.architecture
    agreed(network, rerouted(network), "Compile it first, and then replace its forward, or subclass its layers")
    if checkpoint == "auto" and (memory is not None or mode == "eager"):  # else the compiler sees for itself
        changed = (edit for edit in edits(network) if not edit.number)
        agreed(network, changed, "What to recompute follows from the graph: build the network of a spec that says so")
    size = next((parameter.element_size() for parameter in network.parameters()), 4)
    budget, segments = recomputation(graph, mode, checkpoint, memory, batch, size)
    if cuda_graphs:
        device_of(network)
    runs = segments if budget is not None else ()
    sealed = list(_inlined(network, "whole" if cuda_graphs else mode, runs))
    hooks.check(sealed)
    rank = len(graph.input.shape) - 1
    layout = LAYOUTS.get(rank) if (mode != "eager" if channels_last is None else channels_last) else None
    compiling = Compiling(backend, dynamic, options or {}, budget)
    body: Callable[..., Any] | None = None
    reset(network)
    kinds = eager = 0
    if mode == "regional":
        kinds, body = compile_regions(network, compiling, runs)
        eager = sum(unit.single for unit in outline(graph))
    if segments and budget is None:
        body = Checkpointed(network, segments)
    if mode == "whole":
        kinds, body = 1, compile_whole(network, compiling)
        network.skips_dropped = False
    if layout is not None:
        network.to(memory_format=layout)  # type: ignore[call-overload]
    hooks.seal(sealed)
    if body is not None or layout is not None or cuda_graphs:
        forward = InsteadPartial(_forward, network, network.code, body, layout)
        network.__dict__["forward"] = CapturedForward(network, forward, layout) if cuda_graphs else forward
    network.__dict__["execution"] = Execution(mode, layout is not None, budget, segments, kinds, eager, cuda_graphs)
    return network


def recomputation(
    graph: Graph, mode: Mode, checkpoint: Checkpoint | None, memory: int | None, batch: int | None, size: int
) -> tuple[float | None, tuple[Segment, ...]]:
    """What `checkpoint` and `memory` mean in a mode: the compiler's activation budget, and segments of units.

    Compiled code recomputes cheapest by itself, fused with what needs it: `auto` leaves it to the compiler as long as
    that is enough, in regions of several blocks (of one, where stochastic depth passes by single blocks). Segments are
    run again as they are where nothing is compiled, and where a memory budget asks for more. `size`: bytes of a
    number. Raises `ValueError`.
    """
    if memory is not None:
        whole("memory", memory, 1)
    if batch is not None:
        whole("batch", batch, 1)
        if checkpoint != "auto":
            raise ValueError("batch is for what to recompute: add checkpoint='auto', and memory=... for a budget")
    if checkpoint is None:
        if memory is not None:
            raise ValueError("a memory budget is met by recomputing: add checkpoint='auto'")
        return None, ()
    if checkpoint != "auto":
        if not isinstance(checkpoint, int) or isinstance(checkpoint, bool) or memory is not None:
            raise ValueError("checkpoint is 'auto', with or without a memory budget, or a number of blocks")
        if mode == "whole":
            raise ValueError("a forward compiled as a whole recomputes by the compiler's choice: checkpoint='auto'")
        return None, every(graph, checkpoint)
    if memory is not None and batch is None:
        raise ValueError("whether a step fits into a memory budget depends on the batch: add batch=...")
    if memory is not None and training_memory(graph, batch=batch or 1, item_bytes=size).peak <= memory:
        return None, ()
    if mode != "eager":
        runs = () if mode == "whole" or dropping(graph) else every(graph, BLOCKS)
        left = training_memory(graph, batch=batch or 1, item_bytes=size, segments=runs or every(graph, 1)).peak
        if memory is None or left <= memory:
            return (BUDGET if memory is None else 0.0), runs
        if mode == "whole":
            raise ValueError(
                f"a step would still take {left:,} bytes of activations, more than {memory:,}: mode='regional' can "
                "recompute more blocks at once"
            )
    return None, auto(graph, batch=batch or 1, item_bytes=size, budget=memory)


def reset(network: Network) -> None:
    """Has a network run as it was built, eagerly; its memory layout stays as it is."""
    hooks.unseal(network)
    uncompile_regions(network)
    for name in ("execution", "skips_dropped"):
        network.__dict__.pop(name, None)
    if isinstance(network.__dict__.get("forward"), Instead):
        del network.__dict__["forward"]


def _forward(
    network: Network, code: str, body: Callable[..., Any] | None, layout: torch.memory_format | None, x: Tensor
) -> Any:
    if body is not None and network.code is not code:
        raise RuntimeError("the network's fx graph was edited after archspec.compile: compile the network again")
    if layout is not None and x.ndim == len(network.architecture.input.shape) + 1:
        x = x.contiguous(memory_format=layout)  # what has another rank is for the first layer to refuse
    return type(network).forward(network, x) if body is None else body(network, x)


def _inlined(network: Network, mode: Mode, runs: tuple[Segment, ...]) -> Iterator[tuple[str, nn.Module, str]]:
    """The modules whose calls compiled or captured code inlines, and what can be hooked in place of each."""
    if mode == "whole":
        yield from hooks.inlined(network, "", "the network")
    elif mode == "regional":
        together = {address for run in runs for address in run.units}
        for address, block in blocks(network).items():
            outside = "the network" if address in together else f"the block '{address}'"
            if address in together:
                yield address, block, outside
            yield from hooks.inlined(block, address, outside)
