"""torch.compile, by region or whole.

A region is a block. Siblings are instances of one class with one forward (`compiler.codegen`), so that each structural
signature is compiled once, however deep the network; what runs between blocks is the network's own forward, in Python.
Nothing falls back to eager: what cannot be compiled raises `CompileError` when it first runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import torch
from torch._dynamo.exc import TorchDynamoException

from archspec.compiler.codegen import Block
from archspec.compiler.lower import Network, blocks


class CompileError(RuntimeError):
    """torch.compile refused, or reached one of its limits. Nothing ran in its place."""


def compile_regions(network: Network, dynamic: bool | None, budget: float | None, options: Mapping[str, Any]) -> int:
    """Has each block of a network run compiled, once per structural signature; returns how many there are.

    `budget`: how much of what a region would keep for backward it does keep, from 0 (recompute all of it) to 1.
    Raises `ValueError` where the network has no blocks.
    """
    found = blocks(network)
    if not found:
        raise ValueError(
            "there is nothing to compile by region, since this network has no blocks: build it with "
            "granularity='block', or use mode='whole'"
        )
    compiled: dict[tuple[type[Block], str], Callable[..., Any]] = {}
    for address, block in found.items():
        cls = type(block)
        for name in cls.computing:
            if (cls, name) not in compiled:
                compiled[cls, name] = _compiled(getattr(cls, name), dynamic, budget, options)
            block.__dict__[name] = partial(_call, compiled[cls, name], address, block)
    return len({cls for cls, _ in compiled})


def uncompile_regions(network: Network) -> None:
    """Undoes `compile_regions`."""
    for block in blocks(network).values():
        for name in block.computing:
            block.__dict__.pop(name, None)


def compile_whole(
    network: Network, dynamic: bool | None, budget: float | None, options: Mapping[str, Any]
) -> Callable[..., Any]:
    """The network's forward as one compiled graph, to be called with its inputs. Hooks of the network itself run
    outside of it."""
    compiled = _compiled(type(network).forward, dynamic, budget, options)
    return partial(_call, compiled, network.architecture.name)


def _compiled(
    function: Callable[..., Any], dynamic: bool | None, budget: float | None, options: Mapping[str, Any]
) -> Callable[..., Any]:
    if budget is None:
        return torch.compile(function, fullgraph=True, dynamic=dynamic, options=dict(options) or None)
    backend = _inductor(budget, tuple(sorted(options.items())))
    return torch.compile(function, fullgraph=True, dynamic=dynamic, backend=backend)


@cache  # dynamo keeps code by its backend: the same settings must be the same object
def _inductor(budget: float, options: tuple[tuple[str, Any], ...]) -> Callable[[Any, Any], Any]:
    """Inductor under an activation memory budget, which holds for the graphs compiled here and no others."""
    from torch._functorch import config
    from torch._inductor.compile_fx import compile_fx

    def compile_under_budget(graph: Any, inputs: Any) -> Any:
        with config.patch(activation_memory_budget=budget):
            return compile_fx(graph, inputs, config_patches=dict(options) or None)

    return compile_under_budget


def _call(compiled: Callable[..., Any], address: str, module: Any, *inputs: Any) -> Any:
    try:
        return compiled(module, *inputs)
    except TorchDynamoException as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise CompileError(
            f"'{address}' could not be compiled, and was not run: {reason}\n"
            f"archspec.compile(network, mode='eager') runs it uncompiled"
        ) from error
