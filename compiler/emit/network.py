"""The body of an emitted network: its units in order, stages as sequences or lists of blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from archspec.compiler.analysis.outline import Unit
from archspec.compiler.emit.blocks import Body, chains, uses_of, variable, with_values
from archspec.compiler.emit.calls import ATOM, Globals, written
from archspec.compiler.emit.families import Instance, Parameter
from archspec.compiler.emit.text import Expression, Nest, Piece
from archspec.graph import Graph
from archspec.ops import ModuleCall

_MEMBER = re.compile(r"(stage[0-9]+)\.(0|[1-9][0-9]*|enter)\Z")


@dataclass(frozen=True)
class Stage:
    """The units of a stage; `passing` if its `enter` does nothing, `whole` if each reads only the one before."""

    name: str
    blocks: tuple[Unit, ...]
    enter: Unit | None
    passing: bool
    whole: bool


class Layout:
    """Which units of a network are instances of classes, which are written in place, and how stages are held."""

    def __init__(self, graph: Graph, units: Sequence[Unit]) -> None:
        self.graph, self.units = graph, units
        self.position = {unit.address: i for i, unit in enumerate(units)}
        self.readers: dict[str, set[int]] = {}
        for i, unit in enumerate(units):
            for name in unit.inputs:
                self.readers.setdefault(name, set()).add(i)
        for name in graph.outputs.values():
            self.readers.setdefault(name, set()).add(-1)

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """The stages whose blocks are numbered from 0, and that hold nothing else but their `enter`."""
        found: dict[str, dict[str, Unit]] = {}
        mixed = set()
        for unit in self.units:
            match = _MEMBER.match(unit.address)
            if match and not unit.single:
                found.setdefault(match[1], {})[match[2]] = unit
            else:
                mixed.add(unit.address.partition(".")[0])
        stages = {}
        for name, members in found.items():
            numbers = [str(i) for i in range(len(members) - ("enter" in members))]
            if name not in mixed and numbers and all(number in members for number in numbers):
                stages[name] = self._stage(name, [members[number] for number in numbers], members.get("enter"))
        return stages

    def _stage(self, name: str, blocks: list[Unit], enter: Unit | None) -> Stage:
        passing = enter is not None and not uses_of(enter.plan, {}, enter.inputs)[0]
        members = [*([enter] if enter else []), *blocks]
        whole = all(self.follows(unit, before) for before, unit in pairwise(members))
        single = len(members[0].inputs) == len(blocks[-1].outputs) == 1
        return Stage(name, tuple(blocks), enter, passing, whole and single)

    @cached_property
    def classes(self) -> set[str]:
        """Addresses of the units that are instances of classes."""
        return {unit.address for unit in self.units if not unit.single and not self._in_place(unit)}

    @property
    def classed(self) -> list[Unit]:
        """The units that are instances of classes."""
        return [unit for unit in self.units if unit.address in self.classes]

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each block in the network, from 1, by address."""
        blocks = [unit.address for unit in self.units if re.fullmatch(r"stage[0-9]+\.[0-9]+", unit.address)]
        blocks.sort(key=lambda address: [int(number) for number in re.findall(r"[0-9]+", address)])
        return {address: i for i, address in enumerate(blocks, start=1)}

    def _in_place(self, unit: Unit) -> bool:
        """Whether a unit, no block, is a single chain and so needs no class."""
        match = _MEMBER.match(unit.address)
        if (match and match[2] != "enter") or len(unit.outputs) != 1:
            return False
        uses, values = uses_of(unit.plan, {}, unit.inputs)
        runs = chains(uses, [values[reference] for reference in unit.plan.outputs])
        chain = len(runs) <= 1 and not any(use.path for use in uses) and values[unit.plan.outputs[0]] in (
            uses[-1].value if uses else "", *unit.inputs
        )  # fmt: skip
        return chain and (not match or all(use.sequential for use in uses))

    def follows(self, unit: Unit, before: Unit) -> bool:
        """Whether a unit comes right after another, maps its only output on, and is alone in reading it."""
        at = self.position[unit.address]
        return (
            at == self.position[before.address] + 1 and len(before.outputs) == len(before.inputs) == 1
            and unit.inputs == before.outputs and len(unit.outputs) == 1 and self.readers[unit.inputs[0]] == {at}
        )  # fmt: skip


class NetworkBody(Body):
    """The body of the network's class."""

    def __init__(self, layout: Layout, instances: Mapping[str, Instance], known: Globals) -> None:
        super().__init__(known)
        self.layout, self.instances = layout, instances
        self.values: dict[str, str] = {layout.graph.input.name: layout.graph.input.name}
        self._decay = _decay(layout)
        at = 0
        while at < len(layout.units):
            unit = layout.units[at]
            stage = layout.stages.get(unit.address.partition(".")[0])
            if stage is not None:
                at += self._staged(unit, stage)
                continue
            if unit.address in instances:
                self.plant(unit.address, self._instances([unit])[0])
                self._called(unit)
            else:
                self._in_place(unit)
            at += 1

    def _staged(self, unit: Unit, stage: Stage) -> int:
        """Adds the next units of a stage; returns how many."""
        if stage.name not in self.tree:
            self._plant_stage(stage)
        if stage.whole:
            if stage.enter is not None and stage.passing:
                self._in_place(stage.enter)
            read = self.values[unit.inputs[0]]
            self.call(stage.blocks[-1].outputs, (read,), stage.name, main=True)
            self.values[stage.blocks[-1].outputs[0]] = stage.blocks[-1].outputs[0]
            return len(stage.blocks) + (stage.enter is not None)
        if unit is stage.enter:
            if self._entrance(unit) is None:
                self._in_place(unit)
            else:
                self._called(unit, f"self.{stage.name}.enter")
            return 1
        first = int(unit.address.rpartition(".")[2])
        last = first
        while last + 1 < len(stage.blocks) and self.layout.follows(stage.blocks[last + 1], stage.blocks[last]):
            last += 1
        if last == first:
            self._called(unit, f"self.{stage.name}[{first}]")
            return 1
        every = first == 0 and last + 1 == len(stage.blocks) and stage.enter is None
        part = "" if every else f"[{first or ''}:{last + 1}]"
        (output,) = stage.blocks[last].outputs
        loop = f"self.{stage.name}{part}"
        read, hint = self.values[unit.inputs[0]], variable(stage.blocks[last].address)
        self.pieces.append(Piece((output,), (read,), lambda _: (loop, ATOM), hint, loop=loop, main=True))
        self.values[output] = output
        return last - first + 1

    def _plant_stage(self, stage: Stage) -> None:
        """Makes a stage's modules: an nn.Sequential where it is one, else a list."""
        blocks = self._instances(stage.blocks)
        items: list[tuple[str, Expression]] = [("", block) for block in blocks]
        entrance = self._entrance(stage.enter) if stage.enter is not None else None
        if stage.whole and stage.enter is not None and not stage.passing:
            entrance = entrance or self._sequence(stage.enter)
            self.plant(stage.name, Nest("stage(", (*items, ("enter=", entrance)), ")"))
            return
        if stage.whole:
            self.plant(stage.name, Nest("nn.Sequential(", tuple(items), ")"))
        elif len(blocks) == 1 and blocks[0].startswith("*("):
            self.plant(stage.name, f"nn.ModuleList({blocks[0][2:-1]})")
        else:
            self.plant(stage.name, Nest("nn.ModuleList([", tuple(items), "])"))
        if entrance is not None:
            self.late[stage.name] = entrance

    def _entrance(self, unit: Unit) -> Expression | None:
        """The module of a stage's `enter`; None if it has no weights."""
        if unit.address in self.instances:
            return self._instances([unit])[0]
        return self._sequence(unit) if any(isinstance(step.call, ModuleCall) for step in unit.plan.steps) else None

    def _sequence(self, unit: Unit) -> Nest:
        return self.sequence(uses_of(unit.plan, with_values(unit, {}), unit.inputs)[0])

    def _in_place(self, unit: Unit) -> None:
        """Adds a unit's steps as the network's own."""
        inputs = [self.values[name] for name in unit.inputs]
        prefix = unit.address.removesuffix(unit.plan.steps[0].name) if unit.single else f"{unit.address}."
        uses, values = uses_of(unit.plan, with_values(unit, {}), inputs, prefix)
        outputs = [values[reference] for reference in unit.plan.outputs]
        if unit.single:  # others may lie in the same container
            for use in uses:
                self.single(use)
        else:
            self.add(uses, outputs)
        self.values.update(zip(unit.outputs, outputs, strict=True))

    def _called(self, unit: Unit, place: str = "") -> None:
        """Adds the call of a unit's module."""
        operands = tuple(self.values[name] for name in unit.inputs)
        self.call(unit.outputs, operands, unit.address, variable(unit.address), place, bool(place))
        self.values.update((name, name) for name in unit.outputs)

    def _instances(self, units: Sequence[Unit]) -> list[str]:
        """The constructors' calls of units in a row, those that are alike or rise evenly as one comprehension."""
        texts, start = [], 0
        while start < len(units):
            end = start + 1
            while end < len(units) and self._continues(units, start, end):
                end += 1
            if end - start < 3:
                texts.append(self._instance(units[start : start + 1]))
                start += 1
                continue
            text = self._instance(units[start:end])
            first = self.layout.numbers[units[start].address] if f"i / {len(self.layout.numbers)}" in text else 0
            span = f"{first}, {first + end - start}" if first else f"{end - start}"
            variable = "i" if re.search(r"\bi\b", text) else "_"
            texts.append(f"*({text} for {variable} in range({span}))")
            start = end
        return texts

    def _continues(self, units: Sequence[Unit], start: int, at: int) -> bool:
        """Whether a unit's arguments go on as those of the units before it."""
        first, second, here = (self.instances[units[i].address] for i in (start, start + 1, at))
        if here.family is not first.family or second.family is not first.family:
            return False
        return all(
            self._decays(p) or c == a or (_whole(a, b, c) and c - a == (b - a) * (at - start))
            for p, (_, a), (_, b), (_, c) in zip(
                first.family.parameters, first.arguments, second.arguments, here.arguments, strict=True
            )
        )  # fmt: skip

    def _decays(self, parameter: Parameter) -> bool:
        return self._decay is not None and parameter.by_unit

    def _instance(self, units: Sequence[Unit]) -> str:
        """The constructor's call of a unit, or of several in a row as an expression of `i`."""
        first, last = self.instances[units[0].address], self.instances[units[-1].address]
        number, total = self.layout.numbers.get(units[0].address, 0), len(self.layout.numbers)
        decaying = len(units) > 1 and any(map(self._decays, first.family.parameters))
        texts = []
        pairs = zip(first.arguments, last.arguments, strict=True)
        for parameter, ((name, value), (_, end)) in zip(first.family.parameters, pairs, strict=True):
            text = written(value)
            if self._decays(parameter):
                text = f"1 - {'i' if decaying else number} / {total} * (1 - {self._decay!r})"
            elif value != end:
                step = (end - value) // (len(units) - 1)
                base = value - step * number * decaying
                text = f"{base} {'+' if step > 0 else '-'} {abs(step)} * i"
            texts.append(f"{name}={text}" if name else text)
        return f"{first.family.name}({', '.join(texts)})"


def _whole(*values: Any) -> bool:
    return all(isinstance(value, int) for value in values)


def _decay(layout: Layout) -> float | None:
    """The survival probability at the last block, if all survival probabilities fall evenly to it from 1."""
    own = {
        unit.address: {value for values in unit.values.values() for _, value in values} for unit in layout.units
        if unit.values
    }  # fmt: skip
    if not own or not set(own) <= set(layout.numbers):
        return None
    total = len(layout.numbers)
    last = max(own, key=layout.numbers.__getitem__)
    survival = min(own[last])
    even = all(found == {1 - layout.numbers[address] / total * (1 - survival)} for address, found in own.items())
    return survival if even else None
