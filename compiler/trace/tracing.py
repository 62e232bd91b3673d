"""From any torch module to a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.utils import _pytree as pytree

from archspec.compiler.expand.builder import Builder
from archspec.compiler.trace import programs
from archspec.compiler.trace.axes import size_of
from archspec.compiler.trace.exporting import TraceError, exported
from archspec.compiler.trace.naming import addresses
from archspec.compiler.trace.reader import Fallback, Reader
from archspec.compiler.trace.signals import Draft, Static, Value
from archspec.compiler.trace.table import HANDLERS
from archspec.compiler.trace.tidy import tidied
from archspec.compiler.trace.writing import written
from archspec.graph import Graph, Node, Source
from archspec.ops import Operator
from archspec.syntax.errors import Problem


def trace(module: nn.Module, example: Any, name: str | None = None) -> Graph:
    """The graph of a module that maps one batch of samples, (N, C, *size) or (N, features), to a tensor, or to
    several in a dict or tuple.

    `example` is a batch of such samples, of any size and contents, on the module's device: only its shape is read.
    The module is traced in the mode it is in; batch norms and dropouts are operators with both modes. What the
    vocabulary has no word for is an operator `aten`, which calls torch's own, and is told in `graph.notes`.
    `graph.weights` has the module's names of each node's tensors.

    Raises `TraceError` where no graph can be made.
    """
    program, batch = exported(module, example)
    fallback = Fallback(programs.static, programs.opaque, programs.entry)
    reader = Reader(program, batch, module.training, HANDLERS, fallback)
    reader.read()
    outputs = _outputs(reader)
    alive = sorted(tidied(reader, list(outputs.values())))
    operators: dict[int, Operator] = {}
    weights: dict[int, dict[str, str]] = {}
    for place in alive[1:]:
        draft = reader.drafts[place]
        if draft.op is None:
            operators[place], weights[place] = written(reader, draft)
        else:
            operators[place], weights[place] = draft.op, draft.weights
    names, kinds = addresses({place: reader.drafts[place] for place in alive[1:]}, _words(operators))
    nodes = _nodes(reader.drafts, operators, {0: "input", **names})
    by_name = {names[place]: own for place, own in weights.items() if own}
    notes = [*reader.notes, *_told(operators, names), *_shared(by_name)]
    given = {label: nodes[names[place]].name for label, place in outputs.items()}
    return Graph(name or type(module).__name__, nodes.values(), given, None, kinds, notes, by_name)


def _words(operators: Mapping[int, Operator]) -> dict[int, str]:
    """What operators are called that are no module of their own."""
    return {
        place: op.words[0] if op.key == "aten" else op.key for place, op in operators.items()  # type: ignore[attr-defined]
    }  # fmt: skip


def _outputs(reader: Reader) -> dict[str, int]:
    """The operators that give the outputs, by name. Raises `TraceError` for outputs that are no tensors."""
    found = list(reader.outputs())
    spec = reader.program.call_spec.out_spec
    labels = pytree.tree_unflatten(list(range(len(found))), spec)
    if isinstance(labels, int):
        named = {"output": labels}
    elif isinstance(labels, dict) and all(isinstance(place, int) for place in labels.values()):
        named = {str(label): place for label, place in labels.items()}
    elif isinstance(labels, tuple | list) and labels and all(isinstance(place, int) for place in labels):
        named = {f"output{place}": place for place in labels}
    else:
        raise TraceError("the module gives tensors in lists of lists", "give one tensor, or a dict of tensors")
    given = {}
    for label, place in named.items():
        value, node = found[place]
        if not isinstance(value, Value):
            what = "a tensor that does not depend on the input" if isinstance(value, Static) else "what is no tensor"
            raise TraceError(f"the module gives {what}" + (f" as '{label}'" if len(named) > 1 else ""))
        draft = reader.plain(value)
        sizes = tuple(size_of(axis) for axis in value.layout)
        if draft is None or sizes != (reader.batch, *value.signal.shape):
            draft = programs.rearranged(reader, node, value)
        if draft == 0:
            draft = reader.pointwise(node, value, "identity").signal.draft  # type: ignore[union-attr]
        given[label] = draft
    return given


def _nodes(drafts: list[Draft], operators: Mapping[int, Operator], names: Mapping[int, str]) -> dict[str, Node]:
    """The nodes, with shapes and costs. Raises `TraceError`."""
    builder = Builder(trust=True)
    sample = drafts[0].shape
    start = Node("input", Source(sample=sample), (), sample, 0, 0, (1,) * (len(sample) - 1) or None)
    builder.nodes["input"] = start
    for place, op in operators.items():
        inputs = [builder.nodes.get(names[source]) for source in drafts[place].inputs]
        builder.add(names[place], op, inputs)
    if builder.problems:
        raise TraceError.of(builder.problems)
    return builder.nodes


def _told(operators: Mapping[int, Operator], names: Mapping[int, str]) -> list[Problem]:
    """A note for each operator that is torch's own."""
    return [
        Problem(f"computed by torch's own {', '.join(op.words[:6])}{', ...' * (len(op.words) > 6)}: archspec has no "  # type: ignore[attr-defined]
                "operator for it", where=names[place])
        for place, op in operators.items() if op.key == "aten"
    ]  # fmt: skip


def _shared(weights: Mapping[str, Mapping[str, str]]) -> list[Problem]:
    """A note for each tensor that several operators use, and have copies of here."""
    first: dict[str, str] = {}
    found = []
    for name, own in weights.items():
        for mine, key in own.items():
            if mine in ("num_batches_tracked", "running_mean", "running_var"):
                continue
            if key in first:
                told = f"uses '{key}' as {first[key]} does: here each has a copy of its own"
                found.append(Problem(told, where=name))
            first.setdefault(key, name)
    return found
