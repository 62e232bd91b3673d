"""What of an operator is its kind, and what are numbers that may differ among operators of one kind."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from archspec.compiler.analysis.signature import counting
from archspec.graph import Node
from archspec.ops import BY_KEY, Module, Operator

Kind: TypeAlias = Hashable
"""Equal for operators that one line of a spec can stand for, with expressions for their numbers."""


def fields(op: Operator) -> dict[str, Any]:
    """The fields of an operator as a spec writes them: those that make it what it is."""
    return counting(op) if isinstance(op, Module) else dict(_fields(op))


@lru_cache(maxsize=1 << 14)
def _fields(op: Operator) -> dict[str, Any]:
    return counting(op)


def numbers(op: Operator) -> dict[str, Any]:
    """Those of its fields that are numbers, or a number for each dimension, with the defaults of fields not written."""
    return {} if isinstance(op, Module) else dict(_numbers(op))


@lru_cache(maxsize=1 << 14)
def _numbers(op: Operator) -> dict[str, Any]:
    written = fields(op)
    found = {}
    for name, field in type(op).model_fields.items():
        value = written.get(name, None if field.is_required() else field.default)
        if is_number(value):
            found[name] = value
    return found


def is_number(value: Any) -> bool:
    """Whether a value is a number, or a list of a number for each dimension."""
    if isinstance(value, list | tuple):
        return bool(value) and all(is_number(entry) and not isinstance(entry, list | tuple) for entry in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def kind(node: Node) -> Kind:
    """What a line of a spec fixes of a node, whatever its numbers."""
    op = node.op
    return _spelt(op) if isinstance(op, Module) else _kind(op)


@lru_cache(maxsize=1 << 14)
def _kind(op: Operator) -> Kind:
    return _spelt(op)


def _spelt(op: Operator) -> Kind:
    other = {name: value for name, value in fields(op).items() if name not in numbers(op)}
    return (op.key, repr(sorted(other.items())), tuple(sorted(numbers(op))))


def kinds(nodes: Sequence[Node]) -> tuple[Kind, ...]:
    """The kinds of operators that follow each other."""
    return tuple(kind(node) for node in nodes)


def flavour(node: Node) -> Kind:
    """Its kind, its kernel, and whether it is depthwise."""
    op = node.op
    groups = getattr(op, "groups", 1)
    return kind(node), repr(getattr(op, "kernel", None)), groups > 1 and groups == getattr(op, "out", None)


def is_light(node: Node) -> bool:
    """Whether it is a normalisation, an activation or a regulariser: what surrounds a layer, and is none."""
    return node.op.role in ("norm", "activation", "regularizer") or node.op.key == "scale"


def is_known(op: Operator) -> bool:
    """Whether the language has a word for it."""
    return BY_KEY.get(op.key) is type(op)
