"""A network in figures: what it costs, in all and by stage, as the papers' tables print it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from archspec.graph import Graph, Node
from archspec.ops import Conv, Linear, Shape, show_shape
from archspec.ops.pooling import GlobalAvgPool, WindowPool
from archspec.report.fact import Fact, labelled
from archspec.report.numbers import count
from archspec.report.table import Table


@dataclass(frozen=True)
class Row:
    """A stage, the stem, the head, or all levels or skips together."""

    name: str
    output: Shape | None
    """Shape of its output for one sample; None for levels and skips."""
    content: str
    """Its layers, as in "[1×1, 64 · 3×3, 64 · 1×1, 256] ×3"."""
    blocks: int
    params: int
    """Learnable parameters."""
    macs: int
    """Multiply-accumulates for one sample."""
    activations: int
    """Numbers in all outputs of its operators, for one sample."""

    def cells(self) -> tuple[str, ...]:
        """As the table of stages prints it."""
        output = "" if self.output is None else show_shape(self.output)
        return self.name, output, self.content, str(self.blocks or ""), f"{self.params:,}", count(self.macs)


@dataclass(frozen=True)
class Summary(Fact):
    """Counts of a network, for one sample; FLOPs are twice the MACs."""

    name: str
    input: Shape
    outputs: dict[str, Shape]
    params: int
    """Learnable parameters: weights, biases, normalisation scales and shifts; no buffers."""
    macs: int
    """Multiply-accumulates of convolutions and linear layers. The papers call this number FLOPs."""
    layers: int
    """Convolutions and linear layers on the longest path."""
    weight_layers: int
    """All convolutions and linear layers, projections included."""
    blocks: int
    operators: int
    activations: int
    """Numbers in all outputs of all operators."""
    stages: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What the spec says to no effect."""

    @property
    def flops(self) -> int:
        """Floating-point operations: two per multiply-accumulate."""
        return 2 * self.macs

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON-ready data."""
        return asdict(self)

    def table(self) -> Table:
        """One row per stage."""
        header = ("stage", "output", "layers", "blocks", "params", "MACs")
        total = ("total", "", "", str(self.blocks or ""), f"{self.params:,}", count(self.macs))
        return Table(self.name, header, tuple(row.cells() for row in self.stages), total)

    def totals(self) -> list[tuple[str, str]]:
        """What the network is in all, as label and text."""
        outputs = ", ".join(
            show_shape(shape) if name == "output" else f"{name} {show_shape(shape)}"
            for name, shape in self.outputs.items()
        )
        return [
            ("input", show_shape(self.input)),
            ("output", outputs),
            ("parameters", f"{self.params:,}"),
            ("MACs", f"{self.macs:,} ({count(self.macs)}; FLOPs are twice that)"),
            ("depth", f"{self.layers} layers on the longest path, {self.weight_layers} in all"),
            ("size", f"{self.blocks} blocks, {self.operators:,} operators"),
        ]

    def report(self) -> Iterable[Table | str]:
        """The table of stages, and what the network is in all."""
        return [self.table(), *labelled(self.totals(), 10)]


def operator_table(graph: Graph) -> Table:
    """One row per operator."""
    rows = tuple(
        (node.name, node.label, show_shape(node.shape), f"{node.params:,}" if node.params else "",
         count(node.macs) if node.macs else "")
        for node in graph
    )  # fmt: skip
    return Table(graph.name, ("operator", "kind", "output", "params", "MACs"), rows)


def summarize(graph: Graph) -> Summary:
    """The summary of a graph."""
    groups: dict[str, list[Node]] = {}
    for node in list(graph)[1:]:
        groups.setdefault(node.name.partition(".")[0], []).append(node)
    rows = tuple(_row(graph, name, nodes) for name, nodes in _in_order(groups))
    return Summary(
        graph.name, graph.input.shape, graph.output_shapes(), graph.params, graph.macs, graph.layers,
        graph.weight_layers, sum(row.blocks for row in rows), len(graph) - 1, sum(node.size for node in graph), rows,
        tuple(note.render() for note in graph.notes),
    )  # fmt: skip


def _in_order(groups: dict[str, list[Node]]) -> list[tuple[str, list[Node]]]:
    """As the network runs, levels and skips before the head."""
    aside = [name for name in ("levels", "skips") if name in groups]
    order = [name for name in groups if name not in aside]
    at = order.index("head") if "head" in order else len(order)
    return [(name, groups[name]) for name in [*order[:at], *aside, *order[at:]]]


def _row(graph: Graph, name: str, nodes: Sequence[Node]) -> Row:
    blocks: dict[str, list[Node]] = {}
    rest = []
    for node in nodes:
        if node.block is None:
            rest.append(node)
        else:
            blocks.setdefault(node.unit, []).append(node)
    if name in ("levels", "skips"):
        joins = sum(node.op.joins for node in nodes)
        counts = {"shortcut": len({node.unit for node in nodes}) - joins, "join": joins}
        content = ", ".join(f"{count} {what}{'s' * (count > 1)}" for what, count in counts.items() if count)
    else:
        content = " · ".join([*filter(None, map(_layer, rest)), *_bracketed(graph, list(blocks.values()))])
    output = None if name in ("levels", "skips") else nodes[-1].shape
    return Row(
        name, output, content, len(blocks), sum(node.params for node in nodes), sum(node.macs for node in nodes),
        sum(node.size for node in nodes),
    )  # fmt: skip


def _layer(node: Node) -> str | None:
    """A layer as tables print it; None for those they leave out (normalisation, activation, joins)."""
    match node.op:
        case Conv():
            return node.label + (f", {node.op.groups} groups" if node.op.groups > 1 else "")
        case Linear() | GlobalAvgPool() | WindowPool():
            return node.label
    return node.label if node.op.role in ("weight", "pool", "regularizer") else None


def _bracketed(graph: Graph, blocks: Sequence[Sequence[Node]]) -> list[str]:
    """Blocks as the papers print them, consecutive ones of equal layers together: [3×3, 64 · 3×3, 64] ×2."""
    runs: list[tuple[str, int]] = []
    for nodes in blocks:
        layers = " · ".join(map(_short, main_layers(graph, nodes)))
        if runs and runs[-1][0] == layers:
            runs[-1] = (layers, runs[-1][1] + 1)
        else:
            runs.append((layers, 1))
    return [f"[{layers}] ×{count}" if layers else f"block ×{count}" for layers, count in runs]


def _short(node: Node) -> str:
    if not isinstance(node.op, Conv):
        return node.label
    kernel = node.op.kernel if isinstance(node.op.kernel, tuple) else (node.op.kernel,) * (len(node.shape) - 1)
    groups = f", {node.op.groups} groups" if node.op.groups > 1 else ""
    return f"{'×'.join(map(str, kernel))}, {node.op.out}{groups}"


def main_layers(graph: Graph, nodes: Sequence[Node]) -> list[Node]:
    """The weight layers on the longest path (in weight layers) through a block."""
    inside = {node.name for node in nodes}
    best: dict[str, tuple[int, str | None]] = {}
    for node in nodes:
        before = [source for source in node.inputs if source in inside]
        longest = max(before, key=lambda name: best[name][0], default=None)
        best[node.name] = ((best[longest][0] if longest else 0) + (node.op.role == "weight"), longest)
    at: str | None = max(nodes, key=lambda node: best[node.name][0]).name
    path = []
    while at is not None:
        path.append(graph[at])
        at = best[at][1]
    return [node for node in reversed(path) if node.op.role == "weight"]
