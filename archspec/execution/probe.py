"""Signal propagation at initialisation: what a network does to random input, and to gradients, before any training.

For each block the mean and variance of its output, the variance of its branch against that of its shortcut, and the
norm of the loss's gradient with respect to its output. In the manner of De and Smith, arXiv 2002.10444, and Brock et
al., arXiv 2101.08692 (signal propagation plots). Needs torch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from archspec.compiler.analysis.signature import signature
from archspec.graph import Graph, Node
from archspec.ops import ModuleCall
from archspec.report.fact import Fact
from archspec.syntax.arguments import whole

if TYPE_CHECKING:
    import torch
    from torch import fx

    from archspec.compiler.lower import Network


@dataclass(frozen=True)
class BlockSignal:
    """What was measured at one block, over the whole batch; None where it is not finite or there is nothing."""

    block: str
    """Its address; the stem comes first."""
    mean: float | None
    """Mean of its output."""
    variance: float | None
    """Variance of its output."""
    ratio: float | None
    """Variance of the branch over that of the shortcut, at the closing addition."""
    gradient: float | None
    """Norm of the gradient of the loss with respect to its output."""


@dataclass(frozen=True)
class Probe(Fact):
    """Signals through a network at initialisation."""

    name: str
    signature: str
    blocks: tuple[BlockSignal, ...]
    loss: float | None
    batch: int
    seed: int
    seconds: float

    @property
    def gradient_span(self) -> float:
        """Orders of magnitude between the largest and the smallest gradient; infinite if one is 0 or not finite."""
        norms = [block.gradient for block in self.blocks]
        if any(not norm for norm in norms):
            return math.inf
        known = [norm for norm in norms if norm]
        return math.log10(max(known) / min(known))

    @property
    def variance_span(self) -> float:
        """Orders of magnitude between the largest and the smallest variance; infinite if one is 0 or not finite."""
        values = [block.variance for block in self.blocks]
        if any(not value for value in values):
            return math.inf
        known = [value for value in values if value]
        return math.log10(max(known) / min(known))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return asdict(self)

    def report(self) -> Iterable[str]:
        """One line: from the last block to the stem, as gradients go."""
        if not self.blocks:
            return [f"{self.name:<24} no operators, {self.seconds:.1f} s"]
        first, last = self.blocks[0], self.blocks[-1]
        return [
            f"{self.name:<24} variance {_figure(first.variance)} -> {_figure(last.variance)}, "
            f"gradient {_figure(last.gradient)} -> {_figure(first.gradient)} (last block -> stem), {self.seconds:.1f} s"
        ]


def _figure(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"


def probe(graph: Graph, model: object = None, *, batch: int = 8, seed: int = 0, device: Any = None) -> Probe:
    """Measures one forward and one backward pass in training mode: of a copy of the model, if that is a network built
    from the graph, else of a freshly initialised network.

    The input is standard normal; the loss is cross-entropy against random classes, or for maps the mean of the output
    times random signs. `device` defaults to the network's, and to the CPU. Raises `ValueError` for a bad device, for
    numbers that are none, and for a network on the meta device.
    """
    import torch

    from archspec.compiler.lower import Network, lower
    from archspec.execution.device import pick_device

    network = model if isinstance(model, Network) else None
    start = time.perf_counter()
    batch, seed = whole("batch", batch, 1), whole("seed", seed)
    held = next(chain(network.parameters(), network.buffers()), None) if network is not None else None
    target = pick_device(device if device is not None else held.device if held is not None else "cpu")
    if target.type == "meta" or (held is not None and held.is_meta):
        raise ValueError("the meta device holds no numbers to measure: probe on cpu, or a network that has weights")
    with torch.random.fork_rng(devices=[target] if target.type == "cuda" else []):
        torch.manual_seed(seed)
        subject = lower(graph, "op", target) if network is None else _by_operator(network, graph).to(target)
        subject.train().requires_grad_()
        numbers = next((p.dtype for p in subject.parameters()), None)
        images = torch.randn(batch, *graph.input.shape, device=target, dtype=numbers)
        images.requires_grad_(numbers is None)  # else no gradient would flow at all
        recorder = _recorder(subject, graph)
        outputs = recorder.run(images)
        last = list(outputs.values())[-1] if isinstance(outputs, Mapping) else outputs
        loss = _loss(last)
        loss.backward()  # type: ignore[no-untyped-call]
    blocks = tuple(
        BlockSignal(unit, mean, variance, recorder.ratios.get(unit), _finite(recorder.gradients.get(unit)))
        for unit, (mean, variance) in recorder.moments.items()
    )
    return Probe(graph.name, signature(graph), blocks, _finite(loss.item()), batch, seed, time.perf_counter() - start)


def _by_operator(network: Network, graph: Graph) -> Network:
    """A copy of a network by operators, with the same weights."""
    import torch

    from archspec.compiler.lower import lower
    from archspec.compiler.lower.codegen import attach

    copies: dict[int, Any] = {}
    made = lower(graph, "op", torch.device("meta"))
    for node in list(graph)[1:]:
        if isinstance(node.op.call(graph.input_shapes(node)), ModuleCall):
            attach(made, node.name, deepcopy(network.get_submodule(node.name), copies))
    return made


def _loss(output: torch.Tensor) -> torch.Tensor:
    import torch

    if output.ndim == 2:
        classes = torch.randint(output.shape[1], (output.shape[0],), device=output.device)
        return torch.nn.functional.cross_entropy(output, classes)
    signs = torch.randint(0, 2, output.shape, device=output.device) * 2 - 1
    return (output * signs).mean()


def closing(graph: Graph) -> dict[str, tuple[str, str]]:
    """The branch and the shortcut of each block that closes with an addition: the deepest operand, and the next in
    the order in which they join (branch, shortcut, levels, skips)."""
    depth: dict[str, int] = {}
    found = {}
    for node in graph:
        depth[node.name] = max((depth[source] for source in node.inputs), default=0) + (node.op.role == "weight")
        if node.op.key == "add" and node.block is not None:
            branch = max(node.inputs, key=depth.__getitem__)
            others = [source for source in node.inputs if source != branch]
            if others:
                found[node.unit] = branch, others[0]
    return found


def _outputs(graph: Graph) -> dict[str, Node]:
    """The last operator of the stem and of each block; of every part, where a flat spec has no blocks."""
    found = {node.unit: node for node in graph if node.block is not None or node.unit == "stem"}
    return (
        found
        if any(node.block is not None for node in found.values())
        else {node.unit: node for node in list(graph)[1:]}
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _recorder(network: fx.GraphModule, graph: Graph) -> Any:
    """An interpreter of the network that measures as it goes; values are looked at before anything overwrites them."""
    import torch
    from torch import fx

    ends = {node.name: unit for unit, node in _outputs(graph).items()}
    joined = closing(graph)
    wanted = {name for pair in joined.values() for name in pair}

    class Recorder(fx.Interpreter):
        moments: dict[str, tuple[float | None, float | None]]
        ratios: dict[str, float | None]
        gradients: dict[str, float]
        variances: dict[str, float]

        def run_node(self, n: fx.Node) -> Any:
            value = super().run_node(n)
            name = n.meta.get("archspec", {}).get("address")
            if not isinstance(value, torch.Tensor) or name is None:
                return value
            if name in wanted:
                self.variances[name] = value.detach().float().var().item()
            unit = ends.get(name)
            if unit is not None:
                flat = value.detach().float()
                self.moments[unit] = _finite(flat.mean().item()), _finite(flat.var().item())
                if value.requires_grad:
                    value.register_hook(lambda grad, unit=unit: self.keep(unit, grad))  # type: ignore[no-untyped-call]
                if unit in joined:
                    branch, shortcut = (self.variances[operand] for operand in joined[unit])
                    self.ratios[unit] = _finite(branch / shortcut) if shortcut else None
            return value

        def keep(self, unit: str, grad: torch.Tensor) -> None:
            self.gradients[unit] = grad.detach().float().norm().item()

    recorder = Recorder(network)
    recorder.moments, recorder.ratios, recorder.gradients, recorder.variances = {}, {}, {}, {}
    return recorder
