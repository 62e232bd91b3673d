"""RoR's shortcut levels: which spans of blocks each level puts a shortcut over.

Zhang et al., arXiv 1608.02908, section 3: level 1 is the root and spans all stages, level 2 spans each stage, each
further level splits the spans of the level above, and level m is the blocks' own shortcuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.syntax.work import spend


@dataclass(frozen=True, slots=True)
class LevelSpan:
    """Blocks `first` to `last` (numbers in the network, from 0) under one shortcut of a level."""

    name: str
    level: int
    first: int
    last: int

    @property
    def blocks(self) -> int:
        return self.last - self.first + 1


def level_spans(counts: Sequence[int], m: int, split: int = 2) -> list[LevelSpan]:
    """The spans of levels 1 to m - 1 over stages of `counts` blocks, outermost first; spans of one block left out.

    Raises `ValueError` where m does not fit, naming the largest that does: every level has a span of more than one
    block.
    """
    found: list[LevelSpan] = []
    for level in range(1, m):
        spans = _level(level, counts, split, found)
        spend(20 * len(spans) + len(found), "the levels are too many")
        if not spans:
            raise ValueError(f"m = {m} does not fit: the largest number of levels here is {level}")
        found += spans
    return found


def _level(level: int, counts: Sequence[int], split: int, above: Sequence[LevelSpan]) -> list[LevelSpan]:
    if level == 1:
        spans = [LevelSpan("root", 1, 0, sum(counts) - 1)]
    elif level == 2:
        starts = [sum(counts[:i]) for i in range(len(counts))]
        spans = [
            LevelSpan(f"stage{i + 1}", 2, start, start + count - 1)
            for i, (start, count) in enumerate(zip(starts, counts, strict=True))
        ]
    else:
        spans = [part for span in above if span.level == level - 1 for part in _split(span, split)]
    return [span for span in spans if span.blocks > 1]


def _split(span: LevelSpan, parts: int) -> list[LevelSpan]:
    """Equal parts; the earlier ones take what is left over."""
    size, longer = divmod(span.blocks, parts)
    found, first = [], span.first
    for i in range(min(parts, span.blocks)):
        blocks = size + (i < longer)
        if blocks:
            found.append(LevelSpan(f"{span.name}_{i + 1}", span.level + 1, first, first + blocks - 1))
        first += blocks
    return found
