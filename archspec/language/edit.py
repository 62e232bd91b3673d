"""Editing: a spec and a change make the text of another spec, so that what is written is what was tried.

A change is what a file that extends the spec would say: mappings merge, lists replace, null removes. The text keeps
`extends` and carries only what differs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from archspec.language import zoo
from archspec.language.merge import inherited, merge_files, unfounded_nulls, value_at
from archspec.language.overrides import nested
from archspec.language.resolve import Resolved
from archspec.syntax.errors import Source
from archspec.syntax.source import Map, Scalar, Seq, mark, plain
from archspec.syntax.writer import yaml_text


def written_change(spec: Resolved, change: Mapping[str, Any], name: str, folder: Path | None = None) -> str:
    """The YAML of a spec with a change made to it, not validated; `folder` is where it will lie."""
    return yaml_text(_moved(changed(spec, change, name), spec, folder))


def changed(spec: Resolved, change: Mapping[str, Any], name: str | None = None) -> dict[str, Any]:
    """The document of a spec with a change made to it, as plain data; called `name` if given."""
    result = merged(_own(spec), change)
    for section in ("paper", "lineage", "expect"):  # they are about the spec as it was
        if section not in change:
            result.pop(section, None)
    if name is not None:
        result["name"] = name
    return result if "extends" in change else _founded(result, spec)


def _founded(data: dict[str, Any], spec: Resolved) -> dict[str, Any]:
    """A document of a spec without its nulls that remove nothing: an edit may remove what is not there."""
    if not _has_null(data):
        return data
    below = inherited(merge_files(spec.parent, spec.own)) if spec.file is not None else spec.parent
    marked = mark(data, Source(spec.name, ""))
    assert isinstance(marked, Map)
    for *above, last in unfounded_nulls(below, marked):
        section = value_at(marked, above)
        assert isinstance(section, Map)
        del section[last]
    founded = plain(marked)
    assert isinstance(founded, dict)
    return founded


def _has_null(data: Mapping[Any, Any]) -> bool:
    return any(value is None or (isinstance(value, Mapping) and _has_null(value)) for value in data.values())


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


def text(spec: Resolved, folder: Path | None = None) -> str:
    """A spec as YAML, its `extends` written for a file in `folder` (by default, the folder it came from)."""
    data = _founded(_own(spec), spec) if spec.overridden else _written(spec)
    return yaml_text(_moved({"archspec": 1, "name": spec.name, **data}, spec, folder))


def _moved(data: dict[str, Any], spec: Resolved, folder: Path | None) -> dict[str, Any]:
    """A document with its `extends` written for a file in `folder`."""
    if folder is not None:

        def moved(reference: str) -> str:
            target = (spec.folder or Path.cwd()) / reference
            return Path(os.path.relpath(target.resolve(), folder.resolve())).as_posix()

        _with_files(data, moved)
    return data


def _own(spec: Resolved) -> dict[str, Any]:
    """What an edit starts from: a reference to the file a spec came from, or the text it stands on."""
    if spec.file is not None:
        start = {"archspec": 1, "name": spec.name, "extends": _reference(spec.file)}
        return merged(start, nested(spec.data, spec.overrides))
    return merged(_written(spec), nested(spec.data, spec.overrides))


def _written(spec: Resolved) -> dict[str, Any]:
    """The document as its own text has it; a file of the zoo extends by names, which hold everywhere."""
    data: dict[str, Any] = {"archspec": 1, "name": spec.name, **_plain(spec.own)}

    def named(reference: str) -> str:
        target = (spec.folder or Path.cwd()) / reference
        return _reference(target) if target.resolve().is_relative_to(zoo.ROOT.resolve()) else reference

    _with_files(data, named)
    return data


def _with_files(data: dict[str, Any], written: Callable[[str], str]) -> None:
    """Writes the references of a document that are files', not names, in another way."""

    def changed(reference: Any) -> Any:
        return written(reference) if isinstance(reference, str) and zoo.is_file_name(reference) else reference

    given = data.get("extends")
    if given is not None:
        data["extends"] = [changed(one) for one in given] if isinstance(given, list) else changed(given)


def _reference(file: Path) -> str:
    """A file as `extends` names it: by its name in the zoo, else relative to its own folder."""
    resolved, root = file.resolve(), zoo.ROOT.resolve()
    if resolved.is_relative_to(root):
        return resolved.relative_to(root).with_suffix("").as_posix()
    return file.name


def _plain(value: Any) -> Any:
    """Data as a writer takes it: marks left out, texts as they were written."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, Seq | list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Map | Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return str(value) if isinstance(value, str) else value
