"""Which blocks of an emitted network share a class: plans that differ in numbers alone, which its constructor takes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from archspec.compiler.analysis.outline import Plan, Reference, Unit
from archspec.compiler.emit.calls import Globals, form, holes
from archspec.ops import ModuleCall
from archspec.syntax.escape import identifier
from archspec.syntax.names import MODULE_ATTRIBUTES

MOST_PARAMETERS = 6
"""With more numbers that differ, each plan has a class of its own."""

Place: TypeAlias = tuple[int, str]
"""A number of a plan: which step, which argument."""

_CHANNELS_IN = frozenset(
    {"in_channels", "num_features", "num_channels", "in_features", "normalized_shape", "num_parameters"}
)
_CHANNELS_OUT = frozenset({"out_channels", "out_features"})
_SHORT = {"kernel_size": "kernel", "num_groups": "groups"}
_RESHAPING = ("torch.cat", "torch.flatten", "torch.nn.functional.pad")


@dataclass(frozen=True)
class Parameter:
    """An argument of a class's constructor: its name, and its value for each plan or unit of the class."""

    name: str
    values: tuple[Any, ...]
    keyword: bool
    by_unit: bool = False

    @property
    def annotated(self) -> str:
        """The parameter in a signature."""
        kinds = {type(value) for value in self.values}
        return f"{self.name}: {'float' if float in kinds else 'int' if kinds == {int} else 'int | tuple[int, ...]'}"


@dataclass
class Family:
    """A class to be printed: its plans, its instances, what its constructor takes."""

    plans: list[Plan]
    units: list[Unit]
    name: str = ""
    parameters: list[Parameter] = field(default_factory=list)
    names: dict[int, dict[str, str]] = field(default_factory=dict)
    """Parameters by the step and the argument they stand for."""
    without: str = ""
    """How it differs from the first class of the same kind of block."""


@dataclass(frozen=True)
class Instance:
    """A unit as an instance of a class: what the constructor is given, by name for keywords."""

    family: Family
    arguments: tuple[tuple[str, Any], ...]


def families(units: Iterable[Unit], known: Globals) -> dict[str, Instance]:
    """The units as instances, by address. Classes are in the order of their first plans."""
    plans: dict[Plan, list[tuple[int, Unit]]] = {}
    for i, unit in enumerate(units):
        plans.setdefault(unit.plan, []).append((i, unit))
    similar: dict[Hashable, list[Plan]] = {}
    for plan in plans:
        steps = tuple((step.name, step.inputs, form(step.call)) for step in plan.steps)
        similar.setdefault((steps, plan.inputs, plan.outputs), []).append(plan)
    found: dict[str, Instance] = {}
    kinds: dict[str, Family] = {}
    for group in similar.values():
        whole = _family(group, plans, known)
        many = len(whole.parameters) > MOST_PARAMETERS and len(group) > 1
        for family in [_family([plan], plans, known) for plan in group] if many else [whole]:
            label = _class_name(family.plans[0].label)
            family.name = known.claim(label)
            family.without = _difference(family, kinds.setdefault(label, family))
            found.update(_instances(family))
    return found


def _instances(family: Family) -> Iterable[tuple[str, Instance]]:
    numbers = {plan: i for i, plan in enumerate(family.plans)}
    for i, unit in enumerate(family.units):
        at = numbers[unit.plan]
        arguments = tuple((p.name if p.keyword else "", p.values[i if p.by_unit else at]) for p in family.parameters)
        yield unit.address, Instance(family, arguments)


def _class_name(label: str) -> str:
    name = "".join(word[0].upper() + word[1:] for word in identifier(label, otherwise="block").split("_") if word)
    return {"": "Block", "Stage": "Block", "Levels": "Level", "Skips": "Skip"}.get(name, name)


def _difference(family: Family, other: Family) -> str:
    """In words, by the names of steps."""
    own, others = ({step.name: None for step in each.plans[0].steps} for each in (family, other))
    more, less = [name for name in own if name not in others], [name for name in others if name not in own]
    inputs = family.plans[0].inputs - other.plans[0].inputs
    if family is other or not (more or less or inputs) or len(more) + len(less) > 6:
        return ""
    if inputs:
        more.append(f"{abs(inputs)} {'more' if inputs > 0 else 'fewer'} input{'s' * (abs(inputs) > 1)}")
    words = [f"{word} {', '.join(names)}" for word, names in (("with", more), ("without", less)) if names]
    return f"as {other.name}, {' and '.join(words)}"


def _family(plans: list[Plan], members: dict[Plan, list[tuple[int, Unit]]], known: Globals) -> Family:
    """A family of plans of one form: finds what differs among them, and names it."""
    units = heapq.merge(*(members[plan] for plan in plans), key=lambda pair: pair[0])
    family = Family(plans, [unit for _, unit in units])
    taken = {"super", *MODULE_ATTRIBUTES, *(step.name.partition(".")[0] for step in plans[0].steps)}

    def unique(name: str) -> str:
        name = identifier(f"{name}_value" if name in known else name, taken)
        taken.add(name)
        return name

    read, given = _ends(plans[0])
    ranked = []
    for (channels, column), places in _columns(plans).items():
        first, last = not read.isdisjoint(places), not given.isdisjoint(places)
        hole = places[0][1]
        name = "extra" if "." in hole else _SHORT.get(hole, hole)
        if channels:
            name = "channels" if first and last else "in_channels" if first else "out_channels" if last else "width"
        parameter = Parameter(unique(name), column, keyword=not channels)
        ranked.append(((not channels, last and not first, not first), parameter, places))
    for _, parameter, places in sorted(ranked, key=lambda entry: entry[0]):
        family.parameters.append(parameter)
        for i, hole in places:
            family.names.setdefault(i, {})[hole] = parameter.name
    _add_values(family, unique)
    return family


def _columns(plans: list[Plan]) -> dict[tuple[bool, tuple[Any, ...]], list[Place]]:
    """The numbers that differ among plans, those that always agree with each other together."""
    columns: dict[tuple[bool, tuple[Any, ...]], list[Place]] = {}
    for i in range(len(plans[0].steps) if len(plans) > 1 else 0):
        tables = [holes(plan.steps[i].call) for plan in plans]
        for hole in tables[0]:
            column = tuple(table[hole] for table in tables)
            if len(set(column)) > 1:
                columns.setdefault((hole in _CHANNELS_IN | _CHANNELS_OUT, column), []).append((i, hole))
    return columns


def _add_values(family: Family, unique: Callable[[str], str]) -> None:
    """Parameters for the values that units have of their own, such as survival probabilities."""
    known: dict[tuple[str, tuple[float, ...]], str] = {}
    for i, step in enumerate(family.plans[0].steps):
        for name, _ in family.units[0].values.get(step.name, ()):
            column = tuple(dict(unit.values[step.name])[name] for unit in family.units)
            if len(set(column)) == 1:
                continue
            if (name, column) not in known:
                known[name, column] = unique(name)
                family.parameters.append(Parameter(known[name, column], column, keyword=True, by_unit=True))
            family.names.setdefault(i, {})[name] = known[name, column]


def _ends(plan: Plan) -> tuple[set[Place], set[Place]]:
    """The numbers that say how many channels a plan's first input has, and its first output."""
    channels: dict[Reference, set[Place]] = {i: set() for i in range(plan.inputs)}
    read = channels[0]
    for i, step in enumerate(plan.steps):
        below = channels[step.inputs[0]]
        if isinstance(step.call, ModuleCall):
            own = holes(step.call)
            below |= {(i, hole) for hole in own if hole in _CHANNELS_IN}  # the same set for all that share it
            leaving = {(i, hole) for hole in own if hole in _CHANNELS_OUT}
            channels[step.name] = leaving or below
        else:
            channels[step.name] = set() if step.call.target in _RESHAPING else below
    return read, channels[plan.outputs[0]]
