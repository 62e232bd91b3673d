"""The verbs: load, expand, build, summarize, check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from archspec import resolve
from archspec.compiler.pipeline import graph_of, network_of
from archspec.compiler.verify import Claim, verify
from archspec.errors import Source
from archspec.graph import Graph
from archspec.overrides import from_arguments
from archspec.resolve import Spec
from archspec.summary import Summary, summarize_graph
from archspec.topologies import STANDARD, Rules

if TYPE_CHECKING:
    import torch

    from archspec.compiler.lower import Granularity, Network

SpecLike: TypeAlias = "Spec | str | Path"


def load(reference: str | Path, /, *, trust: bool = False, rules: Rules = STANDARD, **overrides: Any) -> Spec:
    """A spec, from a file (its name ends in .yaml) or by its name in the zoo.

    `overrides` give params other values (`load("wrn28_10", k=12)`); dotted keys reach the rest
    (`load("resnet50", **{"input.size": [64, 64]})`). With `trust`, the spec's `module:` may name any class. `rules`
    are the topologies its skips may name.

    Raises `SpecError` with everything found wrong.
    """
    return resolve.load(reference, trust=trust, rules=rules, overrides=from_arguments(overrides))


def loads(text: str, /, *, name: str = "spec", trust: bool = False, rules: Rules = STANDARD, **overrides: Any) -> Spec:
    """A spec from its text, as `load` from a file; `name` is what messages call it, and its name if it says none.

    Raises `SpecError`.
    """
    source = Source(f"{name}.yaml", text)
    given = from_arguments(overrides)
    return resolve.from_source(source, Path(source.name), trust=trust, rules=rules, overrides=given)


def expand(spec: SpecLike) -> Graph:
    """The graph of a spec: every operator with its shape (without the batch), parameters and MACs. Needs no torch.

    Raises `SpecError` with everything found wrong.
    """
    return graph_of(_spec(spec))


def build(
    spec: SpecLike | Graph, *, granularity: Granularity = "block", device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Network:  # fmt: skip
    """An executable `torch.fx.GraphModule`, initialised from torch's global generator.

    It maps (N, channels, *size) to the output, or to a dict of outputs if the spec names several. With granularity
    "block" its nodes are blocks, instances of one class per structural signature; with "op", single operators. Both
    have the same state-dict keys. `device` and `dtype` default to torch's own, so that `with torch.device("meta")`
    builds without memory.

    Raises `SpecError` for a bad spec, `ValueError` for an unknown granularity.
    """
    import torch

    if granularity not in ("block", "op"):
        raise ValueError(f"granularity is 'block' or 'op', not {granularity!r}")
    source = spec if isinstance(spec, Graph) else _spec(spec)
    return network_of(source, granularity, torch.device(device) if device is not None else None, dtype)


def summarize(spec: SpecLike | Graph) -> Summary:
    """The counts of a network, in all and by stage: parameters, MACs (FLOPs are twice that), layers, shapes.

    Raises `SpecError` for a bad spec.
    """
    return summarize_graph(spec if isinstance(spec, Graph) else expand(spec))


@dataclass(frozen=True)
class Report:
    """What `check` found: the graph, and each claim of the spec's `expect` with whether it holds."""

    spec: Spec
    graph: Graph
    claims: tuple[Claim, ...]

    @property
    def ok(self) -> bool:
        """Whether every claim holds."""
        return all(claim.holds for claim in self.claims)

    @property
    def skipped(self) -> bool:
        """Whether the spec makes claims that overrides made void."""
        return bool(self.spec.overridden) and self.spec.document.expect is not None


def check(spec: SpecLike) -> Report:
    """Proves a spec's `expect` against its graph. A claim that fails is in the report; a spec that cannot be
    expanded raises `SpecError`."""
    spec = _spec(spec)
    graph = graph_of(spec)
    return Report(spec, graph, tuple(verify(graph, spec)))


def _spec(spec: SpecLike) -> Spec:
    return spec if isinstance(spec, Spec) else load(spec)
