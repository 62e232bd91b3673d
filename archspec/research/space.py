"""Search spaces: a spec and axes along which it varies; draws, lists, mutations and crossings of valid networks."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from archspec.compiler.analysis.named import Figures
from archspec.compiler.analysis.signature import signature
from archspec.language.edit import written_change
from archspec.language.merge import value_at
from archspec.language.overrides import place
from archspec.language.spec import Spec, changed, load
from archspec.research.axes import Axis, Real, SpaceError, axis, draws
from archspec.research.constraints import Constraint, constraints
from archspec.research.expand_fast import Lane
from archspec.syntax.arguments import whole
from archspec.syntax.errors import SpecError
from archspec.syntax.source import plain
from archspec.topologies import STANDARD, Rules

PATIENCE = 2_000
"""Draws in a row without a new network after which a search gives up."""

Choice = tuple[Any, ...]
"""A value for each axis."""


@dataclass(frozen=True)
class Found:
    """A network of a space: its number among the draws, its choice, its figures and its signature."""

    number: int
    choice: Choice
    figures: Figures
    signature: str


class Space:
    """Networks that differ from `base` along `axes`, as far as they satisfy `where`.

    An axis is a param or a dotted place of the spec (`levels.m`, `skips`, `blocks.residual.shortcut`, `stages.width`)
    with a list of values, `{"from": 1, "to": 5}` or `{"low": 0.01, "high": 0.5, "log": True}`. Conditions are
    expressions over figures: `params <= 1.7M`, `macs <= 250M`, `depth == 110`, `shortest_path <= 10`.

    Raises `SpaceError`, and `SpecError` for a bad base.
    """

    def __init__(
        self, base: Spec | str | os.PathLike[str], axes: Mapping[str, Any], where: Iterable[str] = (), *,
        name: str = "space", change: Mapping[str, Any] | None = None, rules: Rules = STANDARD,
    ) -> None:  # fmt: skip
        if not isinstance(base, Spec):
            base = load(os.fspath(base), rules=rules)
        if reason := unusable_name(name):
            raise SpaceError(reason)
        self.base = changed(base, change) if change else base
        self.name = name
        self.axes = tuple(axis(key, given) for key, given in axes.items())
        if not self.axes:
            raise SpaceError("a space without axes holds one network: give it axes")
        self.where: tuple[Constraint, ...] = constraints(where)
        self._places = [place(self.base.data, each.key) for each in self.axes]
        self._lane = Lane(self.base, self._places)

    def __repr__(self) -> str:
        return f"Space({self.base.name!r}, {', '.join(each.key for each in self.axes)})"

    def __reduce__(self) -> tuple[Any, ...]:
        where = [each.text for each in self.where]
        return _restored, (self.base, self.axes, where, self.name)

    def sample(self, n: int, seed: int = 0) -> Iterator[Spec]:
        """`n` networks, valid, distinct by signature and within `where`, in the order they are drawn.

        Raises `SpaceError` where the space does not hold as many.
        """
        for found in self.search(n, seed):
            yield self.spec(
                found.choice, self.sample_name(seed, found.number), by="sample", seed=seed, number=found.number
            )

    def sample_name(self, seed: int, number: int) -> str:
        """What a draw is called."""
        return f"{self.name}_{seed}_{number}"

    def search(self, n: int, seed: int = 0) -> Iterator[Found]:
        """As `sample`, with figures and signatures instead of whole specs: several times as fast."""
        n, seed = whole("n", n, 0), whole("seed", seed)
        seen: set[str] = set()
        tried: set[str] = set()  # of a small space, whose choices come again and again
        misses, reasons, size = 0, Counter[str](), self.size
        for number in itertools.count():
            if len(seen) >= n:
                return
            if misses >= PATIENCE or len(tried) == size:
                after = f"all {size:,} choices" if len(tried) == size else f"{misses:,} draws without another"
                raise SpaceError(f"found {len(seen):,} of {n:,} networks after {after}: {_told(reasons)}")
            choice = self.choice(seed, number)
            if size is not None and size <= PATIENCE:
                if repr(choice) in tried:
                    continue
                tried.add(repr(choice))
            found = self.evaluate(choice, number)
            if isinstance(found, str) or found.signature in seen:
                reasons[found if isinstance(found, str) else "they were found before"] += 1
                misses += 1
                continue
            seen.add(found.signature)
            misses = 0
            yield found

    @property
    def size(self) -> int | None:
        """The number of choices; None if an axis takes any number."""
        if any(isinstance(each.values, Real) for each in self.axes):
            return None
        return prod(len(each.listed()) for each in self.axes)

    def choice(self, seed: int, number: int) -> Choice:
        """The values that draw `number` of a seed takes."""
        numbers = draws(self.name, seed, number)
        return tuple([each.draw(numbers) for each in self.axes])

    def draw(self, seed: int, number: int) -> Found | str:
        """Draw `number` of a seed, or why it is no network of the space. Every draw stands alone."""
        return self.evaluate(self.choice(seed, number), number)

    def evaluate(self, choice: Choice, number: int = 0) -> Found | str:
        """The network of a choice, or why it is none: its spec fails, or a condition does."""
        try:
            graph = self._lane.graph(choice)
        except SpecError as error:
            return error.problems[0].message
        figures = Figures(graph)
        for constraint in self.where:
            if not constraint.holds(figures):
                return f"'{constraint.text}' fails, as with {constraint.told(figures)}"
        return Found(number, choice, figures, signature(graph))

    def enumerate(self) -> Iterator[Spec]:
        """Every network of the space, valid, distinct and within `where`; the last axis varies fastest.

        Raises `SpaceError` if an axis cannot be listed or nothing is found.
        """
        seen: set[str] = set()
        reasons = Counter[str]()
        for number, choice in enumerate(itertools.product(*(each.listed() for each in self.axes))):
            found = self.evaluate(choice, number)
            if isinstance(found, str):
                reasons[found] += 1
            elif found.signature not in seen:
                seen.add(found.signature)
                yield self.spec(choice, f"{self.name}_{number}", by="enumerate", number=number)
        if not seen:
            raise SpaceError(f"the space is empty: {_told(reasons)}")

    def mutate(self, spec: Spec, seed: int = 0) -> Spec:
        """A spec of the space with another value on one axis. Raises `SpaceError` if there is none."""
        choice = self.choice_of(spec)
        open_axes = [i for i, each in enumerate(self.axes) if not isinstance(each.values, list) or len(each.values) > 1]

        def changed_at(attempt: int) -> Choice:
            numbers = draws(self.name, "mutate", seed, attempt)
            at = open_axes[numbers.below(len(open_axes))]
            return (*choice[:at], self.axes[at].draw(numbers), *choice[at + 1 :])

        if not open_axes:
            raise SpaceError("no axis has a second value")
        return self._bred("mutate", seed, [spec], [choice], changed_at)

    def crossover(self, one: Spec, other: Spec, seed: int = 0) -> Spec:
        """A spec with each axis from one of two, unlike both. Raises `SpaceError` if there is none."""
        choices = [self.choice_of(one), self.choice_of(other)]

        def crossed(attempt: int) -> Choice:
            numbers = draws(self.name, "crossover", seed, attempt)
            return tuple(pair[numbers.below(2)] for pair in zip(*choices, strict=True))

        return self._bred("crossover", seed, [one, other], choices, crossed)

    def _bred(self, by: str, seed: int, parents: Sequence[Spec], known: Sequence[Choice], made: Any) -> Spec:
        reasons = Counter[str]()
        signatures = {found.signature for found in map(self.evaluate, known) if isinstance(found, Found)}
        for attempt in range(PATIENCE // 4):
            choice = made(attempt)
            found = self.evaluate(choice) if choice not in known else "it is a parent"
            if isinstance(found, Found) and found.signature not in signatures:
                name = f"{self.name}_{by}_{seed}_{found.signature[:8]}"
                return self.spec(choice, name, by=by, seed=seed, parents=[parent.name for parent in parents])
            reasons[found if isinstance(found, str) else "it is a parent"] += 1
        raise SpaceError(f"no {by} of {', '.join(parent.name for parent in parents)} is in the space: {_told(reasons)}")

    def spec(self, choice: Choice, name: str, **lineage: Any) -> Spec:
        """The spec of a choice, with how it came about."""
        return changed(self.base, self.change(choice, **lineage), name)

    def text(self, choice: Choice, name: str, folder: str | os.PathLike[str] | None = None, **lineage: Any) -> str:
        """The YAML of a choice, without validating it once more."""
        lies = None if folder is None else Path(folder)
        return written_change(self.base, self.change(choice, **lineage), name, lies)

    def change(self, choice: Choice, **lineage: Any) -> dict[str, Any]:
        """What a choice changes in the base."""
        change: dict[str, Any] = (
            {"lineage": {"by": lineage.pop("by"), "space": self.name, **lineage}} if lineage else {}
        )
        for path, value in zip(self._places, choice, strict=True):
            below = change
            for part in path[:-1]:
                below = below.setdefault(part, {})
            below[path[-1]] = value
        return change

    def choice_of(self, spec: Spec) -> Choice:
        """The values of a spec on the axes. Raises `SpaceError` if it lies off one."""
        choice = []
        for each, path in zip(self.axes, self._places, strict=True):
            data = value_at(spec.data, path)
            value = None if data is None else plain(data)
            if not each.has(value):
                raise SpaceError(f"{spec.name} is not of this space: its {each.key} is {value!r}")
            choice.append(value)
        return tuple(choice)


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}\Z")


def unusable_name(name: str) -> str | None:
    """Why a space cannot be called so, since files and specs are called by its name; None if it can."""
    if _NAME.match(name):
        return None
    return f"'{name[:60]}' cannot be a space's name: letters, digits, _ - and . only, 60 at most"


def _restored(base: Spec, axes: Sequence[Axis], where: Sequence[str], name: str) -> Space:
    space = Space(base, {"restored": [0]}, where, name=name)
    space.axes = tuple(axes)
    space._places = [place(base.data, each.key) for each in axes]
    space._lane = Lane(base, space._places)
    return space


def _told(reasons: Counter[str]) -> str:
    """The commonest reasons, those that differ by a figure only told once."""
    merged: dict[str, tuple[int, str]] = {}
    for reason, count in reasons.items():
        key = reason.partition(", as with")[0]
        merged[key] = (merged.get(key, (0, ""))[0] + count, reason)
    ranked = sorted(merged.values(), reverse=True)[:3]
    return "; ".join(f"{count:,} times {reason}" for count, reason in ranked) or "nothing was tried"
