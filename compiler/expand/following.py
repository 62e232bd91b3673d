"""What follows the stages: wires that read any part of the network, and heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.compiler.expand.builder import Builder, Signal
from archspec.compiler.expand.flat import run_wires
from archspec.compiler.expand.outputs import last_nodes
from archspec.compiler.expand.paths import Paths
from archspec.compiler.expand.wires import strands
from archspec.language.schema import Document


def expand_following(
    document: Document, params: Mapping[str, Any], end: Signal, passed: Mapping[str, Signal], paths: Paths,
    builder: Builder,
) -> tuple[Signal, dict[str, str]]:  # fmt: skip
    """What the network ends in, and the heads' output nodes by their names.

    It ends in the wire `output`; where there is none, in `end`, what stages and head give; in neither (None), where it
    has `heads` and no `head`.

    A wire's `from` is another wire, or the address of any part of the staged network: its last node, or what passes it
    (`passed`) where it has none.
    """
    wires = dict(document.graph or {})
    wires |= {f"heads.{name}": wire for name, wire in document.heads.items()}
    for name, wire in wires.items():
        if "inputs" not in wire.model_fields_set and not (name == "output" and wire.bare):
            hint = "as in `{from: stage4, ops: [...]}`"
            builder.problems.add("a wire that follows the stages says what it reads", wire.span, hint=hint)
    outside = last_nodes(builder, passed)
    given = {*(document.outputs or {}).values(), *(f"heads.{name}" for name in document.heads)}
    if document.graph and "output" not in wires and not given:
        span = next(iter(wires.values())).span
        advice = "name its last wire `output`, or name outputs"
        builder.problems.add("nothing reads what this graph ends in", span, hint=advice)
        return None, {}
    ordered = strands(wires, builder.problems, given, outside, ends=False)
    signals: dict[str, Signal] = {"input": builder.nodes.get("input")}
    signals |= {name: builder.nodes[node] for name, node in outside.items()}
    run_wires(ordered, signals, params, paths, builder, given)
    found = {name: signals.get(f"heads.{name}") for name in document.heads}
    heads = {name: signal.name for name, signal in found.items() if signal is not None}
    ends = "output" in signals or document.head.items or not heads
    return (signals.get("output", end) if ends else None), heads
