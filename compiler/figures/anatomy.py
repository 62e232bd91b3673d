"""What is inside a block: the join that closes it, its shortcut, and the path that carries the signal through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archspec.graph import Graph, Node
from archspec.ops import Conv


@dataclass(frozen=True)
class Anatomy:
    """A block read as a main path and what stands beside it."""

    closing: Node | None
    """The addition or concatenation that closes it; None for a plain block."""
    shortcut: tuple[Node, ...] | None
    """Operators on its own shortcut, none for the identity; None where it has no shortcut."""
    track: tuple[Node, ...]
    """The path of the fewest weight layers from its input to its output."""


def anatomy(graph: Graph, nodes: Sequence[Node], main: str) -> Anatomy:
    """The anatomy of a block whose signal comes from the node `main`."""
    inside = {node.name: node for node in nodes}
    cost = _costs(nodes, inside, main)
    track = _track(nodes[-1], inside, main, cost)
    closing = next((node for node in reversed(track) if node.op.joins and node.op.key in ("add", "concat")), None)
    if closing is None or any(node.op.joins for node in track[track.index(closing) + 1 :]):
        return Anatomy(None, None, tuple(track))
    own = [name for name in dict.fromkeys(closing.inputs) if name in inside or name == main]
    shortest = min(own, key=lambda name: (cost[name], own.index(name)), default=main)
    if len(own) < 2 or (closing.op.key == "concat" and cost[shortest][0]):  # parallel branches are no shortcut
        return Anatomy(closing, None, tuple(track))
    others = _ancestors([name for name in own if name != shortest], inside)
    mine = _ancestors([shortest], inside)
    return Anatomy(closing, tuple(node for node in nodes if node.name in mine - others), tuple(track))


def _costs(nodes: Sequence[Node], inside: Mapping[str, Node], main: str) -> dict[str, tuple[int, int]]:
    """Weight layers and operators on the way to each node that has the fewest of them, gates not counted as ways."""
    cost: dict[str, tuple[int, int]] = {main: (0, 0)}
    for node in nodes:
        ways = [cost[name] for name in node.inputs if name in cost]
        weights, length = min(ways, default=(99, 99))
        cost[node.name] = (weights + (node.op.role == "weight"), length + 1)
    return cost


def _track(last: Node, inside: Mapping[str, Node], main: str, cost: Mapping[str, tuple[int, int]]) -> list[Node]:
    path, node = [], last
    while True:
        path.append(node)
        known = [name for name in node.inputs if name in cost]
        name = min(known, key=lambda n: (cost[n], known.index(n)), default=main)
        if name not in inside:
            return path[::-1]
        node = inside[name]


def _ancestors(names: Sequence[str], inside: Mapping[str, Node]) -> set[str]:
    found: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name in inside and name not in found:
            found.add(name)
            queue += inside[name].inputs
    return found


def marks(nodes: Sequence[Node]) -> tuple[str, ...]:
    """What stands on a shortcut, in a word each: `1×1`, `pool`, `×`; normalisation left out; none for the identity."""
    words = [_mark(node) for node in nodes if node.op.role not in ("norm", "activation")]
    words = list(dict.fromkeys(word for word in words if word))
    if not words and nodes:
        words = [nodes[-1].label]
    return tuple(
        "1−x" if word == "1−x" and "×" not in words else word for word in words if word != "1−x" or "×" not in words
    )


def _mark(node: Node) -> str:
    if isinstance(node.op, Conv):
        return node.label.partition(" ")[0]
    key = node.op.key
    short = {
        "max_pool": "pool",
        "avg_pool": "pool",
        "subsample": "pad",
        "pad_channels": "pad",
        "dropout": "drop",
        "identity": "",
    }
    return short.get(key, node.label)
