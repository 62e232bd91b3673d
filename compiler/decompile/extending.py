"""Blocks that differ little from one before them, written as what they change of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.syntax.writer import yaml_text


def extending(blocks: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The blocks, each as short as it can be said: in full, or by `extends` with what differs."""
    found: dict[str, Any] = {}
    for name, block in blocks.items():
        ways = [block]
        for parent in found:
            if "extends" not in found[parent] and ("graph" in block) == ("graph" in blocks[parent]):
                ways.append({"extends": parent, **_change(_explicit(blocks[parent]), _explicit(block))})
        found[name] = min(ways, key=lambda way: len(yaml_text(way)))
    return found


def _explicit(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """The block with the shortcut that it has if it says none."""
    return block if "graph" in block else {"shortcut": "identity", **block}


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What a mapping changes of another: null removes."""
    change: dict[str, Any] = {}
    for key in (*after, *(key for key in before if key not in after)):
        one, other = before.get(key), after.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            if below := _change(one, other):
                change[key] = below
        elif one != other:
            change[key] = other
    return change
