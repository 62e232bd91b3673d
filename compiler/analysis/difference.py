"""What changed from one network to another: in the language, in the graph (aligned by structure), in figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any

from archspec.compiler.analysis.named import REPORTED, Figures
from archspec.compiler.analysis.signature import operator_text, signature
from archspec.graph import Graph, Node
from archspec.ops import show_shape
from archspec.report.fact import Fact
from archspec.syntax.source import Data, Map, Seq, plain
from archspec.syntax.values import show

_WIDTH = 110
_ABOUT = ("archspec", "name", "extends", "paper", "lineage", "expect", "require")


@dataclass(frozen=True)
class Change:
    """One thing that is different: what, how it was and how it is; None where there was or is nothing."""

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Difference(Fact):
    """Two networks compared."""

    names: tuple[str, str]
    equal: bool
    """Whether they are one network by signature."""
    language: tuple[Change, ...]
    """Sections of the resolved specs, by dotted place."""
    units: tuple[Change, ...]
    """Blocks and other parts added, removed or changed inside, in the order of the network."""
    wiring: tuple[Change, ...]
    """Parts that are alike but read something else."""
    figures: tuple[Change, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return asdict(self)

    def report(self) -> Iterable[str]:
        """The text, line by line."""
        return _lines(self)


def difference(one: Graph, other: Graph, documents: tuple[Map, Map] | None = None) -> Difference:
    """The difference between two networks; in the language too where the resolved documents are given."""
    units, wiring = compare_graphs(one, other)
    language = tuple(_data_changes("", *documents)) if documents else ()
    equal = signature(one) == signature(other)
    return Difference((one.name, other.name), equal, language, units, wiring, _figures(one, other))


def _data_changes(place: str, before: Data | None, after: Data | None) -> Iterator[Change]:
    """Changed leaves of two documents, each by its dotted place."""
    queue: list[tuple[str, Data | None, Data | None]] = [(place, before, after)]
    while queue:
        place, before, after = queue.pop()
        if isinstance(before, Map) and isinstance(after, Map):
            keys = [key for key in dict.fromkeys([*before, *after]) if place or key not in _ABOUT]
            below = [(f"{place}.{key}" if place else str(key), before.get(key), after.get(key)) for key in keys]
            queue += reversed(below)
        elif (plain(before) if before is not None else _NOTHING) != (plain(after) if after is not None else _NOTHING):
            yield Change(place, _written(before), _written(after))


_NOTHING = object()


def _written(data: Data | None) -> str | None:
    """Data in YAML's flow style."""
    if data is None:
        return None
    if isinstance(data, Seq):
        return f"[{', '.join(str(_written(entry)) for entry in data)}]"
    if isinstance(data, Map):
        return f"{{{', '.join(f'{key}: {_written(entry)}' for key, entry in data.items())}}}"
    return data.text or show(data.value)


@dataclass(frozen=True)
class _Part:
    """A unit as comparing sees it: its operators and its inner wiring, and what it reads from outside."""

    address: str
    content: tuple[str, ...]
    reads: tuple[str, ...]
    """Units it reads, in order."""


def compare_graphs(one: Graph, other: Graph) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Changed units and rewired ones. Units are aligned by what they compute, in the order of the network, so that a
    block put in between shifts none of the others; then, among those left over, by place."""
    before, after = _parts(one), _parts(other)
    matcher = SequenceMatcher(None, [part.content for part in before], [part.content for part in after], autojunk=False)
    units: list[Change] = []
    same: dict[str, str] = {"input": "input"}
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            same |= {old.address: new.address for old, new in zip(before[i1:i2], after[j1:j2], strict=True)}
        else:
            units += _paired(before[i1:i2], after[j1:j2], same)
    told = {change.what for change in units}
    addresses = {part.address: part for part in after}
    wiring = []
    for old in before:
        new = addresses.get(same.get(old.address, ""))
        if new is None or old.address in told:
            continue
        expected = tuple(same.get(address, address) for address in old.reads)
        if sorted(expected) != sorted(new.reads):
            wiring.append(Change(_renamed(old.address, new.address), ", ".join(old.reads), ", ".join(new.reads)))
    return tuple(units), tuple(wiring)


def _paired(before: Sequence[_Part], after: Sequence[_Part], same: dict[str, str]) -> Iterator[Change]:
    """Units that are not alike: those of one address are the same one changed, others are gone or new."""
    new = {part.address: part for part in after}
    for old in before:
        match = new.pop(old.address, None)
        if match is None:
            yield Change(old.address, "; ".join(old.content), None)
            continue
        same[old.address] = match.address
        lines = SequenceMatcher(None, old.content, match.content, autojunk=False)
        changed = [opcode for opcode in lines.get_opcodes() if opcode[0] != "equal"]
        yield Change(
            old.address, "; ".join(line for _, i1, i2, _, _ in changed for line in old.content[i1:i2]),
            "; ".join(line for _, _, _, j1, j2 in changed for line in match.content[j1:j2]),
        )  # fmt: skip
    for part in after:
        if part.address in new:
            yield Change(part.address, None, "; ".join(part.content))


def _parts(graph: Graph) -> list[_Part]:
    parts = []
    for address, nodes in graph.units().items():
        inside = {node.name: node.local for node in nodes}
        outside = [source for node in nodes for source in node.inputs if source not in inside]
        content = tuple(_line(node, inside) for node in nodes)
        parts.append(_Part(address, content, tuple(dict.fromkeys(graph[source].unit for source in outside))))
    return parts


def _line(node: Node, inside: dict[str, str]) -> str:
    """An operator with what it reads inside its unit; what comes from outside counts as wiring."""
    own = [inside[source] for source in node.inputs if source in inside]
    if node.op.commutes:
        own.sort()
    return f"{node.local}: {operator_text(node.op)}" + (f" <- {', '.join(own)}" if len(own) > 1 else "")


def _renamed(old: str, new: str) -> str:
    return old if old == new else f"{old} -> {new}"


def _figures(one: Graph, other: Graph) -> tuple[Change, ...]:
    before, after = Figures(one), Figures(other)
    names = [*REPORTED, "operators", "blocks", "training_memory"]
    changes = [Change(name, f"{before[name]:,}", f"{after[name]:,}") for name in names if before[name] != after[name]]
    shapes = [", ".join(map(show_shape, graph.output_shapes().values())) for graph in (one, other)]
    return (*changes, *([Change("output", *shapes)] if shapes[0] != shapes[1] else []))


def _lines(difference: Difference) -> Iterator[str]:
    """A difference as people read it; runs of blocks that changed alike are told once."""
    one, other = difference.names
    yield f"--- {one}"
    yield f"+++ {other}"
    if difference.equal:
        yield "one network: equal by signature"
    for title, changes in (
        ("language", difference.language), ("blocks", _together(difference.units)),
        ("wiring", _together(difference.wiring)), ("figures", difference.figures),
    ):  # fmt: skip
        changes = list(changes)
        if changes:
            yield f"\n{title}"
            for change in changes:
                yield from _change(change)


def _change(change: Change) -> Iterator[str]:
    short = change.before is not None and change.after is not None and len(change.before + change.after) < 80
    if short:
        yield f"  {change.what}: {change.before or 'nothing'} -> {change.after or 'nothing'}"
        return
    yield f"  {change.what}"
    for sign, text in (("-", change.before), ("+", change.after)):
        if text:
            yield f"    {sign} {text if len(text) <= _WIDTH else text[: _WIDTH - 3] + '...'}"


def _together(changes: Iterable[Change]) -> list[Change]:
    """Changes with the addresses of all units that changed in the same way."""
    groups: dict[tuple[str | None, str | None], list[str]] = {}
    for change in changes:
        groups.setdefault((change.before, change.after), []).append(change.what)
    return [Change(_addresses(addresses), *key) for key, addresses in groups.items()]


def _addresses(addresses: list[str]) -> str:
    if len(addresses) <= 4:
        return ", ".join(addresses)
    return f"{', '.join(addresses[:3])} and {len(addresses) - 3} more"
