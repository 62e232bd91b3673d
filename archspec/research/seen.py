"""A set of signatures that stays small: sixteen bytes for each, at most."""

from __future__ import annotations

from array import array


class Seen:
    """Signatures by their first 64 bits, in a table of open addresses.

    Two of a million would be taken for one with a chance of 3 in 100 million.
    """

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * 1024))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, signature: str) -> bool:
        """Adds a signature; tells whether it is new."""
        if 2 * self._count >= len(self._table):
            self._grow()
        new = _insert(self._table, int(signature[:16], 16) or 1)
        self._count += new
        return new

    def _grow(self) -> None:
        table = array("Q", bytes(16 * len(self._table)))
        for value in self._table:
            if value:
                _insert(table, value)
        self._table = table


def _insert(table: array[int], value: int) -> bool:
    mask = len(table) - 1
    at = value & mask
    while table[at]:
        if table[at] == value:
            return False
        at = (at + 1) & mask
    table[at] = value
    return True
