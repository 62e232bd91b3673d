"""What a spec extends: its parents, theirs, and the standard paths below all of them, in the order they are merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from archspec.language import zoo
from archspec.language.merge import inherited, is_null, merge, merge_files, unfounded_nulls, value_at
from archspec.syntax import limits
from archspec.syntax.complaints import unspaced
from archspec.syntax.errors import Problem, Problems, Span, SpecError
from archspec.syntax.reading import read_source
from archspec.syntax.source import Data, Map, Scalar, Seq, parse
from archspec.syntax.work import budget


@dataclass
class _File:
    """One file of those a spec stands on: what it says, and the files it extends, in order."""

    data: Map
    path: Path | None
    """None of a text."""
    waiting: list[Scalar]
    """References to parents not read yet, the next one last."""
    parents: list[_File] = field(default_factory=list)


def spec_mapping(data: Data) -> Map:
    """A document as a mapping that says which version of the language it is in. Raises `SpecError`."""
    if not isinstance(data, Map):
        if isinstance(data, Scalar) and data.span and (problem := unspaced(data.span.source, data.span.line)):
            raise SpecError([problem])
        raise SpecError([Problem("a spec is a mapping", data.span, "start it with 'archspec: 1'")])
    if "archspec" not in data:
        raise SpecError([Problem("the version of the language is missing", data.span, "start it with 'archspec: 1'")])
    return data


def with_parents(own: Map, path: Path | None, problems: Problems) -> tuple[Map, Map, dict[str, Span | None]]:
    """What the document extends, down to the standard paths, the document over it, and the params that null removed.

    A file changes those it extends, and of several parents each changes those named before it; a file that is reached
    in several ways is merged once, where it is met first, so that no parent undoes what another one changes of a base
    they share. Raises `SpecError`.
    """
    result, below = _standard(), Map()
    files = _in_order(_File(own, path, references(own)[::-1]))
    for file in files:
        below = inherited(result)
        _refuse_nulls(below, file, problems)
        result = merge_files(below, file.data)
    return below, _with_standard_paths(result), _removed([file.data for file in reversed(files)], result)


def _removed(chain: Sequence[Map], result: Map) -> dict[str, Span | None]:
    """The params that null removed, and where."""
    left = result.get("params")
    found: dict[str, Span | None] = {}
    for params in (data.get("params") for data in chain):
        if isinstance(params, Map):
            for name, value in params.items():
                if is_null(value) and not (isinstance(left, Map) and name in left):
                    found.setdefault(str(name), params.key_spans.get(name))
    return found


def references(document: Map) -> list[Scalar]:
    """The parents that a document names, in order. Raises `SpecError` where `extends` is none, and no list of any."""
    given = document.get("extends")
    if given is None:
        return []
    found: list[Scalar] = []
    for entry in given if isinstance(given, Seq) else [given]:
        if not isinstance(entry, Scalar) or not isinstance(entry.value, str):
            advice = "as in `extends: bases/resnet.yaml`, or `extends: [bases/cifar_resnet, bases/iresnet]`"
            raise SpecError([Problem("`extends` takes files and names of specs", entry.span or given.span, advice)])
        if any(entry.value == other.value for other in found):
            raise SpecError([Problem(f"`extends` names '{entry.text[:60]}' twice", entry.span, "once is enough")])
        found.append(entry)
    if not found:
        raise SpecError([Problem("`extends` is empty", given.span, "name a parent, or leave it out")])
    return found


def _in_order(first: _File) -> list[_File]:
    """The files a spec stands on, each after those it extends, parents in order; the spec itself is last."""
    done: dict[Path | None, _File] = {}
    line = {first.path.resolve() if first.path else None: first}  # from the spec to the file being read
    while line:
        path, file = next(reversed(line.items()))
        if not file.waiting:
            del line[path]
            done[path] = file
            continue
        reference = file.waiting.pop()
        folder = file.path.parent if file.path else Path.cwd()
        parent = zoo.locate(reference.text, reference.span, folder)
        resolved = parent.resolve()
        if resolved in line:
            raise SpecError([Problem(f"`extends` runs in a circle, back to {zoo.display(parent)}", reference.span)])
        if resolved not in done:
            if len(line) + len(done) >= limits.MAX_EXTENDS:
                raise SpecError([Problem(f"`extends` leads to more than {limits.MAX_EXTENDS} files", reference.span)])
            data = _read(parent, file.path, reference.span)
            line[resolved] = _File(data, parent, references(data)[::-1])
        file.parents.append(done[resolved] if resolved in done else line[resolved])
    return list(done.values())


def _read(path: Path, child: Path | None, span: Span | None) -> Map:
    if not path.is_file():
        hint = zoo.near(path, child) or "the path is relative to this file"
        raise SpecError([Problem(f"there is no file {zoo.display(path)}", span, hint)])
    return spec_mapping(parse(read_source(path, zoo.display(path))))


def _refuse_nulls(below: Map, file: _File, problems: Problems) -> None:
    """Tells of every null that removes nothing: a value that somebody forgot, or lost by a missing space.

    `below` is what the file changes. Another parent may have removed already what the null removes of the file's own.
    """
    unfounded = unfounded_nulls(below, file.data)
    if unfounded and file.parents:
        own = inherited(_standard())
        for parent in _in_own_order(file):
            own = inherited(merge_files(own, parent.data))
        unfounded = [place for place in unfounded if place in unfounded_nulls(own, file.data)]
    for *above, key in unfounded:
        section = value_at(file.data, above)
        span = section.key_spans.get(key) if isinstance(section, Map) else None
        message = f"'{str(key)[:60]}' has no value, and there is none to remove: null removes what a parent says"
        problems.add(message, span, hint="give it one, with a space after the colon, or leave it out")


def _in_own_order(file: _File) -> list[_File]:
    """What a file extends, each after those that it extends itself."""
    found: dict[int, _File] = {}
    queue = [(parent, False) for parent in reversed(file.parents)]
    while queue:
        parent, met = queue.pop()
        if met:
            found.setdefault(id(parent), parent)
        elif id(parent) not in found:
            queue += [(parent, True), *((other, False) for other in reversed(parent.parents))]
    return list(found.values())


@cache
def _standard() -> Map:
    with budget():  # read once, at no spec's cost
        path = Path(__file__).with_name("standard.yaml")
        return spec_mapping(parse(read_source(path, "archspec/language/standard.yaml")))


def _with_standard_paths(data: Map) -> Map:
    """The document with the standard paths that null removed back in their place: the language itself names them."""
    standard, given = _standard()["paths"], data.get("paths", Map())
    if not isinstance(standard, Map) or not isinstance(given, Map):
        return data
    result = Map(data, data.span, data.key_spans)
    result.set("paths", merge(standard, given), data.key_spans.get("paths"))
    return result
