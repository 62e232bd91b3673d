"""The step that is measured: a forward pass in evaluation, or a step of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

HALF = (torch.bfloat16, torch.float16)
"""Number types in which training computes under autocast, its parameters staying in float32."""


def tensors(output: Any) -> list[Tensor]:
    """The tensors of a network's output: one, or a mapping or sequence of them, in order."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        return [tensor for value in output.values() for tensor in tensors(value)]
    if isinstance(output, Sequence) and not isinstance(output, str):
        return [tensor for value in output for tensor in tensors(value)]
    return []


def shapes(output: Any) -> list[tuple[int, ...]]:
    """The shapes of a network's output, with the batch."""
    return [tuple(tensor.shape) for tensor in tensors(output)]


class Inference:
    """A forward pass in evaluation mode, without gradients."""

    def __init__(self, module: nn.Module, x: Tensor) -> None:
        self._module, self._x = module.eval(), x

    def __call__(self) -> None:
        with torch.inference_mode():
            self._module(self._x)

    def prepare_memory(self) -> None:
        """Nothing: a pass leaves nothing behind."""

    def for_memory(self) -> None:
        """What a step allocates is counted over this."""
        self()


class Training:
    """Forward, loss, backward and SGD with momentum, on one random batch.

    The loss is cross-entropy against random classes for outputs (N, classes), and the mean square of any other; of
    several outputs their sum. Under `autocast` the forward and the loss compute in that number type where torch's
    autocast does. There is no loss scaling.
    """

    def __init__(self, module: nn.Module, x: Tensor, autocast: torch.dtype | None) -> None:
        self._module, self._x, self._autocast = module.train(), x, autocast
        self._optimizer = torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9)
        self._classes: dict[int, Tensor] = {}

    def __call__(self) -> None:
        self._backward()
        self._optimizer.step()
        self._optimizer.zero_grad()

    def prepare_memory(self) -> None:
        """Leaves gradients: they are not a step's own memory, and are added to in place."""
        self._backward()

    def for_memory(self) -> None:
        """What a step allocates is counted over this: updating allocates nothing."""
        self._backward()

    def _backward(self) -> None:
        with self._casting():
            outputs = tensors(self._module(self._x))
            loss = sum((self._loss(i, output) for i, output in enumerate(outputs)), self._x.new_zeros(()))
        del outputs
        loss.backward()  # type: ignore[no-untyped-call]

    def _casting(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._x.device.type, self._autocast) if self._autocast else nullcontext()

    def _loss(self, number: int, output: Tensor) -> Tensor:
        if output.ndim != 2:
            return output.float().square().mean()
        if number not in self._classes:
            self._classes[number] = torch.randint(output.shape[1], (output.shape[0],), device=output.device)
        return nn.functional.cross_entropy(output, self._classes[number])
