"""Numbers that differ from block to block as expressions, over columns of the table of stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archspec.compiler.decompile.facts import Facts
from archspec.compiler.decompile.kinds import is_number
from archspec.language.naming import COLUMN

_NAMES = {"out": ("width", "inner", "outer")}
_FACTORS = (2, 3, 4, 6, 8, 16, 32, 64)
_MOST_COLUMNS = 100
_FRACTIONS = ((3, 2), (3, 4))


class UnsaidError(Exception):
    """Numbers that differ where no column is known, or more columns than anybody would read."""


class Table:
    """The columns of the stages, made as they are needed."""

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = counts
        self.columns: dict[str, dict[int, Any]] = {}
        """Values by stage; stages that do not read a column are not in it."""
        self.strided = False
        """Whether something reads the stride of the stage."""

    def data(self) -> dict[str, Any]:
        """The columns as a spec has them: an entry for each stage."""
        return {name: self._filled(values) for name, values in self.columns.items()}

    def _filled(self, values: Mapping[int, Any]) -> Any:
        default = next(iter(values.values()))
        entries = []
        for stage in range(1, len(self.counts) + 1):
            default = values.get(stage, default)
            entries.append(default)
        return entries if len(entries) > 1 else entries[0]

    def condition(self, wanted: Sequence[tuple[Facts, bool]], name: str) -> str:
        """A column, or an entry for each block, that says where something is."""
        return str(self.number(name, wanted, known=()))

    def number(
        self, field: str, wanted: Sequence[tuple[Facts, Any]], known: Sequence[tuple[Sequence[Any], str]]
    ) -> Any:
        """An expression with the wanted value at each place; `known` are expressions of the same places' values."""
        values = [value for _, value in wanted]
        if field in ("out", "stride") and "out" in wanted[0][0] and self._reached(field, wanted):
            return field
        if all(value == values[0] and type(value) is type(values[0]) for value in values):
            return values[0]
        told = next((text for others, text in known if list(others) == values), None)
        told = told or self._told(wanted)
        if told is None and "stage" not in wanted[0][0]:
            raise UnsaidError
        return told or self._by_stage(field, wanted) or self._by_block(field, wanted)

    def _reached(self, field: str, wanted: Sequence[tuple[Facts, Any]]) -> bool:
        """Whether the values are what a shortcut is to reach, and not only ones."""
        return any(value != 1 for _, value in wanted) and all(at[field] == value for at, value in wanted)

    def _told(self, wanted: Sequence[tuple[Facts, Any]]) -> str | None:
        """What every place knows without a column."""
        for name in ("out", "stride"):
            if all(at.get(name, ()) == value for at, value in wanted):
                if name == "stride" and "out" not in wanted[0][0]:
                    self.strided = True
                return name
        return None

    def _by_stage(self, field: str, wanted: Sequence[tuple[Facts, Any]]) -> str | None:
        """One value for each stage."""
        values: dict[int, Any] = {}
        for at, value in wanted:
            if values.setdefault(at["stage"], value) != value:
                return self._of_channels(wanted)
        if len(self.counts) == 1:
            return None
        exact = next((name for name, column in self.columns.items() if _agree(column, values)), None)
        if exact is not None:
            self.columns[exact].update(values)
            return exact
        return self._multiple(values) or self._of_channels(wanted) or self._new(field, values)

    def _multiple(self, values: Mapping[int, Any]) -> str | None:
        for name, column in self.columns.items():
            if values.keys() <= column.keys() and all(type(column[stage]) is int for stage in column):
                text = _multiple([(column[stage], value) for stage, value in values.items()], name)
                if text is not None:
                    return text
        return None

    def _of_channels(self, wanted: Sequence[tuple[Facts, Any]]) -> str | None:
        pairs = [(at.get("channels"), value) for at, value in wanted]
        return _multiple(pairs, "channels")

    def _by_block(self, field: str, wanted: Sequence[tuple[Facts, Any]]) -> str:
        split = self._first_or_other(field, wanted)
        if split is not None:
            return split
        column: dict[int, list[Any]] = {}
        for at, value in wanted:
            entries = column.setdefault(at["stage"], [None] * self.counts[at["stage"] - 1])
            entries[at["index"]] = value
        for entries in column.values():
            default = next(entry for entry in entries if entry is not None)
            for i, entry in enumerate(entries):
                default = entries[i] = default if entry is None else entry
        exact = next((name for name, known in self.columns.items() if known == column), None)
        return f"{exact or self._new(field, column)}[index]"

    def _first_or_other(self, field: str, wanted: Sequence[tuple[Facts, Any]]) -> str | None:
        first = [(at, value) for at, value in wanted if at["first"]]
        other = [(at, value) for at, value in wanted if not at["first"]]
        if not first or not other or not all(map(_steady, (first, other))):
            return None
        texts = [self.number(field, part, ()) for part in (first, other)]
        if any(isinstance(text, list | tuple) for text in texts):
            return None
        return f"{_text(texts[0])} if first else {_text(texts[1])}"

    def _new(self, field: str, values: dict[int, Any]) -> str:
        if len(self.columns) == _MOST_COLUMNS:
            raise UnsaidError
        names = [*_NAMES.get(field, (field,)), *(f"{field}{i}" for i in range(2, _MOST_COLUMNS + 9))]
        name: str = next(name for name in names if name not in self.columns and COLUMN.unusable(name) is None)
        self.columns[name] = values
        return name


def _steady(part: Sequence[tuple[Facts, Any]]) -> bool:
    """Whether values are one for each stage."""
    values: dict[int, Any] = {}
    return all(values.setdefault(at["stage"], value) == value for at, value in part)


def _agree(column: Mapping[int, Any], values: Mapping[int, Any]) -> bool:
    """Whether a column can have these values too: where both say something, they say the same."""
    shared = column.keys() & values.keys()
    alike = all(column[stage] == values[stage] and type(column[stage]) is type(values[stage]) for stage in shared)
    kinds = {type(value) for value in (*column.values(), *values.values())}
    return alike and len(kinds) == 1 and bool(shared)


def _multiple(pairs: Sequence[tuple[Any, Any]], name: str) -> str | None:
    """A name, times or by a small number, that gives every second of the pairs from the first."""
    if not all(type(one) is int and is_number(other) and isinstance(other, int) for one, other in pairs):
        return None
    if all(one == other for one, other in pairs):
        return name
    one, other = pairs[0]
    for factor in (*_FACTORS, other // one if one else 0, one // other if other else 0):
        if factor > 1 and all(factor * one == other for one, other in pairs):
            return f"{factor} * {name}"
        if factor > 1 and all(one // factor == other for one, other in pairs):
            return f"{name} // {factor}"
    for up, down in _FRACTIONS:
        if name != "channels" and all(up * one // down == other for one, other in pairs):
            return f"{up} * {name} // {down}"
    return None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
