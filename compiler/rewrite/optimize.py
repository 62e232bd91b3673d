"""A graph for inference: what does nothing in evaluation is left out, and batch norms become part of convolutions.

In evaluation a batch norm multiplies and shifts each channel by constants, a learned `scale` multiplies each by one;
other scales, and stochastic depth that does not rescale, multiply all by one constant. Where a convolution or linear
layer alone feeds such a step, or alone reads it, the layer's weights can take it up, and the result is exact (but for
rounding). A shift does not go into a convolution that reads it and pads: the zeros of the border are not shifted.
Dropout, `identity` and stochastic depth that rescales give what they read.

This is the part that needs no weights; archspec.weights.fold follows it with those of a network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from archspec.graph import Graph, Node
from archspec.ops import Conv, DropPath, Linear

STEPS = ("bn", "scale", "drop_path")
"""Operators that multiply, and in the case of batch norm shift, each channel by constants in evaluation."""


@dataclass(frozen=True, slots=True)
class Folding:
    """A step that became part of a layer."""

    step: str
    """Name of the batch norm, `scale` or `drop_path`."""
    layer: str
    """Name of the convolution or linear layer."""
    before: bool
    """Whether the step comes before the layer."""


@dataclass(frozen=True, slots=True)
class Optimized:
    """An optimised graph, and what its layers have taken up."""

    graph: Graph
    foldings: tuple[Folding, ...]
    """From the inside out: each acts on its layer as the foldings before it have left that."""


def optimize(graph: Graph) -> Optimized:
    """The graph that computes in evaluation what the given one does, with fewer operators.

    Nodes that stay keep names, shapes and stages; a layer that took up a batch norm has a bias. An output that was
    folded or left out is given by the node that stands for it. What is not next to a layer stays, as a batch norm after
    an addition or before an activation does; so does a `drop_path`, whose value in evaluation is its own. Linear in
    the number of operators.
    """
    plain = _without(graph, [node.name for node in graph if _passes(node)])
    foldings = tuple(_foldings(plain))
    shifted = {folding.layer for folding in foldings if plain[folding.step].op.key == "bn"}
    return Optimized(_without(plain, {folding.step for folding in foldings}, shifted), foldings)


def _passes(node: Node) -> bool:
    """Whether a node gives what it reads in evaluation."""
    return node.op.key in ("dropout", "identity") or (isinstance(node.op, DropPath) and node.op.rescale)


def _without(graph: Graph, names: Collection[str], biased: Collection[str] = ()) -> Graph:
    """The graph without some nodes of one operand, which their readers read instead; the layers `biased` get a bias."""
    instead: dict[str, str] = {}
    nodes = []
    for node in graph:
        inputs = tuple(instead[name] for name in node.inputs)
        instead[node.name] = inputs[0] if node.name in names else node.name
        if node.name in biased:
            op = node.op.model_copy(update={"bias": True})
            node = replace(node, op=op, params=op.params(graph.input_shapes(node)))
        if node.name not in names:
            nodes.append(node if inputs == node.inputs else replace(node, inputs=inputs))
    outputs = {label: instead[name] for label, name in graph.outputs.items()}
    return Graph(graph.name, nodes, outputs, graph.init, graph.kinds, graph.notes)


def _foldings(graph: Graph) -> Iterator[Folding]:
    given = set(graph.outputs.values())
    part_of: dict[str, str] = {}

    def alone(name: str) -> bool:
        """Whether a single operand of a single node needs a value."""
        return len(graph.users[name]) == 1 and name not in given

    def takes(name: str) -> bool:
        """Whether a node is a layer whose weights are what it multiplies by."""
        op = graph[name].op
        return isinstance(op, Linear) or (isinstance(op, Conv) and not op.standardize)

    steps = [node for node in graph if node.op.key in STEPS]
    for step in steps:
        source = step.inputs[0]
        layer = part_of.get(source, source)
        if takes(layer) and alone(source):
            part_of[step.name] = layer
            yield Folding(step.name, layer, before=False)
    for step in reversed(steps):
        if step.name in part_of or not alone(step.name):
            continue
        reader = graph.users[step.name][0]
        layer = part_of.get(reader, reader)
        if takes(layer) and not (step.op.key == "bn" and _pads(graph, graph[layer])):
            part_of[step.name] = layer
            yield Folding(step.name, layer, before=True)


def _pads(graph: Graph, layer: Node) -> bool:
    """Whether a layer reads zeros around its input."""
    arguments = dict(layer.op.call(graph.input_shapes(layer)).arguments)
    return bool(arguments.get("padding", 0) != 0) and "padding_mode" not in arguments
