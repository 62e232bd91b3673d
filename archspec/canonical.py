"""A graph as the text of a flat spec, one operator a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archspec.expressions import show

if TYPE_CHECKING:
    from archspec.graph import Graph, Node


def spec_text(graph: Graph) -> str:
    """A spec in the flat form that expands to an equal graph."""
    sample = graph.input.shape
    lines = [
        "archspec: 1",
        f"name: {graph.name}",
        f"input: {{channels: {sample[0]}, size: [{', '.join(map(str, sample[1:]))}]}}",
    ]
    init = {
        kind: {name: value for name, value in getattr(graph.init, kind) if name != "span"} for kind in ("conv", "linear")
    }
    default = {
        kind: {name: value for name, value in getattr(type(graph.init)(), kind) if name != "span"}
        for kind in ("conv", "linear")
    }
    if init != default:
        lines.append(f"init: {_flow(init)}")
    single = list(graph.outputs) == ["output"]
    if not single:
        lines.append(f"outputs: {_flow(graph.outputs)}")
    lines.append("graph:")
    lines += [f"  {_wire(node)}" for node in list(graph)[1:]]
    final = graph.outputs["output"] if single else next(reversed(graph.nodes))
    lines.append(f"  output: {final}")
    return "\n".join(lines) + "\n"


def _wire(node: Node) -> str:
    fields = node.op.written()
    op = f"{node.op.key}: {_flow(fields)}" if fields else node.op.key
    if node.inputs == ("input",):
        return f"{node.name}: [{op}]"
    sources = node.inputs[0] if len(node.inputs) == 1 else f"[{', '.join(node.inputs)}]"
    return f"{node.name}: {{from: {sources}, ops: [{op}]}}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(_flow(entry) for entry in value)}]"
    return value if isinstance(value, str) else show(value)
