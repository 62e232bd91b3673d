"""Values given from outside: `--set k=v`, `load(name, k=v)`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from archspec.language.merge import is_null
from archspec.language.schema import Document, Stages
from archspec.syntax.errors import Problem, Problems, Source, Span, SpecError, suggest
from archspec.syntax.source import Data, Map, Scalar, mark, parse

OPEN = ("params", "paths", "blocks", "graph", "stages")  # sections whose keys are the author's own


def from_arguments(values: Mapping[str, object]) -> dict[str, Data]:
    """Overrides from Python values. Raises `TypeError` for values no spec can hold, `SpecError` for endless numbers."""
    sources = {key: Source(f"{key}={_shown(value)}"[:200], "", inline=True) for key, value in values.items()}
    return {key: mark(value, sources[key]) for key, value in values.items()}


def _shown(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # whole numbers of very many digits, lists in lists without end
        return "..."


def from_texts(texts: Iterable[str]) -> dict[str, Data]:
    """Overrides from `key=value` texts, the value in YAML. Raises `SpecError`."""
    problems, result = Problems(), {}
    for text in texts:
        key, equals, value = text.partition("=")
        source = Source(f"--set {text[:200]}", value, inline=True)
        if not equals or not key.strip():
            problems.add(f"--set takes key=value, not '{text[:80]}'")
            continue
        try:
            result[key.strip()] = parse(source) if value.strip() else Scalar(None, "", Span(source, 1, 1))
        except SpecError as error:
            problems.extend(error.problems)
    problems.check()
    return result


def apply_overrides(data: Map, overrides: Mapping[str, Data], problems: Problems) -> Map:
    """The document with each override in its place: a param by its name, the rest by dotted keys."""
    for key, value in overrides.items():
        params = data.get("params")
        path = key.split(".")
        if isinstance(params, Map) and path[0] in params:
            path = ["params", *path]
        path = _keys(data, path)
        problem = _misplaced(data, path, key, value)
        if problem:
            problems.extend([problem])
        else:
            data = _with(data, path, value)
    return data


def _keys(data: Map, path: Sequence[str]) -> list[Any]:
    """The keys that a dotted key leads over: tables of params have numbers for keys."""
    node: Data | None = data
    keys: list[Any] = []
    for part in path:
        number = int(part) if part.isascii() and part.isdigit() and len(part) < 19 else None
        keys.append(number if isinstance(node, Map) and part not in node and number in node else part)
        node = node.get(keys[-1]) if isinstance(node, Map) else None
    return keys


def place(data: Map, key: str) -> list[str]:
    """Where an override goes: a param's name under `params`, anything else by its dotted keys."""
    params, path = data.get("params"), key.split(".")
    return ["params", *path] if isinstance(params, Map) and path[0] in params else path


def nested(data: Map, overrides: Mapping[str, Data]) -> Map:
    """Overrides as a change of the document: what a spec that extends it would say."""
    change = Map()
    for key, value in overrides.items():
        below = change
        *path, last = place(data, key)
        for part in path:
            if not isinstance(below.get(part), Map):
                below[part] = Map()
            below = below[part]  # type: ignore[assignment]
        below[last] = value
    return change


def _misplaced(data: Map, path: list[Any], key: str, value: Data) -> Problem | None:
    """Why there is no such place; sections that are not the author's own are left to the schema."""
    if key == "extends":
        hint = "write a spec that extends another, or a whole one"
        return Problem("`extends` is carried out before overrides, and cannot be one", value.span, hint)
    if any(_nulls(value)):
        hint = "give it a value, after a colon and a space, or leave it out"
        return Problem(f"{key}: a mapping replaces what is there, and null in it removes nothing", value.span, hint)
    params = data.get("params")
    names = [str(name) for name in params] if isinstance(params, Map) else []
    sections = [name for name in Document.model_fields if name != "span"]
    if path[0] not in sections:
        return Problem(f"there is no param '{key[:60]}'", value.span, suggest(key, [*names, *sections]))
    if len(path) == 1:
        return None
    node = data.get(path[0])
    known = {str(name) for name in node} if isinstance(node, Map) else set()
    known |= set(Stages.model_fields) - {"span"} if path[0] == "stages" else set()
    if path[0] in OPEN and str(path[1]) not in known:
        return Problem(f"there is no '{str(path[1])[:60]}' in {path[0]}", value.span, suggest(str(path[1]), known))
    for depth in range(1, len(path)):
        if isinstance(node, Scalar | list):
            above = ".".join(map(str, path[:depth]))
            return Problem(f"{above} has no fields", value.span, f"set {above} whole")
        node = node.get(path[depth]) if isinstance(node, Map) else None
    return None


def _nulls(value: Data) -> Iterator[bool]:
    """Whether each value in a mapping, those of mappings within it included, is null."""
    for entry in value.values() if isinstance(value, Map) else ():
        yield is_null(entry)
        yield from _nulls(entry)


def _with(data: Map, path: list[Any], value: Data) -> Map:
    result = Map(data, data.span, data.key_spans)
    below = data.get(path[0])
    if len(path) > 1:
        value = _with(below if isinstance(below, Map) else Map(span=value.span), path[1:], value)
    elif is_null(value):
        result.pop(path[0], None)
        return result
    result.set(path[0], value, value.span)
    return result
