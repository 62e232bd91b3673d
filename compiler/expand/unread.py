"""What a spec says and nobody reads: of columns an error; of params a note, as few children may use what a base
has; and of paths and blocks that a child writes, where only a slip of a name explains them."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from archspec.compiler.expand.arguments import items, paths_of
from archspec.language.items import Inner, Use
from archspec.language.naming import FIELDS_OF_STAGES
from archspec.language.reading import names_read
from archspec.language.resolve import Resolved
from archspec.language.schema import Document
from archspec.syntax import limits
from archspec.syntax.errors import Problem, Problems, Span, suggest
from archspec.syntax.source import Map, Scalar

_LATER = "if only some of the specs that extend this one use it, that is in order"
_READERS = "name it in a block, a path or another column, or remove it"


def check_columns(spec: Resolved, problems: Problems) -> None:
    """Tells of every column of stages that no block, no path and no other column names.

    Where something else is wrong, as a branch without operators, that may be what would read it: then only of those
    that are called much as a field of stages is.
    """
    document = spec.document
    if document.stages is None:
        return
    columns = document.stages.__pydantic_extra__ or {}
    unread = columns.keys() - names_read(document.stages, document.blocks, document.paths, document.drop_path)
    alone = not problems
    for name in columns:
        if name in unread:
            meant = get_close_matches(name.lower()[:100], FIELDS_OF_STAGES, n=1, cutoff=0.75)
            if meant or alone:
                hint = f"did you mean '{meant[0]}'?" if meant else _READERS
                problems.add(f"nothing reads the column '{name}'", _place(spec, "stages", name), hint=hint)


def unread_params(spec: Resolved) -> list[Problem]:
    """A note for every param that no expression of the spec names."""
    document = spec.document
    parts = [getattr(document, name) for name in Document.model_fields]
    unread = document.params.keys() - (names_read(*parts) if document.params else set())
    return [
        Problem(f"nothing reads the param '{name}'", _place(spec, "params", name), _LATER)
        for name in document.params if name in unread
    ]  # fmt: skip


def unread_definitions(spec: Resolved) -> list[Problem]:
    """A note for every path and block that a spec which extends another writes, and nothing uses."""
    if "extends" not in spec.own:
        return []
    used = dict.fromkeys(_used(spec))
    notes: list[Problem] = []
    for section, kind in (("paths", "path"), ("blocks", "block")):
        own, known = spec.own.get(section), spec.data.get(section)
        if not isinstance(own, Map) or not isinstance(known, Map):
            continue
        there = [other for of, other in used if of == kind]
        unused = [name for name in own if name in known and (kind, name) not in used]
        for name in unused[: limits.MAX_PROBLEMS - len(notes)]:
            meant = suggest(str(name), there) or ""
            hint = meant if meant.startswith("did you mean") else _LATER
            notes.append(Problem(f"nothing uses the {kind} '{name}'", own.key_spans.get(name), hint))
    return notes


def _used(spec: Resolved) -> Iterator[tuple[str, str]]:
    """Paths and blocks that something names, be it only what is not used itself."""
    document = spec.document
    stages, wires = document.stages, [*(document.graph or {}).values(), *document.heads.values()]
    paths = [document.stem, document.head, *document.paths.values(), *(wire.ops for wire in wires)]
    paths += [skip.path for skip in document.skips]
    paths += [document.levels.path] if document.levels else []
    for block in document.blocks.values():
        paths += [*paths_of(block), block.shortcut]
    for data in (spec.own, spec.parent):
        blocks = data.get("blocks")
        for written in blocks.values() if isinstance(blocks, Map) else ():
            parent = written.get("extends") if isinstance(written, Map) else None
            if isinstance(parent, Scalar):
                yield "block", str(parent.value)
    if stages:
        paths += stages.enter
        for positions in stages.blocks:
            names = (positions.start, positions.middle, positions.end, positions.only, *positions.cycle)
            yield from (("block", name) for name in names if name is not None)
    for path in paths:
        for item in items(path):
            if isinstance(item, Use):
                yield "path", item.path
            elif isinstance(item, Inner):
                yield "block", item.block


def _place(spec: Resolved, section: str, name: str) -> Span | None:
    data = spec.data.get(section)
    return data.key_spans.get(name) if isinstance(data, Map) else None
