"""Spaces as YAML files.

space: 1
base: cifar_resnet110                     # a spec's name or file
change:                                   # what the space adds to it, if anything
  params: {density: 0.1, seed: 0}
  skips: [{rule: random, probability: density, seed: seed, path: B}]
axes:
  density: [0.01, 0.02, 0.05]             # a param, or a dotted place of the spec
  seed: {from: 0, to: 999999}
where: [params <= 2M]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from archspec.language import zoo
from archspec.language.spec import load
from archspec.research.axes import SpaceError, axis
from archspec.research.constraints import constraints
from archspec.research.space import Space, unusable_name
from archspec.syntax.errors import Problem, Problems, Span, SpecError, suggest
from archspec.syntax.reading import read_source
from archspec.syntax.source import Map, Scalar, Seq, parse, plain
from archspec.topologies import STANDARD, Rules

_AXIS = "as in `depth: [20, 32]`, or `stages.width: [[16, 32], [32, 64]]`"
FIELDS = ("space", "name", "base", "change", "axes", "where")


def load_space(
    path: str | os.PathLike[str], *, where: Sequence[str] = (), trust: bool = False, rules: Rules = STANDARD
) -> Space:
    """The space of a file, with more conditions. Raises `SpecError` with everything found wrong, or `SpaceError`, of
    the conditions given here among others."""
    constraints(where)
    path = Path(path)
    data = parse(read_source(path, zoo.display(path), "space"))
    if not isinstance(data, Map) or "space" not in data:
        raise SpecError([Problem("this is no space", data.span, "start it with 'space: 1'")])
    problems = Problems()
    for key in data:
        if key not in FIELDS:
            problems.add(
                f"a space has no field '{str(key)[:60]}'", data.key_spans.get(key), hint=suggest(str(key), FIELDS)
            )
    for key, kind, what in (
        ("base", Scalar, "the name or file of a spec"), ("axes", Map, "a mapping of axes"),
        ("change", Map, "a mapping"),
    ):  # fmt: skip
        if key in data and not isinstance(data[key], kind):
            problems.add(f"`{key}` is {what}", data[key].span)
        elif key not in data and key != "change":
            problems.add(f"the field '{key}' is missing", data.span, hint=f"`{key}` is {what}")
    axes = data.get("axes")
    for key in axes if isinstance(axes, Map) else ():
        if not isinstance(key, str):
            problems.add("an axis is a param or a dotted place of the spec", axes.key_spans.get(key), hint=_AXIS)  # type: ignore[union-attr]
    given_name = data.get("name")
    name = given_name.text if isinstance(given_name, Scalar) else "" if given_name is not None else path.stem
    if reason := unusable_name(name):
        hint = None if given_name else "a space is called as its file, unless it says `name: ...`"
        problems.add(reason, given_name.span if given_name is not None else data.span, hint=hint)
    problems.check()
    base = data["base"]
    assert isinstance(base, Scalar)
    reference = str(zoo.locate(base.text, base.span, path.parent))
    written = data.get("where", Seq())
    conditions = written if isinstance(written, Seq) else Seq([written])
    for entry in conditions:
        _tried(partial(constraints, [str(plain(entry))]), entry.span, problems)
    axes = data["axes"]
    assert isinstance(axes, Map)
    for key, given in axes.items():
        _tried(partial(axis, key, plain(given)), axes.key_spans.get(key), problems)
    problems.check()
    change: dict[str, Any] = plain(data["change"]) if "change" in data else {}
    spec = load(reference if zoo.is_file_name(base.text) else base.text, trust=trust, rules=rules)
    texts = [str(plain(entry)) for entry in conditions]
    try:
        return Space(spec, plain(axes), [*texts, *where], name=name, change=change)
    except SpaceError as error:
        raise SpecError([Problem(str(error), axes.span)]) from None


def _tried(make: Callable[[], object], span: Span | None, problems: Problems) -> None:
    """Tells at its place what cannot be made."""
    try:
        make()
    except SpaceError as error:
        problems.add(str(error), span)
