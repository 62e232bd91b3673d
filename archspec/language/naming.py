"""The names that a spec gives: each has one legal form, held here, where names are read, and told at its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from archspec.language.schema import Stages
from archspec.syntax.errors import Problems
from archspec.syntax.names import LABEL, LONGEST, NAME, PRINTED, SPEC, VARIABLE, Form, unusable_address
from archspec.syntax.source import Data, Key, Map

FIELDS_OF_STAGES = frozenset(Stages.model_fields) - {"span"}
COLUMN = VARIABLE.but(FIELDS_OF_STAGES)

Rule: TypeAlias = Callable[[str], str | None]


def check_names(data: Map, problems: Problems) -> None:
    """Tells of every name in a document that has not the form of its kind."""
    for section, name, rule in _names(data):
        reason = rule(str(name))
        if reason:
            problems.add(reason, section.key_spans.get(name) or section.span)
    params, stages = data.get("params"), data.get("stages")
    if isinstance(params, Map) and isinstance(stages, Map):
        for name in sorted(str(name) for name in stages.keys() & params.keys() - FIELDS_OF_STAGES):
            message = f"'{name[:60]}' is both a param and a column of stages"
            problems.add(message, stages.key_spans.get(name), hint="rename one of them")


def check_spec_name(name: str, data: Map, problems: Problems) -> None:
    """Tells of a spec's name, its own or its file's, that cannot be one."""
    reason = SPEC.unusable(name)
    if reason:
        reason = f"it is longer than {LONGEST} characters" if len(name) > LONGEST else reason
        place = data.get("name")
        hint = None if place else "a spec is called as its file, unless it says `name: ...`"
        message = f"'{name[:60]}' cannot be a spec's name: {reason}"
        problems.add(message, place.span if place else data.span, hint=hint)


def _names(data: Map) -> Iterator[tuple[Map, Key, Rule]]:
    """Every name that a document gives, with the section it stands in and what refuses it."""
    yield from _each(data.get("params"), _called("a param", VARIABLE))
    yield from _each(data.get("stages"), _called("a column", COLUMN))
    yield from _each(data.get("blocks"), LABEL.unusable)
    yield from _each(data.get("paths"), LABEL.unusable)
    yield from _each(data.get("outputs"), lambda name: _prefixed("outputs", NAME.unusable(name)))
    yield from _each(data.get("graph"), _wire(unusable_address))
    yield from _each(data.get("heads"), _head)
    blocks = data.get("blocks")
    for block in blocks.values() if isinstance(blocks, Map) else ():
        yield from _each(_below(block, "graph"), _wire(NAME.unusable))
    yield from _each(_below(data.get("expect"), "output"), lambda name: _prefixed("expect", NAME.unusable(name)))
    yield from _each(_below(data.get("paper"), "error"), lambda name: _prefixed("error", PRINTED.unusable(name)))


def _each(section: Data | None, rule: Rule) -> Iterator[tuple[Map, Key, Rule]]:
    return ((section, name, rule) for name in section) if isinstance(section, Map) else iter(())


def _below(data: Data | None, key: str) -> Data | None:
    return data.get(key) if isinstance(data, Map) else None


def _prefixed(section: str, reason: str | None) -> str | None:
    return f"{section}: {reason}" if reason else None


def _called(what: str, form: Form) -> Rule:
    def rule(name: str) -> str | None:
        reason = form.unusable(name)
        return f"{what} cannot be called '{name[:60]}': {reason}" if reason else None

    return rule


def _head(name: str) -> str | None:
    """What refuses a head: its name is an output's, and `output` is that of the network's own end."""
    if name in ("input", "output"):
        return f"heads: '{name}' is the network's own"
    return _prefixed("heads", NAME.unusable(name))


def _wire(rule: Rule) -> Rule:
    """What refuses a wire: `output` is one although no operator may be called so, `input` none."""

    def refused(name: str) -> str | None:
        if name == "input":
            return "'input' is what the graph is given"
        return None if name == "output" else rule(name)

    return refused
