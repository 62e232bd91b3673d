"""Stochastic depth's draws: all of a step's at once, on the host, so that dropped blocks are never started.

A gate that multiplies on the device saves nothing. Drawn before the step, it lets a network pass by a dropped block
altogether, eager or compiled; and whatever runs a part of the step again (checkpointing) can put the same draws back.
A block that is called by itself, or by anything but its network, draws for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations

import torch
from torch import Tensor, nn

from archspec.compiler.analysis.outline import Unit
from archspec.compiler.lower.layers import DropPath
from archspec.compiler.rewrite.bypass import bypass
from archspec.graph import Graph


def dropping(graph: Graph) -> list[str]:
    """Names of the drop paths that decide for the whole mini-batch, sorted: the order in which they draw.

    Whatever order a network holds its modules in, emitted ones and edited ones too, it can follow this one.
    """
    return sorted(
        node.name for node in graph
        if node.op.key == "drop_path" and node.op.unit == "batch"  # type: ignore[attr-defined]
    )  # fmt: skip


@dataclass(frozen=True)
class Gates:
    """The drop paths of a network that decide for the whole mini-batch."""

    names: tuple[str, ...] = ()
    branches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By operator: what each of them lets a network of blocks pass by."""

    @staticmethod
    def of(graph: Graph, units: Sequence[Unit], by_operator: bool) -> Gates:
        """Those of a graph."""
        names = tuple(dropping(graph))
        branches = {}
        for unit in units if names and by_operator else ():
            left = bypass(unit.plan)
            if left is not None:
                needed = {step.name for step in left[1].steps}
                gone = {step.name: node.name for step, node in zip(unit.plan.steps, unit.nodes, strict=True)}
                branches[gone[left[0]]] = tuple(name for step, name in gone.items() if step not in needed)
        return Gates(names, branches)

    def draw(self, network: nn.Module, x: Tensor, generator: torch.Generator | None, skips: bool) -> list[str]:
        """Decides which blocks this step drops, and returns the names of their gates; numbers come from a generator of
        the host, or torch's global one. Without `skips`, and where x is traced, compiled or captured, each gate draws
        for itself on the device."""
        if not (generator is None or (isinstance(generator, torch.Generator) and generator.device.type == "cpu")):
            raise TypeError(f"drop_generator is a torch.Generator of the CPU, or None, not {generator!r}")
        gates = self.found(network)
        for gate in gates.values():
            gate.skips, gate.kept = skips, None
        if not skips or DropPath.recorded(x):
            return []
        if generator is not None and torch._C._current_graph_task_id() != -1:  # run again in backward, as a whole
            for gate in gates.values():
                gate.repeat(x)
        else:
            drawn = torch.rand(len(self.names), generator=generator, device="cpu").tolist()
            for name, number in zip(self.names, drawn, strict=True):
                if name in gates:
                    gates[name].give(number < gates[name].survival)
                    if generator is not None:
                        gates[name].note(x, gates[name].kept)
        return [name for name, gate in gates.items() if gate.kept is False and gate.training]

    def found(self, network: nn.Module) -> dict[str, DropPath]:
        """The gates by the names that the graph has for them; not what edits put in their places. One within a module
        that was wrapped (`stage1.0.wrapped.branch.drop_path`) is found below the wrapper."""
        there = {name: _find(network, name) for name in self.names}
        found = {name: gate for name, gate in there.items() if isinstance(gate, DropPath)}
        if len(found) < len(there):
            missing, known = there.keys() - found.keys(), set(map(id, found.values()))
            for path, gate in network.named_modules():
                if isinstance(gate, DropPath) and id(gate) not in known:
                    name = next((name for name in _unwrapped(path) if name in missing and name not in found), None)
                    if name is not None:
                        found[name] = gate
        return {name: found[name] for name in self.names if name in found}

    @contextmanager
    def resting(self, network: nn.Module, dropped: Sequence[str]) -> Iterator[None]:
        """Has modules of dropped branches do nothing that outlasts them, should they be run: in evaluation mode they
        update no statistics and draw no numbers. What they give is replaced by zeros."""
        modules = []
        for gate in dropped:
            for name in self.branches.get(gate, ()):
                part = _find(network, name)
                modules += [module for module in (part.modules() if part else ()) if module.training]
        modules = [module for module in modules if not isinstance(module, DropPath)]
        for module in modules:
            module.training = False
        try:
            yield
        finally:
            for module in modules:
                module.training = True


def _find(network: nn.Module, name: str) -> nn.Module | None:
    """The module at an address, where there is one: many operators are functions."""
    try:
        return network.get_submodule(name)
    except AttributeError:
        return None


def _unwrapped(path: str) -> Iterator[str]:
    """A path without up to three of its parts, which may be wrappers'."""
    parts = path.split(".")
    for count in range(1, min(4, len(parts))):
        for left in combinations(parts, len(parts) - count):
            yield ".".join(left)
