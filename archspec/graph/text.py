"""A graph as the text of a flat spec, one operator a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from archspec.graph.node import Node
from archspec.language.schema import READ_BY, Filling, Init
from archspec.syntax.escape import quoted
from archspec.syntax.values import show

_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)\Z)[a-z_][a-z0-9_.-]*\Z", re.IGNORECASE | re.ASCII)


def spec_text(name: str, nodes: Iterable[Node], outputs: Mapping[str, str], init: Init) -> str:
    """A spec in the flat form that expands to a graph of these nodes, the input first."""
    source, *operators = nodes
    sample = source.shape
    lines = [
        "archspec: 1",
        f"name: {_word(name)}",
        f"input: {{channels: {sample[0]}, size: [{', '.join(map(str, sample[1:]))}]}}",
    ]
    if init.model_dump() != type(init)().model_dump():
        lines.append(f"init: {_flow({kind: _filling(getattr(init, kind)) for kind in ('conv', 'linear')})}")
    wires = [_wire(node) for node in operators]
    if list(outputs) == ["output"]:
        wires.append(f"output: {_word(outputs['output'])}")
    else:
        lines.append(f"outputs: {_flow(outputs)}")
    return "\n".join([*lines, "graph:", *(f"  {wire}" for wire in wires)]) + "\n"


def _filling(filling: Filling) -> dict[str, Any]:
    """How layers start: the method, and the fields that it reads."""
    return {
        name: value for name, value in filling.model_dump().items()
        if name not in READ_BY or filling.method in READ_BY[name]
    }  # fmt: skip


def _wire(node: Node) -> str:
    fields = node.op.written()
    op = f"{node.op.key}: {_flow(fields)}" if fields else node.op.key
    if node.inputs == ("input",):
        return f"{_word(node.name)}: [{op}]"
    sources = [_word(source) for source in node.inputs]
    shown = sources[0] if len(sources) == 1 else f"[{', '.join(sources)}]"
    return f"{_word(node.name)}: {{from: {shown}, ops: [{op}]}}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_word(name)}: {_flow(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_flow(entry) for entry in value)}]"
    return _word(value) if isinstance(value, str) else show(value)


def _word(text: str) -> str:
    """A text as YAML, quoted where a reader could take it for something else."""
    if _PLAIN.match(text):
        return text
    return quoted(text)
