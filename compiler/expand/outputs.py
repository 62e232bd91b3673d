"""Which nodes a network gives, and that nothing in it is for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archspec.compiler.expand.builder import Builder, Signal
from archspec.language.fields import place_of
from archspec.syntax.errors import suggest_address


def last_nodes(builder: Builder, passed: Mapping[str, Signal]) -> dict[str, str]:
    """The last node under every address; for an empty head and a stage without blocks, the node that passes them, and
    for an output that skips join, where they do."""
    last: dict[str, str] = {}
    for name in builder.nodes:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            last[".".join(parts[:length])] = name
    return last | {address: signal.name for address, signal in passed.items() if signal is not None}


def output_nodes(
    outputs: Mapping[str, str] | None, end: Signal, builder: Builder, passed: Mapping[str, Signal],
    heads: Mapping[str, str], checked: bool,
) -> dict[str, str]:  # fmt: skip
    """Output nodes by the name of the output: those of `outputs`, or what the network ends in; and those of the heads.

    `end` is what the network ends in; None where only its heads do. An address stands for the last node that it begins.
    `passed` are the signals that stand for addresses whatever lies under them. What no output needs is a problem; where
    there is no `outputs`, that is looked for if it is to be `checked`: where something follows the stages.
    """
    if outputs is None:
        every = {**({} if end is None else {"output": end.name}), **heads}
        if checked:
            _check_dead(every, builder)
        return every
    if not outputs and not heads:
        hint = "leave it out to give what the last operator gives"
        builder.problems.add("outputs names no output", builder.nodes["input"].span, hint=hint)
        return {}
    last = last_nodes(builder, passed)
    found: dict[str, str] = {}
    for label, address in outputs.items():
        if address in last:
            found[label] = last[address]
        else:
            known = [name for name in last if name.count(".") <= 1]
            message = f"outputs: there is nothing at '{address[:60]}'"
            builder.problems.add(message, place_of(address), hint=_hint(label, address, known, end))
        if label in heads:
            builder.problems.add(f"outputs: '{label}' is also a head", place_of(address), hint="rename one of them")
    if len(found) == len(outputs) and not found.keys() & heads.keys():
        _check_dead({**found, **heads}, builder)
    return {**found, **heads}


def _hint(label: str, address: str, known: Sequence[str], end: Signal) -> str | None:
    """What may have been meant by an address at which there is nothing."""
    if address == "output" and end is not None:
        hint = "that is what the network gives where it has no `outputs`, and no address: write what gives it, "
        return hint + f"`{label}: {end.name}`"
    return suggest_address(address, known)


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
