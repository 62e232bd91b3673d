"""The graph form: wires by name, each a path from other wires, put in order and run."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from archspec.language.fields import place_of
from archspec.language.items import Path
from archspec.language.schema import Wire
from archspec.syntax import limits
from archspec.syntax.errors import Problems, Span, chain, suggest_address
from archspec.syntax.expressions import Expr
from archspec.syntax.work import spend


@dataclass(frozen=True)
class Strand:
    """A wire whose form is settled: what it reads and the path on it."""

    name: str
    inputs: tuple[str, ...]
    ops: Path
    span: Span | None
    when: Expr | None = None
    passes: bool = False
    """Whether all that it joins but one is not there, which it then passes on."""


def strands(
    wires: Mapping[str, Wire], problems: Problems, outputs: Collection[str] = (), outside: Collection[str] = (),
    ends: bool = True,
) -> list[Strand]:  # fmt: skip
    """The wires of a block or a network in an order in which each follows what it reads.

    `outputs` are addresses that the network gives: wires they lead to need no reader. `outside` are further names that
    wires may read. A graph that `ends` has the wire `output`. Unknown and circular wires, unused ones and a missing
    `output` are problems; then the list is empty.
    """
    found = {name: _settled(name, wire) for name, wire in wires.items()}
    wrong = Problems()  # its own: `problems` may hold the same from another block of this kind
    if ends and "output" not in found:
        span = next((strand.span for strand in found.values()), None)
        wrong.add("a graph needs the wire 'output'", span, hint="name its last wire 'output', or add `output: WIRE`")
    read = {source for strand in found.values() for source in strand.inputs} | {"output"}
    read |= {prefix for address in outputs for prefix in _prefixes(address)}
    spend(300 * len(found), "the wires are too many", next((strand.span for strand in found.values()), None))
    known = [*found, "input", *(address for address in outside if address.count(".") < 2)]
    for name, strand in found.items():
        if name == "output" and strand.when is not None:
            wrong.add("the wire 'output' is always there", strand.when.span, hint="switch off what it joins")
        if name not in read and not (outputs and any(prefix in outputs for prefix in _prefixes(name))):
            wrong.add(f"nothing reads the wire '{name}'", strand.span, hint="use it or remove it")
        for source in strand.inputs:
            if source == "output" or (source != "input" and source not in found and source not in outside):
                hint = suggest_address(source, known)
                what = "nothing at" if outside else "no wire"
                wrong.add(f"there is {what} '{source[:60]}'", place_of(source) or strand.span, hint=hint)
    problems.extend(wrong)
    if len(wrong):
        return []
    return _ordered(found, problems)


def _prefixes(address: str) -> list[str]:
    """`a.b.c` as a, a.b and a.b.c; nothing for what is too long to be an address."""
    if len(address) > limits.MAX_ADDRESS:
        return []
    spend(10 + len(address), "the outputs are too many")
    parts = address.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _ordered(found: Mapping[str, Strand], problems: Problems) -> list[Strand]:
    """Wires after what they read, otherwise as written: an order that is right already stays as it is."""
    names = list(found)
    position = {name: i for i, name in enumerate(names)}
    readers: dict[str, list[str]] = {name: [] for name in names}
    waiting: dict[str, int] = {}
    for name, strand in found.items():
        sources = dict.fromkeys(source for source in strand.inputs if source in found)
        waiting[name] = len(sources)
        for source in sources:
            readers[source].append(name)
    ready = [position[name] for name in names if not waiting[name]]
    order = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(found[name])
        for reader in readers[name]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, position[reader])
    if len(order) == len(names):
        return order
    try:
        TopologicalSorter(
            {name: [source for source in strand.inputs if source in found] for name, strand in found.items()}
        ).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        problems.add(f"wires read each other in a circle: {chain(circle)}", found[circle[0]].span)
    return []


def _settled(name: str, wire: Wire) -> Strand:
    """`output: f` returns the wire f; any other wire written as a word is a named path from the input."""
    if name == "output" and wire.bare is not None:
        return Strand(name, (wire.bare,), Path((), wire.span), wire.span)
    return Strand(name, wire.inputs, wire.ops, wire.span, wire.when)


def absent(ordered: Sequence[Strand], holds: Callable[[Expr], bool], outputs: Collection[str] = ()) -> Collection[str]:
    """The wires that are not there: those whose `when` does not hold, and those that only wires read that are not.

    `outputs` are addresses that the network gives. `holds` may raise `Poisoned`.
    """
    gone = {strand.name for strand in ordered if strand.when and not holds(strand.when)}
    if not gone:
        return gone
    readers: dict[str, list[str]] = {}
    for strand in ordered:
        for source in strand.inputs:
            readers.setdefault(source, []).append(strand.name)
    given = {prefix for address in outputs for prefix in _prefixes(address)}
    for strand in reversed(ordered):
        readings = readers.get(strand.name)
        if readings and strand.name not in given and gone.issuperset(readings):
            gone.add(strand.name)
    return gone


def left(strand: Strand, gone: Collection[str], problems: Problems, where: str) -> Strand | None:
    """A wire that reads what is there of all that it reads; None, having told so, where nothing is."""
    if not gone:
        return strand
    found = tuple(name for name in strand.inputs if name not in gone)
    if not found:
        one = len(strand.inputs) == 1
        what = (
            f"reads '{strand.inputs[0]}', which `when` switches off" if one else "reads only what `when` switches off"
        )
        hint = "give it the same `when`, or join something that stays"
        problems.add(f"the wire '{strand.name}' {what}", strand.span, hint=hint, where=where)
        return None
    return replace(strand, inputs=found, passes=len(found) == 1 < len(strand.inputs))
