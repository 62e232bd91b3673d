"""What can be told without expanding: paths and blocks that are named but not there, names that nothing defines.

It looks at every definition, used or not, so that one run tells of all such slips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from archspec.compiler.expand.arguments import check_arguments, items, ordered, own_expressions, reached
from archspec.language.fields import place_of
from archspec.language.items import Each, Inner, Operation, Path, Use
from archspec.language.reading import expressions
from archspec.language.resolve import Resolved, gone
from archspec.language.schema import Block, Document, Positions, Wire
from archspec.language.vocabulary import NO_ADDITION
from archspec.ops import BY_KEY
from archspec.syntax.errors import Problems, Span, suggest
from archspec.syntax.expressions import Expr, suggest_name, unknown
from archspec.syntax.names import NAMES_IN_WEIGHTS, SCOPE_NAMES


def check_references(spec: Resolved, problems: Problems) -> bool:
    """Adds a problem for every unknown path, block and name, for arguments that nothing reads, and for paths and blocks
    that use themselves.

    False if one uses itself, so that the spec cannot be expanded even in part.
    """
    document, removed = spec.document, spec.removed
    columns = {"repeat", "stride"} | set((document.stages and document.stages.__pydantic_extra__) or {})
    paths = list(_paths(document))
    bound = {name for path, _ in paths for name in _bound_names(path)}
    known = set(document.params) | columns | SCOPE_NAMES.keys() - NAMES_IN_WEIGHTS | bound
    for path, is_shortcut in paths:
        _check_path(path, document, known, removed, is_shortcut, problems)
    wires = [*(document.graph or {}).values(), *document.heads.values()]
    for name, block in _blocks(document).items():
        _check_form(name, block, document, problems)
        wires += (block.graph or {}).values()
        for expr in (block.shared, block.out):
            if expr is not None:
                _check_names(expr, known, removed, problems)
        if block.add is not None:
            _check_operation(block.add, known, removed, problems)
    for skip in document.skips:
        if skip.weights is not None:
            _check_operation(skip.weights, known, removed, problems)
    for wire in wires:
        if wire.when is not None:
            _check_names(wire.when, known, removed, problems)
    about = set(document.params) | columns | SCOPE_NAMES.keys()
    for expr in _columns(document):
        _check_names(expr, about, removed, problems)
    for positions in document.stages.blocks if document.stages else ():
        _check_positions(positions, document, problems)
    if "none" in document.paths:
        span = document.paths["none"].span
        problems.add("a path cannot be called 'none': as a shortcut the word means no addition", span, hint="rename it")
    order = ordered(document, problems)
    if order is None:
        return False
    check_arguments(document, order, [path for path, _ in paths], problems)
    return True


def _columns(document: Document) -> list[Expr]:
    stages = document.stages
    return [stages.repeat, stages.stride, *(stages.__pydantic_extra__ or {}).values()] if stages else []


def _paths(document: Document) -> Iterator[tuple[Path, bool]]:
    """Every path of a spec, and whether it may be the keyword `none`."""
    given = list(_unnamed(document))
    yield from given
    # Without stages there are no columns, which paths may name that are inherited and not used.
    named = document.paths if document.stages else reached((path for path, _ in given), document)[0]
    yield from ((path, False) for path in named.values())


def _blocks(document: Document) -> Mapping[str, Block]:
    """The blocks of a spec; without stages, whose columns they may name, those that stand in paths."""
    if document.stages:
        return document.blocks
    wired = [*_wire_paths(document.graph), *_wire_paths(document.heads)]
    return reached([document.stem, document.head, *wired], document)[1]


def _unnamed(document: Document) -> Iterator[tuple[Path, bool]]:
    """Every path that stands where it is used."""
    found: list[Path | None] = [document.stem, document.head]
    for block in _blocks(document).values():
        yield block.shortcut, True
        found += [block.pre, block.branch, block.after, *_wire_paths(block.graph)]
    found += document.stages.enter if document.stages else ()
    found += [skip.path for skip in document.skips]
    found += [document.levels.path if document.levels else None, *_wire_paths(document.graph)]
    found += _wire_paths(document.heads)
    yield from ((path, False) for path in found if path is not None)


def _wire_paths(wires: Mapping[str, Wire] | None) -> list[Path]:
    """The paths of wires; a bare word is one, except as `output`, where it names a wire."""
    return [wire.ops for name, wire in (wires or {}).items() if name != "output" or wire.bare is None]


def _bound_names(path: Path) -> Iterator[str]:
    """The names that loops and arguments give within a path."""
    for item in items(path):
        if isinstance(item, Each):
            yield item.variable
            if item.position:
                yield item.position
        elif isinstance(item, Use | Inner):
            yield from item.given


def _check_path(
    path: Path, document: Document, known: set[str], removed: Mapping[str, Span | None], none: bool, problems: Problems
) -> None:
    named = document.paths
    for item in items(path):
        if isinstance(item, Operation):
            _check_operation(item, known, removed, problems)
            found = [item.when] if item.when else []
        else:
            found = list(own_expressions(item))
        for expr in found:
            _check_names(expr, known, removed, problems)
        if isinstance(item, Inner) and item.block not in document.blocks:
            hint = suggest(item.block, document.blocks)
            if item.block in named:
                hint = f"for a named path write `use: {item.block[:60]}`"
            problems.add(f"there is no block '{item.block[:60]}'", item.span, hint=hint)
        elif (
            isinstance(item, Use) and item.path not in named
            and not (none and item.path == "none" and len(path.items) == 1)
        ):  # fmt: skip
            hint = _path_hint(item.path, named, none)
            if item.path in document.blocks:
                hint = f"a block stands in a path as `block: {item.path[:60]}`"
            problems.add(f"there is no path '{item.path[:60]}'", item.span, hint=hint)


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
    if positions.cycle and positions.middle:
        problems.add("a stage has `middle` or `cycle`, not both", positions.span, hint="null removes one inherited")
    for name in (positions.start, positions.middle, *positions.cycle, positions.end, positions.only):
        if name is not None and name not in document.blocks:
            place = place_of(name) or positions.span
            problems.add(f"there is no block '{name[:60]}'", place, hint=suggest(name, document.blocks))
