"""Options that nothing takes up: given, legal, and without effect on the network. Each is told where it is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archspec.compiler.expand.arguments import reached
from archspec.compiler.expand.blocks import is_none
from archspec.language.merge import value_at
from archspec.language.reading import names_read
from archspec.language.resolve import Resolved
from archspec.language.schema import READ_BY, Block, Filling
from archspec.language.schema_shortcuts import Skip
from archspec.syntax.errors import Problem, Problems, Span
from archspec.syntax.source import Key, Map, Seq
from archspec.syntax.values import show


def check_options(spec: Resolved, problems: Problems) -> None:
    """Adds a problem for every option of `init`, a block or a skip that has no effect."""
    document = spec.document
    for kind, filling in (("conv", document.init.conv), ("linear", document.init.linear)):
        problems.extend(_filling(spec, kind, filling))
    for name, block in document.blocks.items():
        problems.extend(_block(spec, name, block))
    for number, skip in enumerate(document.skips):
        problems.extend(_skip(spec, number, skip))


def _filling(spec: Resolved, kind: str, filling: Filling) -> Iterator[Problem]:
    for field, methods in READ_BY.items():
        if field in filling.model_fields_set and filling.method not in methods:
            given = "method" in filling.model_fields_set
            message = f"init: {field} has no effect: {kind} is filled by `{filling.method}`"
            message += "" if given else " where no method is named"
            hint = f"`{field}` is read by `method: {'` and `method: '.join(methods)}`"
            yield _idle(spec, ["init", kind], field, message, hint)


def _block(spec: Resolved, name: str, block: Block) -> Iterator[Problem]:
    place = ["blocks", name]
    residual = block.graph is None
    if residual and block.shared is not None and block.shared.root.data is not False:
        why, hint = None, "remove it"
        if is_none(block.shortcut):
            why = "`shortcut: none` reads nothing"
        elif block.pre is None or not block.pre.items:
            why = "without `pre` the shortcut reads the block's input, as the branch does"
            hint = "give the block `pre`, or remove `shared`"
        if why:
            message = f"block '{name}': shared has no effect: {why}"
            yield _idle(spec, place, "shared", message, hint)
    if block.add is not None and is_none(block.shortcut) and not spec.document.levels and not spec.document.skips:
        message = f"block '{name}': add has no effect: with `shortcut: none`, and nothing that joins, it adds nothing"
        yield _idle(spec, place, "add", message, "give it a shortcut, or levels or skips that join")
    if block.out is not None:
        if residual:
            message = f"block '{name}': out has no effect: in the residual form the branch decides on the channels"
            hint = "give the channels to the last convolution of the branch, and remove `out`"
            yield _idle(spec, place, "out", message, hint)
        elif not _asked(spec, block) & {"out", "changed"}:
            message = f"block '{name}': out has no effect: no path on its wires asks for `out` or `changed`"
            hint = "remove it, or use it, as the paths A, B and C do"
            yield _idle(spec, place, "out", message, hint)


def _asked(spec: Resolved, block: Block) -> set[str]:
    """The names that the wires of a block read, in the paths they use too."""
    paths = [wire.ops for wire in (block.graph or {}).values()]
    return names_read(paths, *reached(paths, spec.document))


def _skip(spec: Resolved, number: int, skip: Skip) -> Iterator[Problem]:
    if skip.rule is None and "within" in skip.model_fields_set:
        message = "within has no effect on a skip from one block to another: it is about what a rule sees"
        yield _idle(spec, ["skips", number], "within", message, "leave it out, or give a `rule`")


def idle_levels(spec: Resolved) -> list[Problem]:
    """A note for every field of `levels` that so few levels do not read: m may come from elsewhere, as in a search."""
    levels = spec.document.levels
    if levels is None:
        return []
    m = levels.m(spec.params)  # it has had a value before
    notes = []
    for field, least in (("path", 2), ("weight", 2), ("split", 4)):
        if field in levels.model_fields_set and m < least:
            why = "splits no stage" if field == "split" else "adds no shortcut"
            message = f"levels: {field} has no effect: m: {show(m)} {why}"
            notes.append(
                _idle(spec, ["levels"], field, message, f"`{field}` is read from m = {least} on; leave it out")
            )
    return notes


def _idle(spec: Resolved, path: Sequence[Key], field: str, message: str, hint: str) -> Problem:
    """A problem with a field of a section, and how a spec gets rid of it that has it from another."""
    place = _place(spec, path, field)
    if place is not None and place.source is not spec.source and not isinstance(path[-1], int):
        hint += f"; `{field}: null` removes what is inherited"
    return Problem(message, place, hint)


def _place(spec: Resolved, path: Sequence[Key], field: str) -> Span | None:
    """Where a field is given."""
    section = spec.data.get(path[0])
    if isinstance(section, Seq) and isinstance(path[1], int):
        section = section[path[1]]
    else:
        section = value_at(spec.data, path)
    return section.key_spans.get(field) or section.span if isinstance(section, Map) else None
