"""What a spec says and nobody reads: of columns an error; of params a note, as few children may use what a base
has."""

from __future__ import annotations

from difflib import get_close_matches

from archspec.language.naming import FIELDS_OF_STAGES
from archspec.language.reading import names_read
from archspec.language.resolve import Resolved
from archspec.language.schema import Document
from archspec.syntax.errors import Problem, Problems, Span
from archspec.syntax.source import Map

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


def _place(spec: Resolved, section: str, name: str) -> Span | None:
    data = spec.data.get(section)
    return data.key_spans.get(name) if isinstance(data, Map) else None
