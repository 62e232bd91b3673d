"""Where the value of a name is written: what is wrong with a column, a param or a loop's entry is told there, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from archspec.language.schema import Document
from archspec.syntax.errors import Span
from archspec.syntax.expressions import Expr, Term

Loops: TypeAlias = Sequence[tuple[str, Expr | None, int | None]]
"""What loops and arguments bind where an expression stands: a name, the list it goes over and its entry there; of an
argument, its expression and no entry; None of what nobody writes, as a position."""
_Given: TypeAlias = tuple[Expr, int | None] | None
_DEEPEST = 100
"""Names that stand for names, followed."""


class Origins:
    """The places of a spec's values. `stage` is the stage that is looked at, from 1; 0 where there is none."""

    def __init__(self, document: Document | None = None) -> None:
        self.stage = 0
        self.around: Loops = ()
        """What is bound round the path that is looked at: a block within a path has arguments."""
        self._params: Mapping[str, Expr] = document.params if document else {}
        stages = document.stages if document else None
        self._columns: dict[str, Expr] = {**((stages and stages.__pydantic_extra__) or {})}

    def place(self, expr: Expr, entry: int | None = None, loops: Loops = ()) -> Span | None:
        """Where the value of an expression is written, or an entry of it: its own place, unless it is a name.

        A name stands for what its author wrote for it, which may be a name in turn.
        """
        return self._followed(expr.root, expr.span, entry, loops)

    def named(self, name: str, loops: Loops = ()) -> Span | None:
        """Where the value of a name is written; None of one that no author gives."""
        return self._followed(Term("name", name, (), None), None, None, loops)

    def _followed(self, term: Term, span: Span | None, entry: int | None, loops: Loops) -> Span | None:
        left = [*self.around, *loops]
        for _ in range(_DEEPEST):
            if entry is not None and term.kind == "list" and -len(term.parts) <= entry < len(term.parts):
                term, entry = term.parts[entry], None
                span = term.span or span
                continue
            found = self._given(term.data, left, entry) if term.kind == "name" else None
            if found is None:
                break
            written, entry = found
            term, span = written.root, written.span or span
        return span

    def _given(self, name: str, left: list[tuple[str, Expr | None, int | None]], entry: int | None) -> _Given:
        """The expression that a name stands for, and which of its entries. Inner loops hide outer ones and all else."""
        while left:
            variable, of, position = left.pop()
            if variable == name:
                return None if of is None else (of, position)
        if name in self._columns:
            return self._columns[name], self.stage - 1 if self.stage else entry
        return (self._params[name], entry) if name in self._params else None
