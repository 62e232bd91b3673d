"""Addresses of a traced module's operators, from the module's own hierarchy.

Blocks are modules that stand in a row with others of their kind; the rows they stand in are stages. They get the
addresses that specs give theirs, `stage2.0`, and what lies inside keeps the module's names; what comes before, between
and after is the `stem`, what is done on entering a stage, and the `head`. A module without blocks keeps its names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from torch import fx

from archspec.compiler.trace.signals import Draft
from archspec.syntax.escape import identifier
from archspec.syntax.names import MODULE_ATTRIBUTES

Call: TypeAlias = tuple[str, str, str]
"""A call of a module while another runs: a key of its own, the module's path, its class."""
_CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict"})
_NUMBERED = re.compile(r".*[0-9]\Z")


@dataclass
class Scope:
    """A call of a module, with what lies inside."""

    path: str
    cls: str
    children: dict[str, Scope] = field(default_factory=dict)
    drafts: list[int] = field(default_factory=list)
    """Operators inside it, those of its children included."""
    weights: int = 0
    joins: int = 0
    holds: bool = False
    """Whether blocks lie inside."""

    @property
    def joins_itself(self) -> bool:
        """Whether it joins signals outside of the numbered modules in it."""
        inside, queue = 0, list(self.children.values())
        while queue:
            child = queue.pop()
            if child.numbered and child.composite:
                inside += child.joins
            else:
                queue += child.children.values()
        return self.joins > inside

    @property
    def numbered(self) -> bool:
        return bool(_NUMBERED.match(self.path))

    @property
    def composite(self) -> bool:
        return len(self.drafts) > 1 and bool(self.weights or self.joins) and bool(self.children)


def stack(draft: Draft) -> list[Call]:
    """The calls that an operator stands in, outermost first; for a program, those that all of it stands in."""
    stacks = [_stack(node) for node in (draft.nodes or [draft.node])]
    common = stacks[0]
    for other in stacks[1:]:
        same = 0
        while same < min(len(common), len(other)) and common[same] == other[same]:
            same += 1
        common = common[:same]
    return common


def _stack(node: fx.Node) -> list[Call]:
    found = node.meta.get("nn_module_stack", {})
    return [
        (key, path, (cls if isinstance(cls, str) else f"{cls.__module__}.{cls.__qualname__}").rpartition(".")[2])
        for key, (path, cls) in found.items()
    ]  # fmt: skip


def addresses(drafts: Mapping[int, Draft], words: Mapping[int, str]) -> tuple[dict[int, str], dict[str, str]]:
    """A name for each operator, and the classes of the blocks by their addresses. `words` are what an operator is
    called that is no module of its own."""
    stacks = {place: stack(draft) for place, draft in drafts.items()}
    root = _tree(drafts, stacks)
    _find_holders(root, drafts)
    blocks = _blocks(root)
    own = _own_names(drafts, stacks, words, root)
    if not blocks:
        return _unique(own), {}
    return _in_stages(drafts, own, words, blocks)


def _tree(drafts: Mapping[int, Draft], stacks: Mapping[int, list[Call]]) -> Scope:
    root = Scope("", "")
    for place, calls in stacks.items():
        op = drafts[place].op
        scope = root
        for call in [None, *calls[1:]]:
            if call is not None:
                scope = scope.children.setdefault(call[0], Scope(call[1], call[2]))
            scope.drafts.append(place)
            scope.weights += op is not None and op.role == "weight"
            scope.joins += op is not None and op.joins
    return root


def _walk(root: Scope) -> list[Scope]:
    """Every scope, outer ones first."""
    found, queue = [], [root]
    while queue:
        scope = queue.pop()
        found.append(scope)
        queue += reversed(scope.children.values())
    return found


def _find_holders(root: Scope, drafts: Mapping[int, Draft]) -> None:
    """Marks the modules that blocks lie in: numbered modules of several layers in a row that join, or rows of modules
    of one's own making."""
    for scope in reversed(_walk(root)):
        own = _in_a_row([child for child in scope.children.values() if child.numbered and child.composite], drafts)
        row = [child for child in own if child.cls not in _CONTAINERS]
        plain = scope.cls in _CONTAINERS and len(row) > 1 and len(row) == len(scope.children)
        joining = any(child.joins for child in own)
        scope.holds = any(child.holds for child in scope.children.values()) or joining or plain
        if scope.numbered and scope.joins_itself and not _deep(scope):
            scope.holds = False  # a block of which single layers join as well


def _in_a_row(scopes: list[Scope], drafts: Mapping[int, Draft]) -> list[Scope]:
    """Those that read what the one before gives, or are read by the one after: not branches side by side."""
    linked = [False] * len(scopes)
    for i, (one, other) in enumerate(pairwise(scopes)):
        within = set(other.drafts)
        read = {source for place in other.drafts for source in drafts[place].inputs if source not in within}
        if any(source >= one.drafts[0] for source in read):
            linked[i] = linked[i + 1] = True
    return [scope for scope, is_linked in zip(scopes, linked, strict=True) if is_linked or len(scopes) == 1]


def _deep(scope: Scope) -> bool:
    """Whether some module in a row inside joins more than one layer."""
    inside = [each for each in _walk(scope)[1:] if each.numbered and each.composite and each.joins]
    return any(each.weights > 1 for each in inside)


def _blocks(root: Scope) -> list[tuple[Scope, Scope]]:
    """The blocks, each with the module it stands in, in the order in which they are called. Where some join, only
    modules of their classes are."""
    found: list[tuple[Scope, Scope]] = []
    queue = [root]
    while queue:
        scope = queue.pop()
        if not scope.holds:
            continue
        for child in scope.children.values():
            if child.holds:
                queue.append(child)
            elif child.numbered and child.composite:
                found.append((scope, child))
    joining = {block.cls for _, block in found if block.joins}
    found = [pair for pair in found if not joining or pair[1].cls in joining]
    return sorted(found, key=lambda pair: pair[1].drafts[0])


def _own_names(
    drafts: Mapping[int, Draft], stacks: Mapping[int, list[Call]], words: Mapping[int, str], root: Scope
) -> dict[int, str]:  # fmt: skip
    """The path of the module that an operator alone is, or of the one it stands in and a word."""
    counts = Counter(call[0] for calls in stacks.values() for call in calls)
    names = {}
    for place, calls in stacks.items():
        alone = next((path for key, path, _ in reversed(calls) if path and counts[key] == 1), None)
        deepest = next((path for _, path, _ in reversed(calls) if path), "")
        names[place] = alone or (f"{deepest}.{words[place]}" if deepest else words[place])
    return names


def _in_stages(
    drafts: Mapping[int, Draft], own: Mapping[int, str], words: Mapping[int, str],
    blocks: list[tuple[Scope, Scope]],
) -> tuple[dict[int, str], dict[str, str]]:  # fmt: skip
    numbers = _stages(drafts, blocks)
    kinds, names = {}, {}
    inside: dict[int, tuple[str, str]] = {}
    for (_, block), (stage, index) in zip(blocks, numbers, strict=True):
        address = f"stage{stage}.{index}"
        kinds[address] = identifier(block.cls)
        for place in block.drafts:
            inside[place] = (address, block.path)
    above = _common([parent.path for parent, _ in blocks])
    rows = {stage: parent.path for (parent, _), (stage, _) in zip(blocks, numbers, strict=True)}
    order = sorted(drafts)
    ahead: dict[int, tuple[int, str] | None] = {}
    coming: tuple[int, str] | None = None
    for place in reversed(order):
        if place in inside:
            address = inside[place][0]
            coming = (int(address[5:].partition(".")[0]), address)
        ahead[place] = coming
    previous = ""
    for place in order:
        if place in inside:
            address, path = inside[place]
            previous = address
            names[place] = f"{address}.{_below(own[place], path)}"
            continue
        following = ahead[place]
        local = _below(own[place], above)
        if not previous or following is None:
            names[place] = _section("head" if previous else "stem", local, words[place])
        elif following[1].endswith(".0") and following[1] != previous:
            names[place] = f"stage{following[0]}.enter.{_below(own[place], rows[following[0]], above)}"
        else:  # between two blocks of a stage, or within one: it belongs to what has been
            names[place] = f"{previous}.{_below(own[place], rows[following[0]], above)}"
    return _unique(names), kinds


def _section(section: str, local: str, word: str) -> str:
    """A name in the stem or head, which a module may call so itself."""
    first, _, rest = local.partition(".")
    return f"{section}.{(rest or word) if first == section else local}"


def _stages(drafts: Mapping[int, Draft], blocks: list[tuple[Scope, Scope]]) -> list[tuple[int, int]]:
    """Stage and index of each block: a module they stand in is a stage; where all stand in one, a stage is what has
    maps of one size."""
    one = len({id(parent) for parent, _ in blocks}) == 1
    numbers: list[tuple[int, int]] = []
    before: object = None
    stage, index = 0, 0
    for parent, block in blocks:
        kind: object = drafts[block.drafts[-1]].shape[1:] if one else id(parent)
        stage, index = (stage, index + 1) if kind == before else (stage + 1, 0)
        before = kind
        numbers.append((stage, index))
    return numbers


def _common(paths: Iterable[str]) -> str:
    """The path that all paths lie below, or are."""
    split = [path.split(".") if path else [] for path in dict.fromkeys(paths)]
    if len(split) == 1:
        return ".".join(split[0])
    same = 0
    while all(len(parts) > same for parts in split) and len({parts[same] for parts in split}) == 1:
        same += 1
    return ".".join(split[0][:same])


def _below(name: str, *paths: str) -> str:
    """A name without the path that it lies below: the first that it does."""
    for path in paths:
        if path and name.startswith(f"{path}."):
            return name[len(path) + 1 :]
    return name


def _unique(names: Mapping[int, str]) -> dict[int, str]:
    """Names that are legal addresses, none of them twice and none the beginning of another."""
    clean = {place: ".".join(_word(word) for word in name.split(".")) for place, name in names.items()}
    prefixes = {
        name[:end] for name in clean.values() for end in range(len(name)) if name[end] == "."
    }  # fmt: skip
    found: dict[int, str] = {}
    taken: set[str] = {"input", "output"}
    for place, name in clean.items():
        number, unique = 1, name
        while unique in taken or unique in prefixes:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        found[place] = unique
    return found


def _word(word: str) -> str:
    if word.isdigit():
        return word
    word = identifier(word.lstrip("_") or "module")
    return f"{word}_" if word in MODULE_ATTRIBUTES else word
