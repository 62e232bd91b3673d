"""Partition of a graph into units (stem, blocks, level projections, head), and of units by structural signature.

Units of one signature become instances of one class, so that `torch.compile` compiles each signature once, whatever
the depth. A `Plan` is the signature: operators with their values, wiring, local names. What may differ between
siblings (a survival probability) is kept out of it.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from archspec.graph import Graph, Node
from archspec.ops import Call, ModuleCall

Reference: TypeAlias = int | str
"""An operand within a plan: the number of the unit's input, or the local name of a step."""


@dataclass(frozen=True)
class Step:
    """One call of a plan: its name within the unit, the call, its operands."""

    name: str
    call: Call
    inputs: tuple[Reference, ...]
    origin: str = field(default="", compare=False)
    """Where the spec says it; the first of equal blocks speaks for all."""


@dataclass(frozen=True)
class Plan:
    """The computation of a unit: equal plans share one class. Hashed once, since every block asks."""

    steps: tuple[Step, ...]
    inputs: int
    outputs: tuple[Reference, ...]
    label: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.steps, self.inputs, self.outputs)))

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined, no-any-return]

    def __deepcopy__(self, memo: dict[int, Any]) -> Plan:
        return self

    def __reduce__(self) -> Any:  # hashes of strings differ between processes
        return Plan, (self.steps, self.inputs, self.outputs, self.label)


@dataclass(frozen=True)
class Unit:
    """A part of the network: its address, its plan, the nodes it reads and gives, and its own values by step."""

    address: str
    plan: Plan
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    values: Mapping[str, tuple[tuple[str, float], ...]]

    @property
    def single(self) -> bool:
        """Whether it is one operator, called directly under its own name."""
        return len(self.nodes) == 1 and self.nodes[0].name == self.address


def outline(graph: Graph) -> list[Unit]:
    """The units of a graph in an order in which each follows what it reads.

    Units that would read each other in a circle or hold one another, as a flat spec's names may have it, fall apart
    into operators.
    """
    groups = graph.units()
    owner = {node.name: address for address, nodes in groups.items() for node in nodes}
    apart = {*_circular(graph, groups, owner), *_holding(groups)}
    if apart:
        owner = {name: name if address in apart else address for name, address in owner.items()}
        groups = {}
        for node in list(graph)[1:]:
            groups.setdefault(owner[node.name], []).append(node)
    plans: dict[Plan, Plan] = {}
    given = set(graph.outputs.values())
    units = [_unit(graph, address, nodes, given, owner, plans) for address, nodes in groups.items()]
    return _ordered(units, owner)


def _unit(
    graph: Graph, address: str, nodes: Sequence[Node], given: set[str], owner: Mapping[str, str],
    plans: dict[Plan, Plan],
) -> Unit:  # fmt: skip
    names = {node.name: node.local for node in nodes}
    inputs = tuple(dict.fromkeys(source for node in nodes for source in node.inputs if source not in names))
    numbers = {name: i for i, name in enumerate(inputs)}
    steps, values = [], {}
    for node in nodes:
        source = graph[node.inputs[0]]
        # It may overwrite its input: fresh, not needed by its producer's backward, read by nothing else.
        free = source.op.overwritable and source.name in names and len(graph.users[source.name]) == 1
        call = node.op.call(graph.input_shapes(node), inplace=free and source.name not in given)
        if isinstance(call, ModuleCall) and call.values:
            values[node.local] = call.values
            call = replace(call, values=())
        operands = tuple(numbers[source] if source in numbers else names[source] for source in node.inputs)
        steps.append(Step(node.local, call, operands, str(node.span) if node.span else ""))
    outputs = tuple(
        node.name for node in nodes
        if node.name in given or any(owner[user] != address for user in graph.users[node.name])
    )  # fmt: skip
    label = graph.kinds.get(address) or address.partition(".")[0].rstrip("0123456789")
    plan = Plan(tuple(steps), len(inputs), tuple(names[name] for name in outputs), label)
    return Unit(address, plans.setdefault(plan, plan), inputs, outputs, tuple(nodes), values)


def _readers(graph: Graph, owner: Mapping[str, str]) -> dict[str, dict[str, None]]:
    """The units that read each unit, each once."""
    readers: dict[str, dict[str, None]] = {address: {} for address in owner.values()}
    for node in list(graph)[1:]:
        for source in node.inputs:
            if source in owner and owner[source] != owner[node.name]:
                readers[owner[source]][owner[node.name]] = None
    return readers


def _circular(graph: Graph, groups: Mapping[str, Any], owner: Mapping[str, str]) -> set[str]:
    """Units on circles, in no order."""
    readers = _readers(graph, owner)
    waiting = dict.fromkeys(groups, 0)
    for targets in readers.values():
        for target in targets:
            waiting[target] += 1
    ready = [address for address, count in waiting.items() if not count]
    seen = 0
    while ready:
        seen += 1
        for target in readers[ready.pop()]:
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    if seen == len(groups):
        return set()
    import networkx

    quotient: networkx.DiGraph[str] = networkx.DiGraph()
    quotient.add_edges_from((source, target) for source, targets in readers.items() for target in targets)
    circles = networkx.strongly_connected_components(quotient)
    return set().union(*(circle for circle in circles if len(circle) > 1))


def _holding(groups: Mapping[str, Any]) -> list[str]:
    """Units at an address below which others lie: `stage1` of a node `stage1.a.b` beside the block `stage1.0`."""
    split = [address.split(".") for address in groups]
    parents = {".".join(parts[:end]) for parts in split for end in range(1, len(parts))}
    return [address for address in groups if address in parents]


def _ordered(units: Sequence[Unit], owner: Mapping[str, str]) -> list[Unit]:
    """Each unit after those it reads; otherwise in the order of their first nodes."""
    position = {unit.address: i for i, unit in enumerate(units)}
    readers: dict[str, list[int]] = {unit.address: [] for unit in units}
    waiting = []
    for i, unit in enumerate(units):
        sources = dict.fromkeys(owner[name] for name in unit.inputs if name in owner)
        waiting.append(len(sources))
        for source in sources:
            readers[source].append(i)
    ready = [position[unit.address] for unit in units if not waiting[position[unit.address]]]
    order = []
    while ready:
        unit = units[heapq.heappop(ready)]
        order.append(unit)
        for reader in readers[unit.address]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    return order
