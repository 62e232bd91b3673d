"""One block: its wires, or the residual form that is sugar for them, and the closing addition where others join."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archspec.compiler.expand.builder import Builder, Signal, quotient, strided
from archspec.compiler.expand.drop_path import lost
from archspec.compiler.expand.paths import Paths, scope_at
from archspec.compiler.expand.splice import copied
from archspec.compiler.expand.wires import Strand, absent, left
from archspec.language.items import Operation, Path, Use
from archspec.language.schema import Block
from archspec.ops import Add, Operator, Scale, ShapeError
from archspec.syntax.errors import Span
from archspec.syntax.expressions import UNKNOWN, Poisoned

_WIDEN = "use shortcut B (a projection where the shape changes), or make the branch keep the shape"
_PROJECTED = "{} is a projection already: what is left is the size, which kernels, strides and paddings decide"
Joiner = Callable[[str, Signal], list[tuple[str, Signal]]]
"""Given the label and the signal a block closes with, the labelled signals from outside that join it."""


@dataclass(frozen=True)
class Place:
    """A block in the network: its address, its definition, what it is told."""

    address: str
    block: Block
    scope: Mapping[str, Any]
    drop_path: Operator | None
    span: Span | None
    outputs: Collection[str] = ()
    """Addresses within it that something outside reads."""


@dataclass(frozen=True)
class Closing:
    """A closing addition as written: its fields, what they see, its name in the block."""

    operation: Operation
    scope: Mapping[str, Any]
    name: str = "add"


def shortcut_scope(scope: Mapping[str, Any], source: Signal, target: Signal) -> dict[str, Any]:
    """The scope of a path from `source` that is to join `target`. Raises `ShapeError` if no stride leads there."""
    copied(scope)
    if source is None or target is None:
        return {**scope, **dict.fromkeys(("channels", "out", "stride", "downsampled", "changed"), UNKNOWN)}
    stride = quotient(target, source)
    channels, out = source.shape[0], target.shape[0]
    downsampled = strided(stride)
    return {
        **scope, "channels": channels, "out": out, "stride": stride, "downsampled": downsampled,
        "changed": channels != out or downsampled,
    }  # fmt: skip


def gate_of(address: str) -> str:
    """The name of the operator that drops a block's branch."""
    return f"{address}.branch.drop_path"


def is_none(path: Path) -> bool:
    """Whether a shortcut is the keyword `none`: no addition, a plain net."""
    return len(path.items) == 1 and isinstance(path.items[0], Use) and path.items[0].path == "none"


def widening(*paths: Path, otherwise: str = _WIDEN) -> str:
    """What to do about operands of different shapes that come over these paths; `otherwise` if none projects yet."""
    names = (path.items[0].path for path in paths if path.items and isinstance(path.items[0], Use) and all(
        isinstance(item, Operation) and item.operator is Scale for item in path.items[1:]
    ))  # fmt: skip
    projection = next((name for name in names if name in ("B", "C")), None)
    return _PROJECTED.format(projection) if projection else otherwise


def expand_block(place: Place, start: Signal, paths: Paths, builder: Builder, joiner: Joiner | None) -> Signal:
    """The block's output, starting from a signal. What `joiner` gives joins its closing addition, before `after`.

    A branch that no addition goes round is not dropped, whatever `place` says.
    """
    if place.drop_path is not None and not _goes_round(place, start, paths, builder):
        place = replace(place, drop_path=None)
    closing = _graph_form if place.block.graph is not None else _residual_form
    signal = closing(place, start, paths, builder, joiner)
    scope = scope_at(place.scope, signal)
    return paths.run(place.block.after, [signal], f"{place.address}.after", scope, where=place.address)


def _goes_round(place: Place, start: Signal, paths: Paths, builder: Builder) -> bool:
    """Whether the block still passes a signal on where its branch is dropped: an addition of its own has another
    operand, on every way from the branch to the block's output."""
    block, address = place.block, place.address
    if block.graph is None:
        return not is_none(block.shortcut)
    before = len(builder.nodes)
    end = _graph_form(place, start, paths, builder, None)
    made = builder.undo(before)
    if "branch" not in block.graph:
        if any(node.op.key == "add" for node in made):
            hint = "name the wire to drop so"
            builder.problems.add("drop_path needs a wire named 'branch'", place.span, where=address, hint=hint)
        return False
    return end is None or end.name not in lost({gate_of(address)}, made)


def _residual_form(place: Place, start: Signal, paths: Paths, builder: Builder, joiner: Joiner | None) -> Signal:
    block, address = place.block, place.address
    if block.branch is None:  # told by check_references
        return None

    def run(path: Path, wire: str, source: Signal, scope: Mapping[str, Any]) -> Signal:
        return paths.run(path, [source], f"{address}.{wire}", scope, where=address)

    shared = run(block.pre, "pre", start, scope_at(place.scope, start)) if block.pre else start
    branch = run(block.branch, "branch", shared, scope_at(place.scope, shared))
    if branch is not None and branch is shared:
        builder.problems.add("the branch is empty", block.branch.span or place.span, where=address)
        return None
    plain = is_none(block.shortcut)
    if place.drop_path is not None:
        branch = builder.add(gate_of(address), place.drop_path, [branch], place.span)
    operands = [("branch", branch)]
    if not plain:
        try:
            source = start
            scope = shortcut_scope(place.scope, start, branch)
            if block.pre and block.shared and builder.evaluate(block.shared, scope, address, condition=True):
                source, scope = shared, shortcut_scope(place.scope, shared, branch)
            operands.append((_label("shortcut", block.shortcut), run(block.shortcut, "shortcut", source, scope)))
        except Poisoned:
            return None
        except ShapeError as error:
            builder.problems.add(str(error), block.shortcut.span or place.span, hint=error.hint, where=address)
            return None
    closing = None if block.add is None else Closing(block.add, scope_at(place.scope, branch))
    return _close(place, operands, builder, joiner, widening(block.shortcut), closing)


def _label(wire: str, path: Path) -> str:
    """A wire as messages call it: with the name of its path, if it has one."""
    only = path.items[0] if len(path.items) == 1 else None
    return f"{wire} '{only.path}'" if isinstance(only, Use) else wire


def _close(
    place: Place, operands: Sequence[tuple[str, Signal]], builder: Builder, joiner: Joiner | None,
    hint: str, closing: Closing | None = None,
) -> Signal:  # fmt: skip
    """The sum of operands and of what joins from outside; a single operand passes."""
    joined: list[tuple[str, Signal]] = [*operands, *(joiner(*operands[0]) if joiner else ())]
    if len(joined) == 1:
        return joined[0][1]
    labels = [label for label, _ in joined]
    signals = [signal for _, signal in joined]
    name, op, span = "add", None, place.span
    if closing is None:
        op = builder.default("add")
    else:
        name, span = closing.name, closing.operation.span or place.span
        op = builder.operator(closing.operation, closing.scope, place.address, operands=len(joined))
    if op is None:
        return None
    return builder.add(f"{place.address}.{name}", op, signals, span, labels, place.address, hint)


def _graph_form(place: Place, start: Signal, paths: Paths, builder: Builder, joiner: Joiner | None) -> Signal:
    block, address = place.block, place.address
    wires = block.graph or {}
    ordered = paths.strands(wires, place.outputs)
    if not ordered:
        return None
    scope = _graph_scope(place, start, builder)
    signals: dict[str, Signal] = {"input": start}
    try:
        gone = absent(ordered, lambda when: builder.evaluate(when, scope, address, condition=True), place.outputs)
    except Poisoned:
        return None
    for written in ordered:
        if written.name in gone:
            continue
        strand = left(written, gone, builder.problems, address)
        if strand is None:
            return None
        sources = [signals[name] for name in strand.inputs]
        local = scope_at(scope, sources[0])
        hint = widening(*(wires[name].ops for name in strand.inputs if name in wires))
        if strand.name == "output":
            return _output(place, strand, sources, local, paths, builder, joiner, hint)
        signal = paths.run(
            strand.ops, sources, f"{address}.{strand.name}", local, where=address, labels=strand.inputs, hint=hint,
            passes=strand.passes,
        )  # fmt: skip
        if strand.name == "branch" and place.drop_path is not None:
            signal = builder.add(gate_of(address), place.drop_path, [signal], place.span)
        signals[strand.name] = signal
    raise AssertionError("strands() always ends in output")


def _graph_scope(place: Place, start: Signal, builder: Builder) -> dict[str, Any]:
    """The block's scope, with `out` and `changed` where the block says which channels it reaches."""
    scope = scope_at(place.scope, start)
    if place.block.out is not None:
        try:
            scope["out"] = builder.evaluate(place.block.out, scope, place.address)
            scope["changed"] = UNKNOWN if start is None else scope["out"] != start.shape[0] or scope["downsampled"]
        except Poisoned:
            scope["out"] = scope["changed"] = UNKNOWN
    return scope


def _output(
    place: Place, strand: Strand, sources: Sequence[Signal], scope: Mapping[str, Any], paths: Paths, builder: Builder,
    joiner: Joiner | None, hint: str,
) -> Signal:  # fmt: skip
    """The output wire, whose operators are named directly under the block. What joins becomes part of its last
    addition; without one it gets an addition of its own."""
    closing: Closing | None = None
    if joiner is not None and len(sources) > 1:
        try:
            # What `use` and `when` make of the path decides, not how it is written.
            steps = paths.active(strand.ops, sources[0], scope, place.address)
        except Poisoned:
            return None
        first = steps[0][0].item if steps else None
        if isinstance(first, Operation) and first.operator is Add:
            step, local = steps[0]
            closing = Closing(first, local, step.name)
        if closing is not None and len(steps) > 1:
            builder.problems.add(
                "a shortcut from outside joins this block, and operators follow its addition", closing.operation.span,
                where=place.address, hint="move them to `after`",
            )  # fmt: skip
            return None
    if closing is not None:
        operands = list(zip(strand.inputs, sources, strict=True))
        return _close(place, operands, builder, joiner, hint, closing)
    signal = paths.run(
        strand.ops, sources, place.address, scope, where=place.address, labels=strand.inputs, hint=hint,
        passes=strand.passes,
    )  # fmt: skip
    return _close(place, [("output", signal)], builder, joiner, hint)
