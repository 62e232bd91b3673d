"""The graph: operators with concrete values, what they read, what they give and cost. It knows nothing of YAML.

Nodes refer to each other by name, never by object, so that copying, pickling and comparing recurse nowhere. A graph's
nodes are in topological order and carry their shapes and costs from birth: there is no graph without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from archspec.graph.node import Feature, Node, squeezed_stride
from archspec.graph.text import spec_text
from archspec.language.schema import Init
from archspec.ops import Shape, Shapes
from archspec.syntax.display import Displayed
from archspec.syntax.errors import Problem

if TYPE_CHECKING:
    import networkx


class Graph(Displayed):
    """A network as a directed acyclic graph of operators. Immutable.

    `nodes` holds every `Node` by name in topological order, the input first; `dag` is the same as a
    `networkx.DiGraph`, each node's payload under the key "node".
    """

    def __init__(
        self,
        name: str,
        nodes: Iterable[Node],
        outputs: Mapping[str, str],
        init: Init | None = None,
        kinds: Mapping[str, str] | None = None,
        notes: Iterable[Problem] = (),
        weights: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.name = name
        self.nodes: dict[str, Node] = {node.name: node for node in nodes}
        self.outputs = dict(outputs)
        """Names of the output nodes by the name of the output; a single one is called `output`."""
        self.init = init or Init()
        self.kinds = dict(kinds or {})
        """Names of the blocks' definitions (`start`, `basic`) by the blocks' addresses; for display."""
        self.notes = tuple(notes)
        """What the spec says to no effect, which is allowed but may not be meant; of a traced module, what was read
        otherwise than it is written."""
        self.weights = {name: dict(own) for name, own in (weights or {}).items()}
        """Of a traced module: for each node with tensors, the module's names of them (keys of its state dict) by the
        node's own (`weight`, `running_mean`). Shapes may differ by axes of size one."""

    @property
    def input(self) -> Node:
        """The node of the network's input."""
        return next(iter(self.nodes.values()))

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __eq__(self, other: object) -> bool:
        """Equal names, operators, wiring, outputs and initialisation; provenance does not count."""
        if not isinstance(other, Graph):
            return NotImplemented
        mine, others = ((list(graph), graph.outputs, graph.init.model_dump()) for graph in (self, other))
        return mine == others

    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        return self

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self.nodes) - 1} operators, {self.params:,} parameters)"

    @cached_property
    def params(self) -> int:
        """Learnable parameters."""
        return sum(node.params for node in self)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates for one sample; FLOPs are twice that."""
        return sum(node.macs for node in self)

    @cached_property
    def users(self) -> dict[str, list[str]]:
        """The nodes that read each node's output, in topological order; once per operand."""
        users: dict[str, list[str]] = {name: [] for name in self.nodes}
        for node in self:
            for source in node.inputs:
                users[source].append(node.name)
        return users

    @cached_property
    def dag(self) -> networkx.DiGraph[str]:
        """The graph as a networkx.DiGraph of names; `dag.nodes[name]["node"]` is the `Node`."""
        import networkx

        dag: networkx.DiGraph[str] = networkx.DiGraph(name=self.name)
        dag.add_nodes_from((node.name, {"node": node}) for node in self)
        dag.add_edges_from((source, node.name) for node in self for source in node.inputs)
        return networkx.freeze(dag)  # type: ignore[no-any-return]

    @cached_property
    def layers(self) -> int:
        """Convolutions and linear layers on the longest path, as papers count depth."""
        longest: dict[str, int] = {}
        for node in self:
            before = max((longest[source] for source in node.inputs), default=0)
            longest[node.name] = before + (node.op.role == "weight")
        return max(longest[name] for name in self.outputs.values())

    @cached_property
    def weight_layers(self) -> int:
        """All convolutions and linear layers, projections included."""
        return sum(node.op.role == "weight" for node in self)

    def output_shapes(self) -> dict[str, Shape]:
        """Shape of each output for one sample."""
        return {label: self.nodes[name].shape for label, name in self.outputs.items()}

    def maps(self) -> dict[str, Feature]:
        """Channels and stride of each output that is a map, by its name."""
        given = {label: self.nodes[name] for label, name in self.outputs.items()}
        return {
            label: Feature(node.shape[0], squeezed_stride(node.reduction), node.shape[1:])
            for label, node in given.items() if node.reduction is not None
        }  # fmt: skip

    def input_shapes(self, node: Node) -> Shapes:
        """Shapes of what a node reads."""
        return tuple(self.nodes[source].shape for source in node.inputs)

    def units(self) -> dict[str, list[Node]]:
        """Nodes by the part of the network they belong to, the input left out."""
        units: dict[str, list[Node]] = {}
        for node in list(self)[1:]:
            units.setdefault(node.unit, []).append(node)
        return units

    def to_dict(self) -> dict[str, Any]:
        """The graph as JSON-ready data in node-link form: `networkx.node_link_graph(data, edges="edges")` reads it."""
        nodes = [
            {
                "id": node.name, "op": node.op.key, "fields": node.op.written(), "inputs": list(node.inputs),
                "shape": list(node.shape), "params": node.params, "macs": node.macs, "size": node.size,
                "stage": node.stage, "block": node.block, "path": node.path, "level": node.level,
                "source": str(node.span) if node.span else None,
            }
            for node in self
        ]  # fmt: skip
        edges = [
            {"source": source, "target": node.name, "operand": position}
            for node in self for position, source in enumerate(node.inputs)
        ]  # fmt: skip
        about = {"name": self.name, "outputs": self.outputs, "params": self.params, "macs": self.macs}
        return {"directed": True, "multigraph": True, "graph": about, "nodes": nodes, "edges": edges}

    def to_spec_text(self) -> str:
        """The flat canonical text of this graph: a spec that loads again to an equal graph."""
        return spec_text(self.name, self.nodes.values(), self.outputs, self.init)
