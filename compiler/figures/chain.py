"""A network as figures see it: parts along one main path, and the shortcuts that run beside it."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.compiler.analysis.outline import Plan, outline
from archspec.compiler.figures.anatomy import Anatomy, anatomy
from archspec.compiler.figures.glyphs import glyph_of
from archspec.graph import Graph, Node


@dataclass(frozen=True, eq=False)
class Part:
    """A stretch of the main path: a block, the stem, the entry of a stage, the head."""

    address: str
    kind: str
    """The name of the block's definition."""
    stage: int | None
    nodes: tuple[Node, ...]
    plan: Plan
    main: str
    """The node whose output it continues."""
    anatomy: Anatomy

    @property
    def is_block(self) -> bool:
        return self.nodes[0].block is not None

    @property
    def output(self) -> Node:
        return self.nodes[-1]


@dataclass(frozen=True)
class Lane:
    """A shortcut beside the main path, from the output of a part (-1: the network's input) into a later one."""

    source: int
    target: int
    join: str
    """The glyph of what it joins: a sum, a concatenation, a product."""
    closing: bool
    """Whether it joins the target's closing addition, rather than what the target begins with."""
    nodes: tuple[Node, ...]
    """Operators on it."""
    role: str
    """level1 (root), level2 (stage), level3 (split) or skip."""


@dataclass(frozen=True)
class Chain:
    """A network as parts in order, lanes beside them, and outputs by the part that gives each."""

    graph: Graph
    parts: tuple[Part, ...]
    lanes: tuple[Lane, ...]
    outputs: tuple[tuple[str, int], ...]


def chain_of(graph: Graph) -> Chain | None:
    """The chain of a network; None if its units do not follow one another."""
    units = outline(graph)
    aside = {unit.address: unit for unit in units if unit.address.startswith(("levels.", "skips."))}
    along = [unit for unit in units if unit.address not in aside]
    owner: dict[str, int] = {graph.input.name: -1}
    parts: list[Part] = []
    before = {graph.input.name}
    last = graph.input.name
    for number, unit in enumerate(along):
        main = last if last in unit.inputs else next((name for name in unit.inputs if name in before), None)
        if main is None or len(set(unit.outputs)) != 1 or unit.outputs[0] != unit.nodes[-1].name:
            return None
        kind = graph.kinds.get(unit.address) or unit.plan.label
        parts.append(Part(
            unit.address, kind, unit.nodes[0].stage, unit.nodes, unit.plan, main, anatomy(graph, unit.nodes, main)
        ))  # fmt: skip
        owner |= {node.name: number for node in unit.nodes}
        last = unit.nodes[-1].name
        before = {last}
    lanes: list[Lane] = []
    for number, part in enumerate(parts):
        found = _lanes_into(part, number, owner, {n: u for u in aside.values() for n in u.outputs})
        if found is None:
            return None
        lanes += found
    outputs = [(label, owner.get(name, -2)) for label, name in graph.outputs.items()]
    if any(
        number == -2 or (number >= 0 and parts[number].output.name != graph.outputs[label]) for label, number in outputs
    ):
        return None
    return Chain(graph, tuple(parts), tuple(lanes), tuple(outputs))


def _lanes_into(part: Part, number: int, owner: dict[str, int], aside: dict[str, object]) -> list[Lane] | None:
    from archspec.compiler.analysis.outline import Unit

    inside = {node.name for node in part.nodes}
    track = {node.name for node in part.anatomy.track}
    lanes = []
    for node in part.nodes:
        for name in node.inputs:
            if name in inside or name == part.main:
                continue
            unit = aside.get(name)
            if isinstance(unit, Unit):
                if len(unit.inputs) != 1:
                    return None
                source, nodes = unit.inputs[0], unit.nodes
                level = nodes[0].level
                role = "skip" if level is None else f"level{min(level, 3)}"
            else:
                source, nodes, role = name, (), "skip"
            if source not in owner or not node.op.joins or node.name not in track or owner[source] >= number:
                return None
            closing = part.anatomy.closing is node
            lanes.append(Lane(owner[source], number, glyph_of(node.op) or "", closing, tuple(nodes), role))
    return lanes
