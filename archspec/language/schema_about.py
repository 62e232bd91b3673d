"""The sections that are about a spec and change nothing of its network: claims, paper, lineage. No behaviour."""
# ruff: noqa: RUF012 - pydantic copies defaults

from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from archspec.language.fields import Figure, Text, Texts, refuse
from archspec.language.section import Section
from archspec.syntax.errors import Problem
from archspec.syntax.source import Map, Scalar, Seq, plain


def _output(data: Any) -> Any:
    """A shape, or shapes by name of the output."""
    value = plain(data) if isinstance(data, Scalar | Seq | Map) else data
    shapes = value if isinstance(value, dict) else {"output": value}
    for shape in shapes.values():
        if not isinstance(shape, list) or not all(type(size) is int and size > 0 for size in shape):
            refuse(Problem("a shape is a list of whole numbers above 0", data.span, "as in [1000] or [256, 56, 56]"))
    return {name: tuple(shape) for name, shape in shapes.items()}


ShapeClaim = Annotated[Any, PlainValidator(_output), WithJsonSchema({"type": ["array", "object"]})]


class Expect(Section):
    """What the spec claims of its network; `archspec check` proves it. Rounded figures hold to their last digit."""

    params: Figure | None = None
    """Learnable parameters."""
    macs: Figure | None = None
    """Multiply-accumulates for one sample (papers say FLOPs)."""
    layers: Figure | None = None
    """Convolutions and linear layers on the longest path."""
    weight_layers: Figure | None = None
    """All convolutions and linear layers."""
    output: ShapeClaim | None = None
    """Shape of the output, or of each output by name."""


class Paper(Section):
    """Where the network comes from, and what was reported for it."""

    title: Text | None = None
    authors: Text | None = None
    arxiv: Text | None = None
    year: Text | None = None
    table: Text | None = None
    """Table or figure that prints it."""
    error: dict[str, Figure] = {}
    """Reported test errors in per cent, by data set."""
    note: Text | None = None


class Lineage(Section):
    """How a spec was made from others, as searches record it. For the reader: it changes nothing."""

    by: Text | None = None
    """What made it: sample, enumerate, mutate, crossover, or your own word."""
    space: Text | None = None
    seed: Text | None = None
    number: Text | None = None
    parents: Texts = ()
    """Names or signatures of what it was made from."""
