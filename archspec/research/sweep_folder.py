"""The folder of a sweep, of which nothing is believed: every line carries a check over all before it, specs are
compared with what they would be, and what is not as the sweep wrote it is kept aside and derived again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from archspec.research.axes import SpaceError

RESULTS, SETTINGS, SPECS, ASIDE = "results.jsonl", "sweep.json", "specs", "aside"
Row = dict[str, Any]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a folder of results, for this process alone while it works there. Raises `SpaceError`, `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPECS).mkdir(exist_ok=True)
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise SpaceError(f"another sweep is writing into {folder}") from None
    finally:
        os.close(lock)


def settle(folder: Path, settings: dict[str, Any]) -> str:
    """Writes what the sweep is, or makes sure that the folder holds this very one; the start of its lines' checks."""
    text, path = json.dumps(settings, indent=1) + "\n", folder / SETTINGS
    if not path.exists():
        if (folder / RESULTS).exists():
            raise SpaceError(f"{folder} has results of something else: sweep into another folder")
        write_whole(path, text)
    elif (known := path.read_bytes()) != text.encode():
        if _read(known) != settings:
            raise SpaceError(
                f"{folder} holds another sweep ({SETTINGS} differs): take its space and seed, or another folder"
            )
        write_whole(path, text)  # the same, with other line ends or a byte order mark
    return _start(settings)


def _read(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def _start(settings: Any) -> str:
    return _digest("", json.dumps(settings, sort_keys=True))


def _digest(before: str, line: str) -> str:
    return blake2b(f"{before}\n{line}".encode(), digest_size=8).hexdigest()


def line_of(row: Row, before: str) -> tuple[str, str]:
    """A row as its line, without the line's end, and the line's check: over it and the check of the line before."""
    text = json.dumps(row, separators=(",", ":"))
    check = _digest(before, text)
    return f'{text[:-1]},"check":"{check}"}}', check


def trusted(folder: Path, start: str) -> Iterator[tuple[Row, str, int]]:
    """Rows that a sweep has written, each with its check and the bytes up to its end, as far as nothing was changed.

    Stops at the first line that is not as it was written, cut off by a kill or changed by anyone.
    """
    path, before, end = folder / RESULTS, start, 0
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            row = _row(line, before)
            if row is None:
                return
            before, end = row["check"], end + len(line)
            yield row, before, end


def _row(line: bytes, before: str) -> Row | None:
    """The row of a line, if it is one that follows the line before."""
    try:
        text = line.decode("utf-8")
        row = json.loads(text) if text.endswith("\n") else None
        if not isinstance(row, dict):
            return None
        own = {name: value for name, value in row.items() if name != "check"}
        return row if line_of(own, before)[0] + "\n" == text else None
    except (ValueError, RecursionError):
        return None


def read_results(folder: str | os.PathLike[str]) -> Iterator[Row]:
    """The lines of a sweep, one at a time, but for a last one that a kill cut off.

    Raises `SpaceError` at a line that is not as the sweep wrote it.
    """
    folder = Path(folder)
    path, count, whole = folder / RESULTS, 0, 0
    if not path.exists():
        return
    settings = folder / SETTINGS
    for row, _, end in trusted(folder, _start(_read(settings.read_bytes()) if settings.exists() else None)):
        count, whole = count + 1, end
        yield row
    if _whole_line_at(path, whole):
        raise SpaceError(f"{path}, line {count + 1}, is not as a sweep wrote it: sweep into {folder} again to mend it")


def _whole_line_at(path: Path, start: int) -> bool:
    with path.open("rb") as file:
        file.seek(start)
        return file.readline().endswith(b"\n")


def mend(folder: Path, end: int, rows: int) -> str | None:
    """Cuts the results off behind what is trusted, `rows` lines of `end` bytes; what was there is kept aside unless it
    is but a line that a kill cut off. Returns a note on what was kept, if anything was."""
    path = folder / RESULTS
    if not path.exists() or path.stat().st_size == end:
        return None
    note = None
    if _whole_line_at(path, end):
        kept = keep_aside(folder, path, copy=True)
        note = f"{path}, line {rows + 1}, is not as the sweep wrote it: found again from there on, all kept as {kept}"
    with path.open("r+b") as file:
        file.truncate(end)
        os.fsync(file.fileno())
    return note


def keep_aside(folder: Path, path: Path, *, copy: bool = False) -> Path:
    """Puts a file (with `copy`, what it holds) under `aside`, where nothing is overwritten."""
    aside = folder / ASIDE
    aside.mkdir(exist_ok=True)
    number = 1
    while os.path.lexists(target := aside / f"{path.name}.{number}"):
        number += 1
    if copy:
        write_whole(target, path.read_bytes())
    else:
        path.replace(target)
    return target


def settle_spec(folder: Path, name: str, text: str) -> str | None:
    """Makes a spec what it should be. Returns a note where another text was there, which is kept aside."""
    path, note = folder / SPECS / f"{name}.yaml", None
    if os.path.lexists(path):
        there = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        if there == text.encode():
            return None
        if there is None or not text.encode().startswith(there):  # else half written, by a kill
            note = f"{path} is not as the sweep wrote it: written again, kept as {keep_aside(folder, path)}"
    write_whole(path, text)
    return note


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file such that a kill leaves all of it or nothing."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    part.replace(path)
