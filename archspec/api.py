"""The verbs: load, expand, build, compile, optimize, summarize, check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from archspec.compiler.analysis.claims import Claim, verify
from archspec.compiler.pipeline import graph_of, network_of
from archspec.graph import Graph
from archspec.language import resolve
from archspec.language.overrides import from_arguments
from archspec.language.resolve import Spec
from archspec.report.summary import Summary, summarize_graph
from archspec.syntax.errors import Source
from archspec.topologies import STANDARD, Rules

if TYPE_CHECKING:
    import torch

    from archspec.compiler.lower import Granularity, Network
    from archspec.execution.network import Checkpoint, Mode

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


def compile(
    model: SpecLike | Graph | Network, mode: Mode = "regional", *, channels_last: bool | None = None,
    checkpoint: Checkpoint | None = None, memory: int | None = None, batch: int | None = None,
    backend: str | Callable[..., Any] = "inductor", dynamic: bool | None = None,
    options: Mapping[str, Any] | None = None, cuda_graphs: bool = False,
    device: torch.device | str | None = None, dtype: torch.dtype | None = None,
) -> Network:  # fmt: skip
    """A network that runs compiled by torch.compile: the one given, in place, or one built from a spec or graph.

    `mode`: "regional" compiles each structural signature of blocks once, so that compile time is flat in depth;
    "whole" compiles the forward as one graph; "eager" compiles nothing and undoes what was compiled. Compiling
    happens when a mode of use first runs (training, evaluation, another dtype or layout; a second batch size makes
    the batch dynamic). Nothing falls back to eager: what cannot be compiled raises `CompileError`.

    `channels_last` (the default where something is compiled): weights and inputs in that layout, which is what makes
    regions as fast as the whole. `checkpoint`: recompute activations in backward, in segments of so many blocks, or
    "auto": whatever is cheapest, under a budget of `memory` bytes of activations at the peak of a training step of
    `batch` samples if that is given. Batch norms' statistics are updated once all the same. `backend`, `dynamic` and
    `options` are torch.compile's.

    In mode "whole", blocks that stochastic depth drops are computed and multiplied by zero; otherwise they are passed
    by. Hooks on modules inside compiled code are refused, as they would be dropped in silence; hooks on blocks (in
    mode "regional") and on the network are honoured. The result's `execution` says how it runs; copies of it run
    eagerly. `device` and `dtype` are `build`'s, and belong to specs and graphs only.

    `cuda_graphs`, over any mode: evaluation without gradients is captured, once for each shape, dtype and layout of
    its input (16 at most), and replayed with one launch; weights changed in place count, and weights moved or
    replaced are captured again. In evaluation with gradients it raises `RuntimeError`, and what waits for the GPU
    raises `CaptureError`; training runs as without it (`archspec.TrainingStep` captures whole steps). Hooks on all
    modules but the network itself are refused.

    Raises `SpecError` for a bad spec, `ValueError` for options that do not go together, a memory budget that cannot
    be met, a network without blocks in mode "regional", and CUDA graphs for a network that is not on one GPU.
    """
    from archspec.compiler.lower import Network
    from archspec.execution.network import run_as

    if isinstance(model, Network):
        if device is not None or dtype is not None:
            raise ValueError("device and dtype are for a spec or graph: move a network by .to()")
        network = model
    else:
        network = build(model, device=device, dtype=dtype)
    return run_as(
        network, mode, channels_last=channels_last, checkpoint=checkpoint, memory=memory, batch=batch,
        backend=backend, dynamic=dynamic, options=options, cuda_graphs=cuda_graphs,
    )  # fmt: skip


@overload
def optimize(model: SpecLike | Graph) -> Graph: ...
@overload
def optimize(model: Network) -> Network: ...
def optimize(model: SpecLike | Graph | Network) -> Graph | Network:
    """The same function for inference alone, as a new graph or network: what was given stays as it is.

    Batch norms, constant scales and unrescaled stochastic depth go into the weights of the convolution or linear layer
    before or after them, wherever that is exact; dropout and identities are removed. Names, state-dict keys (but for
    new biases) and the sharing of blocks stay. A network is folded from its present weights and statistics, in
    float64, and returned in evaluation mode, uncompiled.

    Raises `SpecError` for a bad spec, and `ValueError` for a network whose fx graph was edited, that has hooks, or
    whose batch norms keep no statistics.
    """
    if isinstance(model, Graph | Spec | str | Path):
        from archspec.compiler.rewrite.optimize import optimize as optimized

        return optimized(model if isinstance(model, Graph) else expand(model)).graph
    from archspec.execution.fold import fold

    return fold(model)


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
