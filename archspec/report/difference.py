"""A difference as people read it: runs of blocks that changed alike are told once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archspec.compiler.analysis.difference import Change, Difference

_WIDTH = 110


def lines(difference: Difference) -> Iterator[str]:
    """The text, line by line."""
    one, other = difference.names
    yield f"--- {one}"
    yield f"+++ {other}"
    if difference.equal:
        yield "one network: equal by signature"
    for title, changes in (
        ("language", difference.language), ("blocks", _together(difference.units)),
        ("wiring", _together(difference.wiring)), ("figures", difference.figures),
    ):  # fmt: skip
        changes = list(changes)
        if changes:
            yield f"\n{title}"
            for change in changes:
                yield from _change(change)


def _change(change: Change) -> Iterator[str]:
    short = change.before is not None and change.after is not None and len(change.before + change.after) < 80
    if short:
        yield f"  {change.what}: {change.before or 'nothing'} -> {change.after or 'nothing'}"
        return
    yield f"  {change.what}"
    for sign, text in (("-", change.before), ("+", change.after)):
        if text:
            yield f"    {sign} {text if len(text) <= _WIDTH else text[: _WIDTH - 3] + '...'}"


def _together(changes: Iterable[Change]) -> list[Change]:
    """Changes with the addresses of all units that changed in the same way."""
    groups: dict[tuple[str | None, str | None], list[str]] = {}
    for change in changes:
        groups.setdefault((change.before, change.after), []).append(change.what)
    return [Change(_addresses(addresses), *key) for key, addresses in groups.items()]


def _addresses(addresses: list[str]) -> str:
    if len(addresses) <= 4:
        return ", ".join(addresses)
    return f"{', '.join(addresses[:3])} and {len(addresses) - 3} more"
