"""A chain as a path of the language: operators with expressions for their numbers, and conditions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from archspec.compiler.decompile.facts import Facts, conditions
from archspec.compiler.decompile.kinds import fields, numbers
from archspec.compiler.decompile.table import Table
from archspec.graph import Node
from archspec.ops import BY_KEY

Item = str | dict[str, dict[str, Any]]
Path = list[Item]


def plain_path(nodes: Sequence[Node]) -> Path:
    """Operators with their numbers as they are."""
    return [_item(node.op.key, fields(node.op)) for node in nodes]


def _item(key: str, written: dict[str, Any]) -> Item:
    return {key: written} if written else key


def path(rows: Sequence[tuple[Facts, Sequence[Node | None]]], table: Table) -> Path:
    """The path of a chain whose members stand at these places."""
    items: Path = []
    known: list[tuple[list[Any], str]] = []
    before: str | None = None
    for place in range(len(rows[0][1])):
        column = [(at, nodes[place]) for at, nodes in rows]
        there = [(at, node) for at, node in column if node is not None]
        written = _fields(there, known if len(there) == len(rows) else [], table)
        when = _condition([(at, node is not None) for at, node in column], there[0][1], written, before, table)
        if when is not None:
            written["when"] = when
        items.append(_item(there[0][1].op.key, written))
        before = when
    return items


def _condition(
    wanted: Sequence[tuple[Facts, bool]], node: Node, written: Collection[str], before: str | None, table: Table
) -> str | None:
    """What holds exactly where an operator is; None if it always is."""
    if all(there for _, there in wanted):
        return None
    found = [text for text, holds in conditions(wanted[0][0]) if all(holds(at) == there for at, there in wanted)]
    if not found:
        return table.condition(wanted, f"has_{node.op.key}")
    strides, widens = "stride" in written or node.op.role == "pool", "out" in written
    if before in found and not strides and not widens:
        return before
    preferred = "channels != out" if widens and not strides else "downsampled" if strides and not widens else "changed"
    return preferred if preferred in found else found[0]


def _fields(there: Sequence[tuple[Facts, Node]], known: list[tuple[list[Any], str]], table: Table) -> dict[str, Any]:
    """The fields of an operator that differ from their defaults, numbers as expressions."""
    one = there[0][1].op
    written = fields(one)
    result: dict[str, Any] = {}
    values = [numbers(node.op) for _, node in there]
    for name in type(one).model_fields:
        if name not in values[0]:
            if name in written:
                result[name] = written[name]
            continue
        wanted = [(at, value[name]) for (at, _), value in zip(there, values, strict=True)]
        expression = table.number(name, wanted, known)
        if isinstance(expression, str):
            known.append(([value for _, value in wanted], expression))
        if expression != _default(one.key, name) or isinstance(expression, str):
            result[name] = expression
    return result


@cache
def _default(key: str, name: str) -> Any:
    field = BY_KEY[key].model_fields[name]
    return None if field.is_required() else field.default
