"""What `archspec build` does once torch is loaded: lower, compile, run, and tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from torch import fx

from archspec import api
from archspec.compiler.lower import Granularity, blocks
from archspec.compiler.lower.codegen import Block
from archspec.compiler.lower.running import Mode
from archspec.execution.device import DTYPES, pick_device
from archspec.execution.forward import Run, run_forward
from archspec.graph import Graph
from archspec.syntax.escape import remark

Working = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Built:
    """A network that was built and run."""

    granularity: str
    nodes: int
    """Nodes of its fx graph that compute."""
    signatures: int
    """Distinct block classes."""
    seconds: float
    """To build and initialise it."""
    mode: Mode
    """How it ran; "eager" if nothing was compiled."""
    compiled: int
    """Forwards compiled: one per kind of block, or the network's own."""
    eager: int
    """Where blocks are compiled, operators outside of them, which run eagerly."""
    run: Run | None
    """None on the meta device, where nothing runs."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return asdict(self)

    def lines(self) -> list[str]:
        """What the command line says of it."""
        kind = (
            f"{self.nodes} modules of {self.signatures} kinds"
            if self.granularity == "block"
            else f"{self.nodes} operators"
        )
        told = [f"built      torch.fx.GraphModule of {kind} in {self.seconds:.2f} s"]
        if self.run is None:
            return [*told, "forward    not run: the meta device holds no data"]
        if self.mode == "regional":
            plural = "s" if self.compiled != 1 else ""
            eager = "nothing runs" if not self.eager else f"operators outside of blocks, {self.eager}, run"
            told.append(f"compiled   {self.compiled} kind{plural} of block; {eager} eagerly")
        elif self.mode == "whole":
            told.append("compiled   the forward as one graph; nothing runs eagerly")
        run = self.run
        shapes = ", ".join(
            _shape(shape) if name == "output" else f"{name} {_shape(shape)}" for name, shape in run.outputs.items()
        )
        first = f", first pass {_seconds(run.first)}" + (" with compilation" if self.mode != "eager" else "")
        memory = "peak GPU memory" if run.device.startswith("cuda") else "peak memory of the process"
        return [
            *told,
            f"forward    {_shape(run.input)} -> {shapes} on {run.device}, {run.dtype}",
            f"time       {_seconds(run.seconds)} a pass (median of {run.passes}){first}",
            f"memory     {run.memory / 2**20:,.0f} MiB {memory}",
        ]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _seconds(value: float) -> str:
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def build_and_run(
    graph: Graph, device: str, dtype: str, batch: int, granularity: Granularity, mode: Mode, working: Working
) -> Built:
    """Builds a graph on a device and runs a forward pass in a mode of `archspec.compile`.

    Raises `ValueError` for a device that cannot be used and a mode that does not fit, `CompileError`, and what torch
    raises as it runs.
    """
    target, kind = pick_device(device), DTYPES[dtype]
    with working("building"):
        start = time.perf_counter()
        network = api.build(graph, granularity=granularity, device=target, dtype=kind)
        seconds = time.perf_counter() - start
    if mode != "eager":
        api.compile(network, mode)
    nodes = sum(node.op in ("call_module", "call_function") for node in network.graph.nodes)
    signatures = len({type(block) for block in blocks(network).values()})
    run = None
    if target.type != "meta":
        with working("running a forward pass" if mode == "eager" else "compiling and running"):
            run = run_forward(network, target, kind, batch)
    execution = network.execution
    kinds, eager = (execution.kinds, execution.eager) if execution else (0, 0)
    return Built(granularity, nodes, signatures, seconds, mode, kinds, eager, run)


def generated_code(graph: Graph) -> str:
    """The top-level forward of a network, then the forward of each block class with the blocks that share it, and
    what is left of it where stochastic depth has dropped its branch."""
    network = api.build(graph, device="meta")
    classes: dict[type[Block], list[str]] = {}
    for address, block in blocks(network).items():
        classes.setdefault(type(block), []).append(address)
    parts = [f"# {remark(graph.name)}\n{network.code.strip()}\n"]
    for cls, addresses in classes.items():
        code = _printed(cls.fx_graph)
        if cls.bypass_graph is not None:
            code += f"\n\n# with its branch dropped\n{_printed(cls.bypass_graph)}"
        some = ", ".join(addresses[:6]) + (f" and {len(addresses) - 6} more" if len(addresses) > 6 else "")
        parts.append(f"# {cls.__name__}: {some}\n{code}\n")
    return "\n\n".join(parts)


def _printed(graph: fx.Graph) -> str:
    return graph.python_code("self").src.strip()
