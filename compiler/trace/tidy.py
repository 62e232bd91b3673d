"""Operators in the making, once all are known: forms that modules write in several calls become one operator, torch's
own calls become one program where nothing else reads what is between them, and what nobody reads goes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from archspec.compiler.trace.exporting import TraceError
from archspec.compiler.trace.programs import DRAWING
from archspec.compiler.trace.reader import Reader, operator, scope
from archspec.compiler.trace.signals import Draft, FromDraft, FromStep, Program
from archspec.ops import Add, Operator
from archspec.ops.windows import per_dimension


def tidied(reader: Reader, outputs: list[int]) -> set[int]:
    """Tidies the reader's drafts in place, and returns the numbers of those that the outputs need."""
    drafts = reader.drafts
    alive = _alive(drafts, outputs)
    users = _users(drafts, alive, outputs)
    for place in sorted(alive):
        draft = drafts[place]
        if isinstance(draft.op, Add):
            _merge_sum(drafts, place, users)
        elif draft.op is not None:
            _one_operator(drafts, place, users)
    alive = _alive(drafts, outputs)
    _fuse(drafts, alive, outputs)
    alive = _alive(drafts, outputs)
    _drawn_once(drafts, alive)
    return alive


def _alive(drafts: list[Draft], outputs: list[int]) -> set[int]:
    found, queue = {0}, list(outputs)
    while queue:
        place = queue.pop()
        if place not in found:
            found.add(place)
            queue += drafts[place].inputs
    return found


def _users(drafts: list[Draft], alive: set[int], outputs: list[int]) -> Counter[int]:
    users = Counter(outputs)
    for place in sorted(alive):
        users.update(drafts[place].inputs)
    return users


def _where(draft: Draft) -> list[str]:
    return list(draft.node.meta.get("nn_module_stack", {}))


def _merge_sum(drafts: list[Draft], place: int, users: Counter[int]) -> None:
    """(a + b) + c, written in one module, is one sum of three: added from left to right as it is."""
    draft = drafts[place]
    first = drafts[draft.inputs[0]]
    if isinstance(first.op, Add) and users[draft.inputs[0]] == 1 and _where(first) == _where(draft):
        draft.inputs[:1] = first.inputs


def _one_operator(drafts: list[Draft], place: int, users: Counter[int]) -> None:
    draft, key = drafts[place], drafts[place].op.key  # type: ignore[union-attr]
    if key == "subsample":  # axis by axis
        below = drafts[draft.inputs[0]]
        if below.op is not None and below.op.key == "subsample" and users[draft.inputs[0]] == 1:
            rank = len(draft.shape) - 1
            strides = tuple(a * b for a, b in zip(_stride(draft.op, rank), _stride(below.op, rank), strict=True))
            draft.op = operator("subsample", (("stride", strides[0] if len(set(strides)) == 1 else strides),))
            draft.inputs = below.inputs
    elif key == "multiply" and len(draft.inputs) == 2:  # x * sigmoid(x)
        for x, gate in (draft.inputs, draft.inputs[::-1]):
            inner = drafts[gate]
            if inner.op is not None and inner.inputs == [x] and users[gate] == 1:
                better = {"sigmoid": "silu", "hardsigmoid": "hardswish"}.get(inner.op.key)
                if better:
                    draft.op, draft.inputs = operator(better, ()), [x]
                    return
    elif key == "scale" and abs(draft.op.by - 1 / 6) < 1e-12 and users[draft.inputs[0]] == 1:  # type: ignore[union-attr]
        inner = drafts[draft.inputs[0]]
        source = _shifted(drafts, draft.inputs[0], users)
        if source is not None:  # relu6(x + 3) / 6
            draft.op, draft.inputs = operator("hardsigmoid", ()), [source]
        elif inner.op is not None and inner.op.key == "multiply" and len(inner.inputs) == 2:  # x * relu6(x + 3) / 6
            for x, gate in (inner.inputs, inner.inputs[::-1]):
                if _shifted(drafts, gate, users) == x:
                    draft.op, draft.inputs = operator("hardswish", ()), [x]
                    return


def _shifted(drafts: list[Draft], place: int, users: Counter[int]) -> int | None:
    """The operand of relu6(x + 3), where that is read once; x + 3 is a program of one call."""
    clipped = drafts[place]
    if clipped.op is None or clipped.op.key != "relu6" or users[place] != 1 or users[clipped.inputs[0]] != 1:
        return None
    draft = drafts[clipped.inputs[0]]
    if draft.program is None or len(draft.program.steps) != 1:
        return None
    name, args, pairs = next(iter(draft.program.steps.values()))
    plain = name in ("add.Tensor", "add.Scalar") and len(args) == 2 and args[1] == 3 and not pairs
    return draft.inputs[0] if plain and isinstance(args[0], FromDraft) else None


def _stride(op: Operator | None, rank: int) -> tuple[int, ...]:
    return per_dimension(op.stride, rank, "stride")  # type: ignore[union-attr]


def _fuse(drafts: list[Draft], alive: set[int], outputs: list[int]) -> None:
    """A program that one other program alone reads becomes the beginning of that one."""
    users: dict[int, set[int]] = {place: set() for place in sorted(alive)}
    for place in sorted(alive):
        for source in drafts[place].inputs:
            users[source].add(place)
    into: dict[int, int] = {}

    def owner(place: int) -> int:
        while place in into:
            place = into[place]
        return place

    given = set(outputs)
    for place in sorted(alive, reverse=True):
        if drafts[place].program is None or place in given:
            continue
        readers = list(dict.fromkeys(owner(user) for user in sorted(users[place])))
        if len(readers) == 1 and drafts[readers[0]].program is not None:
            into[place] = readers[0]
    members: dict[int, list[int]] = {}
    for place in sorted(into):
        members.setdefault(owner(place), []).append(place)
    for last, before in members.items():
        _join(drafts, [*before, last])


def _join(drafts: list[Draft], places: list[int]) -> None:
    """Programs in order as one, which is the last."""
    results: dict[int, Any] = {}
    steps: dict[Any, Any] = {}
    inputs: list[int] = []
    nodes = []
    for place in places:
        draft = drafts[place]
        assert draft.program is not None
        steps.update({name: _linked(step, results) for name, step in draft.program.steps.items()})
        results[place] = draft.program.result
        inputs += [source for source in draft.inputs if source not in results and source not in inputs]
        nodes += draft.nodes
    last = drafts[places[-1]]
    last.program, last.inputs, last.nodes = Program(steps, results[places[-1]]), inputs, nodes


def _drawn_once(drafts: list[Draft], alive: set[int]) -> None:
    """Random numbers that several operators use would be drawn by each. Raises `TraceError`."""
    drawn: set[Any] = set()
    for place in sorted(alive):
        program = drafts[place].program
        for name, step in program.steps.items() if program else ():
            if step[0].partition(".")[0] in DRAWING:
                if name in drawn:
                    raise TraceError(
                        "the module draws random numbers and uses them at several places, which no graph can show",
                        "trace it in evaluation mode (module.eval()), if it draws in training alone",
                        scope(drafts[place].node),
                    )  # fmt: skip
                drawn.add(name)


def _linked(value: Any, results: dict[int, Any]) -> Any:
    if isinstance(value, tuple):
        return tuple(_linked(each, results) for each in value)
    if isinstance(value, FromDraft) and value.draft in results:
        return FromStep(results[value.draft])
    return value
