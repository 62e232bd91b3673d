"""Many graphs that differ in a few values: what is common to them is resolved once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter
from typing import Any

from archspec.compiler.expand import expand
from archspec.compiler.expand.memo import Memo
from archspec.graph import Graph
from archspec.language.overrides import from_arguments
from archspec.language.spec import Spec, changed
from archspec.syntax.errors import Problem, SpecError
from archspec.syntax.expressions import EvaluationError, Expr
from archspec.syntax.parsing import expression

_FRAMES = 256
"""Specs that are kept, one for each combination of values that are not params'."""


class Frame:
    """A resolved spec whose params take other values without being read again."""

    def __init__(self, spec: Spec, names: Sequence[str]) -> None:
        self.spec, self.memo = spec, Memo(spec.document)
        exprs = {name: expr for name, expr in spec.document.params.items() if name not in names}
        order = TopologicalSorter(
            {name: sorted(expr.names & spec.document.params.keys()) for name, expr in exprs.items()}
        )
        # Only what depends on the changing ones is computed anew.
        moving = set(names)
        self._derived: list[tuple[str, Expr]] = []
        for name in order.static_order():
            if name in exprs and exprs[name].names & moving:
                moving.add(name)
                self._derived.append((name, exprs[name]))
        self._require = [entry for entry in spec.document.require if entry.that.names & moving]

    def with_params(self, given: Mapping[str, Any]) -> Spec:
        """The spec with other values of its params. Raises `SpecError` where they do not meet its requirements."""
        params = {**self.spec.params, **given}
        try:
            for name, expr in self._derived:
                params[name] = expr(params)
            for entry in self._require:
                if not entry.that.condition(params):
                    raise SpecError([Problem(entry.otherwise, entry.that.span)])
        except EvaluationError as error:
            raise SpecError([error.problem]) from None
        return replace(self.spec, params=params)


class Lane:
    """Graphs of one spec with other values at given places; those of params are the quick ones."""

    def __init__(self, base: Spec, places: Sequence[Sequence[str]]) -> None:
        self._base, self._places = base, places
        self._params = [i for i, path in enumerate(places) if len(path) == 2 and path[0] == "params"]
        self._rest = [i for i in range(len(places)) if i not in self._params]
        self._frames: OrderedDict[str, Frame] = OrderedDict()

    def graph(self, choice: Sequence[Any]) -> Graph:
        """The graph of a choice of values. Raises `SpecError`."""
        frame = self._frame(choice)
        given = {self._places[i][1]: _value(choice[i]) for i in self._params}
        return expand(frame.with_params(given), frame.memo)

    def _frame(self, choice: Sequence[Any]) -> Frame:
        key = repr([choice[i] for i in self._rest])
        frame = self._frames.get(key)
        if frame is None:
            change: dict[str, Any] = {}
            for i in self._rest:
                below = change
                for part in self._places[i][:-1]:
                    below = below.setdefault(part, {})
                below[self._places[i][-1]] = choice[i]
            spec = changed(self._base, change) if change else self._base
            frame = self._frames[key] = Frame(spec, [self._places[i][1] for i in self._params])
            if len(self._frames) > _FRAMES:
                self._frames.popitem(last=False)
        return frame


def _value(value: Any) -> Any:
    """A param's value; expressions in it, which YAML would compute, are computed. Raises `SpecError`."""
    if isinstance(value, int | float):
        return value
    try:
        return expression(from_arguments({"value": value})["value"])({})
    except EvaluationError as error:
        raise SpecError([error.problem]) from None
