"""A canonical hash of the computation of a graph: equal for equal networks, whatever their names and their YAML.

Counted are operators with their values, wiring, the order of operands (except an addition's, which is commutative), the
size of the input, and the names of outputs where there are several. Not counted are names, the order in which nodes
are listed, blocks, fields that do nothing, and how weights start.

Method. Every node gets the hash of its operator and of its operands' hashes (Merkle); an addition sorts them. If no
two nodes have the same hash, the hash of the outputs determines the graph: it can be rebuilt from it node by node. If
some have, as two equal projections of one signal do, these twins are told apart by their readers, and the hash of the
outputs together with those of the twins and their readers determines the graph. Where readers do not tell them apart,
all nodes are coloured from both ends until the colours settle; where that leaves nodes alike, as equal branches side by
side are, one of them is marked and the colours settle again. The graph with the nodes numbered by colour is hashed.

So equal signatures always mean equal networks (up to collisions of 128-bit BLAKE2). Networks that differ only by names
and by the order of an addition's operands get equal ones, unless they are made of twins that no refinement tells apart
although they are not symmetric: additions of equal layers in the pattern of a strongly regular graph. Linear in the
number of operators and operands where refinement tells nodes apart, as it does in all that have no equal branches side
by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from archspec.graph import Graph, Node
from archspec.ops import Aten, Module, Operator
from archspec.ops.base import Shape
from archspec.syntax.values import show

VERSION = b"archspec signature 1"
_CHOICES = 64  # among nodes that are alike
_SIZE = 16  # bytes


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=_SIZE).digest()


def signature(graph: Graph) -> str:
    """The signature of a graph: 32 hexadecimal digits, the same on every machine and version."""
    marks = merkle(graph)
    outputs = _outputs(graph)
    if not _unread(graph, outputs):
        given = b"".join([label + marks[name] for label, name in outputs])
        if len(set(marks.values())) == len(marks):
            return _hash(VERSION + b" tree " + given).hex()
        twins = _twins(graph, marks, outputs)
        if len(set(twins)) == len(twins):
            return _hash(VERSION + b" twins " + given + b"".join(sorted(twins))).hex()
    return _hash(VERSION + b" graph " + _numbered(graph, outputs, _colours(graph, marks, outputs))).hex()


def canonical_order(graph: Graph) -> list[str]:
    """The nodes in an order that depends on the computation alone: in graphs of equal signature, the nodes at one
    place correspond (compiler/analysis/correspondence proves it). Linear where refinement tells nodes apart."""
    marks = merkle(graph)
    if len(set(marks.values())) < len(marks):
        return sorted(graph.nodes, key=_colours(graph, marks, _outputs(graph)).__getitem__)
    return sorted(graph.nodes, key=marks.__getitem__)


def merkle(graph: Graph) -> dict[str, bytes]:
    """The hash of everything that goes into each node, by its name."""
    marks: dict[str, bytes] = {}
    known: dict[int, bytes] = {}
    for name, node in graph.nodes.items():
        op, inputs = node.op, node.inputs
        own = known.get(id(op))
        if own is None:
            own = known[id(op)] = _operator_mark(op)
        if len(inputs) == 1:
            own += marks[inputs[0]]
        else:
            below = [marks[source] for source in inputs]
            if op.commutes:
                below.sort()
            own += b"".join(below)
        marks[name] = blake2b(own, digest_size=16).digest()
    return marks


def _operator_mark(op: Operator) -> bytes:
    # The arguments of a `module` may be equal to Python and yet differ, as 1 and true do.
    return _hash(operator_text(op).encode()) if isinstance(op, Module | Aten) else _known_mark(op)


@lru_cache(maxsize=1 << 14)
def _known_mark(op: Operator) -> bytes:
    return _hash(operator_text(op).encode())


def operator_text(op: Operator) -> str:
    """An operator with the values that differ from its defaults, as `conv(kernel=3, out=16, stride=2)`."""
    fields = counting(op)
    return f"{op.key}({', '.join(f'{name}={_text(fields[name])}' for name in sorted(fields))})"


def counting(op: Operator) -> dict[str, Any]:
    """The fields of an operator that make it what it is: those written, less those that do nothing or say a default."""
    fields = op.written()
    for name in op.idle():
        fields.pop(name, None)
    if "padding" in fields and fields["padding"] == _default_padding(op):
        del fields["padding"]
    return fields


def _text(value: object) -> str:
    """A value in full, without the abbreviations of messages."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}:{_text(value[name])}' for name in sorted(value))}}}"
    return value if isinstance(value, str) else show(value)


def _default_padding(op: Operator) -> int | list[int] | None:
    """The padding an operator has where none is written."""
    kernel, dilation = getattr(op, "kernel", None), getattr(op, "dilation", 1)
    if kernel is None:
        return None
    rank = max((len(value) for value in (kernel, dilation) if isinstance(value, tuple)), default=1)
    kernels, dilations = (
        value if isinstance(value, tuple) else (value,) * rank for value in (kernel, dilation)
    )  # fmt: skip
    sizes: Shape = tuple(d * (k - 1) // 2 for k, d in zip(kernels, dilations, strict=True))
    return sizes[0] if len(set(sizes)) == 1 else list(sizes)


def _outputs(graph: Graph) -> list[tuple[bytes, str]]:
    """Labels and nodes of the outputs; the label of a single one does not count."""
    if len(graph.outputs) == 1:
        return [(b"", name) for name in graph.outputs.values()]
    return [(f"{label}=".encode(errors="surrogatepass"), graph.outputs[label]) for label in sorted(graph.outputs)]


def _unread(graph: Graph, outputs: Iterable[tuple[bytes, str]]) -> bool:
    """Whether some node is neither read nor given out."""
    read = {name for _, name in outputs}.union(*[node.inputs for node in graph.nodes.values()])
    return len(read) < len(graph)


def _twins(graph: Graph, marks: Mapping[str, bytes], outputs: list[tuple[bytes, str]]) -> list[bytes]:
    """Each node that is not the only one of its hash, by that hash and by who reads it where."""
    counts = Counter(marks.values())
    uses: dict[str, list[bytes]] = {name: [] for name, mark in marks.items() if counts[mark] > 1}
    for label, name in outputs:
        if name in uses:
            uses[name].append(b"output " + label)
    found = []
    for node in reversed(list(graph)):
        mark = marks[node.name]
        if node.name in uses:
            mark = _hash(mark + b"".join(sorted(uses[node.name])))
            found.append(mark)
        for position, source in enumerate(node.inputs):
            if source in uses:
                uses[source].append(mark if node.op.commutes else mark + position.to_bytes(4, "big"))
    return found


def _colours(graph: Graph, marks: Mapping[str, bytes], outputs: list[tuple[bytes, str]]) -> Mapping[str, bytes]:
    """Colours, each node its own, that do not depend on names or on the order of nodes."""
    nodes = list(graph)
    colours = _settled(nodes, marks, outputs)
    chosen = 0
    while alike := _smallest_class(colours):
        # After too many single choices whole classes at once: branches side by side can be told in any order.
        marked = alike[:1] if chosen < _CHOICES else alike[1:]
        changed = {name: _hash(colours[name] + i.to_bytes(4, "big")) for i, name in enumerate(marked)}
        colours = _settled(nodes, {**colours, **changed}, outputs)
        chosen += 1
    return colours


def _smallest_class(colours: Mapping[str, bytes]) -> list[str]:
    """The nodes of the least of the colours that several have."""
    classes: dict[bytes, list[str]] = {}
    for name, colour in colours.items():
        classes.setdefault(colour, []).append(name)
    least = min((colour for colour, names in classes.items() if len(names) > 1), default=None)
    return classes[least] if least is not None else []


def _settled(nodes: list[Node], colours: Mapping[str, bytes], outputs: list[tuple[bytes, str]]) -> Mapping[str, bytes]:
    """Colours refined from both ends until no more are told apart."""
    classes = len(set(colours.values()))
    while True:
        colours = _upwards(nodes, _downwards(nodes, colours, outputs))
        found = len(set(colours.values()))
        if found in (classes, len(nodes)):
            return colours
        classes = found


def _downwards(nodes: list[Node], colours: Mapping[str, bytes], outputs: list[tuple[bytes, str]]) -> dict[str, bytes]:
    """Each node's colour with the colours, new ones, of its readers and its place among their operands."""
    uses: dict[str, list[bytes]] = {node.name: [] for node in nodes}
    for label, name in outputs:
        uses[name].append(b"output " + label)
    new: dict[str, bytes] = {}
    for node in reversed(nodes):
        new[node.name] = colour = _hash(colours[node.name] + b"".join(sorted(uses[node.name])))
        commutes = node.op.commutes
        for position, source in enumerate(node.inputs):
            uses[source].append(colour if commutes else colour + position.to_bytes(4, "big"))
    return new


def _upwards(nodes: list[Node], colours: Mapping[str, bytes]) -> dict[str, bytes]:
    """Each node's colour with the colours, new ones, of its operands."""
    new: dict[str, bytes] = {}
    for node in nodes:
        below = [new[source] for source in node.inputs]
        if node.op.commutes:
            below.sort()
        new[node.name] = _hash(colours[node.name] + b"".join(below))
    return new


def _numbered(graph: Graph, outputs: list[tuple[bytes, str]], colours: Mapping[str, bytes]) -> bytes:
    """The whole graph with numbers for names: each node's operator and operands, then the outputs."""
    order = sorted(graph.nodes, key=colours.__getitem__)
    numbers = {name: number for number, name in enumerate(order)}
    text: list[bytes] = []
    for name in order:
        node = graph[name]
        operands = [numbers[source] for source in node.inputs]
        if node.op.commutes:
            operands.sort()
        text.append(_operator_mark(node.op) + repr(operands).encode())
    text += [label + str(numbers[name]).encode() for label, name in outputs]
    return b"\n".join(text)
