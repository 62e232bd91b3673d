"""Which paths and blocks use which, and which names each of them reads: what arguments are for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from archspec.language.items import Each, Inner, Item, Operation, Path, Use
from archspec.language.reading import expressions
from archspec.language.schema import Block, Document
from archspec.syntax.errors import Problems, chain
from archspec.syntax.expressions import Expr

Definition: TypeAlias = tuple[str, str]
"""`path` or `block`, and its name."""
_FOLLOWING = {"stride": {"downsampled", "changed"}, "out": {"changed"}}
"""What reads an argument by another name."""
_OF_SHORTCUTS = {"stride", "downsampled", "out", "changed", "channels"}
"""What a shortcut is told of itself."""


def items(path: Path) -> Iterator[Item]:
    """The items of a path and of its loops."""
    queue = [path]
    while queue:
        for item in queue.pop().items:
            yield item
            if isinstance(item, Each):
                queue.append(item.do)


def own_expressions(item: Item) -> Iterator[Expr]:
    """The expressions of an item, but for those in a loop's path."""
    if item.when:
        yield item.when
    if isinstance(item, Operation):
        yield from expressions(*item.fields.values())
    elif isinstance(item, Each):
        yield item.of
    else:
        yield from item.given.values()
        if isinstance(item, Inner) and item.repeat:
            yield item.repeat


def reached(paths: Iterable[Path], document: Document) -> tuple[dict[str, Path], dict[str, Block]]:
    """The named paths and the blocks that paths use, and those that these use in turn."""
    queue, named, blocks = list(paths), dict[str, Path](), dict[str, Block]()
    while queue:
        for item in items(queue.pop()):
            if isinstance(item, Use) and item.path in document.paths and item.path not in named:
                named[item.path] = document.paths[item.path]
                queue.append(named[item.path])
            elif isinstance(item, Inner) and item.block in document.blocks and item.block not in blocks:
                block = blocks[item.block] = document.blocks[item.block]
                queue += [*paths_of(block), block.shortcut]
    return named, blocks


def ordered(document: Document, problems: Problems) -> list[Definition] | None:
    """Paths and blocks, each after those it uses; None, having told why, if one uses itself."""
    uses: dict[Definition, list[Definition]] = {}
    for definition, paths in _definitions(document).items():
        if definition[0] == "block" and document.blocks[definition[1]].graph is None:
            paths = [*paths, document.blocks[definition[1]].shortcut]
        found = (_used(item) for path in paths for item in items(path))
        uses[definition] = [used for used in found if used is not None]
    known = {definition: [used for used in found if used in uses] for definition, found in uses.items()}
    try:
        return list(TopologicalSorter(known).static_order())
    except CycleError as error:
        circle: list[Definition] = list(reversed(error.args[1]))
        kind, first = circle[0]
        place = document.paths[first].span if kind == "path" else document.blocks[first].span
        names = chain([name for _, name in circle])
        problems.add(f"the {kind} '{first}' uses itself: {names}", place)
        return None


def _used(item: Item) -> Definition | None:
    if isinstance(item, Use):
        return "path", item.path
    return ("block", item.block) if isinstance(item, Inner) else None


def _definitions(document: Document) -> dict[Definition, list[Path]]:
    found: dict[Definition, list[Path]] = {("path", name): [path] for name, path in document.paths.items()}
    return found | {("block", name): paths_of(block) for name, block in document.blocks.items()}


def paths_of(block: Block) -> list[Path]:
    """Every path of a block but its shortcut. A bare word on a wire is one, but on `output`, where it names a wire."""
    wires = [wire.ops for name, wire in (block.graph or {}).items() if name != "output" or wire.bare is None]
    found = [block.pre, block.branch, block.after, *wires]
    return [path for path in found if path is not None]


def check_arguments(document: Document, order: Sequence[Definition], paths: Sequence[Path], problems: Problems) -> None:
    """Tells of every argument that what it is given to does not read. `order` is that of `ordered`."""
    if not any(isinstance(item, Use | Inner) and item.given for path in paths for item in items(path)):
        return
    definitions, reads = _definitions(document), dict[Definition, frozenset[str]]()
    for definition in order:
        kind, name = definition
        own = {name for path in definitions[definition] for name in _read(path, reads)}
        if kind == "block":
            block = document.blocks[name]
            whens = [wire.when for wire in (block.graph or {}).values()]
            own |= {name for expr in expressions(block.shared, block.out, block.add, *whens) for name in expr.names}
            if block.graph is None:
                own |= _read(block.shortcut, reads) - _OF_SHORTCUTS
        reads[definition] = frozenset(own)
    for path in paths:
        for item in items(path):
            used = _used(item)
            if used is None or used not in reads or not isinstance(item, Use | Inner):
                continue
            for name, expr in item.given.items():
                if not reads[used] & {name, *_FOLLOWING.get(name, ())}:
                    hint = "name it there, or leave it out"
                    problems.add(f"the {used[0]} '{used[1]}' does not read '{name}'", expr.span, hint=hint)


def _read(path: Path, reads: Mapping[Definition, frozenset[str]]) -> set[str]:
    """The names that a path reads from where it stands: not those that its own loops and arguments give."""
    found: set[str] = set()
    for item in path.items:
        for expr in own_expressions(item):
            found |= expr.names
        used = _used(item)
        if isinstance(item, Each):
            found |= _read(item.do, reads) - {item.variable, item.position or ""}
        elif used is not None and isinstance(item, Use | Inner):
            found |= reads.get(used, frozenset()) - item.given.keys()
    return found
