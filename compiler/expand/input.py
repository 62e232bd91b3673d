"""The network's input."""

from __future__ import annotations

from archspec.compiler.expand.builder import Builder, Signal
from archspec.graph import Node, Source
from archspec.language.spec import Spec
from archspec.ops.ranges import Range
from archspec.syntax.expressions import Poisoned

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
        hint = "as in [5000], [224, 224] or [16, 112, 112]"
        message = "input: size is a list of one number for signals, two for images, three for video"
        builder.problems.add(message, section.size.span, hint=hint)
        return None
    sample = []
    for name, expr, value in (("channels", section.channels, channels), *(("size", section.size, s) for s in size)):
        try:
            sample.append(_SIZE.check(value))
        except ValueError as error:
            builder.problems.add(f"input: {name} {error}", expr.span)
            return None
    shape = tuple(sample)
    node = Node("input", Source(sample=shape), (), shape, 0, 0, (1,) * len(size), section.span)
    builder.nodes["input"] = node
    return node
