"""What `archspec build` does once torch is loaded: lower, compile, run, and tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from archspec import api
from archspec.compiler.lower import Granularity, blocks
from archspec.compiler.runtime import DTYPES, Run, compile_regions, pick_device, run_forward
from archspec.graph import Graph

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
    compiled: bool
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
        run = self.run
        shapes = ", ".join(
            _shape(shape) if name == "output" else f"{name} {_shape(shape)}" for name, shape in run.outputs.items()
        )
        first = f", first pass {_seconds(run.first)}" + (" with compilation" if self.compiled else "")
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
    graph: Graph, device: str, dtype: str, batch: int, granularity: Granularity, compiled: bool, working: Working
) -> Built:
    """Builds a graph on a device and runs a forward pass. Raises `ValueError` for a device that cannot be used."""
    target, kind = pick_device(device), DTYPES[dtype]
    with working("building"):
        start = time.perf_counter()
        network = api.build(graph, granularity=granularity, device=target, dtype=kind)
        seconds = time.perf_counter() - start
    if compiled:
        compile_regions(network)
    nodes = sum(node.op in ("call_module", "call_function") for node in network.graph.nodes)
    signatures = len({type(block) for block in blocks(network).values()})
    run = None
    if target.type != "meta":
        with working("compiling and running" if compiled else "running a forward pass"):
            run = run_forward(network, target, kind, batch)
    return Built(granularity, nodes, signatures, seconds, compiled, run)


def generated_code(graph: Graph) -> str:
    """The top-level forward of a network, then the forward of each block class with the blocks that share it."""
    network = api.build(graph, device="meta")
    classes: dict[type, list[str]] = {}
    for address, block in blocks(network).items():
        classes.setdefault(type(block), []).append(address)
    parts = [f"# {graph.name}\n{network.code.strip()}\n"]
    for cls, addresses in classes.items():
        code = cls.fx_graph.python_code("self").src.strip()  # type: ignore[attr-defined]
        some = ", ".join(addresses[:6]) + (f" and {len(addresses) - 6} more" if len(addresses) > 6 else "")
        parts.append(f"# {cls.__name__}: {some}\n{code}\n")
    return "\n\n".join(parts)
