"""Specs from scratch in Python: sections as YAML has them, in lists and dicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archspec.language.spec import Spec, from_data
from archspec.topologies import STANDARD, Rules


def define(name: str, *, rules: Rules = STANDARD, trust: bool = False, **sections: Any) -> Spec:
    """A spec from scratch: its sections as YAML has them, in Python's lists and dicts; `op` writes operators.

        op = archspec.op
        define("tiny", input={"channels": 3, "size": [32, 32]}, stem=[op.conv(out=16, kernel=3), op.bn, op.relu],
               head=[op.global_avg_pool, op.linear(out=10)])

    Raises `SpecError`.
    """
    return from_data({"archspec": 1, "name": name, **sections}, name, Path.cwd(), trust=trust, rules=rules)


class Item(str):
    """An operator as a path names it, which can be given fields: `op.relu`, `op.conv(out=64, kernel=3)`."""

    def __call__(self, **fields: Any) -> dict[str, dict[str, Any]]:
        return {str(self): fields}


class Items:
    """Every item of a path by its name: `op.bn`, `op.use(path="activation")`."""

    def __getattr__(self, name: str) -> Item:
        if name.startswith("__"):
            raise AttributeError(name)
        return Item(name)


op = Items()
