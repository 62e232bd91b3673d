"""What can be told without expanding: paths and blocks that are named but not there, names that nothing defines.

It looks at every definition, used or not, so that one run tells of all such slips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archspec.compiler.expand.arguments import check_arguments, items, ordered, own_expressions
from archspec.language.fields import place_of
from archspec.language.items import Each, Inner, Path, Use
from archspec.language.schema import Block, Document, Positions, Wire
from archspec.syntax.errors import Problems, Span, suggest
from archspec.syntax.expressions import Expr
from archspec.syntax.names import SCOPE_NAMES


def check_references(document: Document, problems: Problems) -> bool:
    """Adds a problem for every unknown path, block and name, for arguments that nothing reads, and for paths and blocks
    that use themselves.

    False if one uses itself, so that the spec cannot be expanded even in part.
    """
    columns = {"repeat", "stride"} | set((document.stages and document.stages.__pydantic_extra__) or {})
    paths = list(_paths(document))
    bound = {name for path, _ in paths for name in _bound_names(path)}
    known = set(document.params) | columns | SCOPE_NAMES.keys() | bound
    for path, is_shortcut in paths:
        _check_path(path, document, known, is_shortcut, problems)
    wires = [*(document.graph or {}).values(), *document.heads.values()]
    for name, block in document.blocks.items():
        _check_form(name, block, problems)
        wires += (block.graph or {}).values()
        for expr in (block.shared, block.out):
            if expr is not None:
                _check_names(expr, known, problems)
    for wire in wires:
        if wire.when is not None:
            _check_names(wire.when, known, problems)
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


def _paths(document: Document) -> Iterator[tuple[Path, bool]]:
    """Every path of a spec, and whether it may be the keyword `none`."""
    found: list[Path | None] = [document.stem, document.head, *document.paths.values()]
    for block in document.blocks.values():
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


def _check_path(path: Path, document: Document, known: set[str], none: bool, problems: Problems) -> None:
    named = document.paths
    for item in items(path):
        for expr in own_expressions(item):
            _check_names(expr, known, problems)
        if isinstance(item, Inner) and item.block not in document.blocks:
            hint = suggest(item.block, document.blocks)
            if item.block in named:
                hint = f"for a named path write `use: {item.block[:60]}`"
            problems.add(f"there is no block '{item.block[:60]}'", item.span, hint=hint)
        elif (
            isinstance(item, Use) and item.path not in named
            and not (none and item.path == "none" and len(path.items) == 1)
        ):  # fmt: skip
            hint = _path_hint(item.path, named)
            if item.path in document.blocks:
                hint = f"a block stands in a path as `block: {item.path[:60]}`"
            problems.add(f"there is no path '{item.path[:60]}'", item.span, hint=hint)


def _path_hint(name: str, named: Mapping[str, Path]) -> str | None:
    if name == "none":
        return "`none` stands only alone, as a block's shortcut; an empty path is `identity`"
    return suggest(name, named)


def _check_names(expr: Expr, known: set[str], problems: Problems) -> None:
    for name in sorted(expr.names - known):
        problems.add(f"unknown name '{name}'", _where(expr, name), hint=suggest(name, known))


def _where(expr: Expr, name: str) -> Span | None:
    queue = [expr.root]
    while queue:
        term = queue.pop()
        if term.kind == "name" and term.data == name:
            return term.span
        queue.extend(term.parts)
    return expr.span


def _check_form(name: str, block: Block, problems: Problems) -> None:
    residual = block.model_fields_set & {"pre", "branch", "shared", "shortcut"}
    if block.graph is not None and residual:
        both = f"`graph` and `{min(residual)}`"
        hint = "keep one form; null removes a field inherited"
        problems.add(f"block '{name}' has both {both}", block.span, hint=hint)
    elif block.graph is None and block.branch is None:
        problems.add(f"block '{name}' has no branch", block.span, hint="give it `branch: [...]`, or a `graph`")


def _check_positions(positions: Positions, document: Document, problems: Problems) -> None:
    if positions.cycle and positions.middle:
        problems.add("a stage has `middle` or `cycle`, not both", positions.span, hint="null removes one inherited")
    for name in (positions.start, positions.middle, *positions.cycle, positions.end, positions.only):
        if name is not None and name not in document.blocks:
            place = place_of(name) or positions.span
            problems.add(f"there is no block '{name[:60]}'", place, hint=suggest(name, document.blocks))
