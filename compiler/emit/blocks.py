"""A forward and the modules it uses, collected step by step: the body of a block's class, or of the network's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from archspec.compiler.analysis.outline import Plan, Reference, Step, Unit
from archspec.compiler.emit.calls import ATOM, IDENTITY, Globals, Names, as_layers, constructor, expression, written
from archspec.compiler.emit.text import Expression, Nest, Piece, laid_out
from archspec.ops import FunctionCall, ModuleCall
from archspec.syntax.escape import is_identifier, quoted

Tree: TypeAlias = "dict[str, Expression | Tree]"
"""Modules by name; a dict is a container."""

# Attributes of nn.ModuleDict and nn.Sequential that may be names in a spec: no keys of those. A test compares.
CONTAINER_ATTRIBUTES = frozenset({"append", "clear", "extend", "insert", "items", "keys", "pop", "update", "values"})


@dataclass(frozen=True)
class Use:
    """A step where it is used: the values it reads, the parameters in it, its address, the value it gives."""

    step: Step
    operands: tuple[str, ...]
    names: Names
    address: str
    value: str

    @property
    def path(self) -> str:
        """The container it lies in; empty for none."""
        return self.address.rpartition(".")[0]

    @property
    def local(self) -> str:
        """Its name within that."""
        return self.address.rpartition(".")[2]

    @property
    def stateful(self) -> bool:
        """Whether it is a module."""
        return isinstance(self.step.call, ModuleCall)

    @property
    def sequential(self) -> bool:
        """Whether it may stand in an nn.Sequential."""
        if self.local in CONTAINER_ATTRIBUTES or not is_identifier(self.local):
            return False
        call = self.step.call
        if isinstance(call, ModuleCall):
            return not call.joins
        return len(self.operands) == 1 and as_layers("", call, {}) is not None


Run: TypeAlias = Sequence[Use]


@dataclass
class Body:
    """What a class is printed from."""

    known: Globals
    pieces: list[Piece] = field(default_factory=list)
    tree: Tree = field(default_factory=dict)
    kept: dict[str, None] = field(default_factory=dict)
    """Parameters that the forward needs."""
    late: dict[str, Expression] = field(default_factory=dict)
    """What is done on entering a stage that is a list: it has no number there."""
    odd: set[str] = field(default_factory=set)
    """Attributes below which a name is no key of an nn.ModuleDict."""
    sequences: dict[str, Run] = field(default_factory=dict)
    """The steps that an nn.Sequential holds, by the address of each."""

    def add(self, uses: Sequence[Use], given: Sequence[str]) -> None:
        """Adds steps: a path that is a chain of layers as an nn.Sequential, any other step by step."""
        runs = chains(uses, given)
        closed = _closed(runs)
        for run in runs:
            start, end = closed.get(run[0].value, (0, 0))
            for i, use in enumerate(run):
                if start < end and i == start:
                    self.plant(use.path, self.sequence(run[start:end]))
                    self.call((run[end - 1].value,), use.operands, use.path)
                    self.sequences.update((part.address, run[start:end]) for part in run[start:end])
                elif not start <= i < end:
                    self.single(use)

    def single(self, use: Use) -> None:
        """Adds one step."""
        hint = use.path.rpartition(".")[2] or use.local
        if isinstance(use.step.call, FunctionCall):
            self.kept.update(dict.fromkeys(use.names.values()))
            own = {hole: f"self.{name}" for hole, name in use.names.items()}
            render = expression(use.step.call, own, self.known)
            nests = render([("x", ATOM)] * len(use.operands))[1] == ATOM
            self.pieces.append(Piece((use.value,), use.operands, render, hint, nests))
            return
        if use.address not in self.sequences:
            self.plant(use.address, self.layer(use))
        self.call((use.value,), use.operands, use.address, hint, joins=use.step.call.joins)

    def repeat(self, uses: Sequence[Use]) -> None:
        """Adds steps of another body, whose modules these are: some of them, and perhaps with other operands."""
        apart: set[str] = set()
        for use in uses:
            run = self.sequences.get(use.address, ())
            first = bool(run) and use.address == run[0].address
            if first and use.operands != run[0].operands and use.step.call != run[0].step.call:
                apart.add(use.path)  # the sequence begins by overwriting what is not its own here
            if not run or use.path in apart:
                self.single(use)
            elif first:
                self.call((run[-1].value,), use.operands, use.path)

    def layer(self, use: Use) -> str:
        """The text that makes a layer; one that fills its own parameters is marked."""
        call = use.step.call
        assert isinstance(call, ModuleCall)
        text = constructor(call, use.names, self.known)
        return f"keep_init({text})" if self_filled(call) else text

    def sequence(self, run: Run) -> Nest:
        """An nn.Sequential of a run's layers."""
        items: list[tuple[str, Expression]] = []
        taken = {use.local for use in run}
        for use in run:
            if isinstance(use.step.call, ModuleCall):
                items.append((f"{use.local}=", self.layer(use)))
                continue
            for name, text in as_layers(use.local, use.step.call, use.names) or ():
                while name != use.local and name in taken:
                    name += "_"
                taken.add(name)
                items.append((f"{name}=", text))
        return Nest("nn.Sequential(OrderedDict(", tuple(items), "))")

    def plant(self, address: str, expression: Expression) -> None:
        """Puts a module at its address."""
        first, *rest = address.split(".")
        if not attribute(first) or any(part in CONTAINER_ATTRIBUTES for part in rest):
            self.odd.add(first)
        *parents, last = first, *rest
        tree = self.tree
        for part in parents:
            below = tree.setdefault(part, {})
            assert isinstance(below, dict)
            tree = below
        tree[last] = expression

    def call(
        self, values: tuple[str, ...], operands: tuple[str, ...], address: str, hint: str = "", place: str = "",
        main: bool = False, joins: bool = False,
    ) -> None:  # fmt: skip
        """Adds the call of a module, one that `joins` with a list; `place` is how to get at it where its address does
        not say."""

        def render(args: Sequence[tuple[str, int]]) -> tuple[str, int]:
            given = ", ".join(text for text, _ in args)
            return f"{place or self.reach(address)}({f'[{given}]' if joins else given})", ATOM

        self.pieces.append(Piece(values, operands, render, hint or variable(address), main=main))

    def reach(self, address: str) -> str:
        """How the forward gets at a module."""
        if address in self.sequences:
            path, _, local = address.rpartition(".")
            return f"{self.reach(path)}.{local}"
        first, *rest = address.split(".")
        if first in self.odd:
            return f"self.get_submodule({quoted(address)})"
        return f"self.{first}" + "".join(f"[{quoted(part)}]" for part in rest)

    def module_lines(self, indent: int) -> list[str]:
        """The statements of the constructor that make the modules."""
        lines = [f"{' ' * indent}self.{name} = {name}" for name in self.kept]
        for name, node in self.tree.items():
            if name in self.odd:
                lines += _odd_lines("", name, node, indent)
            else:
                lines += laid_out(f"self.{name} = ", _container(node), "", indent)
            if name in self.late:
                lines += laid_out(f"self.{name}.enter = ", self.late[name], "", indent)
        return lines


def uses_of(
    plan: Plan, names: Mapping[int, Names], inputs: Sequence[str], prefix: str = ""
) -> tuple[list[Use], dict[Reference, str]]:
    """A plan's steps but for those that pass a value on as it is, and the value of each reference. `prefix` makes
    addresses of its local names."""
    values: dict[Reference, str] = dict(enumerate(inputs))
    uses = []
    for i, step in enumerate(plan.steps):
        operands = tuple(values[reference] for reference in step.inputs)
        if isinstance(step.call, FunctionCall) and step.call.target == IDENTITY:
            values[step.name] = operands[0]
            continue
        values[step.name] = prefix + step.name
        uses.append(Use(step, operands, names.get(i, {}), prefix + step.name, prefix + step.name))
    return uses, values


def with_values(unit: Unit, names: Mapping[int, Mapping[str, str]]) -> dict[int, dict[str, str]]:
    """Parameters, and as constants the values of a unit that no parameter stands for."""
    found = {i: dict(own) for i, own in names.items()}
    for i, step in enumerate(unit.plan.steps):
        for name, value in unit.values.get(step.name, ()):
            found.setdefault(i, {}).setdefault(name, written(value))
    return found


def chains(uses: Sequence[Use], given: Sequence[str]) -> list[list[Use]]:
    """Steps parted into runs, on one path each, in which each step reads the one before and nothing else does."""
    readers: dict[str, int] = dict.fromkeys(given, 2)
    for use in uses:
        for value in use.operands:
            readers[value] = readers.get(value, 0) + 1
    runs: list[list[Use]] = []
    for use in uses:
        before = runs[-1][-1] if runs else None
        if before and before.path == use.path and use.operands == (before.value,) and readers[before.value] == 1:
            runs[-1].append(use)
        else:
            runs.append([use])
    return runs


def stretches(run: Run) -> list[tuple[int, int]]:
    """Where in a run layers stand in sequence, some of them modules."""
    found, start = [], 0
    for i in range(len(run) + 1):
        if i == len(run) or not run[i].sequential:
            if any(use.stateful for use in run[start:i]):
                found.append((start, i))
            start = i + 1
    return found


def _closed(runs: Sequence[Run]) -> dict[str, tuple[int, int]]:
    """The runs of which a stretch holds all modules of its path, by the run's first value: where it begins and ends."""
    found: dict[str, list[tuple[str, int, int]]] = {}
    modules: dict[str, int] = {}
    for run in runs:
        path = run[0].path
        modules[path] = modules.get(path, 0) + sum(use.stateful for use in run)
        for start, end in stretches(run):
            found.setdefault(path, []).append((run[0].value, start, end))
            modules[path] -= sum(use.stateful for use in run[start:end])
    parents = {path[:i] for path in modules for i, character in enumerate(path) if character == "."} | {""}
    return {
        parts[0][0]: parts[0][1:] for path, parts in found.items()
        if len(parts) == 1 and not modules[path] and path not in parents
    }  # fmt: skip


def self_filled(call: ModuleCall) -> bool:
    """Whether a class fills its own parameters, and init_weights must be told to leave it."""
    package, _, name = call.target.rpartition(".")
    return call.opaque and (package != "torch.nn" or name in ("Conv2d", "Conv3d", "Linear"))


def attribute(name: str) -> bool:
    """Whether `self.name = ...` gives a module that name: a class changes names of two underscores."""
    return is_identifier(name) and not name.startswith("__")


def variable(address: str) -> str:
    """What a value is called that the module at an address gives."""
    first, _, rest = address.partition(".")
    if first in ("levels", "skips"):
        return f"level_{rest}" if first == "levels" else "skip"
    return address.replace(".", "_") if first.startswith("stage") else address.rpartition(".")[2]


def _container(node: Expression | Tree) -> Expression:
    if not isinstance(node, dict):
        return node
    return Nest(
        "nn.ModuleDict({", tuple((f"{quoted(name)}: ", _container(below)) for name, below in node.items()), "})"
    )


def _odd_lines(path: str, name: str, node: Expression | Tree, indent: int) -> list[str]:
    """Modules whose names no container of torch takes as keys."""
    parent = f"self.get_submodule({quoted(path)})" if path else "self"
    start = f"{parent}.add_module({quoted(name)}, "
    if not isinstance(node, dict):
        return laid_out(start, node, ")", indent)
    lines = laid_out(start, "nn.Module()", ")", indent)
    for child, below in node.items():
        lines += _odd_lines(f"{path}.{name}" if path else name, child, below, indent)
    return lines
