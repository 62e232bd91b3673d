"""Whether a network is still what its graph says: every module compared with the one that the graph would have made.

Whoever reads the graph of a network that others may have edited asks here first. People replace layers and blocks, set
`stride` or `padding_mode` of one, put low-rank adapters beside it, parametrise, prune or quantise it, hook it, give it
a forward of their own. Each of these is an `Edit`, with its address and what differs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from types import FunctionType
from typing import Any, Protocol

import torch
from torch import Tensor, fx, nn

from archspec.compiler.analysis.outline import outline
from archspec.compiler.lower.codegen import Block, block_class
from archspec.compiler.lower.modules import target
from archspec.compiler.lower.running import Instead
from archspec.graph import Graph, Node
from archspec.ops import ModuleCall, show_shape
from archspec.syntax.values import show

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_OWN = frozenset(vars(nn.Module()))
"""What every module has, and holds no number of its function: tensors and children are compared one by one."""
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Edit:
    """Something about a network that its graph does not say."""

    address: str
    """Of the module; empty for the network itself."""
    what: str
    """What differs, as in `stride is (2, 2), where the graph has (1, 1)`."""
    field: str = ""
    """The attribute, if it is one."""
    number: bool = False
    """Whether it is a number that no shape and no memory depends on, as an epsilon or a probability above 0."""

    def __str__(self) -> str:
        return f"{self.address or 'the network'}: {self.what}"


class Built(Protocol):
    """A network, as far as it says what it was built from."""

    @property
    def architecture(self) -> Graph: ...
    @property
    def granularity(self) -> str: ...
    @property
    def edited(self) -> bool: ...
    @property
    def graph(self) -> fx.Graph: ...
    @property
    def code(self) -> str: ...
    def get_submodule(self, target: str) -> nn.Module: ...
    def named_modules(self) -> Iterator[tuple[str, nn.Module]]: ...


def agreed(network: Built, found: Iterable[Edit], before: str) -> None:
    """Raises `ValueError` naming what was edited; `before` is what should have been done first, or instead."""
    told = [str(edit) for edit in found]
    if told:
        more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
        raise ValueError(
            f"'{network.architecture.name}' is no longer what its graph says: {'; '.join(told[:_TOLD])}{more}. {before}"
        )


def edits(network: Built, nodes: Iterable[Node] | None = None) -> Iterator[Edit]:
    """What differs between a network and its graph, block by block and module by module: in its fx graph, classes,
    attributes, parameters, buffers, children, forwards. Hooks are no part of it: see `hooked`.

    `nodes` are those whose modules count; all of them by default.
    """
    graph = network.architecture
    if network.edited:
        yield Edit("", "its fx graph has been edited")
    elif network.graph.python_code("self").src != network.code:
        yield Edit("", "its fx graph has been edited, and not recompiled: copies would be, and it is not yet")
    yield from rerouted(network)
    if network.granularity == "block":
        for unit in outline(graph):
            block = _at(network, unit.address) if not unit.single else None
            if not unit.single and type(block) is not block_class(unit.plan):
                yield Edit(unit.address, f"it is {_class(block)}, where the graph has {_class(block_class(unit.plan))}")
            elif not unit.single:
                yield from _patches(unit.address, type(block))
    yield from _patches("", type(network))
    prototypes: dict[ModuleCall, list[nn.Module]] = {}
    for node in list(graph)[1:] if nodes is None else nodes:
        call = node.op.call(graph.input_shapes(node))
        if isinstance(call, ModuleCall):
            if call not in prototypes:
                prototypes[call] = _prototypes(call)
            yield from _differences(node.name, _at(network, node.name), prototypes[call])


def rerouted(network: Built) -> Iterator[Edit]:
    """The network and its blocks where they have a forward of someone's own."""
    for base in takewhile(lambda base: base is not fx.GraphModule, type(network).__mro__):
        if not _ours(base):
            yield from (
                Edit("", f"its class {base.__name__} has its own {name}")
                for name in ("__call__", "forward")
                if name in vars(base)
            )
    for address, module in network.named_modules():
        if not address or isinstance(module, Block):
            yield from (Edit(address, f"it has its own {name}") for name in _own_methods(module))


def hooked(root: nn.Module) -> Iterator[Edit]:
    """Modules with hooks."""
    for address, module in root.named_modules():
        if has_hooks(module):
            yield Edit(address, "it has hooks")


def has_hooks(module: nn.Module) -> bool:
    """Whether a module has hooks."""
    return any(getattr(module, kind) for kind in HOOKS)


def _at(network: Built | nn.Module, address: str) -> nn.Module | None:
    try:
        return network.get_submodule(address)
    except AttributeError:
        return None


def _class(thing: object) -> str:
    cls = thing if isinstance(thing, type) else type(thing)
    return "gone" if thing is None else f"a {cls.__name__}"


def _prototypes(call: ModuleCall) -> list[nn.Module]:
    """A module as the graph has it, without memory; two of a class whose constructor may do anything, as what differs
    between these says nothing."""
    made = []
    with torch.device("meta"):
        for _ in range(1 + call.opaque):
            module = target(call.target)(**dict(call.arguments))
            for name, value in call.values:
                setattr(module, name, value)
            made.append(module)
    return made


def _differences(address: str, module: nn.Module | None, prototypes: list[nn.Module]) -> Iterator[Edit]:
    """What differs between a module and what it should be, its children included."""
    for name, expected in prototypes[0].named_modules():
        here = f"{address}.{name}" if name else address
        found = None if module is None else _at(module, name)
        if not (type(found) is type(expected) or _synchronised(found, expected)):
            told, wanted = _class(found), _class(expected)
            if told == wanted:  # of another module
                told, wanted = f"a {type(found).__module__}.{told[2:]}", f"a {type(expected).__module__}.{wanted[2:]}"
            yield Edit(here, f"it is {told}, where the graph has {wanted}")
            return
        assert found is not None
        yield from _patches(here, type(expected))
        others = [prototype.get_submodule(name) for prototype in prototypes[1:]]
        yield from _attributes(here, found, expected, others)
        yield from _tensors(here, found._parameters, expected._parameters)
        yield from _tensors(here, found._buffers, expected._buffers)
        for child in (child for child in found._modules if child not in expected._modules):
            yield Edit(here, f"it has a child '{child}', which the graph has not")


def _synchronised(found: nn.Module | None, expected: nn.Module) -> bool:
    """Whether a batch norm became one over all processes, which is the same function of a whole batch."""
    return type(found) is nn.SyncBatchNorm and isinstance(expected, nn.modules.batchnorm._BatchNorm)


def _attributes(address: str, found: nn.Module, expected: nn.Module, others: list[nn.Module]) -> Iterator[Edit]:
    for name, value in vars(expected).items():
        if name in _OWN or not all(_equal(vars(other).get(name), value) for other in others):
            continue
        if name not in vars(found):
            yield Edit(address, f"{name} is gone", name)
        elif not _equal(vars(found)[name], value):
            given = vars(found)[name]
            number = isinstance(value, float) and isinstance(given, int | float) and (name, value) != ("p", 0)
            called = name.removeprefix("_")
            yield Edit(address, f"{called} is {_shown(given)}, where the graph has {_shown(value)}", name, number)
    yield from (
        Edit(address, f"it has its own {name}", name) for name in _own_methods(found) if name not in vars(expected)
    )


def _patches(address: str, cls: type) -> Iterator[Edit]:
    """Functions put into a class of torch or archspec in place of its own, for all its instances: those whose names
    belong to the text of another module. What other classes had to begin with is not known."""
    for base in takewhile(lambda base: base not in (nn.Module, fx.GraphModule), cls.__mro__):
        if not _ours(base):
            continue
        home = vars(sys.modules[base.__module__])
        for name, value in vars(base).items():
            made = isinstance(value, FunctionType) and value.__code__.co_filename.startswith(_GENERATED)
            if isinstance(value, FunctionType) and not made and value.__globals__ is not home:
                yield Edit(address, f"its class {cls.__name__} has been given another {name}")


def _ours(cls: type) -> bool:
    """Whether a class is torch's or archspec's."""
    return cls.__module__.partition(".")[0] in ("torch", "archspec")


_GENERATED = ("<archspec ", "<eval_with_key>")
"""Texts of forwards that archspec and torch.fx have written."""


def _own_methods(module: nn.Module) -> list[str]:
    """Names under which an instance hides a method of its class; what archspec puts in a forward's place hides none."""
    return [
        name for name, value in vars(module).items()
        if name not in _OWN and callable(getattr(type(module), name, None)) and not isinstance(value, Instead)
    ]  # fmt: skip


def _tensors(address: str, found: dict[str, Any], expected: dict[str, Any]) -> Iterator[Edit]:
    for name, tensor in found.items():
        if name not in expected and tensor is not None:
            yield Edit(address, f"it has {name}, which the graph has not", name)
    for name, tensor in expected.items():
        given = _tensor(found.get(name))
        if given != _tensor(tensor):
            yield Edit(address, f"{name} is {given}, where the graph has {_tensor(tensor)}", name)


def _tensor(value: Any) -> str:
    """A tensor in words: its class, unless it is a plain one, its kind of numbers, its shape."""
    if value is None:
        return "none"
    if type(value) not in (Tensor, nn.Parameter):
        return f"a {type(value).__name__}"
    kind = "" if value.is_floating_point() else f"{str(value.dtype)[6:]} "
    kind += "" if value.layout is torch.strided else f"{str(value.layout)[6:]} "
    return f"{kind}{show_shape(tuple(value.shape)) or 'one number'}"


def _equal(one: Any, other: Any) -> bool:
    """Whether two attributes are the same to a function; of what is no number, word or list of these, only the class
    is known."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    plain = (type(None), bool, int, float, complex, str, torch.dtype)
    if isinstance(one, plain) and isinstance(other, plain):
        return one == other and isinstance(one, bool) == isinstance(other, bool)
    if callable(one) and callable(other) and not isinstance(other, nn.Module):
        return bool(one == other)
    return type(one) is type(other)


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, tuple) else show(value)
