"""Inference by CUDA graphs: a network's forward, captured once for each kind of input and replayed with one launch.

For networks whose time goes into Python and kernel launches: thin, deep ones at small batches. Training is captured by
`archspec.TrainingStep`, whose step holds the backward and the optimizer too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from archspec.compiler.lower import Network
from archspec.compiler.lower.running import Instead
from archspec.execution import recorder
from archspec.execution.recorder import LIMIT, Frozen, Recorder, autocast_as, autocast_of, device_of, layout_of, static

WARMUP = 3
"""Runs before a capture: the first compiles and tunes; more, as torch does, for what settles late."""


@dataclass(frozen=True)
class _Capture:
    """A captured forward: `replay` reads `x` and leaves its result in `output`."""

    x: Tensor
    output: Any
    replay: Callable[[], None]


class CapturedForward(Instead):
    """A network's forward, of one input: replayed in evaluation without gradients, as it is in training.

    Captured on first call for each shape, dtype, memory layout and state of autocast; input may lie on the CPU.
    Outputs are the caller's own, and replays never write to them. A module moved, replaced or put into another mode,
    or weights assigned anew, are noticed and captured again. Calls from several threads and streams run one after the
    other. Torch's settings (TF32, determinism) stay those of the capture.

    Raises `ValueError` where the network is not on one GPU; on call, `RuntimeError` in evaluation with gradients and
    for more than `LIMIT` kinds of input, `CaptureError` where the forward waits for the GPU.
    """

    def __init__(self, network: Network, forward: Callable[[Tensor], Any], layout: torch.memory_format | None) -> None:
        device_of(network)
        self._network, self._forward, self._layout = network, forward, layout
        self._lock = Lock()
        self._captures: dict[Any, _Capture] = {}
        self._recorder: Recorder | None = None
        self._frozen: Frozen | None = None
        self._memory: list[torch.UntypedStorage] = []

    def __call__(self, x: Tensor) -> Any:
        network = self._network
        if network.training or torch.compiler.is_compiling() or recorder.Recorder.capturing():
            return self._forward(x)
        if torch.is_grad_enabled():
            raise RuntimeError(
                f"'{network.architecture.name}' replays CUDA graphs in evaluation, which keep nothing for gradients: "
                "call it under torch.inference_mode() or torch.no_grad(). archspec.TrainingStep captures training; "
                "archspec.compile(network, cuda_graphs=False) runs evaluation with gradients"
            )
        with self._lock:
            output = self._replayed(x)
            if self._frozen is None or not self._frozen.holds():
                self._drop()  # the check runs beside the GPU; what the replay read is alive, and now let go
                output = self._replayed(x)
            return _copied(output)

    def __deepcopy__(self, memo: Any) -> None:
        """A copy of a network runs eagerly: nothing of this goes with it."""

    def _drop(self) -> None:
        if self._recorder is not None:
            self._recorder.settle()
        self._recorder = self._frozen = None
        self._captures, self._memory = {}, []

    def _replayed(self, x: Tensor) -> Any:
        """The output of a replay, in captured memory."""
        layout = self._layout or layout_of(x)
        state = autocast_of(recorder.Recorder.device_type)
        key = (x.shape, x.dtype, layout, state)
        capture = self._captures.get(key)
        if capture is None:
            capture = self._captures[key] = self._capture(x, layout, state)
        assert self._recorder is not None
        self._recorder.follow()
        with torch.inference_mode(False), torch.no_grad():
            capture.x.copy_(x, non_blocking=True)
        capture.replay()
        return capture.output

    def _capture(self, x: Tensor, layout: torch.memory_format, state: tuple[bool, torch.dtype]) -> _Capture:
        if self._frozen is not None and not self._frozen.holds():
            self._drop()  # captures kept are all of one state of the network
        if len(self._captures) >= LIMIT:
            shapes = ", ".join(dict.fromkeys(str(tuple(key[0])) for key in self._captures))
            raise RuntimeError(
                f"{LIMIT} kinds of input are captured already ({shapes}), and each costs time and memory: pad inputs "
                "to fewer shapes, or run archspec.compile(network, cuda_graphs=False)"
            )
        device = device_of(self._network)
        if self._recorder is None:
            self._recorder = recorder.Recorder(device)
        given = static(x, device, layout)

        def work() -> Any:
            with autocast_as(device.type, state):
                return self._forward(given)

        with torch.inference_mode(False), torch.no_grad():
            given.copy_(x)
            for _ in range(WARMUP):
                self._recorder.run(work)
            if self._frozen is None:
                self._frozen = Frozen([self._network])
                self._memory = self._frozen.storages  # a replay may come before it is known that they were replaced
            replay, output = recorder.record(self._recorder, work, self._network.architecture.name)
            self._frozen.settle()
        return _Capture(given, output, replay)


def _copied(output: Any) -> Any:
    """An output, or a dict of them, in memory of its own."""
    return {name: value.clone() for name, value in output.items()} if isinstance(output, dict) else output.clone()
