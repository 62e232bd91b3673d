"""Every number of every operator has its legal range in its declaration: below, above and beside it is told."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from networks import problems_of

from archspec.language.jsonschema import json_schema
from archspec.language.schema import Filling, LinearFilling, StochasticDepth
from archspec.ops import BY_KEY, OPERATORS, Operator
from archspec.ops.ranges import Range

LEAST = {  # what each operator needs besides
    "conv": {"out": 4, "kernel": 3}, "linear": {"out": 4}, "max_pool": {"kernel": 2}, "avg_pool": {"kernel": 2},
    "scale": {"by": 1}, "pad_channels": {"out": 8}, "subsample": {"stride": 2}, "drop_path": {"survival": 0.5},
    "module": {"type": "ReLU"}, "group_norm": {"groups": 1}, "conv_transpose": {"out": 4, "kernel": 2, "stride": 2},
    "channel_shuffle": {"groups": 1},
}  # fmt: skip


def numeric(annotation: Any) -> bool:
    """Whether a field's type, as pydantic keeps it, may be a number."""
    return any(kind in (int, float) for kind in (annotation, *get_args(annotation)))


def ranges() -> Iterator[tuple[type[Operator], str, Range]]:
    for operator in OPERATORS:
        for name, field in operator.model_fields.items():
            for entry in field.metadata:
                if isinstance(entry, Range):
                    yield operator, name, entry


RANGES = list(ranges())
IDS = [f"{operator.key}-{name}" for operator, name, _ in RANGES]


def test_every_number_has_a_range() -> None:
    found = {(operator.key, name) for operator, name, _ in RANGES}
    numbers = {
        (operator.key, name)
        for operator in OPERATORS for name, field in operator.model_fields.items() if numeric(field.annotation)
    }  # fmt: skip
    assert numbers == found
    assert len(found) >= 25
    for section, name in ((Filling, "std"), (LinearFilling, "std")):
        assert any(isinstance(entry, Range) for entry in section.model_fields[name].metadata)
    assert not numeric(StochasticDepth.model_fields["rescale"].annotation)


def make(operator: type[Operator], name: str, value: Any) -> Operator:
    return operator(**{**LEAST.get(operator.key, {}), name: value})


@pytest.mark.parametrize(("operator", "name", "legal"), RANGES, ids=IDS)
def test_the_ends_are_legal_and_what_lies_beyond_is_told(operator: type[Operator], name: str, legal: Range) -> None:
    field = operator.model_fields[name]
    if not field.is_required() and field.default is not None:
        assert legal.low <= field.default <= legal.high
    for end in (legal.low, legal.high):
        assert getattr(make(operator, name, end), name) == end
    step = 1 if legal.of != "numbers" else 1e-13
    beyond = [legal.low - step * max(1, abs(legal.low)), legal.high + step * max(1, abs(legal.high)) * 1e3]
    for value in [
        *beyond,
        math.inf,
        -math.inf,
        math.nan,
        True,
        "nan",
        "1",
        [],
        {},
        [[1, 1]],
        *[None] * (not legal.optional),
    ]:
        with pytest.raises((ValueError, TypeError)) as caught:
            make(operator, name, value)
        assert name in str(caught.value)
    for value in beyond:
        with pytest.raises(ValueError, match="must be") as caught:
            make(operator, name, value)
        assert str(legal) in str(caught.value)
    if legal.of == "sizes":
        assert getattr(make(operator, name, [legal.low, legal.high]), name) == (legal.low, legal.high)
        assert getattr(make(operator, name, [legal.high]), name) == legal.high  # of a signal
        for sizes in ([legal.low - 1, 1], [], [1] * 4, [1, 1.5], [1, True]):
            with pytest.raises(ValueError, match=r"must be|takes"):
                make(operator, name, sizes)
    elif legal.of == "whole numbers":
        with pytest.raises(ValueError, match="must be a whole number"):
            make(operator, name, legal.low + 0.5)


@pytest.mark.parametrize(("operator", "name", "legal"), RANGES, ids=IDS)
def test_a_spec_is_told_the_field_and_the_range_at_its_place(operator: type[Operator], name: str, legal: Range) -> None:
    value = legal.low - 1 if legal.low > -1 else -2 if legal.low > -2 else "1e16 * 1e16"
    fields = ", ".join(f"{key}: {told}" for key, told in {**LEAST.get(operator.key, {}), name: value}.items())
    text = f"archspec: 1\ninput: {{size: [8, 8]}}\nstem: [{operator.key}: {{{fields}}}]\n"
    (problem,) = problems_of(text)
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (3, text.split("\n")[2].index(f"{name}: ") + len(name) + 3)
    if isinstance(value, str):  # no expression reaches beyond the largest number
        assert "larger than" in problem.message
    else:
        assert problem.message == f"{operator.key}: {name} must be {legal}, not {value}"


def test_the_schema_for_editors_has_the_ranges() -> None:
    keyed = json_schema()["$defs"]["Item"]["anyOf"][1]["properties"]
    for operator, name, legal in RANGES:
        entry = keyed[operator.key]
        fields = (entry if "properties" in entry else entry["anyOf"][0])["properties"]
        assert (fields[name]["minimum"], fields[name]["maximum"]) == (legal.low, legal.high)


@pytest.mark.parametrize(("operator", "name", "legal"), RANGES, ids=IDS)
def test_torch_gives_numbers_at_both_ends(operator: type[Operator], name: str, legal: Range) -> None:
    """Of the fields that are no sizes: forward and backward are finite, of a constant map too."""
    if legal.of != "numbers":
        pytest.skip("sizes and counts decide on shapes alone")
    import torch

    from archspec import build, loads

    for end in (legal.low, legal.high):
        fields = {**LEAST.get(operator.key, {}), name: end}
        fields |= {"bias": True} if name == "bias_init" else {}
        told = ", ".join(f"{key}: {str(value).lower()}" for key, value in fields.items())
        wires = f"{{a: [{operator.key}: {{{told}}}], output: {{from: [a, input], ops: [add]}}}}"
        body = f"graph: {wires}" if operator.key == "drop_path" else f"stem: [{operator.key}: {{{told}}}]"
        network = build(loads(f"archspec: 1\ninput: {{size: [4, 4]}}\n{body}\n"))
        for x in (torch.ones(2, 3, 4, 4), torch.randn(2, 3, 4, 4)):
            x.requires_grad_()
            y = network(x)
            assert torch.isfinite(y).all()
            if y.requires_grad:  # not of a branch that is dropped for certain
                y.sum().backward()
                assert torch.isfinite(x.grad).all()


def test_a_survival_that_is_divided_by_is_none_too_small() -> None:
    head = "archspec: 1\ninput: {size: [8, 8]}\n"
    stages = "stages: {repeat: 2, blocks: b}\nblocks: {b: {branch: [conv: {out: 3, kernel: 3}]}}\n"
    cases = ((0, "true", True), (1e-7, "true", True), (1e-6, "true", False), (0, "false", False))
    for survival, rescale, told in cases:
        text = f"{head}{stages}drop_path: {{survival: {survival}, rescale: {rescale}}}\n"
        problems = problems_of(text) if told else []
        assert [problem.message.partition(", not")[0] for problem in problems] == [
            "drop_path: survival must be between 1e-06 and 1"
        ] * told
        if not told:
            assert BY_KEY["drop_path"](survival=survival, rescale=rescale == "true")
    with pytest.raises(ValueError, match="survival must be between 1e-06 and 1"):
        BY_KEY["drop_path"](survival=0, rescale=True)
