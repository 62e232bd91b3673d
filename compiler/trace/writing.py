"""A program as the fields of an operator: its steps in order, its tensors by short names."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor

from archspec.compiler.trace.reader import Reader
from archspec.compiler.trace.signals import Draft, FromDraft, FromModule, FromStep
from archspec.ops import Aten
from archspec.syntax.escape import identifier
from archspec.syntax.names import MODULE_ATTRIBUTES

_TAKEN = frozenset({"batch", "training", "dtype", "device", "steps", "tensors", "argument", "reset_parameters"})


def written(reader: Reader, draft: Draft) -> tuple[Aten, dict[str, str]]:
    """The operator of a program, and the module's names of its tensors by the operator's."""
    assert draft.program is not None
    program = draft.program
    needed = _needed(program.steps, program.result)
    numbers = {name: i for i, name in enumerate(name for name in program.steps if name in needed)}
    inputs: list[int] = []
    keys: dict[str, str] = {}

    def argument(value: Any) -> Any:
        if isinstance(value, FromStep):
            return f"%{numbers[value.step]}"
        if isinstance(value, FromDraft):
            if value.draft not in inputs:
                inputs.append(value.draft)
            return f"%x{inputs.index(value.draft)}"
        if isinstance(value, FromModule):
            if value.key not in keys:
                keys[value.key] = _name(value.key, keys.values())
            return f"%{keys[value.key]}"
        return tuple(map(argument, value)) if isinstance(value, tuple) else value

    steps = tuple(
        (name, argument(args), tuple((key, argument(value)) for key, value in pairs))
        for name, args, pairs in (program.steps[name] for name in numbers)
    )  # fmt: skip
    draft.inputs = inputs
    tensors = tuple(_tensor(reader, name, key) for key, name in keys.items())
    return Aten(steps=steps, tensors=tensors), {name: key for key, name in keys.items()}


def _needed(steps: dict[Any, Any], result: Any) -> set[Any]:
    needed, queue = set(), [result]
    while queue:
        value = queue.pop()
        if isinstance(value, FromStep):
            value = value.step
        elif isinstance(value, FromDraft | FromModule):
            continue
        if not isinstance(value, list) and _hashable(value) and value in steps and value not in needed:
            needed.add(value)
            queue += _references(steps[value])
    return needed


def _references(value: Any) -> list[Any]:
    found, queue = [], [value]
    while queue:
        top = queue.pop()
        if isinstance(top, tuple):
            queue += top
        elif isinstance(top, FromStep):
            found.append(top)
    return found


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _name(key: str, taken: Any) -> str:
    """A short name of a tensor: the last word of the module's, unless that is taken."""
    used = {*taken, *MODULE_ATTRIBUTES, *_TAKEN}
    last = identifier(key.rpartition(".")[2])
    if last[:1] == "x" and last[1:].isdigit():
        last = f"t{last}"
    name, number = last, 1
    while name in used:
        number += 1
        name = f"{last}{number}"
    return name


def _tensor(reader: Reader, name: str, key: str) -> tuple[str, tuple[int, ...], str, float | None]:
    found = reader.program.state_dict.get(key, reader.program.constants.get(key))
    assert isinstance(found, Tensor)
    kind = "parameter" if key in reader.parameters else str(found.dtype).removeprefix("torch.")
    start = reader.start(key) if prod(found.shape) else None
    return name, tuple(found.shape), kind, start
