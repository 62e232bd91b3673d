"""What follows the stages: wires that read any part of the network, and heads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archspec.compiler.expand.builder import Builder, Signal
from archspec.compiler.expand.flat import run_wires
from archspec.compiler.expand.outputs import last_nodes
from archspec.compiler.expand.paths import Paths
from archspec.compiler.expand.wires import strands
from archspec.language.resolve import Resolved
from archspec.language.schema import Wire


def _read(part: str, wires: Iterable[Wire], outputs: Iterable[str]) -> bool:
    """Whether wires or outputs read a part of the staged network, or anything inside it."""
    sources = (name for wire in wires for name in (*wire.inputs, *([wire.bare] if wire.bare else [])))
    return any(address == part or address.startswith(f"{part}.") for address in (*sources, *outputs))


def expand_following(
    spec: Resolved, end: Signal, passed: Mapping[str, Signal], paths: Paths, builder: Builder
) -> tuple[Signal, dict[str, str]]:
    """What the network ends in, and the heads' output nodes by their names.

    It ends in the wire `output`; where there is none, in `end`, what stages and head give; in neither (None), where it
    has `heads` and no `head`.

    A wire's `from` is another wire, or the address of any part of the staged network: its last node, or what stands
    for it (`passed`).
    """
    document = spec.document
    outside = last_nodes(builder, passed)
    wires = dict(document.graph or {})
    wires |= {f"heads.{name}": wire for name, wire in document.heads.items()}
    for name, wire in wires.items():
        if "inputs" not in wire.model_fields_set and not (name == "output" and wire.bare):
            last = max(
                (name for name in outside if name[5:].isdecimal()), key=lambda name: int(name[5:]), default="stem"
            )
            hint = f"as in `{{from: {last}, ops: [...]}}`"
            builder.problems.add("a wire that follows the stages says what it reads", wire.span, hint=hint)
    given = {*(document.outputs or {}).values(), *(f"heads.{name}" for name in document.heads)}
    if document.graph and "output" not in wires and not given:
        span = next(iter(wires.values())).span
        advice = "name its last wire `output`, or name outputs"
        builder.problems.add("nothing reads what this graph ends in", span, hint=advice)
        return None, {}
    ordered = strands(wires, builder.problems, given, outside, ends=False)
    if "output" in wires and document.head.items and not _read("head", wires.values(), given):
        inherited = "head" not in spec.own
        advice = "add `head: null`: the head is inherited" if inherited else "remove the head, or read it: `from: head`"
        message = "nothing reads the head: the network ends in the wire `output` of this graph"
        builder.problems.add(message, spec.data.key_spans.get("graph"), hint=advice)
        return None, {}
    signals: dict[str, Signal] = {"input": builder.nodes.get("input")}
    signals |= {name: builder.nodes[node] for name, node in outside.items()}
    run_wires(ordered, signals, spec.params, paths, builder, given)
    found = {name: signals.get(f"heads.{name}") for name in document.heads}
    heads = {name: signal.name for name, signal in found.items() if signal is not None}
    ends = "output" in signals or document.head.items or not heads
    return (signals.get("output", end) if ends else None), heads
