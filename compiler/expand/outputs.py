"""Which nodes a network gives, and that nothing in it is for nothing."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.compiler.expand.builder import Builder, Signal
from archspec.language.fields import place_of
from archspec.syntax.errors import suggest


def output_nodes(
    outputs: Mapping[str, str] | None, end: Signal, builder: Builder, passed: Mapping[str, Signal],
    headless: bool = False,
) -> dict[str, str]:  # fmt: skip
    """Output nodes by the name of the output. An address stands for the last node that it begins; `head` also for an
    empty head, but not for one that `until` cut off, and a stage without blocks for what passes it (`passed`)."""
    if outputs is None:
        assert end is not None
        return {"output": end.name}
    if not outputs:
        hint = "leave it out to give what the last operator gives"
        builder.problems.add("outputs names no output", builder.nodes["input"].span, hint=hint)
        return {}
    last = {stage: signal.name for stage, signal in passed.items() if signal is not None}
    for name in builder.nodes:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            last[".".join(parts[:length])] = name
    if end is not None and "head" not in last and not headless:
        last["head"] = end.name
    found: dict[str, str] = {}
    for label, address in outputs.items():
        if address in last:
            found[label] = last[address]
        else:
            known = [name for name in last if name.count(".") <= 1]
            message = f"outputs: there is nothing at '{address[:60]}'"
            builder.problems.add(message, place_of(address), hint=suggest(address, known))
    if len(found) == len(outputs):
        _check_dead(found, builder)
    return found


def _check_dead(outputs: Mapping[str, str], builder: Builder) -> None:
    needed, queue = set(outputs.values()), list(outputs.values())
    while queue:
        for source in builder.nodes[queue.pop()].inputs:
            if source not in needed:
                needed.add(source)
                queue.append(source)
    dead = [node for name, node in builder.nodes.items() if name not in needed and name != "input"]
    if dead:
        builder.problems.add(
            f"no output needs {dead[0].unit} ({len(dead)} operators lead nowhere)", dead[0].span,
            hint="name it in outputs, or cut the network with `until`",
        )  # fmt: skip
