"""The network's input."""

from __future__ import annotations

from typing import Any

from archspec.compiler.expand.builder import Builder, Signal
from archspec.graph import Node, Source
from archspec.language.spec import Spec
from archspec.ops.ranges import Range
from archspec.syntax.expressions import Expr, Poisoned

_SIZE = Range(1, 10**6, "whole numbers")


def input_node(spec: Spec, builder: Builder) -> Signal:
    """The node `input`; None, having told why, if the spec's input cannot be."""
    section = spec.document.input
    try:
        channels = builder.evaluate(section.channels, spec.params, "input")
        size = builder.evaluate(section.size, spec.params, "input")
    except Poisoned:
        return None
    if not isinstance(size, list) or not 1 <= len(size) <= 3:
        place = builder.origins.place(section.size)
        hint = "as in [5000], [224, 224] or [16, 112, 112]"
        message = "input: size is a list of one number for signals, two for images, three for video"
        builder.problems.add(message, place, hint=hint)
        return None
    sample = []
    fields: list[tuple[str, Expr, int | None, Any]] = [("channels", section.channels, None, channels)]
    fields += [("size", section.size, entry, value) for entry, value in enumerate(size)]
    for name, expr, entry, value in fields:
        try:
            sample.append(_SIZE.check(value))
        except ValueError as error:
            builder.problems.add(f"input: {name} {error}", builder.origins.place(expr, entry))
            return None
    shape = tuple(sample)
    node = Node("input", Source(sample=shape), (), shape, 0, 0, (1,) * len(size), section.span)
    builder.nodes["input"] = node
    return node
