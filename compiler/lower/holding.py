"""What a network holds that its graph has not, though its forward may compute the same: tensors that two layers share,
further modules, further parameters. Counts and texts made from the graph would be others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from archspec.compiler.analysis.outline import outline
from archspec.compiler.lower.codegen import block_class
from archspec.compiler.lower.edits import Built, Edit, agreed, edits, hooked
from archspec.graph import Graph
from archspec.ops import ModuleCall
from archspec.syntax.arguments import unwrapped


def described(network: Built) -> Graph:
    """A built network's graph. Raises `ValueError` where the network is no longer what it says, `TypeError` for what
    is no such network."""
    agreed(built(network), differences(network), "Its graph as it was built is network.architecture")
    return network.architecture


def built(network: Built) -> Built:
    """A network that archspec has built. Raises `TypeError` for anything else."""
    if not hasattr(unwrapped(network), "architecture"):
        what = "None" if network is None else f"a {type(network).__name__}"
        raise TypeError(f"this is no spec, graph, name, file or built network, but {what}")
    return network


def differences(network: Built) -> Iterator[Edit]:
    """All in which a network is not what its graph says."""
    yield from edits(network)
    yield from added(network)
    yield from shared(network)
    yield from hooked(network)  # type: ignore[arg-type]


def added(network: Built) -> Iterator[Edit]:
    """Modules, parameters and buffers beside the layers of the graph. What is below a layer is a matter of `edits`."""
    graph = network.architecture
    calls = {node.name: node.op.call(graph.input_shapes(node)) for node in list(graph)[1:]}
    layers = {name: call for name, call in calls.items() if isinstance(call, ModuleCall)}
    units = {unit.address: unit for unit in outline(graph) if network.granularity == "block" and not unit.single}
    parents = {address[:end] for address in (*layers, *units) for end in _dots(address)}
    waiting: list[tuple[str, Any]] = [("", network)]
    while waiting:
        address, module = waiting.pop()
        if address in units and type(module) is not block_class(units[address].plan):
            continue  # another block, with layers of its own
        if address not in layers:
            for name, tensor in (*module._parameters.items(), *module._buffers.items()):
                if tensor is not None:
                    yield Edit(address, f"it has {name}, which the graph has not", name)
        for name, child in module._modules.items():
            path = f"{address}.{name}" if address else name
            if path in parents or path in units:
                waiting.append((path, child))
            elif path not in layers and address not in layers and child is not None:
                yield Edit(address, f"it has a child '{name}', which the graph has not")


def shared(network: Built) -> Iterator[Edit]:
    """Parameters and buffers that are also those of another layer: the same, or in the same memory."""
    graph = network.architecture
    opaque = [
        node.name for node in list(graph)[1:]
        if isinstance(call := node.op.call(graph.input_shapes(node)), ModuleCall) and call.opaque
    ]  # fmt: skip
    first: dict[Any, tuple[str, str]] = {}
    for address, module in network.named_modules(remove_duplicate=False):  # type: ignore[call-arg]
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is None:
                continue
            for key in _keys(tensor):
                there, called = first.setdefault(key, (address, name))
                if (there, called) != (address, name):
                    if not any(_within(address, name) and _within(there, name) for name in opaque):
                        other = ".".join(filter(None, (there, called)))
                        yield Edit(address, f"{name} is that of {other} too, where the graph has two", name)
                    break


def _keys(tensor: Tensor) -> list[Any]:
    """What two tensors have in common that are one."""
    keys: list[Any] = [id(tensor)]
    try:
        if tensor.numel():
            keys.append((tensor.untyped_storage()._cdata, tensor.storage_offset()))
    except (RuntimeError, NotImplementedError, ValueError):  # of a class that has no memory of its own
        pass
    return keys


def _within(address: str, name: str) -> bool:
    return address == name or address.startswith(f"{name}.")


def _dots(address: str) -> list[int]:
    return [i for i, letter in enumerate(address) if letter == "."]
