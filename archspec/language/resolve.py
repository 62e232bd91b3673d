"""What a text says: `extends`, overrides, the schema, the params, each carried out in turn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archspec.language.fields import schema_problems
from archspec.language.merge import extend_blocks
from archspec.language.naming import check_names, check_spec_name
from archspec.language.overrides import apply_overrides
from archspec.language.parents import spec_mapping, with_parents
from archspec.language.schema import Document
from archspec.language.schema_fields import known_fields
from archspec.syntax.errors import Problem, Problems, Source, Span, SpecError, chain, within_budget
from archspec.syntax.expressions import UNKNOWN, EvaluationError, Expr, Poisoned, unknown
from archspec.syntax.parsing import expression
from archspec.syntax.source import Data, Map, parse
from archspec.syntax.values import show
from archspec.topologies import STANDARD, Rules


@dataclass(frozen=True)
class Resolved:
    """What a text says: its document, with `extends` and overrides carried out, and the values of its params."""

    name: str
    document: Document = field(repr=False)
    params: Mapping[str, Any]
    data: Map = field(repr=False, compare=False)
    """The resolved document as marked data."""
    own: Map = field(repr=False, compare=False)
    """The document as its own file has it."""
    source: Source = field(repr=False, compare=False)
    overridden: tuple[str, ...] = ()
    trust: bool = False
    rules: Rules = field(default=STANDARD, repr=False)
    overrides: Mapping[str, Data] = field(default_factory=dict, repr=False, compare=False)
    folder: Path | None = field(default=None, repr=False, compare=False)
    """What its `extends` is relative to."""
    file: Path | None = field(default=None, repr=False, compare=False)
    """The file it was loaded from; None of one that was edited or read from a text."""
    parent: Map = field(default_factory=Map, repr=False, compare=False)
    """What its `extends` leaves to it, the standard paths included."""
    removed: Mapping[str, Span | None] = field(default_factory=dict, repr=False, compare=False)
    """Params of what it extends that null took away, and where."""
    work: int = field(default=0, repr=False, compare=False)
    """Steps that reading it took, of the budget that expanding it spends too."""


def resolve(
    source: Source, path: Path | None = None, *, trust: bool = False, rules: Rules = STANDARD,
    overrides: Mapping[str, Data] | None = None,
) -> Resolved:  # fmt: skip
    """What a text says; `path` is where it lies, for `extends` and the default name. Raises `SpecError`."""
    problems = Problems()
    with within_budget(problems) as work:
        found = _resolved(source, path, trust, rules, overrides or {}, problems)
        return replace(found, work=work.spent)


def _resolved(
    source: Source, path: Path | None, trust: bool, rules: Rules, overrides: Mapping[str, Data], problems: Problems
) -> Resolved:
    own = spec_mapping(parse(source))
    parent, data, removed = with_parents(own, path, problems)
    lost = removed if len(problems) else {}  # told already
    before = data
    data = extend_blocks(apply_overrides(data, overrides, problems), problems)
    check_names(data, problems)
    document = _validated(data, problems)
    name = document.name if document.name is not None else path.stem if path else "spec"
    check_spec_name(name, data, problems)
    computed, kinds = Problems(), Problems()
    params = evaluate_params(document.params, computed, lost)
    _check_kinds(before, params, overrides, kinds)
    problems.extend(kinds)
    if not len(kinds):  # a value of the wrong kind makes other things fail
        _check_requirements(document, {**dict.fromkeys(lost, UNKNOWN), **params}, computed)
        problems.extend(_explained(problem, removed) for problem in computed)
    problems.check()
    folder = path.parent if path else None
    return Resolved(
        name, document, params, data, own, source, tuple(overrides), trust, rules, overrides, folder, parent=parent,
        removed=removed,
    )  # fmt: skip


def _validated(data: Map, problems: Problems) -> Document:
    try:
        paths = data.get("paths")
        return Document.model_validate(data, context={"paths": list(map(str, paths)) if isinstance(paths, Map) else ()})
    except ValidationError as error:
        problems.extend(schema_problems(error, data, known_fields))
        raise SpecError(problems) from None


def evaluate_params(params: Mapping[str, Expr], problems: Problems, lost: Collection[str] = ()) -> dict[str, Any]:
    """The values of params, whatever their order; what cannot be computed becomes `UNKNOWN` and a problem.

    What depends on `lost` ones is `UNKNOWN` and no problem.
    """
    try:
        needs = {name: sorted(expr.names & params.keys()) for name, expr in params.items()}
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        problems.add(f"params depend on each other in a circle: {chain(circle)}", params[circle[0]].span)
        return dict.fromkeys(params, UNKNOWN)
    values: dict[str, Any] = dict.fromkeys((*lost, *params), UNKNOWN)
    for name in order:
        try:
            values[name] = params[name](values)
        except EvaluationError as error:
            problems.extend([error.problem])
            values[name] = UNKNOWN
        except Poisoned:
            values[name] = UNKNOWN
    return {name: values[name] for name in params}


def _explained(problem: Problem, removed: Mapping[str, Span | None]) -> Problem:
    """A problem with a name that null removed, with that for a hint."""
    hint = next((hint for name in removed if problem.message == unknown(name) and (hint := gone(name, removed))), None)
    return replace(problem, hint=hint) if hint else problem


def gone(name: str, removed: Mapping[str, Span | None]) -> str | None:
    """What is told of a name that null removed."""
    span = removed.get(name)
    return f"null removes it at {span}" if span else None


def _check_requirements(document: Document, params: Mapping[str, Any], problems: Problems) -> None:
    for requirement in document.require:
        try:
            holds = requirement.that.condition(params)
        except EvaluationError as error:
            problems.extend([error.problem])
            continue
        except Poisoned:
            continue
        if not holds:
            values = ", ".join(f"{name} = {show(params[name])}" for name in sorted(requirement.that.names))
            problems.add(requirement.otherwise, requirement.that.span, hint=f"here {values}" if values else None)


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "a table" if isinstance(value, dict) else "nothing"


def _check_kinds(before: Map, after: Mapping[str, Any], overrides: Mapping[str, Data], problems: Problems) -> None:
    """An override keeps a param's kind: a number stays a number, a list a list."""
    params = before.get("params")
    named = {key.removeprefix("params."): value for key, value in overrides.items()}
    changed = [key for key in named if isinstance(params, Map) and key in params and after.get(key) is not UNKNOWN]
    if not changed:
        return
    assert isinstance(params, Map)
    try:
        base = evaluate_params({str(key): expression(value) for key, value in params.items()}, Problems())
    except SpecError:  # what the overrides mend
        return
    for key in changed:
        was, now = base.get(key, UNKNOWN), after.get(key)
        if was is not UNKNOWN and kind(was) != kind(now):
            problems.add(f"{key} is {kind(was)} ({show(was)}), and this is {kind(now)}", named[key].span)
