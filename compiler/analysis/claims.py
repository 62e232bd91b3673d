"""What a spec claims of its network (`expect`), held against its graph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from archspec.graph import Graph
from archspec.language.fields import FIGURE
from archspec.language.resolve import Resolved
from archspec.language.schema_about import Expect
from archspec.ops import Shape, show_shape
from archspec.report.fact import Fact
from archspec.syntax.errors import Problem, Span
from archspec.syntax.source import Map

_UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_WORDS = {
    "params": "parameters", "macs": "MACs", "layers": "layers on the longest path", "weight_layers": "weight layers",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure a spec claims, what its graph has, and whether they agree."""

    name: str
    expected: str
    actual: str
    holds: bool
    span: Span | None = None

    def problem(self) -> Problem | None:
        """The claim as a problem, if it does not hold."""
        if self.holds:
            return None
        word = _WORDS.get(self.name)
        claimed = f"{self.expected} {word}" if word else f"{self.name} {self.expected}"
        return Problem(
            f"the spec expects {claimed}, and the graph has {self.actual}",
            self.span,
            "correct the figure, or the network",
        )


def agrees(actual: int, figure: str) -> bool:
    """Whether a count rounds to a figure at the precision it is written with: 1,703,258 agrees with 1.70M and 1.7M.

    A figure without a unit is exact.
    """
    match = FIGURE.match(figure)
    assert match is not None, figure
    unit = _UNITS[match["unit"]]
    digits = len(match["number"].partition(".")[2])
    tolerance = Decimal(unit) / 10**digits / 2 if match["unit"] or digits else Decimal(0)
    return abs(Decimal(actual) - Decimal(match["number"]) * unit) <= tolerance


def verify(graph: Graph, spec: Resolved) -> list[Claim]:
    """Every claim of a spec's `expect`, proven or not; none under overrides, which change the network."""
    expect = spec.document.expect
    if expect is None or spec.overridden:
        return []
    spans = _spans(spec.data.get("expect"))
    counts = {
        "params": graph.params, "macs": graph.macs, "layers": graph.layers, "weight_layers": graph.weight_layers,
    }  # fmt: skip
    claims = []
    for name, actual in counts.items():
        figure: str | None = getattr(expect, name)
        if figure is not None:
            shown = f"{int(figure):,}" if re.fullmatch("[0-9]+", figure) else figure
            claims.append(Claim(name, shown, f"{actual:,}", agrees(actual, figure), spans.get(name)))
    if expect.output is not None:
        claims += _shapes(graph, expect, spans.get("output"))
    return claims


def _shapes(graph: Graph, expect: Expect, span: Span | None) -> list[Claim]:
    actual, expected = graph.output_shapes(), expect.output or {}
    return [
        Claim(
            "output" if name == "output" else f"output {name}", _shown(expected.get(name)), _shown(actual.get(name)),
            expected.get(name) == actual.get(name), span,
        )
        for name in dict.fromkeys([*actual, *expected])
    ]  # fmt: skip


def _shown(shape: Shape | None) -> str:
    return "nothing" if shape is None else show_shape(shape)


def _spans(data: object) -> Mapping[object, Span | None]:
    return {name: value.span for name, value in data.items()} if isinstance(data, Map) else {}


@dataclass(frozen=True)
class Report(Fact):
    """What `check` found: the graph, and each claim of the spec's `expect` with whether it holds."""

    graph: Graph
    claims: tuple[Claim, ...] = ()
    skipped: bool = False
    """Whether the spec makes claims that overrides made void."""

    @property
    def ok(self) -> bool:
        """Whether every claim holds."""
        return all(claim.holds for claim in self.claims)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The claims that do not hold."""
        return tuple(problem for claim in self.claims if (problem := claim.problem()) is not None)

    def report(self) -> Iterable[str]:
        """What `archspec check` prints of a spec."""
        if not self.ok:
            return [problem.render() for problem in self.problems]
        held = ", ".join(f"{claim.name} {claim.expected}" for claim in self.claims)
        return [f"ok  {self.graph.name:<28} {held or 'nothing claimed'}"]


def prove(graph: Graph, spec: Resolved) -> Report:
    """The claims of a spec held against its graph."""
    claimed = spec.document.expect is not None
    return Report(graph, tuple(verify(graph, spec)), skipped=bool(spec.overridden) and claimed)
