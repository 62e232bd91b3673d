"""How one spec changes another: mappings merge, lists replace, null removes. The same rule for files and blocks."""

from __future__ import annotations

from archspec.errors import Problems
from archspec.source import Data, Map, Scalar

NOT_INHERITED = ("name", "paper", "expect", "extends")


def merge(base: Map, change: Map) -> Map:
    """`base` as `change` changes it; what survives keeps the mark of where it was written."""
    result = Map(base, change.span or base.span, base.key_spans)
    for key, value in change.items():
        if isinstance(value, Scalar) and value.value is None:
            result.pop(key, None)
            continue
        below = result.get(key)
        if isinstance(value, Map):
            value = merge(below if isinstance(below, Map) else Map(), value)
        result.set(key, value, change.key_spans.get(key))
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
    for name in blocks:
        chain = [name]
        while (parent := _parent(blocks, chain[-1])) is not None and parent not in done:
            if parent in chain or parent not in blocks:
                block = blocks[chain[-1]]
                span = block["extends"].span if isinstance(block, Map) else None
                what = f"block '{parent}' extends itself" if parent in chain else f"there is no block '{parent}'"
                problems.add(what, span)
                break
            chain.append(parent)
        for each in reversed(chain):
            block, parent = blocks[each], _parent(blocks, each)
            base = done.get(parent) if parent is not None else None
            if isinstance(block, Map):
                block = merge(base if isinstance(base, Map) else Map(), block)
                block.pop("extends", None)
            done[each] = block
    extended = Map({name: done[name] for name in blocks}, blocks.span, blocks.key_spans)
    return Map({**data, "blocks": extended}, data.span, data.key_spans)


def _parent(blocks: Map, name: str | int) -> str | None:
    block = blocks[name]
    parent = block.get("extends") if isinstance(block, Map) else None
    return parent.text if isinstance(parent, Scalar) else None
