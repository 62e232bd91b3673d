"""What the loader takes, the JSON Schema takes: editors must not mark as wrong what runs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

import archspec
from archspec.language.jsonschema import json_schema
from archspec.language.spec import load
from archspec.syntax.errors import SpecError
from archspec.syntax.source import Map, plain
from archspec.syntax.writer import yaml_text

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
WHOLE: dict[str, Any] = {
    "archspec": 1,
    "name": "whole",
    "paper": {
        "title": "T", "authors": "A, B", "arxiv": "1603.05027", "year": 2016, "table": 3, "note": "n",
        "error": {"cifar10": 7.61, "CIFAR-100 (val.)": "27.82"},
    },
    "lineage": {"by": "hand", "space": "s", "seed": 0, "number": 1, "parents": ["a", "b"]},
    "input": {"channels": 3, "size": [16, 16]},
    "params": {"k": 2, "on": True, "sizes": [3, 3], "table": {1: 2}, "half": "k / 2"},
    "require": [{"that": "k > 0", "else": "k is positive"}],
    "stem": [
        {"conv": {"out": "4 * k", "kernel": 3, "when": "on", "name": "first"}}, "bn", {"relu": None}, {"use": "own"},
        {"use": {"path": "told", "with": {"w": 4, "stride": 1}, "when": "on"}},
    ],
    "stages": {
        "repeat": [4, 1], "width": ["8 * half", "16 * k"], "stride": [1, 2], "enter": [None, "own"],
        "blocks": [{"start": "a", "middle": "b", "end": "b", "only": "a"}, {"cycle": ["c", "b"]}],
    },
    "blocks": {
        "a": {
            "pre": ["bn"], "branch": [{"each": {"of": "sizes", "as": "s", "at": "i", "do": [
                {"conv": {"out": "width", "kernel": "s", "stride": "stride if i == 0 else 1"}}]}}],
            "shortcut": "B", "shared": "changed", "after": ["relu"],
        },
        "b": {"extends": "a", "shortcut": "C"},
        "c": {"out": "width", "graph": {
            "branch": [{"conv": {"out": "width", "kernel": 3, "stride": "stride"}}], "s": {"ops": "B", "when": "on"},
            "output": {"from": ["branch", "s"], "ops": ["add"]}}},
    },
    "paths": {"own": [{"use": {"path": "identity", "when": "on"}}, {"gelu": {"approximate": "tanh"}}],
              "told": [{"conv": {"out": "w", "kernel": 1, "stride": "stride"}},
                       {"block": {"use": "b", "with": {"width": "here"}, "repeat": 1, "when": "on", "name": "n"}}]},
    "levels": {"m": 4, "path": "C", "split": 2},
    "skips": [{"from": "stem", "to": "stage1.1", "path": "B", "join": "add"}, {"rule": "every", "step": 2}],
    "drop_path": {"survival": 0.5, "decay": "linear", "unit": "batch", "rescale": False},
    "head": ["global_avg_pool", {"dropout": {"p": 0.5}}, {"linear": {"out": "table[1]"}}],
    "outputs": {"y": "head"},
    "init": {"conv": {"method": "he_normal", "fan": "in"}, "linear": {"method": "normal", "std": 0.1}},
    "expect": {"params": "1.2k", "macs": 10.0, "layers": 8, "weight_layers": 9, "output": {"y": [2]}},
}  # fmt: skip
INSTEAD: list[Any] = [True, 0, 1.5, "B", "off", [], ["relu"], {}, {"a": "B"}, {1: 2}]


def places(data: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if above:
        yield above
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        yield from places(value, (*above, key))


PLACES = list(places(WHOLE))


def taken(data: dict[str, Any]) -> bool:
    try:
        archspec.expand(archspec.loads(yaml_text(data)))
    except SpecError:
        return False
    return True


def readable(data: Any) -> Any:
    """As JSON has it: keys are texts."""
    if isinstance(data, dict):
        return {str(key): readable(value) for key, value in data.items()}
    return [readable(entry) for entry in data] if isinstance(data, list) else data


def test_the_whole_language_is_taken_by_both() -> None:
    assert taken(WHOLE)
    assert VALIDATOR.is_valid(readable(WHOLE)), next(VALIDATOR.iter_errors(readable(WHOLE))).message
    assert len(PLACES) > 120


@pytest.mark.parametrize("section", WHOLE)
def test_what_the_loader_takes_the_schema_takes(section: str) -> None:
    """Every value of every place replaced by values of every other kind, and left out."""
    agreed = 0
    for place in (place for place in PLACES if place[0] == section):
        for value in [*INSTEAD, places]:  # the function itself stands for leaving the value out
            data = copy.deepcopy(WHOLE)
            holder = data
            for key in place[:-1]:
                holder = holder[key]
            if value is places:
                del holder[place[-1]]
            else:
                holder[place[-1]] = value
            part = {"archspec": 1, section: data[section]} if section in data else {"archspec": 1}
            if VALIDATOR.is_valid(readable(part)):
                agreed += 1
            else:
                assert not taken(data), (place, value)
    assert agreed


@pytest.mark.parametrize("name", ["cifar_resnet110_gated", "iresnet50", "resnet3d50"])
def test_a_spec_with_what_its_parent_says_removed_is_taken_by_both(name: str) -> None:
    spec = load(name)
    for section, value in spec.parent.items():
        if isinstance(value, Map) and section in ("levels", "paths", "blocks", "stages", "params"):
            for key in value:
                assert VALIDATOR.is_valid({"archspec": 1, "extends": name, str(section): {str(key): None}}), (
                    section,
                    key,
                )
    assert VALIDATOR.is_valid(readable(plain(spec.data)))
