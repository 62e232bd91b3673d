"""The layer of what a traced module does that archspec has no operator for. Generated models use it as it is here."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Aten(nn.Module):
    """Operators of torch one after another: what a traced module does that archspec has no operator for.

    `steps` are calls, `(operator, arguments, keyword arguments as pairs)`, where "%x0" is the first input, "%name" one
    of `tensors`, "%3" what the fourth step gave, "%batch*4" four times the number of samples.
    """

    def __init__(self, steps: Any, tensors: Any = ()) -> None:
        super().__init__()
        self.steps, self.tensors = steps, tensors
        for name, shape, kind, _ in tensors:
            if kind == "parameter":
                self.register_parameter(name, nn.Parameter(torch.empty(shape)))
            else:
                self.register_buffer(name, torch.zeros(shape, dtype=getattr(torch, kind)))

    def reset_parameters(self) -> None:
        """Fills its tensors with what they start from; small random numbers where that is not one number."""
        for name, _, kind, start in self.tensors:
            if start is not None:
                nn.init.constant_(getattr(self, name), start)
            elif kind == "parameter":
                nn.init.normal_(getattr(self, name), std=0.02)

    def argument(self, value: Any, inputs: tuple[Tensor, ...], made: list[Any]) -> Any:
        """What a step is given in the place of what it says."""
        if isinstance(value, tuple):
            return [self.argument(entry, inputs, made) for entry in value]
        if not isinstance(value, str) or not value.startswith("%"):
            return value
        name, _, times = value[1:].partition("*")
        if name.isdigit():
            return made[int(name)]
        if name[:1] == "x" and name[1:].isdigit():
            return inputs[int(name[1:])]
        if name == "batch":
            return inputs[0].shape[0] * int(times or 1)
        if name in ("dtype", "device"):
            return getattr(inputs[0], name)
        if name.startswith("torch."):
            return getattr(torch, name[6:])
        return name[1:] if name.startswith("%") else getattr(self, name)

    def forward(self, *inputs: Tensor) -> Tensor:
        made: list[Any] = []
        for operator, arguments, keywords in self.steps:
            args = [self.argument(value, inputs, made) for value in arguments]
            given = {name: self.argument(value, inputs, made) for name, value in keywords}
            if operator == "getitem":
                made.append(args[0][args[1]])
            elif operator == "tensor":
                made.append(torch.tensor(args[0], dtype=args[1], device=inputs[0].device))
            else:
                name, _, overload = operator.partition(".")
                made.append(getattr(getattr(torch.ops.aten, name), overload)(*args, **given))
        value: Tensor = made[-1]
        return value

    def extra_repr(self) -> str:
        return " · ".join(step[0].partition(".")[0] for step in self.steps)
