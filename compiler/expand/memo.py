"""What expansions of one document with different params have in common, kept: searches expand it by the thousand.

A block's nodes depend on its address, on the signals that reach it, and on the values that its paths can name. Where
all of these have been met before, the nodes are taken as they were made: they are immutable. Params that only rules of
skips or the number of levels depend on (a density, a seed) change nothing but which signals meet where.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import islice
from typing import Any

from archspec.compiler.expand.builder import Builder, Signal
from archspec.compiler.expand.idle import Idle
from archspec.compiler.expand.table import Row
from archspec.graph import Node
from archspec.language.reading import names_read
from archspec.language.schema import Document
from archspec.ops import Operator

_MOST = 12_000
"""Entries kept; beyond, they are forgotten all at once. One takes some 4 KB."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    nodes: dict[str, Node]
    modules: frozenset[str]
    signal: Node


class Memo:
    """Parts of graphs that expansions of one document have made."""

    def __init__(self, document: Document) -> None:
        self.checked = False
        """Whether the document's references, columns and options have been found in order."""
        self.idle = Idle()
        self.operators: dict[Any, Operator] = {}
        self.rows: dict[Hashable, list[Row]] = {}
        self._names = tuple(sorted(_names(document) & document.params.keys()))
        self._epochs: dict[str, int] = {}
        self._entries: dict[Hashable, _Entry] = {}
        self._epoch = 0

    def start(self, params: Mapping[str, Any]) -> int:
        """Begins an expansion; the number stands for the values of all params that paths and columns can name."""
        self._epoch = self._epochs.setdefault(repr([params[name] for name in self._names]), len(self._epochs))
        if len(self._entries) > _MOST or len(self._epochs) > _MOST:
            self._entries.clear()
            self._epochs.clear()
            self.rows.clear()
            self.operators.clear()
            self._epoch = self._epochs.setdefault(repr([params[name] for name in self._names]), 0)
        return self._epoch

    def part(
        self, builder: Builder, what: str, signals: Iterable[tuple[Hashable, Signal]], make: Callable[[], Signal]
    ) -> Signal:
        """The signal after a part of the network, with its nodes put into the builder.

        `what` names the part within the document; `signals` are what it reads, each with how.
        """
        key = (self._epoch, what, *[
            (how, signal.name, signal.shape, signal.reduction) if signal is not None else None
            for how, signal in signals
        ])  # fmt: skip
        entry = self._entries.get(key)
        if entry is not None:
            builder.adopt(entry.nodes, entry.modules)
            return entry.signal
        before, problems = len(builder.nodes), len(builder.problems)
        signal = make()
        if signal is not None and len(builder.problems) == problems:
            made = list(islice(reversed(builder.nodes.values()), len(builder.nodes) - before))[::-1]
            nodes = {node.name: node for node in made}
            self._entries[key] = _Entry(nodes, _modules(nodes), signal)
        return signal


def _modules(names: Iterable[str]) -> frozenset[str]:
    """Proper prefixes of names."""
    found: set[str] = set()
    for name in names:
        parts = name.split(".")
        found.update(".".join(parts[:length]) for length in range(1, len(parts)))
    return frozenset(found)


def _names(document: Document) -> set[str]:
    """Names in every expression but those that only place shortcuts, define params or make demands of them."""
    shortcuts = [document.levels.path if document.levels else None, *(skip.path for skip in document.skips)]
    others = ("params", "require", "levels", "skips")
    return names_read(*shortcuts, *(getattr(document, name) for name in Document.model_fields if name not in others))
