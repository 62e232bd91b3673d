"""The flat form: the whole network as wires, which is also what a graph prints as; and wires that follow stages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from archspec.compiler.expand.builder import Builder, Signal
from archspec.compiler.expand.paths import Paths, scope_at
from archspec.compiler.expand.wires import Strand, absent, left, strands
from archspec.language.items import Inner, Operation
from archspec.language.resolve import Resolved
from archspec.syntax.expressions import Poisoned

STAGED = ("stem", "head", "heads", "levels", "skips", "drop_path", "until")


def expand_flat(spec: Resolved, start: Signal, paths: Paths, builder: Builder) -> Signal:
    """The output's signal. A wire of one operator, or of one block, gives it its name; the operators of a longer one
    extend it, and those on `output` have names of their own, as in a block."""
    document = spec.document
    beside = [name for name in STAGED if name in document.model_fields_set]
    own = [name for name in beside if name in spec.own or name in spec.overridden]
    for name in own:
        advice = "remove one of them, or give it `stages`, which a graph may follow"
        builder.problems.add(f"a spec has `graph` or `{name}`, not both", spec.data.key_spans.get(name), hint=advice)
    if len(beside) > len(own):
        names = [name for name in beside if name not in own]
        told, nulls = "`, `".join(names), ", ".join(f"{name}: null" for name in names)
        message = f"this graph is the whole network, and `{told}` {'are' if len(names) > 1 else 'is'} inherited"
        builder.problems.add(message, spec.data.key_spans.get("graph"), hint=f"add `{nulls}`")
    given = set((document.outputs or {}).values())
    ordered = strands(document.graph or {}, builder.problems, given, ends=not given)
    signals: dict[str, Signal] = {"input": start}
    run_wires(ordered, signals, spec.params, paths, builder, given)
    return signals.get("output")


def run_wires(
    ordered: Sequence[Strand], signals: dict[str, Signal], params: Mapping[str, Any], paths: Paths, builder: Builder,
    outputs: Collection[str],
) -> None:  # fmt: skip
    """Runs wires of the whole network, and adds what each gives to the `signals` that they read. `outputs` are
    addresses that the network gives."""
    try:
        gone = absent(ordered, lambda when: builder.evaluate(when, params, "graph", condition=True), outputs)
    except Poisoned:
        return
    for written in ordered:
        strand = left(written, gone, builder.problems, written.name) if written.name not in gone else None
        if strand is None:
            continue
        if any(name not in signals for name in strand.inputs):  # of a wire of which a problem has been told
            continue
        sources = [signals[name] for name in strand.inputs]
        signals[strand.name] = paths.run(
            strand.ops, sources, "" if strand.name == "output" else strand.name, scope_at(params, sources[0]),
            where=strand.name, labels=strand.inputs, alone=_alone(strand), passes=strand.passes,
        )  # fmt: skip


def _alone(strand: Strand) -> bool:
    """Whether a wire gives its name to its operator or block: its only one, without a name of its own."""
    if strand.name == "output" or len(strand.ops.items) != 1:
        return False
    (item,) = strand.ops.items
    if isinstance(item, Inner):
        return item.name == item.block
    return isinstance(item, Operation) and item.name == item.operator.key
