"""Files of specs: their text, if they are that."""

from __future__ import annotations

import re
from pathlib import Path

from archspec.syntax import limits
from archspec.syntax.errors import Problem, Source, Span, SpecError

_CONTENT = re.compile(r"^[ \t]*+([^\s#])", re.MULTILINE)


def read_source(path: Path, name: str | None = None, key: str = "archspec") -> Source:
    """The text of a spec file, which says `archspec:` somewhere (or another key, in files of another kind).

    Raises `SpecError` if it cannot be read, is too large, is not UTF-8, or is no such file: then nothing of what it
    holds is quoted, since a link or an `extends` may lead to any file.
    """
    name = name or str(path)
    try:
        if not path.is_file():
            reason = "is a directory" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
            raise SpecError([Problem(f"{name} {reason}")])
        with path.open("rb") as file:
            raw = file.read(limits.MAX_TEXT + 1)
    except (OSError, ValueError) as error:
        raise SpecError([Problem(f"{name} cannot be read: {error}")]) from None
    if len(raw) > limits.MAX_TEXT:
        raise SpecError([Problem(f"{name} is larger than {limits.MAX_TEXT // 2**20} MiB")])
    begun = re.search(rb"(?:\A|[\r\n])(?:\xef\xbb\xbf)?[{ ]*[\"']?" + key.encode() + rb"[\"']?[ \t]*:", raw)
    try:
        source = Source(name, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        span = Span(Source(name, raw.decode("utf-8", "replace") if begun else ""), line, column)
        problem = Problem("this byte is not UTF-8", span, "save the file as UTF-8 text")
        raise SpecError([problem]) from None
    if not begun:
        first = _CONTENT.search(source.text)
        what = "the version of the language is missing" if first else "there is nothing here"
        line = source.text.count("\n", 0, first.start(1)) + 1 if first else 1
        raise SpecError([Problem(what, Span(Source(name, ""), line, 1), f"start it with '{key}: 1'")])
    return source
