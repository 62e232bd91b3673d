"""Plain data as the YAML of a spec: short sections on one line, as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from archspec.syntax.escape import quoted
from archspec.syntax.scalars import YAML_1_1
from archspec.syntax.values import show

WIDTH = 110
_PLAIN = re.compile(r"(?:\.\./|[A-Za-z_(])[A-Za-z0-9_ .*/+()<>=%-]*(?<! )\Z", re.ASCII)  # a word or an expression
_FORMULA = re.compile(r"[0-9.]+ [*/+%-]+ [A-Za-z0-9_ .*/+()<>=%-]*(?<! )\Z", re.ASCII)
_FIGURE = re.compile(r"[0-9.]+[kKMGBT]\Z", re.ASCII)
_NAMED = {*YAML_1_1, "true", "false", "null", "y", "n"}


def yaml_text(data: Mapping[Any, Any]) -> str:
    """A mapping as a YAML document that reads back to the same data. Numbers, texts, lists and mappings only."""
    return "\n".join(_mapping(data, 0)) + "\n"


def _mapping(data: Mapping[Any, Any], indent: int) -> list[str]:
    lines = []
    for key, value in data.items():
        start = f"{' ' * indent}{_scalar(key)}: "
        lines += _entry(start, value, indent + 2)
    return lines


def _entry(start: str, value: Any, indent: int) -> list[str]:
    """A value after `key: ` or `- `, on the same line if it fits."""
    flow = _flow(value)
    if len(start) + len(flow) <= WIDTH or not isinstance(value, Mapping | list | tuple) or not value:
        return [start + flow]
    if isinstance(value, Mapping):
        return [start.rstrip(), *_mapping(value, indent)]
    lines = [start.rstrip()]
    for entry in value:
        if len(item := f"{' ' * indent}- {_item(entry)}") <= WIDTH:
            lines.append(item)
            continue
        lines += _entry(" " * indent + "- ", entry, indent + 2 + 2 * isinstance(entry, Mapping))
    return lines


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(name)}: {_flow(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_item, value))}]"
    return _scalar(value)


def _item(value: Any) -> str:
    """An entry of a list; a single pair goes without braces, as in `[conv: {out: 16}, bn]`."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((key, entry),) = value.items()
        return f"{_scalar(key)}: {_flow(entry)}"
    return _flow(value)


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return show(value)
    plain = _PLAIN.match(value) or _FORMULA.match(value) or _FIGURE.match(value)
    if plain and value.lower() not in _NAMED and value.count("(") == value.count(")"):
        return str(value)
    return quoted(value)
