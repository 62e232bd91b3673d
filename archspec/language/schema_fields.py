"""Which fields a place in a spec knows, for hints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from archspec.language import schema, schema_about, schema_shortcuts

HIDDEN = ("span", "bare")
"""Fields that no YAML can give."""

_SECTIONS: dict[str, type[BaseModel]] = {
    "input": schema.Input,
    "levels": schema_shortcuts.Levels,
    "drop_path": schema.StochasticDepth,
    "expect": schema_about.Expect,
    "paper": schema_about.Paper,
    "lineage": schema_about.Lineage,
    "require": schema.Requirement,
    "skips": schema_shortcuts.Skip,
    "graph": schema.Wire,
}


def known_fields(loc: Sequence[Any]) -> list[str]:
    """The names a mapping at `loc` may have."""
    match list(loc):
        case []:
            model: type[BaseModel] = schema.Document
        case ["blocks", _, *rest]:
            model = schema.Wire if rest else schema.Block
        case ["init", *rest]:
            model = schema.Filling if rest else schema.Init
        case ["stages", "blocks", *_]:
            model = schema.Positions
        case [section, *_] if section in _SECTIONS:
            model = _SECTIONS[section]
        case _:
            return []
    return [field.alias or name for name, field in model.model_fields.items() if name not in HIDDEN]
