"""The flat form: the whole network as wires, which is also what a graph prints as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.compiler.builder import Builder, Signal
from archspec.compiler.paths import Paths, scope_at
from archspec.compiler.wires import Strand, strands
from archspec.items import Operation
from archspec.names import unusable_address
from archspec.schema import Document

STAGED = ("stem", "stages", "head", "levels", "skips", "drop_path", "until")


def expand_flat(
    document: Document, params: Mapping[str, Any], start: Signal, paths: Paths, builder: Builder
) -> Signal:
    """The output's signal. A wire of one operator gives it its name; the operators of a longer one extend it."""
    for name in STAGED:
        if name in document.model_fields_set:
            builder.problems.add(f"a spec has `graph` or `{name}`, not both", document.span, hint="remove one of them")
    ordered = strands(document.graph or {}, builder.problems, unusable_address)
    _check_prefixes(ordered, builder)
    signals: dict[str, Signal] = {"input": start}
    for strand in ordered:
        sources = [signals[name] for name in strand.inputs]
        alone = len(strand.ops.items) == 1 and isinstance(strand.ops.items[0], Operation)
        signals[strand.name] = paths.run(
            strand.ops, sources, strand.name, scope_at(params, sources[0]), where=strand.name, labels=strand.inputs,
            alone=alone,
        )  # fmt: skip
    return signals.get("output")


def _check_prefixes(ordered: list[Strand], builder: Builder) -> None:
    """A name cannot be a module and a part of another's path at once."""
    names = {strand.name for strand in ordered}
    for strand in ordered:
        parts = strand.name.split(".")
        for end in range(1, len(parts)):
            prefix = ".".join(parts[:end])
            if prefix in names:
                builder.problems.add(
                    f"'{prefix}' is a wire, and also the beginning of '{strand.name}'", strand.span,
                    hint="rename one of them",
                )  # fmt: skip
