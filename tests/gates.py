"""Stochastic depth told what to drop, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from archspec.compiler.lower import Network
from archspec.compiler.lower.gates import Gates
from archspec.compiler.lower.layers import DropPath


class Chosen(Gates):
    """Draws that are the same in every step."""

    def draw(self, network: nn.Module, x: Any, generator: Any, skips: bool) -> list[str]:
        for name, gate in gates(network).items():
            if gate.unit == "batch":
                gate.give(name not in self.dropped)  # type: ignore[attr-defined]
        return list(self.dropped)  # type: ignore[attr-defined]


def gates(network: nn.Module) -> dict[str, DropPath]:
    """Drop paths by name, in the order in which they draw."""
    found = {name: module for name, module in network.named_modules() if isinstance(module, DropPath)}
    return {name: found[name] for name in sorted(found)}


def choose(network: Network, dropped: Iterable[str]) -> None:
    """Drops these gates and no others, in every step in which the network is called."""
    told = tuple(dropped)
    assert set(told) <= set(gates(network))
    origin = network.meta["archspec"]
    chosen = Chosen(origin.gates.names, origin.gates.branches)
    object.__setattr__(chosen, "dropped", told)
    network.meta["archspec"] = replace(origin, gates=chosen)


def given(network: nn.Module) -> Sequence[bool | None]:
    """What each gate was given in the last step."""
    return [gate.given for gate in gates(network).values()]
