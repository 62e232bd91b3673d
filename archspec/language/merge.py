"""How one spec changes another: mappings merge, lists replace, null removes. The same rule for files and blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archspec.syntax.errors import Problems, suggest
from archspec.syntax.source import Data, Key, Map, Scalar, Seq
from archspec.syntax.work import spend

NOT_INHERITED = ("archspec", "name", "paper", "lineage", "expect", "extends")


def is_null(data: object) -> bool:
    """Whether marked data is a null."""
    return isinstance(data, Scalar) and data.value is None


def merge(base: Map, change: Map, *, nulls: bool = False) -> Map:
    """`base` as `change` changes it; what survives keeps the mark of where it was written.

    With `nulls`, what null removes stays as null, to remove it from another base too.
    """
    spend(2 * len(base) + len(change), "what extends what is too much to merge", change.span)
    result = Map(base, change.span or base.span, base.key_spans)
    for key, value in change.items():
        if is_null(value):
            if nulls:
                result.set(key, value, change.key_spans.get(key))
            else:
                result.pop(key, None)
            continue
        below = result.get(key)
        if isinstance(value, Map):
            value = merge(below if isinstance(below, Map) else Map(), value, nulls=nulls)
        result.set(key, value, change.key_spans.get(key))
    return result


def merge_files(base: Map, change: Map) -> Map:
    """A spec as one that extends it changes it. A null in a block waits for the block's own `extends`."""
    result = merge(base, change)
    blocks, below = change.get("blocks"), base.get("blocks")
    if isinstance(blocks, Map):
        for name, block in blocks.items():
            if isinstance(block, Map):
                known = below.get(name) if isinstance(below, Map) else None
                result["blocks"][name] = merge(known if isinstance(known, Map) else Map(), block, nulls=True)  # type: ignore[index]
    return result


def inherited(parent: Map) -> Map:
    """What a file leaves to those that extend it."""
    kept = {key: value for key, value in parent.items() if key not in NOT_INHERITED}
    return Map(kept, parent.span, parent.key_spans)


def extend_blocks(data: Map, problems: Problems) -> Map:
    """The spec with `extends` of its blocks carried out, by the same merge."""
    blocks = data.get("blocks")
    if not isinstance(blocks, Map):
        return data
    done: dict[Data | str | int, Data] = {}
    sizes: dict[int, int] = {}
    for name in blocks:
        line = {name: None}  # a set in order
        last: str | int = name
        while (parent := _parent(blocks, last)) is not None and parent not in done:
            if parent in line or parent not in blocks:
                block = blocks[last]
                span = block["extends"].span if isinstance(block, Map) else None
                if parent in line:
                    problems.add(f"block '{parent[:60]}' extends itself", span, hint="extend another, or write it out")
                else:
                    hint = suggest(parent, (str(other) for other in blocks if other != last))
                    problems.add(f"there is no block '{parent[:60]}'", span, hint=hint)
                break
            line[parent] = None
            last = parent
        for each in reversed(line):
            block, parent = blocks[each], _parent(blocks, each)
            base = done.get(parent) if parent is not None else None
            if isinstance(block, Map):
                block = merge(base if isinstance(base, Map) else Map(), block)
                block.pop("extends", None)
                if isinstance(base, Map):
                    held, span = 40 * _size(block, sizes), blocks.key_spans.get(each)
                    spend(held, "the blocks that this one extends are too much to repeat", span)
            done[each] = block
    extended = Map({name: done[name] for name in blocks}, blocks.span, blocks.key_spans)
    return Map({**data, "blocks": extended}, data.span, data.key_spans)


def _size(data: Data, known: dict[int, int]) -> int:
    """How many values a block holds, those of its parents, which it shares with them, included."""
    if isinstance(data, Scalar):
        return 1
    size = known.get(id(data))
    if size is None:
        inner = data if isinstance(data, Seq) else data.values()
        size = known[id(data)] = 1 + sum(_size(entry, known) for entry in inner)
    return size


def _parent(blocks: Map, name: str | int) -> str | None:
    block = blocks[name]
    parent = block.get("extends") if isinstance(block, Map) else None
    return parent.text if isinstance(parent, Scalar) and parent.value is not None else None


def unfounded_nulls(base: Map, change: Map) -> list[tuple[Key, ...]]:
    """The places in a spec where a null removes nothing, as keys from the top.

    `base` is what the spec extends, as `inherited` leaves it. A null in a block may also remove what the block's own
    `extends` gives.
    """
    found = list(_removing_nothing(base, change))
    if not any(place[0] == "blocks" and len(place) > 2 for place in found):
        return found
    together = merge_files(base, change)
    written, extended = together["blocks"], extend_blocks(together, Problems())["blocks"]

    def extends_it(place: tuple[Key, ...]) -> bool:
        if place[0] != "blocks" or not isinstance(written, Map) or not isinstance(extended, Map):
            return False
        parent = _parent(written, place[1])
        data: Data | None = extended.get(parent) if parent is not None else None
        for key in place[2:]:
            data = data.get(key) if isinstance(data, Map) else None
        return data is not None

    return [place for place in found if not extends_it(place)]


def _removing_nothing(base: Map, change: Map) -> Iterator[tuple[Key, ...]]:
    """The places of nulls in the mappings of `change` for which `base` has nothing."""
    for key, value in change.items():
        below = base.get(key)
        if is_null(value) and below is None:
            yield (key,)
        elif isinstance(value, Map):
            for place in _removing_nothing(below if isinstance(below, Map) else Map(), value):
                yield (key, *place)


def value_at(data: Data, path: Sequence[Key]) -> Data | None:
    """What stands at a dotted place of a document; None if nothing does."""
    found: Data | None = data
    for key in path:
        found = found.get(key) if isinstance(found, Map) else None
    return found
