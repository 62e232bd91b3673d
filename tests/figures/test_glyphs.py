"""Weighted sums and learned factors are told apart in a figure, and in its legend."""

from __future__ import annotations

from pathlib import Path

import pytest
from networks import graph_of

import archspec

SPEC = """
archspec: 1
input: {{channels: 3, size: [8, 8]}}
stem: [conv: {{out: 4, kernel: 3}}]
stages: {{repeat: 2, width: 4, blocks: block}}
blocks: {{block: {{branch: [conv: {{out: width, kernel: 3}}, relu, conv: {{out: width, kernel: 3}}], add: {add}}}}}
levels: {{m: 2, weight: {{per: {per}}}}}
"""


@pytest.mark.parametrize("detail", ["block", "op"])
@pytest.mark.parametrize(("add", "per", "glyph", "told", "factor"), [
    ("{}", "tensor", "+", "sum", "learned factor"),
    ("{weights: {}}", "channel", "w", "weighted sum", "learned factor per channel"),
    ("{weights: {normalize: softmax}}", "tensor", "σ", "sum weighted by softmax(w)", "learned factor"),
    ("{weights: {normalize: sum}}", "tensor", "ŵ", "sum weighted by w / Σw", "learned factor"),
])  # fmt: skip
def test_the_legend_says_what_stands_in_circles_and_on_shortcuts(
    detail: str, add: str, per: str, glyph: str, told: str, factor: str, tmp_path: Path
) -> None:
    graph = graph_of(SPEC.format(add=add, per=per))
    archspec.render(graph, tmp_path / "figure.dot", detail=detail)
    text = (tmp_path / "figure.dot").read_text(encoding="utf-8")
    labels = {part.partition('"')[0].removesuffix("\\l") for part in text.split('label="')[1:]}
    assert {glyph, told, factor} <= labels
    assert not {"+", "w", "σ", "ŵ"} - {glyph} & labels
