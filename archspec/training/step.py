"""A training step as one callable, plain or captured as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from archspec.compiler.lower import Network
from archspec.compiler.lower.edits import has_hooks
from archspec.execution import recorder
from archspec.execution.recorder import LIMIT, Frozen, Recorder, autocast_as, autocast_of, device_of, layout_of, static
from archspec.syntax.arguments import condition, whole
from archspec.training.optimizers import check_held

CHANGES = 4
"""Steps in a row that may change the optimizer's settings, each of which would need a capture of its own."""


@dataclass
class _Capture:
    """The step for one kind of batch: run until nothing is lazy any more, then captured."""

    x: Tensor
    target: Tensor
    warmup: int
    """Steps to run before the capture."""
    replay: Callable[[], None] | None = None
    loss: Tensor | None = None
    gradients: tuple[Tensor | None, ...] = ()


class TrainingStep:
    """`step(x, target)`: gradients to none, forward, loss, backward, `optimizer.step()`; returns the loss, detached.

    `loss` takes the network's output and the target and gives a scalar. With `autocast=torch.bfloat16` the forward and
    the loss run under it; None leaves autocast as the caller has it. Batches may lie on the CPU. The network must be
    in training mode, which the step leaves alone.

    With `cuda_graphs` a whole step is captured and replayed with one launch, once for each shape, dtype and layout of
    the batch (16 at most). The first `warmup` steps of a kind are real ones, run uncaptured; so is one step after
    anything that the graph holds has changed (modules moved, replaced, frozen or put into another mode, the
    optimizer's state loaded, its settings changed), and then the step is captured again: `captures` counts them. A
    learning rate that changes at every step belongs into a tensor on the GPU. Stochastic depth then draws on the GPU
    (dropped blocks are computed, and their gradients are zero instead of none). Python in the loss, in modules and in
    the optimizer's hooks runs at a capture only. `.grad` is the graph's own memory: the next step writes to it.

    Raises `ValueError` for float16, which needs a scaler, and for an optimizer of other weights; and with `cuda_graphs`
    for a network that is not on one GPU, checkpointed segments, hooks on modules, and optimizers that count steps on
    the host. On call: `RuntimeError` in evaluation mode, for more than 16 kinds of batch, and where settings change at
    every step; `CaptureError` where the step waits for the GPU.
    """

    def __init__(
        self, network: nn.Module, optimizer: torch.optim.Optimizer,
        loss: Callable[[Any, Tensor], Tensor] = cross_entropy, *, cuda_graphs: bool = False,
        autocast: torch.dtype | str | None = None, warmup: int = 3,
    ) -> None:  # fmt: skip
        if autocast not in (None, torch.bfloat16, "bfloat16"):
            raise ValueError(f"autocast is torch.bfloat16 or None, not {autocast}: other types need a gradient scaler")
        condition("cuda_graphs", cuda_graphs)
        whole("warmup", warmup, 1)  # what is made on first use is made before a capture
        if not callable(loss):
            raise ValueError(f"loss is a function of the output and the target, not {loss!r}")
        self.network, self.optimizer, self.loss = network, optimizer, loss
        self.cuda_graphs, self.warmup = cuda_graphs, warmup
        self.autocast = None if autocast is None else torch.bfloat16
        self.captures = 0
        """Captures made so far."""
        self._changes = 0
        self._settings: list[dict[str, Any]] | None = None
        self._slots: dict[Any, _Capture] = {}
        self._recorder: Recorder | None = None
        self._frozen: Frozen | None = None
        self._state: Any = None
        self._shown: _Capture | None = None
        """Whose gradients the parameters have."""
        check_held(network, optimizer, loss)
        if cuda_graphs:
            self._check()

    def __call__(self, x: Tensor, target: Tensor) -> Tensor:
        """Trains on a batch; the loss as a detached scalar on the network's device, the caller's own."""
        if not self.network.training:
            raise RuntimeError("the network is in evaluation mode: call network.train() before training steps")
        if self.cuda_graphs:
            return self._graphed(x, target)
        device = self._device()
        x, target = x.to(device, non_blocking=True), target.to(device, non_blocking=True)
        scope: AbstractContextManager[Any] = nullcontext()
        if self.autocast is not None:
            scope = torch.autocast(device.type, dtype=self.autocast)
        return self._train(x, target, scope)

    def _device(self) -> torch.device:
        """The network's device; of one without parameters and buffers, that of what is trained around it."""
        trained = (parameter for group in self.optimizer.param_groups for parameter in group["params"])
        found: Tensor = next(chain(self.network.parameters(), self.network.buffers(), trained))
        return found.device

    def _train(self, x: Tensor, target: Tensor, autocast: AbstractContextManager[Any]) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = self.loss(self.network(x), target)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def _graphed(self, x: Tensor, target: Tensor) -> Tensor:
        self._notice()
        kind = recorder.Recorder.device_type
        state = autocast_of(kind) if self.autocast is None else (True, self.autocast)
        slot = self._slot(x, target, state)
        if self._recorder is None:
            self._recorder = recorder.Recorder(slot.x.device)
        self._recorder.follow()
        with torch.no_grad():
            slot.x.copy_(x, non_blocking=True)
            slot.target.copy_(target, non_blocking=True)

        def work() -> Tensor:
            # Without autocast's cache; each weight is cast once a step all the same.
            return self._train(slot.x, slot.target, autocast_as(kind, state))

        if slot.replay is None and slot.warmup:
            with _drawn_on_the_device(self.network):
                loss = self._recorder.run(work)
            slot.warmup -= 1
            self._shown = None
            return loss.clone()
        if slot.replay is None:
            self._record(slot, self._recorder, work)
        assert slot.replay is not None
        assert slot.loss is not None
        slot.replay()
        if self._shown is not slot:  # each capture writes to gradients of its own
            for parameter, gradient in zip(self._parameters(), slot.gradients, strict=True):
                parameter.grad = gradient
            self._shown = slot
        return slot.loss.clone()

    def _record(self, slot: _Capture, by: Recorder, work: Callable[[], Tensor]) -> None:
        self._check()
        if self._frozen is None:
            self._frozen, self._state = Frozen(self._roots()), self.optimizer.state
        name = self.network.architecture.name if isinstance(self.network, Network) else type(self.network).__name__
        try:
            with _drawn_on_the_device(self.network):
                slot.replay, slot.loss = recorder.record(by, work, name)
        except BaseException:
            self.optimizer.zero_grad(set_to_none=True)  # they lie in memory of a graph that is none
            raise
        self._frozen.settle()
        slot.gradients = tuple(parameter.grad for parameter in self._parameters())
        self.captures += 1

    def _slot(self, x: Tensor, target: Tensor, state: tuple[bool, torch.dtype]) -> _Capture:
        """The capture for batches like this one."""
        layouts = layout_of(x), layout_of(target)
        key = (x.shape, x.dtype, target.shape, target.dtype, layouts, state)
        slot = self._slots.get(key)
        if slot is None:
            if len(self._slots) >= LIMIT:
                shapes = ", ".join(dict.fromkeys(str(tuple(known[0])) for known in self._slots))
                raise RuntimeError(
                    f"{LIMIT} kinds of batch are captured already ({shapes}), and each costs time and memory: train "
                    "on batches of fewer shapes (drop_last=True in a data loader), or without cuda_graphs"
                )
            device = device_of(self.network)
            slot = _Capture(static(x, device, layouts[0]), static(target, device, layouts[1]), self.warmup)
            self._slots[key] = slot
        return slot

    def _notice(self) -> None:
        """Drops what is captured if anything has changed that it holds."""
        settings = [
            {name: len(value) if name == "params" else _fixed(value) for name, value in group.items()}
            for group in self.optimizer.param_groups
        ]
        changed = self._settings is not None and settings != self._settings
        self._changes = self._changes + 1 if changed else 0
        if self._changes >= CHANGES:
            old, new = self._settings or [], settings
            names = {name for a, b in zip(old, new, strict=False) for name in b if a.get(name) != b[name]}
            raise RuntimeError(
                f"the optimizer's settings ({', '.join(sorted(names)) or 'its groups'}) changed at each of the last "
                f"{CHANGES} steps, and a captured step holds numbers as they were: give a learning rate as a tensor "
                "on the GPU, into which schedulers write: Adam(..., capturable=True, lr=torch.tensor(1e-3, "
                "device='cuda')), or SGD(..., fused=True, lr=torch.tensor(0.1, device='cuda'))"
            )
        self._settings = settings
        held = self._frozen is None or (self.optimizer.state is self._state and self._frozen.holds())
        if changed or not held:
            self._release()

    def _release(self) -> None:
        """Drops captures. What was captured needs one step before it is again: the optimizer may make new state."""
        if self._recorder is not None:
            self._recorder.settle()
        self._recorder = self._frozen = self._state = self._shown = None
        device = self._device()
        for key, slot in list(self._slots.items()):
            if slot.x.device != device:
                del self._slots[key]
            else:
                slot.replay, slot.loss, slot.gradients, slot.warmup = None, None, (), max(slot.warmup, 1)

    def _check(self) -> None:
        """Raises `ValueError` for what cannot be captured."""
        device = device_of(self.network)
        execution = getattr(self.network, "execution", None)
        if execution is not None and execution.segments:
            raise ValueError(
                "checkpointed segments read the generator's state, which a capture forbids: "
                "archspec.compile(network, 'regional', checkpoint='auto') leaves recomputation to the compiler"
            )
        hooked = [
            name or type(root).__name__
            for root in self._roots() for name, module in root.named_modules() if has_hooks(module)
        ]  # fmt: skip
        if hooked:
            names = ", ".join(hooked[:5]) + (f" and {len(hooked) - 5} more" if len(hooked) > 5 else "")
            raise ValueError(
                f"a captured step would call the hooks on {names} at its capture only: "
                "remove them, or train without cuda_graphs"
            )
        check_optimizer(self.optimizer, device)

    def _roots(self) -> list[nn.Module]:
        return [module for module in (self.network, self.loss) if isinstance(module, nn.Module)]

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def check_optimizer(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Raises `ValueError`, with the remedy, for an optimizer whose step cannot be captured."""
    name, sgd = type(optimizer).__name__, isinstance(optimizer, torch.optim.SGD)
    for group in optimizer.param_groups:
        if not sgd and "capturable" not in group:
            raise ValueError(
                f"{name} keeps numbers on the host, which a captured step would hold as they were: use SGD, or one of "
                "Adam, AdamW, NAdam, RAdam, Adamax, Adadelta, RMSprop with capturable=True, or leave cuda_graphs out"
            )
        if not sgd and not group["capturable"]:
            raise ValueError(f"a captured step needs {name}(..., capturable=True), which counts steps on the GPU")
        tensors = {key: value for key, value in group.items() if isinstance(value, Tensor)}
        for key, value in tensors.items():
            if value.device != device:
                raise ValueError(f"the optimizer's {key} is on {value.device}: a captured step needs it on {device}")
        if sgd and tensors and not group["fused"]:
            raise ValueError(
                f"SGD reads a tensor ({', '.join(tensors)}) on the host, which a capture forbids: add fused=True"
            )


def _fixed(value: Any) -> Any:
    """What a captured step holds of a setting: numbers by value, tensors by their place."""
    if isinstance(value, Tensor):
        return "tensor", value.data_ptr()
    return tuple(map(_fixed, value)) if isinstance(value, (list, tuple)) else value


@contextmanager
def _drawn_on_the_device(network: nn.Module) -> Iterator[None]:
    """Has stochastic depth draw on the device for a while."""
    before = network.__dict__.get("skips_dropped")
    if isinstance(network, Network):
        network.skips_dropped = False
    try:
        yield
    finally:
        if isinstance(network, Network):
            if before is None:
                network.__dict__.pop("skips_dropped", None)
            else:
                network.skips_dropped = before
