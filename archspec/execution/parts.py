"""A network's forward in parts: segments, and what lies between them, each a function of the values it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx

from archspec.compiler.analysis.outline import Unit, outline
from archspec.compiler.analysis.segments import Segment
from archspec.compiler.lower import Network, emit_unit
from archspec.compiler.lower.codegen import function_of
from archspec.ops import ModuleCall


@dataclass(frozen=True)
class Part:
    """A run of units as one function of the network and the values it reads."""

    segment: bool
    """Whether it is a segment, or lies between two."""
    units: tuple[Unit, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ended: tuple[str, ...]
    """Values that nothing reads after it."""
    run: Callable[..., tuple[Any, ...]]

    @property
    def modules(self) -> list[str]:
        """Addresses of the modules it calls: blocks, and single operators that are modules."""
        return [
            unit.address for unit in self.units if not unit.single or isinstance(unit.plan.steps[0].call, ModuleCall)
        ]


class Parts:
    """The parts of a network in order. Raises `ValueError` for a network by operators, or edited since it was built."""

    def __init__(self, network: Network, segments: Sequence[Segment]) -> None:
        if network.granularity != "block":
            raise ValueError("segments are runs of blocks: build the network with granularity='block'")
        if network.edited:
            raise ValueError("segments follow the spec's graph, and this network's fx graph has been edited")
        graph = network.architecture
        self._input, self._outputs = graph.input.name, dict(graph.outputs)
        self._parts = _parts(network, segments)

    def __iter__(self) -> Any:
        return iter(self._parts)

    def run(self, network: Network, x: Tensor, call: Callable[[Part, list[Any]], Sequence[Any]]) -> Any:
        """The network's output; `call` runs the segments."""
        values = {self._input: x}
        del x
        for part in self._parts:
            inputs = [values[name] for name in part.inputs]
            for name in part.ended:
                values.pop(name, None)
            given = call(part, inputs) if part.segment else part.run(network, *inputs)
            del inputs
            values.update(zip(part.outputs, given, strict=True))
        outputs = {label: values[name] for label, name in self._outputs.items()}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def _parts(network: Network, segments: Sequence[Segment]) -> tuple[Part, ...]:
    graph = network.architecture
    place = {address: i for i, segment in enumerate(segments) for address in segment.units}
    runs: list[tuple[int | None, list[Unit]]] = []
    for unit in outline(graph):
        segment = place.get(unit.address)
        if not runs or runs[-1][0] != segment:
            runs.append((segment, []))
        runs[-1][1].append(unit)
    last = {name: i for i, (_, units) in enumerate(runs) for unit in units for name in unit.inputs}
    last |= dict.fromkeys(graph.outputs.values(), len(runs))
    parts = []
    for i, (segment, units) in enumerate(runs):
        own = {name for unit in units for name in unit.outputs}
        inputs = tuple(dict.fromkeys(name for unit in units for name in unit.inputs if name not in own))
        outputs = tuple(name for unit in units for name in unit.outputs if last.get(name, -1) > i)
        ended = tuple(name for name in inputs if last[name] == i)
        run = _function(network, units, inputs, outputs, i)
        parts.append(Part(segment is not None, tuple(units), inputs, outputs, ended, run))
    return tuple(parts)


def _function(
    network: Network, units: Sequence[Unit], inputs: Sequence[str], outputs: Sequence[str], number: int
) -> Callable[..., tuple[Any, ...]]:
    """The code of torch.fx for some units of a network."""
    graph = fx.Graph()
    values = {name: graph.placeholder(f"x{i}") for i, name in enumerate(inputs)}
    for unit in units:
        emit_unit(graph, network.architecture, unit, values)
    graph.output(tuple(values[name] for name in outputs))
    return function_of(graph, f"part_{number}")
