"""The predefined shortcuts, recognised by what they come to at each of their places."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archspec.compiler.decompile.facts import Facts
from archspec.compiler.decompile.kinds import fields
from archspec.graph import Node
from archspec.ops import Conv, Operator
from archspec.ops.normalization import BatchNorm
from archspec.ops.reshape import PadChannels, Subsample


def option(rows: Sequence[tuple[Facts, Sequence[Node | None]]]) -> str | None:
    """`identity`, A, B or C (He et al., arXiv 1512.03385, section 3.3), if a shortcut is one of them everywhere."""
    there = [(at, [_key(node.op) for node in nodes if node is not None]) for at, nodes in rows]
    return next((name for name, made in _OPTIONS.items() if all(_keys(made, at) == ops for at, ops in there)), None)


def _key(op: Operator) -> object:
    return op.key, fields(op)


def _keys(made: Callable[[Facts], list[Operator]], at: Facts) -> list[object] | None:
    return None if at["stride"] is None else [_key(op) for op in made(at)]


def _projection(at: Facts) -> list[Operator]:
    return [Conv(out=at["out"], kernel=1, stride=at["stride"]), BatchNorm()]


def _padding(at: Facts) -> list[Operator]:
    found: list[Operator] = [Subsample(stride=at["stride"])] if at["downsampled"] else []
    return found + ([PadChannels(out=at["out"])] if at["channels"] != at["out"] else [])


_OPTIONS: dict[str, Callable[[Facts], list[Operator]]] = {
    "identity": lambda at: [],
    "A": _padding,
    "B": lambda at: _projection(at) if at["channels"] != at["out"] or at["downsampled"] else [],
    "C": _projection,
}
