"""Making torch modules from calls: each kind once on the meta device, its siblings as copies, then filled.

Constructors of torch layers spend most of their time filling parameters that the network's own initialisation fills
again. Here a layer is made without memory once per build; copies get memory and are filled once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import torch
from torch import nn

from archspec.language.schema import Filling, Init
from archspec.ops import ModuleCall


@cache
def target(name: str) -> Any:
    """What a dotted name stands for."""
    package, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(package), attribute)


class Factory:
    """Makes modules for one network on one device, in one dtype."""

    def __init__(self, init: Init, device: torch.device, dtype: torch.dtype) -> None:
        self._init, self._device, self._dtype = init, device, dtype
        self._prototypes: dict[ModuleCall, nn.Module] = {}

    def make(self, call: ModuleCall) -> nn.Module:
        """A module with memory, its parameters not yet filled (unless opaque)."""
        if call.opaque:
            with torch.device(self._device):
                module: nn.Module = target(call.target)(**dict(call.arguments))
            return module.to(dtype=self._dtype)
        prototype = self._prototypes.get(call)
        if prototype is None:
            with torch.device("meta"):
                prototype = self._prototypes[call] = target(call.target)(**dict(call.arguments)).to(self._dtype)
        return self._copy(prototype)

    def _copy(self, prototype: nn.Module) -> nn.Module:
        """A module of its own like a prototype: every dict copied, parameters and buffers with memory."""
        module = prototype.__class__.__new__(prototype.__class__)
        state = prototype.__dict__.copy()
        for name, value in state.items():
            if isinstance(value, dict):
                state[name] = value.copy()
        parameters, buffers = state["_parameters"], state["_buffers"]
        for name, value in parameters.items():
            if value is not None:
                parameters[name] = nn.Parameter(self._memory(value))
        for name, value in buffers.items():
            if value is not None:
                buffers[name] = self._memory(value)
        module.__dict__.update(state)
        return module

    def _memory(self, like: torch.Tensor) -> torch.Tensor:
        # torch.empty_like costs fifty times as much on the meta device.
        return torch.empty(like.shape, dtype=like.dtype, device=self._device)

    def fill(self, module: nn.Module, call: ModuleCall, values: tuple[tuple[str, float], ...] = ()) -> None:
        """Fills the parameters and buffers of a module, as the network's `init` and its own call say."""
        for name, number in values:
            setattr(module, name, number)
        if self._device.type == "meta":
            return
        rule: Filling | None = getattr(self._init, call.init) if call.init else None
        reset: Callable[[], None] | None = None if call.opaque else getattr(module, "reset_parameters", None)
        if rule is not None and rule.method != "default":
            _fill_weight(module.weight, rule)  # type: ignore[arg-type]
            if isinstance(module.bias, nn.Parameter):
                nn.init.zeros_(module.bias)
        elif reset is not None:
            reset()
        for name, value in call.fills:
            filled = getattr(module, name)
            rows = filled if isinstance(value, tuple) else [filled]
            for row, start in zip(rows, value if isinstance(value, tuple) else [value], strict=True):
                nn.init.constant_(row, start)


def _fill_weight(weight: torch.Tensor, rule: Filling) -> None:
    """He et al., arXiv 1502.01852 (gain of ReLU), or Glorot and Bengio (gain 1)."""
    mode: Literal["fan_in", "fan_out"] = "fan_out" if rule.fan == "out" else "fan_in"
    match rule.method:
        case "he_normal":
            nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="relu")
        case "he_uniform":
            nn.init.kaiming_uniform_(weight, mode=mode, nonlinearity="relu")
        case "xavier_normal":
            nn.init.xavier_normal_(weight)
        case "xavier_uniform":
            nn.init.xavier_uniform_(weight)
        case "normal":
            nn.init.normal_(weight, std=rule.std)
