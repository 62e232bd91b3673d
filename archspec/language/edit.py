"""Editing: a spec and a change make another spec, by way of its text, so that what is written is what was tried.

A change is what a file that extends the spec would say: mappings merge, lists replace, null removes. The result keeps
`extends`, carries only what differs, and stands on its own text: `load(result.to_yaml())` gives an equal spec.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archspec.language import zoo
from archspec.language.overrides import from_arguments, nested
from archspec.language.resolve import Spec, from_source, kind
from archspec.syntax.errors import Problems, Source, suggest
from archspec.syntax.source import Data, Map, Scalar, Seq, mark
from archspec.syntax.writer import yaml_text
from archspec.topologies import STANDARD, Rules


def define(name: str, *, rules: Rules = STANDARD, trust: bool = False, **sections: Any) -> Spec:
    """A spec from scratch: its sections as YAML has them, in Python's lists and dicts; `op` writes operators.

        op = archspec.op
        define("tiny", input={"channels": 3, "size": [32, 32]}, stem=[op.conv(out=16, kernel=3), op.bn, op.relu],
               head=[op.global_avg_pool, op.linear(out=10)])

    Raises `SpecError`.
    """
    return _read({"archspec": 1, "name": name, **sections}, name, Path.cwd(), trust, rules)


def changed(spec: Spec, change: Mapping[str, Any], name: str | None = None) -> Spec:
    """A spec with a change made to it, called `name` if given. Raises `SpecError` with everything found wrong."""
    folder = spec.folder or Path.cwd()
    return _read(_changed(spec, change, name), name or spec.name, folder, spec.trust, spec.rules)


def written_change(spec: Spec, change: Mapping[str, Any], name: str, folder: Path | None = None) -> str:
    """The YAML of a spec with a change made to it, not validated; `folder` is where it will lie."""
    return yaml_text(_moved(_changed(spec, change, name), spec, folder))


def _changed(spec: Spec, change: Mapping[str, Any], name: str | None) -> dict[str, Any]:
    result = merged(_own(spec), change)
    for section in ("paper", "lineage", "expect"):  # they are about the spec as it was
        if section not in change:
            result.pop(section, None)
    if name is not None:
        result["name"] = name
    return result


def merged(base: Mapping[Any, Any], change: Mapping[Any, Any]) -> dict[Any, Any]:
    """Plain data with a change made to it; a null stays, to remove what the parent has."""
    result = dict(base)
    for key, value in change.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = _plain(value)
    return result


def with_params(spec: Spec, values: Mapping[str, Any]) -> Spec:
    """A spec with other values of its params, each of the kind it was. Raises `SpecError`."""
    problems = Problems()
    marked = from_arguments(values)
    for name in values:
        if name not in spec.params:
            problems.add(f"there is no param '{name[:60]}'", marked[name].span, hint=suggest(name, spec.params))
    problems.check()
    edited = changed(spec, {"params": dict(values)})
    for name in values:
        was, now = kind(spec.params[name]), kind(edited.params[name])
        if was != now:
            problems.add(f"{name} is {was}, and this is {now}", marked[name].span)
    problems.check()
    return edited


def text(spec: Spec, folder: Path | None = None) -> str:
    """A spec as YAML, its `extends` written for a file in `folder` (by default, the folder it came from)."""
    data = _own(spec) if spec.overridden else _written(spec)
    return yaml_text(_moved({"archspec": 1, "name": spec.name, **data}, spec, folder))


def _moved(data: dict[str, Any], spec: Spec, folder: Path | None) -> dict[str, Any]:
    """A document with its `extends` written for a file in `folder`."""
    reference = data.get("extends")
    if folder is not None and isinstance(reference, str) and reference.endswith(zoo.SUFFIXES):
        target = (spec.folder or Path.cwd()) / reference
        data["extends"] = Path(os.path.relpath(target.resolve(), folder.resolve())).as_posix()
    return data


def _own(spec: Spec) -> dict[str, Any]:
    """What an edit starts from: a reference to the file a spec came from, or the text it stands on."""
    if spec.file is not None:
        start = {"archspec": 1, "name": spec.name, "extends": _reference(spec.file)}
        return merged(start, nested(spec.data, spec.overrides))
    return merged(_written(spec), nested(spec.data, spec.overrides))


def _written(spec: Spec) -> dict[str, Any]:
    """The document as its own text has it; a file of the zoo extends by names, which hold everywhere."""
    data: dict[str, Any] = {"archspec": 1, "name": spec.name, **_plain(spec.own)}
    reference = data.get("extends")
    if isinstance(reference, str) and reference.endswith(zoo.SUFFIXES):
        target = (spec.folder or Path.cwd()) / reference
        if target.resolve().is_relative_to(zoo.ROOT.resolve()):
            data["extends"] = _reference(target)
    return data


def _reference(file: Path) -> str:
    """A file as `extends` names it: by its name in the zoo, else relative to its own folder."""
    resolved, root = file.resolve(), zoo.ROOT.resolve()
    if resolved.is_relative_to(root):
        return resolved.relative_to(root).with_suffix("").as_posix()
    return file.name


def _read(data: Mapping[str, Any], name: str, folder: Path, trust: bool, rules: Rules) -> Spec:
    mark(data, Source(name, ""))  # raises TypeError for what no spec can hold
    source = Source(f"{name} (edited)", yaml_text(data))
    return from_source(source, folder / f"{name} (edited)", trust=trust, rules=rules)


def _plain(value: Any) -> Any:
    """Data as a writer takes it: marks left out, texts as they were written."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, Seq | list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Map | Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return str(value) if isinstance(value, str) else value


def value_at(data: Data, path: Sequence[str]) -> Data | None:
    """What stands at a dotted place of a document; None if nothing does."""
    found: Data | None = data
    for key in path:
        found = found.get(key) if isinstance(found, Map) else None
    return found


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
