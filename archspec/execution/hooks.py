"""Hooks inside compiled or captured code: refused, since it would drop them in silence.

torch.compile inlines the modules of a compiled region. A hook registered on one of them before compiling is traced
once; one registered afterwards is never called, and nothing says so. A captured CUDA graph runs no Python at all. Hooks
on a block that is compiled as a region, or on the network, run outside and are honoured.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from torch import nn

from archspec.compiler.lower.edits import HOOKS, has_hooks


class SealedHooks(OrderedDict[int, Any]):
    """A module's hooks of one kind while compiled or captured code inlines it: none, and none can be added."""

    def __init__(self, address: str, outside: str) -> None:
        super().__init__()
        self._address, self._outside = address, outside

    def __setitem__(self, key: int, value: Any) -> None:
        raise RuntimeError(
            f"a hook on '{self._address}' would never be called: compiled or captured code inlines it. "
            f"Hook {self._outside}, or run archspec.compile(network, mode='eager') first"
        )

    def __reduce__(self) -> Any:
        return OrderedDict, ()  # a copy of a compiled network is not compiled

    def __deepcopy__(self, memo: Any) -> OrderedDict[int, Any]:
        return OrderedDict()


def inlined(root: nn.Module, address: str, outside: str) -> Iterable[tuple[str, nn.Module, str]]:
    """The modules below one whose forward is compiled: address, module, and what can be hooked in their place."""
    for name, module in root.named_modules(prefix=address):
        if module is not root:
            yield name, module, outside


def check(modules: Iterable[tuple[str, nn.Module, str]]) -> None:
    """Raises `ValueError` naming every module whose hooks compiled or captured code would drop."""
    hooked = {name: outside for name, module, outside in modules if has_hooks(module)}
    if hooked:
        names = ", ".join(list(hooked)[:5]) + (f" and {len(hooked) - 5} more" if len(hooked) > 5 else "")
        raise ValueError(
            f"compiled or captured code would not call the hooks on {names}: remove them, "
            f"hook {next(iter(hooked.values()))} instead, or use mode='eager' without CUDA graphs"
        )


def seal(modules: Iterable[tuple[str, nn.Module, str]]) -> None:
    """From now on, registering a hook on one of these modules raises `RuntimeError`."""
    for name, module, outside in modules:
        for kind in HOOKS:
            module.__dict__[kind] = SealedHooks(name, outside)


def unseal(root: nn.Module) -> None:
    """Undoes `seal` for every module below one."""
    for module in root.modules():
        for kind in HOOKS:
            if isinstance(module.__dict__.get(kind), SealedHooks):
                module.__dict__[kind] = OrderedDict()
