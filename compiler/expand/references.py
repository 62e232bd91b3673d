"""What can be told without expanding: paths and blocks that are named but not there, names that nothing defines.

It looks at every definition, used or not, so that one run tells of all such slips.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter

from archspec.language.fields import place_of
from archspec.language.items import Each, Item, Operation, Path, Use
from archspec.language.reading import expressions
from archspec.language.resolve import Resolved, gone
from archspec.language.schema import Block, Document, Positions, Wire
from archspec.language.vocabulary import NO_ADDITION
from archspec.ops import BY_KEY
from archspec.syntax.errors import Problems, Span, chain, suggest
from archspec.syntax.expressions import Expr, suggest_name, unknown
from archspec.syntax.names import NAMES_IN_WEIGHTS, SCOPE_NAMES


def check_references(spec: Resolved, problems: Problems) -> bool:
    """Adds a problem for every unknown path, block and name, and for paths that use themselves.

    False if a path uses itself, so that the spec cannot be expanded even in part.
    """
    document, removed = spec.document, spec.removed
    columns = {"repeat", "stride"} | set((document.stages and document.stages.__pydantic_extra__) or {})
    paths = list(_paths(document))
    loops = {name for path, _ in paths for name in _loop_variables(path)}
    known = set(document.params) | columns | SCOPE_NAMES.keys() - NAMES_IN_WEIGHTS | loops
    for path, is_shortcut in paths:
        _check_path(path, document.paths, known, removed, is_shortcut, problems)
    for name, block in document.blocks.items() if document.stages else ():
        _check_form(name, block, document, problems)
        for expr in (block.shared, block.out):
            if expr is not None:
                _check_names(expr, known, removed, problems)
        if block.add is not None:
            _check_operation(block.add, known, removed, problems)
    for skip in document.skips:
        if skip.weights is not None:
            _check_operation(skip.weights, known, removed, problems)
    about = set(document.params) | columns | {"stage", "stages"}
    for expr in _columns(document):
        _check_names(expr, about | (expr.names & SCOPE_NAMES.keys()), removed, problems)
    for positions in document.stages.blocks if document.stages else ():
        _check_positions(positions, document, problems)
    if "none" in document.paths:
        span = document.paths["none"].span
        problems.add("a path cannot be called 'none': as a shortcut the word means no addition", span, hint="rename it")
    return _check_circles(document.paths, problems)


def _columns(document: Document) -> list[Expr]:
    stages = document.stages
    return [stages.repeat, stages.stride, *(stages.__pydantic_extra__ or {}).values()] if stages else []


def _paths(document: Document) -> Iterator[tuple[Path, bool]]:
    """Every path of a spec, and whether it may be the keyword `none`."""
    given = list(_unnamed(document))
    yield from given
    # Without stages there are no columns, which paths may name that are inherited and not used.
    named = document.paths if document.stages else used((path for path, _ in given), document.paths)
    yield from ((path, False) for path in named.values())


def _unnamed(document: Document) -> Iterator[tuple[Path, bool]]:
    """Every path that stands where it is used."""
    found: list[Path | None] = [document.stem, document.head]
    for block in document.blocks.values() if document.stages else ():  # without, columns are unknown and blocks unused
        yield block.shortcut, True
        found += [block.pre, block.branch, block.after, *_wire_paths(block.graph)]
    found += document.stages.enter if document.stages else ()
    found += [skip.path for skip in document.skips]
    found += [document.levels.path if document.levels else None, *_wire_paths(document.graph)]
    found += _wire_paths(document.heads)
    yield from ((path, False) for path in found if path is not None)


def used(paths: Iterable[Path], named: Mapping[str, Path]) -> dict[str, Path]:
    """The named paths that paths use, and those that these use in turn."""
    queue, found = list(paths), dict[str, Path]()
    while queue:
        for item in _items(queue.pop()):
            if isinstance(item, Use) and item.path in named and item.path not in found:
                found[item.path] = named[item.path]
                queue.append(named[item.path])
    return found


def _wire_paths(wires: Mapping[str, Wire] | None) -> list[Path]:
    """The paths of wires; a bare word is one, except as `output`, where it names a wire."""
    return [wire.ops for name, wire in (wires or {}).items() if name != "output" or wire.bare is None]


def _items(path: Path) -> Iterator[Item]:
    """The items of a path and of its loops."""
    queue = [path]
    while queue:
        for item in queue.pop().items:
            yield item
            if isinstance(item, Each):
                queue.append(item.do)


def _loop_variables(path: Path) -> Iterator[str]:
    for item in _items(path):
        if isinstance(item, Each):
            yield item.variable
            if item.position:
                yield item.position


def _check_path(
    path: Path, named: Mapping[str, Path], known: set[str], removed: Mapping[str, Span | None], none: bool,
    problems: Problems,
) -> None:  # fmt: skip
    for item in _items(path):
        if item.when:
            _check_names(item.when, known, removed, problems)
        if isinstance(item, Operation):
            _check_operation(item, known, removed, problems)
        elif isinstance(item, Each):
            _check_names(item.of, known, removed, problems)
        elif item.path not in named and not (none and item.path == "none" and len(path.items) == 1):
            problems.add(f"there is no path '{item.path[:60]}'", item.span, hint=_path_hint(item.path, named, none))


def _check_operation(
    operation: Operation, known: set[str], removed: Mapping[str, Span | None], problems: Problems
) -> None:
    for written in operation.fields.values():
        here = known | NAMES_IN_WEIGHTS if isinstance(written, Mapping) else known
        for expr in expressions(written):
            _check_names(expr, here, removed, problems)


def _path_hint(name: str, named: Mapping[str, Path], none: bool) -> str | None:
    if name == "none":
        return NO_ADDITION
    if name in BY_KEY:
        return f"that is an operator: write `[{name}]`, or name a path that has it, under `paths`"
    return suggest(name, [*named, "none"] if none else named)


def _check_names(expr: Expr, known: set[str], removed: Mapping[str, Span | None], problems: Problems) -> None:
    for name in sorted(expr.names - known):
        problems.add(unknown(name), _where(expr, name), hint=gone(name, removed) or suggest_name(name, known))


def _where(expr: Expr, name: str) -> Span | None:
    queue = [expr.root]
    while queue:
        term = queue.pop()
        if term.kind == "name" and term.data == name:
            return term.span
        queue.extend(term.parts)
    return expr.span


def _check_form(name: str, block: Block, document: Document, problems: Problems) -> None:
    residual = block.model_fields_set & {"pre", "branch", "shared", "shortcut", "add"}
    if block.graph is not None and residual:
        both = f"`graph` and `{min(residual)}`"
        hint = "keep one form; null removes a field inherited"
        if residual == {"add"}:
            hint = "in graph form the fields stand where the wire `output` adds: `ops: [add: {weights: {init: 1}}]`"
        problems.add(f"block '{name}' has both {both}", block.span, hint=hint)
    elif block.graph is None and block.branch is None:
        meant = get_close_matches(name, [other for other in document.blocks if other != name][:500], n=1, cutoff=0.7)
        hint = "give it `branch: [...]`, or a `graph`"
        hint = f"did you mean the block '{meant[0]}'? Else {hint}" if meant else hint
        problems.add(f"block '{name}' has no branch", block.span, hint=hint)


def _check_positions(positions: Positions, document: Document, problems: Problems) -> None:
    for field in ("start", "middle", "end", "only"):
        name = getattr(positions, field)
        if name is not None and name not in document.blocks:
            place = place_of(name) or positions.span
            problems.add(f"there is no block '{name[:60]}'", place, hint=suggest(name, document.blocks))


def _check_circles(named: Mapping[str, Path], problems: Problems) -> bool:
    graph = {
        name: [item.path for item in _items(path) if isinstance(item, Use) and item.path in named]
        for name, path in named.items()
    }  # fmt: skip
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        problems.add(f"the path '{circle[0]}' uses itself: {chain(circle)}", named[circle[0]].span)
        return False
    return True
