"""What figures write: labels of boxes, shapes, names of stages and levels."""

from __future__ import annotations

from collections.abc import Sequence
from re import sub

from archspec.compiler.figures.collapse import Group
from archspec.graph import Node
from archspec.ops import Shape

LEVELS = {
    "level1": "root level",
    "level2": "stage level",
    "level3": "inner levels",
    "own": "block level",
    "skip": "skip",
}
PENS = {"level1": 2.4, "level2": 1.9, "level3": 1.6, "own": 1.4, "skip": 1.4}
ARROWS = {"level1": 0.65, "level2": 0.6, "level3": 0.57, "own": 0.55, "skip": 0.55}
FILLS = {
    "weight": "conv", "norm": "norm", "activation": "activation", "pool": "pool", "join": "sum", "reshape": "other",
    "regularizer": "other", "other": "other",
}  # fmt: skip
ROLES = {"conv": "convolution", "norm": "normalisation", "activation": "activation", "pool": "pooling", "io": "linear",
         "other": "other"}  # fmt: skip


def shape_words(shape: Shape) -> str:
    """`16×32×32`."""
    return "×".join(map(str, shape))


def op_label(node: Node) -> str:
    """An operator's words: `1×3×3 max pool, /1×2×2`."""
    groups = getattr(node.op, "groups", 1)
    label = sub(r"(?<=\d)x(?=\d)", "×", node.label)
    return label + (f", {groups} groups" if node.op.key == "conv" and groups > 1 else "")


def fill_of(node: Node) -> str:
    """The colour role of an operator's box."""
    return "io" if node.op.key in ("linear", "input") else FILLS[node.op.role]


def steps(nodes: Sequence[Node]) -> list[list[Node]]:
    """Operators of a plain path as boxes: norms, activations and the like go with the weight layer before them."""
    result: list[list[Node]] = []
    for node in nodes:
        if (
            result
            and node.op.role in ("norm", "activation", "regularizer", "reshape")
            and result[-1][0].op.role == "weight"
        ) or (result and node.op.role in ("norm", "activation") and result[-1][0].op.role in ("norm", "activation")):
            result[-1].append(node)
        else:
            result.append([node])
    return result


def step_lines(nodes: Sequence[Node]) -> tuple[str, ...]:
    """The lines in the box of a step: the layer, and below it what follows."""
    labels = [op_label(node) for node in nodes]
    if nodes[0].op.role == "weight":
        return (labels[0], ", ".join(labels[1:])) if labels[1:] else (labels[0],)
    return (", ".join(labels),)


def block_lines(group: Group) -> tuple[str, ...]:
    """The lines in a block's box: its kind and address, or its kind and how many."""
    part = group.part
    number = part.address.removeprefix("stage")
    if group.count > 1:
        return (part.kind + (f" {group.mark}" if group.mark else ""), f"*×{group.count}")
    return (f"{part.kind} {number}" + (f" {group.mark}" if group.mark else ""),)


def group_name(group: Group) -> str:
    """The name of a group's box: the address, or the first and the last."""
    stage, _, index = group.part.address.partition(".")
    if group.count == 1 or not index.isdigit():
        return group.part.address
    start = int(index) - group.offset
    return f"{stage}.{start}..{stage}.{start + group.count - 1}"


def block_fill(kind: str, kinds: Sequence[str]) -> str:
    """The colour role of a block: start, middle and end have their own, other kinds take turns."""
    for word in ("start", "middle", "end"):
        if kind == word:
            return word
    others = [k for k in kinds if k not in ("start", "middle", "end")]
    return f"kind{others.index(kind) % 5 + 1}"
