"""How other libraries name the layers of residual networks: tables (`schemes/*.yaml`), and which of them a state dict
follows.

A table has rules by part of the network: `stem`, `head`, and `block` for every block. A rule says for a layer of ours,
by its name within the part, what theirs is called; `{s}` is the number of the stage, `{b}` that of the block from 0,
`{k}` a number within the block, `{convs}` how many convolutions the block's branch has. Each part lists its forms: the
first one holds that has a rule for every layer of the part, each leading to a layer of theirs of the same shapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TypeAlias

import yaml

from archspec.graph import Graph, Node
from archspec.syntax.parsing import parse_text
from archspec.weights.layers import Layer

Form: TypeAlias = Mapping[str, str]
Scheme: TypeAlias = Mapping[str, Sequence[Form]]
Fits: TypeAlias = Callable[[Layer, Layer], bool]
_NUMBER = re.compile(r"\d+\Z")
_PLACE = re.compile(r"\{([^}]*)\}")


@cache
def schemes() -> dict[str, Scheme]:
    """The tables by name."""
    folder = files("archspec.weights") / "schemes"
    texts = {entry.name.removesuffix(".yaml"): entry.read_text("utf-8") for entry in folder.iterdir()}
    return {
        name: yaml.safe_load(text) for name, text in sorted(texts.items(), key=lambda entry: entry[0] != "torchvision")
    }


def named(
    graph: Graph, ours: Sequence[Layer], theirs: Sequence[Layer], fits: Fits
) -> tuple[str, dict[str, str]] | None:
    """The first table that all of ours follow, and their layers by ours; None if there is none.

    Layers of theirs beyond these are left for the caller to judge.
    """
    there = {layer.name: layer for layer in theirs}
    same = {layer.name: layer.name for layer in ours}
    if all(name in there for name in same):
        return "archspec", same
    for name, scheme in schemes().items():
        found = _follows(graph, ours, there, scheme, fits)
        if found is not None:
            return name, found
    return None


def partly(graph: Graph, ours: Sequence[Layer], theirs: Sequence[Layer]) -> Iterator[tuple[str, dict[str, str]]]:
    """For every table, their layers by ours as far as theirs are there, whatever their shapes."""
    there = {layer.name: layer for layer in theirs}
    yield "archspec", {layer.name: layer.name for layer in ours if layer.name in there}
    for name, scheme in schemes().items():
        found: dict[str, str] = {}
        for layers, forms in _parts(graph, ours, scheme):
            tried = [_places(graph, layers, there, form) for form in forms]
            found |= next((places for places in tried if len(places) == max(map(len, tried))), {})
        yield name, found


def _parts(graph: Graph, ours: Sequence[Layer], scheme: Scheme) -> Iterator[tuple[Sequence[Layer], Sequence[Form]]]:
    """The layers of each part of the network, and the forms that a table has for it."""
    units: dict[str, list[Layer]] = {}
    for layer in ours:
        units.setdefault(graph[layer.name].unit, []).append(layer)
    for unit, layers in units.items():
        yield layers, scheme.get("block" if graph[layers[0].name].block is not None else unit, ())


def _places(graph: Graph, layers: Sequence[Layer], there: Mapping[str, Layer], form: Form) -> dict[str, str]:
    places = {layer.name: called(graph[layer.name], form, _convs(graph, layers)) for layer in layers}
    return {mine: name for mine, name in places.items() if name in there}


def _convs(graph: Graph, layers: Sequence[Layer]) -> int:
    """Convolutions of a unit beside its shortcut."""
    return sum(graph[layer.name].op.key == "conv" and graph[layer.name].path != "shortcut" for layer in layers)


def _follows(
    graph: Graph, ours: Sequence[Layer], there: Mapping[str, Layer], scheme: Scheme, fits: Fits
) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for layers, forms in _parts(graph, ours, scheme):
        tried = (_form(graph, layers, there, form, fits) for form in forms)
        whole = next((form for form in tried if form is not None), None)
        if whole is None:
            return None
        found |= whole
    return found if len(set(found.values())) == len(found) else None


def _form(
    graph: Graph, layers: Sequence[Layer], there: Mapping[str, Layer], form: Form, fits: Fits
) -> dict[str, str] | None:
    """Their names for the layers of a unit, if the form has a rule for each that leads to one that fits."""
    found = _places(graph, layers, there, form)
    if len(found) < len(layers) or len(set(found.values())) < len(found):
        return None
    return found if all(fits(layer, there[found[layer.name]]) for layer in layers) else None


def called(node: Node, form: Form, convs: int) -> str:
    """What a form calls a layer; empty where it has no rule for it."""
    local = node.local
    number = _NUMBER.search(local)
    pattern, k = (local[: number.start()] + "{k}", int(number.group())) if number else (local + "{k}", 1)
    rule = form.get(local) or form.get(pattern)
    if rule is None:
        return ""
    scope = {"s": node.stage or 0, "b": node.block or 0, "k": k, "convs": convs}
    return _PLACE.sub(lambda place: str(_evaluated(place.group(1), tuple(scope.items()))), rule)


@cache
def _evaluated(text: str, scope: tuple[tuple[str, int], ...]) -> int:
    value: int = parse_text(text)(dict(scope))
    return value
