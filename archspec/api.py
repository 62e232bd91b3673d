"""The verbs: what archspec does with a spec, each a function.

A network may be given as a `Spec`, as a `Graph`, by its name in the zoo, as a .yaml file, or built, if it is still what
its graph says (`ValueError` names what was edited). Keywords that are no options of the verb are `load`'s: params by
name (`summarize("wrn28_10", k=2)`), dotted keys, `trust`, `rules`. Importing this imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from archspec.compiler.analysis.claims import Report, prove
from archspec.compiler.analysis.summary import Summary
from archspec.compiler.analysis.summary import summarize as summarize_graph
from archspec.compiler.pipeline import graph_of, network_of
from archspec.graph import Graph
from archspec.language import spec as language
from archspec.language.overrides import from_arguments
from archspec.language.spec import Spec
from archspec.syntax.arguments import unbuilt, wholes
from archspec.syntax.errors import Source
from archspec.topologies import STANDARD, Rules

if TYPE_CHECKING:
    import torch

    from archspec.compiler.analysis.analyze import Analysis
    from archspec.compiler.analysis.architecture import Architectures
    from archspec.compiler.analysis.difference import Difference
    from archspec.compiler.figures.figure import Figure
    from archspec.compiler.figures.options import Detail, Theme
    from archspec.compiler.lower import Granularity, Network
    from archspec.compiler.lower.running import Mode
    from archspec.execution.network import Checkpoint
    from archspec.execution.probe import Probe

Unbuilt: TypeAlias = "Spec | Graph | str | os.PathLike[str]"
Model: TypeAlias = "Unbuilt | Network"


def load(
    reference: str | os.PathLike[str], /, *, trust: bool = False, rules: Rules = STANDARD, **overrides: Any
) -> Spec:
    """A spec, from a file (its name ends in .yaml) or by its name in the zoo.

    `overrides` give params other values (`load("wrn28_10", k=12)`); dotted keys reach the rest
    (`load("resnet50", **{"input.size": [64, 64]})`). With `trust`, the spec's `module:` may name any class. `rules`
    are the topologies its skips may name.

    Raises `SpecError` with everything found wrong.
    """
    return language.load(os.fspath(reference), trust=trust, rules=rules, overrides=from_arguments(overrides))


def loads(text: str, /, *, name: str = "spec", trust: bool = False, rules: Rules = STANDARD, **overrides: Any) -> Spec:
    """A spec from its text, as `load` from a file; `name` is what messages call it, and its name if it says none.

    Raises `SpecError`.
    """
    source = Source(f"{name}.yaml", text)
    given = from_arguments(overrides)
    return language.from_source(source, Path(source.name), trust=trust, rules=rules, overrides=given)


def expand(model: Model, **overrides: Any) -> Graph:
    """The graph of a network: every operator with its shape (without the batch), parameters and MACs.

    Raises `SpecError` with everything found wrong.
    """
    return graph_of(_given(model, overrides))


def build(
    model: Unbuilt, *, granularity: Granularity = "block", device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None, features: Sequence[int] | None = None, **overrides: Any,
) -> Network:  # fmt: skip
    """An executable `torch.fx.GraphModule`, initialised from torch's global generator.

    It maps (N, channels, *size) to the output, or to a dict of outputs if the spec names several. With granularity
    "block" its nodes are blocks, instances of one class per structural signature; with "op", single operators. Both
    have the same state-dict keys. `device` and `dtype`, by name or as torch has them, default to torch's own, as set by
    `with torch.device("meta")`. With `features=[2, 3, 4]` it gives what these stages give (`archspec.features`).

    Raises `SpecError`, `TypeError` for a network, `ValueError` for an unknown granularity, device, dtype or stage.
    """
    from archspec.execution.device import picked

    if granularity not in ("block", "op"):
        raise ValueError(f"granularity is 'block' or 'op', not {granularity!r}")
    return network_of(_given(unbuilt(model), overrides), granularity, *picked(device, dtype), features)


def compile(
    model: Model, mode: Mode = "regional", *, channels_last: bool | None = None,
    checkpoint: Checkpoint | None = None, memory: int | None = None, batch: int | None = None,
    backend: str | Callable[..., Any] = "inductor", dynamic: bool | None = None,
    options: Mapping[str, Any] | None = None, cuda_graphs: bool = False,
    device: torch.device | str | None = None, dtype: torch.dtype | str | None = None, **overrides: Any,
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
    eagerly. `device`, `dtype` and overrides are `build`'s, and belong to what is yet to be built.

    `cuda_graphs`, over any mode: evaluation without gradients is captured, once for each shape, dtype and layout of
    its input (16 at most), and replayed with one launch; weights changed in place count, and weights moved or
    replaced are captured again. In evaluation with gradients it raises `RuntimeError`, and what waits for the GPU
    raises `CaptureError`; training runs as without it (`archspec.TrainingStep` captures whole steps). Hooks on all
    modules but the network itself are refused.

    Edited layers run as they are. Raises `SpecError` for a bad spec, `ValueError` for options that do not go together,
    a memory budget that cannot be met, a network without blocks in mode "regional", one with a forward of its own, a
    plan of what to recompute in one that its graph no longer describes, and CUDA graphs for one not on a single GPU.
    """
    from archspec.compiler.lower import Network
    from archspec.execution.network import run_as

    if not isinstance(model, Network):
        model = build(model, device=device, dtype=dtype, **overrides)
    elif device is not None or dtype is not None:
        raise ValueError("device and dtype are for a spec or graph: move a network by .to()")
    else:
        _no_overrides(overrides, "a network")
    return run_as(
        model, mode, channels_last=channels_last, checkpoint=checkpoint, memory=memory, batch=batch,
        backend=backend, dynamic=dynamic, options=options, cuda_graphs=cuda_graphs,
    )  # fmt: skip


@overload
def optimize(model: Unbuilt, **overrides: Any) -> Graph: ...
@overload
def optimize(model: Network) -> Network: ...
def optimize(model: Model, **overrides: Any) -> Graph | Network:
    """The same function for inference alone, as a new graph or network: what was given stays as it is.

    Batch norms, constant scales and unrescaled stochastic depth go into the weights of the convolution or linear layer
    before or after them, wherever that is exact; dropout and identities are removed. Names, state-dict keys (but for
    new biases) and the sharing of blocks stay. A network is folded from its present weights and statistics, in
    float64, and returned in evaluation mode, uncompiled. Layers that nothing is folded into may be anything by now.

    Raises `SpecError` for a bad spec, and `ValueError` for a network with hooks, or whose fx graph, blocks or folded
    layers are not what its graph says.
    """
    if isinstance(model, Graph | Spec | str | os.PathLike):
        from archspec.compiler.rewrite.optimize import optimize as optimized

        return optimized(expand(model, **overrides)).graph
    from archspec.weights.fold import fold

    _no_overrides(overrides, "a network")
    return fold(model)


def summarize(model: Model, **overrides: Any) -> Summary:
    """The counts of a network, in all and by stage: parameters, MACs (FLOPs are twice that), layers, shapes.

    Raises `SpecError` for a bad spec.
    """
    return summarize_graph(expand(model, **overrides))


def check(model: Model, **overrides: Any) -> Report:
    """Proves a spec's `expect` against its graph; a graph claims nothing. A claim that fails is in the report.

    Raises `SpecError` for a spec that cannot be expanded.
    """
    given = _given(model, overrides)
    return Report(given) if isinstance(given, Graph) else prove(graph_of(given), given)


def analyze(model: Model, **overrides: Any) -> Analysis:
    """What the wiring says: paths and their lengths, the main path, shortcut levels, memory, in exact integers.

    Raises `SpecError` for a bad spec.
    """
    from archspec.compiler.analysis.analyze import analyze as analyzed

    return analyzed(expand(model, **overrides))


def signature(model: Model, **overrides: Any) -> str:
    """A canonical hash of the computation, the same for networks that differ only by names and by the order of an
    addition's operands: 32 hexadecimal digits, the same on every machine.

    Raises `SpecError` for a bad spec.
    """
    from archspec.compiler.analysis.signature import signature as hashed

    return hashed(expand(model, **overrides))


def table(*models: Model, **overrides: Any) -> Architectures:
    """The papers' table of architectures: a row for each stage, a column for each network.

    It prints as text; `.markdown()` and `.latex()` give the other forms. Raises `SpecError` for a bad spec.
    """
    from archspec.compiler.analysis.architecture import Architectures

    return Architectures(tuple(summarize(model, **overrides) for model in models))


def diff(one: Model, other: Model, **overrides: Any) -> Difference:
    """What changed from one network to another: in the language if both are specs, in the blocks, in the wiring, in
    figures. Overrides hold for both. Raises `SpecError` for a bad spec."""
    from archspec.compiler.analysis.difference import difference

    before, after = _given(one, overrides), _given(other, overrides)
    documents = (before.data, after.data) if isinstance(before, Spec) and isinstance(after, Spec) else None
    return difference(graph_of(before), graph_of(after), documents)


def emit(model: Model, **overrides: Any) -> str:
    """The text of a standalone module that needs torch alone, with the same state-dict keys as `build`'s network.

    Raises `SpecError` for a bad spec.
    """
    from archspec.compiler.emit import emit as emitted

    return emitted(expand(model, **overrides))


def probe(
    model: Model, *, batch: int = 8, seed: int = 0, device: torch.device | str | None = None,
    size: Sequence[int] | None = None, **overrides: Any,
) -> Probe:  # fmt: skip
    """One forward and one backward pass in training mode, measured block by block: of a freshly initialised network,
    on the CPU, or of the network given (a copy, with its weights, on its own device). Needs torch.

    `size` replaces the input size of a spec. Raises `SpecError` for a bad spec, `ValueError` for arguments that are
    none, a network without memory, and a `size` given with what has its own.
    """
    from archspec.execution.probe import probe as measured

    given = _given(model, overrides)
    if size is not None:
        if isinstance(given, Graph):
            raise ValueError("a graph has an input size: give the spec to probe it at another")
        given = given.with_changes(input={"size": wholes("size", size, "[224, 224]")})
    return measured(graph_of(given), model, batch=batch, seed=seed, device=device)


def render(
    model: Model | Sequence[Model], path: str | os.PathLike[str] | None = None, *, detail: Detail = "auto",
    collapse: bool | None = None, max_blocks: int | None = None, expand: Iterable[str] = (), theme: Theme = "light",
    shapes: bool = True, legend: bool = True, title: str | None = None, width: str | float | None = None,
    timeout: float = 120, **overrides: Any,
) -> Figure:  # fmt: skip
    """The figure of a network, or of several side by side; written to `path` (.svg .pdf .png .dot) if one is given.

    `detail`: a line of stages, every block, one panel per kind of block ("blocks"), every operator ("op").
    `collapse` folds equal blocks to xn; `max_blocks` shows that many of a stage and an ellipsis; `expand` names stages
    to show in full. `width` is in points, or a text such as "3.25in". A notebook shows the figure itself.

    Raises `SpecError` for a bad spec, `FigureError` for what cannot be drawn, `EngineError` where Graphviz fails or
    takes more than `timeout` seconds, `OSError`, `ValueError` for a width that is none.
    """
    from archspec.compiler.figures import Options, figure, write_figure
    from archspec.compiler.figures.options import points

    models: Any = model if isinstance(model, Sequence) and not isinstance(model, str) else [model]
    graphs = [graph_of(_given(each, overrides)) for each in models]
    options = Options(
        detail, collapse, max_blocks, frozenset([expand] if isinstance(expand, str) else expand), theme, shapes, legend,
        title, points(width) if width is not None else None,
    )  # fmt: skip
    return figure(graphs, options) if path is None else write_figure(graphs, Path(path), options, timeout)


def _given(model: Model, overrides: Mapping[str, Any]) -> Spec | Graph:
    if isinstance(model, str | os.PathLike):
        return load(model, **overrides)
    kinds = ((Graph, "a graph"), (Spec, "a spec that is loaded"), (object, "a network"))
    _no_overrides(overrides, next(what for kind, what in kinds if isinstance(model, kind)))
    if not isinstance(model, Spec | Graph):
        from archspec.compiler.lower.holding import described

        model = described(model)
    return model


def _no_overrides(overrides: Mapping[str, Any], what: str) -> None:
    for name in overrides:
        raise TypeError(f"{what} takes no '{name}': give a name or a file, or edit the spec by .with_params()")
