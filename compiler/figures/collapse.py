"""Equal blocks in a row as one: ×n by signature, or an ellipsis; what differs among the almost equal is noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeAlias

from archspec.compiler.figures.chain import Chain, Lane, Part
from archspec.graph import Node

_MARKS = "†‡§¶"
Signature: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Group:
    """Consecutive parts drawn as one. `part` speaks for all of them."""

    first: int
    last: int
    part: Part
    mark: str = ""
    """The sign of the footnote that says what differs within."""
    omitted: bool = False
    """Drawn as an ellipsis."""
    offset: int = 0
    """The place of `part` among them."""

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class Grouping:
    """The groups of a chain, the lanes between groups (by their numbers), and footnotes."""

    groups: tuple[Group, ...]
    lanes: tuple[Lane, ...]
    notes: tuple[str, ...]

    @cached_property
    def starting(self) -> dict[int, list[int]]:
        """Numbers of the lanes that leave before each group, the longest first."""
        found: dict[int, list[int]] = {}
        for n, lane in enumerate(self.lanes):
            found.setdefault(lane.source + 1, []).append(n)
        for members in found.values():
            members.sort(key=lambda n: (-self.lanes[n].target, n))
        return found

    @cached_property
    def ending(self) -> dict[int, list[int]]:
        """Numbers of the lanes that join each group, the shortest first."""
        found: dict[int, list[int]] = {}
        for n, lane in enumerate(self.lanes):
            found.setdefault(lane.target, []).append(n)
        for members in found.values():
            members.sort(key=lambda n: (-self.lanes[n].source, n))
        return found


@dataclass(frozen=True)
class Folding:
    """How to fold blocks. `most` shows that many blocks of a stage and an ellipsis; `open` are stages shown in full."""

    collapse: bool = True
    most: int | None = None
    open: frozenset[int] = frozenset()
    by_kind: bool = False
    """Fold all consecutive blocks of one definition, whatever differs among them."""
    joins_apart: bool = False
    """Keep a block whose closing a lane joins out of the others: where blocks are open, the lane would be in all."""


def grouped(chain: Chain, folding: Folding) -> Grouping:
    """The chain with its equal blocks folded."""
    cuts = {lane.source for lane in chain.lanes} | {lane.target for lane in chain.lanes if lane.closing}
    cuts |= {lane.target - 1 for lane in chain.lanes if not lane.closing} | {number for _, number in chain.outputs}
    if folding.joins_apart:
        cuts |= {lane.target - 1 for lane in chain.lanes}
    runs = [[number] for number in range(len(chain.parts))]
    if folding.collapse and folding.most is None:
        runs = _runs(chain.parts, cuts, folding)
    notes: dict[str, list[str]] = {}
    groups = []
    for run in runs:
        parts = [chain.parts[number] for number in run]
        majority = Counter(map(signature, reversed(parts))).most_common(1)[0][0]  # of two, the later is the rule
        speaker = next(part for part in parts if signature(part) == majority)
        odd = [part for part in parts if signature(part) != majority]
        for part in odd:
            notes.setdefault(difference(part, speaker), []).append(part.address)
        marks = [_MARKS[min(list(notes).index(difference(part, speaker)), 3)] for part in odd]
        groups.append(Group(run[0], run[-1], speaker, "".join(dict.fromkeys(marks)), offset=parts.index(speaker)))
    if folding.most is not None:
        groups = _elided(groups, folding)
    texts = [f"{_MARKS[min(i, 3)]} {_listed(names)}: {what}" for i, (what, names) in enumerate(notes.items())]
    lanes, lost = _renumbered(chain.lanes, groups)
    if lost:
        texts.append(f"{lost} shortcut{'s' * (lost > 1)} of blocks left out {'are' if lost > 1 else 'is'} not drawn")
    return Grouping(tuple(groups), tuple(lanes), tuple(texts))


def _runs(parts: Sequence[Part], cuts: Collection[int], folding: Folding) -> list[list[int]]:
    runs: list[list[int]] = []
    for number, part in enumerate(parts):
        before = parts[number - 1] if number else None
        joined = (
            before is not None and part.is_block and before.is_block and part.stage == before.stage
            and part.stage not in folding.open and number - 1 not in cuts
            and (part.kind == before.kind if folding.by_kind else alike(part, before))
        )  # fmt: skip
        if joined:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


@lru_cache(maxsize=1 << 12)
def _fields(part: Part) -> Signature:
    return tuple(
        (node.local, "" if node.op.key == "drop_path" else f"{node.op.key} {sorted(node.op.written().items())}")
        for node in part.nodes
    )


def signature(part: Part) -> Signature:
    """The operators of a part by their names in it; what lanes bring in does not count, nor survival probabilities."""
    return _fields(part)


def alike(a: Part, b: Part) -> bool:
    """Whether two blocks are equal but for a normalisation, an activation or a regulariser or two."""
    if a.kind != b.kind:
        return False
    mine, others = dict(signature(a)), dict(signature(b))
    odd = set(mine.items()) ^ set(others.items())
    roles = {node.local: node.op.role for part in (a, b) for node in part.nodes}
    return len(odd) <= 2 and all(roles[name] in ("norm", "activation", "regularizer") for name, _ in odd)


def difference(part: Part, speaker: Part, *, numbers: bool = True) -> str:
    """What a block has that the one speaking for it has not, and the other way round; `numbers` of channels count."""
    mine, others = ({node.local: node for node in one.nodes} for one in (part, speaker))
    strides = [
        node.label.rpartition("/")[2] for name, node in mine.items()
        if name in others and _bare(node) == _bare(others[name]) and node.label != others[name].label
    ]  # fmt: skip
    without = [_bare(node) for name, node in others.items() if name not in mine]
    aside = [_bare(node) for name, node in mine.items() if name not in others and node.path in ("shortcut", "carry")]
    also = [_bare(node) for name, node in mine.items() if name not in others and node.path not in ("shortcut", "carry")]
    if numbers:
        also += [
            node.label for name, node in mine.items() if name in others and _bare(node) != _bare(others[name])
        ]  # fmt: skip
    words = [f"stride {stride}" for stride in dict.fromkeys(strides)]
    if aside:
        words.append(f"{_listed(list(dict.fromkeys(aside)))} on the shortcut")
    if without:
        leading = len(without) == 1 and next(iter(others)) not in mine
        words.append(("no leading " if leading else "no ") + _listed(without))
    if also:
        words.append("with " + _listed(also))
    return ", ".join(words) or "other numbers"


def _bare(node: Node) -> str:
    """The label of an operator without its stride, and without its channels where it stands alone."""
    label = node.label.partition(", /")[0]
    return label.partition(",")[0] if node.path in ("shortcut", "carry") else label


def _listed(words: Sequence[str]) -> str:
    if len(words) > 6:
        return f"{', '.join(words[:4])} and {len(words) - 4} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _elided(groups: Sequence[Group], folding: Folding) -> list[Group]:
    assert folding.most is not None
    result: list[Group] = []
    stages: dict[int, list[Group]] = {}
    for group in groups:
        if group.part.is_block and group.part.stage is not None:
            stages.setdefault(group.part.stage, []).append(group)
    hidden: dict[int, Group] = {}
    for stage, members in stages.items():
        if len(members) > folding.most + 1 and stage not in folding.open:
            out = members[max(1, folding.most - 1) : -1]
            first = replace(out[0], last=out[-1].last, omitted=True)
            hidden |= dict.fromkeys(range(out[0].first, out[-1].last + 1), first)
    for group in groups:
        shown = hidden.get(group.first, group)
        if not result or result[-1] is not shown:
            result.append(shown)
    return result


def _renumbered(lanes: Sequence[Lane], groups: Sequence[Group]) -> tuple[list[Lane], int]:
    number = {part: i for i, group in enumerate(groups) for part in range(group.first, group.last + 1)}
    number[-1] = -1
    kept, lost = [], 0
    for lane in lanes:
        source, target = groups[number[lane.source]] if lane.source >= 0 else None, groups[number[lane.target]]
        inner_source = source is not None and source.omitted and lane.source != source.last
        if inner_source or target.omitted:
            lost += 1
        else:
            kept.append(replace(lane, source=number[lane.source], target=number[lane.target]))
    return kept, lost
