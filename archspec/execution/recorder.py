"""CUDA work captured once and replayed with one launch: the part that needs a GPU, and what a capture freezes.

The pattern is torch's: run the work on a side stream until nothing is lazy any more, capture it on the same stream,
copy new data into the tensors it read, replay.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from functools import cache
from itertools import chain
from operator import is_, itemgetter
from types import FunctionType, MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

LIMIT = 16
"""Captures kept for different inputs: each costs seconds, and memory of its own for inputs and outputs."""
_Result = TypeVar("_Result")
_CONSTANTS = (bool, int, float, str, tuple, type(None), FunctionType, MethodType)
"""What a module may hold that captured work has read, and that no later change in place reaches."""


class CaptureError(RuntimeError):
    """Some work could not be captured as a CUDA graph. Nothing ran in its place."""


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """One stream for all captures: libraries keep a workspace for each stream that they have seen."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class Recorder:
    """Captures work on one device, all in one memory pool: results are to be copied before the next replay."""

    device_type = "cuda"

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _side_stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._last: torch.cuda.Stream | None = None

    @staticmethod
    def capturing() -> bool:
        """Whether a capture is underway, of whoever calls."""
        return torch.cuda.is_current_stream_capturing()

    def follow(self) -> None:
        """Has the caller's stream wait for the last one, should it be another: captured tensors are shared."""
        current = torch.cuda.current_stream(self._device)
        if self._last is not None and self._last != current:
            current.wait_stream(self._last)
        self._last = current

    def settle(self) -> None:
        """Waits for all replays, before anything that they use is let go."""
        torch.cuda.synchronize(self._device)

    def run(self, work: Callable[[], _Result]) -> _Result:
        """Runs work as it is, on the stream that captures: what is lazy (compiling, handles, tuning) happens now."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = work()
        current.wait_stream(self._stream)
        return result

    def record(self, work: Callable[[], _Result]) -> tuple[Callable[[], None], _Result]:
        """Captures work without running it; returns what replays it, and where each replay leaves its result.

        Raises torch's errors, `RuntimeError`.
        """
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        # thread_local: a data loader's pinning thread may use CUDA meanwhile. The outer context puts the caller's
        # stream back even where ending the capture fails.
        capture = torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local")
        try:
            with torch.cuda.stream(self._stream), capture:
                result = work()
        except BaseException:
            self._recover()
            raise
        current.wait_stream(self._stream)
        return graph.replay, result

    def _recover(self) -> None:
        """Puts right what torch leaves behind where ending a capture fails.

        Its default generator believes that it is being captured, and refuses every draw from then on; a capture that
        ends, of next to nothing, tells it otherwise. And its allocator goes on looking for the capture at each
        allocation; the pool, which no graph holds, cannot be used again.
        """
        index = self._device.index if self._device.index is not None else torch.cuda.current_device()
        with suppress(RuntimeError):  # the capture had not begun, or has ended
            torch._C._cuda_endAllocateToPool(index, self._pool)
            torch._C._cuda_releasePool(index, self._pool)
        self._pool = torch.cuda.graph_pool_handle()
        mark = torch.zeros(1, device=self._device)
        self.settle()
        with suppress(RuntimeError), torch.cuda.stream(self._stream):
            with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=self._stream, capture_error_mode="thread_local"):
                mark.zero_()


def record(recorder: Recorder, work: Callable[[], _Result], name: str) -> tuple[Callable[[], None], _Result]:
    """`recorder.record`, with torch's errors in plain words. Raises `CaptureError`."""
    handled = sys.exc_info()[1]  # the caller's, which is no part of this
    try:
        return recorder.record(work)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        first: BaseException = error  # ending a capture that failed fails too, and hides why
        link = error.__context__
        while link is not None and link is not handled:
            first = link if isinstance(link, RuntimeError) else first
            link = link.__context__
        reason = next((line.strip() for line in str(first).splitlines() if line.strip()), type(first).__name__)
        raise CaptureError(
            f"'{name}' could not be captured as a CUDA graph, and was not run: {reason}\n"
            "Something in it waits for the GPU, as .item(), .cpu(), printing, or a branch on a tensor's value do: a "
            "`module:` operator or the loss, if they are not torch's own. cuda_graphs=False runs it uncaptured"
        ) from error


def device_of(network: nn.Module) -> torch.device:
    """The one device that a network lies on. Raises `ValueError` where CUDA graphs cannot work there."""
    devices = list(dict.fromkeys(tensor.device for tensor in chain(network.parameters(), network.buffers())))
    if len(devices) > 1:
        raise ValueError(
            f"CUDA graphs need the whole network on one GPU, not on {', '.join(sorted(map(str, devices)))}: move it "
            "by .to('cuda'), or leave cuda_graphs out"
        )
    device = devices[0] if devices else torch.get_default_device()
    if device.type != Recorder.device_type:
        raise ValueError(
            f"CUDA graphs need a GPU, and the network is on {device}: move it by .to('cuda'), or leave cuda_graphs out"
        )
    return device


def layout_of(x: Tensor) -> torch.memory_format:
    """The memory layout a copy of a tensor is to have: channels-last where it is that, else contiguous."""
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(x.ndim)
    if last is not None and x.is_contiguous(memory_format=last) and not x.is_contiguous():
        return last
    return torch.contiguous_format


def static(x: Tensor, device: torch.device, layout: torch.memory_format) -> Tensor:
    """Memory for tensors like one, which captured work reads."""
    with torch.inference_mode(False):  # inference tensors could not be written to outside of that mode
        return torch.empty(x.shape, dtype=x.dtype, device=device, memory_format=layout)


def autocast_of(device: str) -> tuple[bool, torch.dtype]:
    """Whether autocast is on for a kind of device, and to what."""
    return torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)


def autocast_as(device: str, state: tuple[bool, torch.dtype]) -> AbstractContextManager[Any]:
    """Autocast, without its cache: a cached cast of a weight, made before a capture, would be freed under the graph."""
    return torch.autocast(device, dtype=state[1], enabled=state[0], cache_enabled=False)


def _fixed(module: nn.Module, name: str, value: Any) -> bool:
    """Whether captured work holds an attribute as it was; what a class has a default for is the state of a step."""
    declared = hasattr(type(module), name) and not callable(getattr(type(module), name))
    return isinstance(value, _CONSTANTS) and not declared


class Frozen:
    """What captured work has fixed about some modules: their code, which there are, their tensors' places, their modes,
    and the numbers and words that they hold (a stride, a padding mode, a probability, a forward of their own).

    A change in place (an optimizer's step, `load_state_dict`) is none of these: replays see it. Some 0.2 us of host
    time a tensor, and half a microsecond a module, to compare.
    """

    def __init__(self, roots: Iterable[nn.Module]) -> None:
        self._roots = list(roots)
        self._modules = [module for root in self._roots for module in root.modules()]
        slots = [(module._modules, module._parameters, module._buffers) for module in self._modules]
        self._slots: list[dict[str, Any]] = [slot for of_one in slots for slot in of_one if slot]
        self._fields: list[tuple[dict[str, Any], list[str], Callable[[Any], Any]]] = []
        for module in self._modules:
            self._watch(vars(module), [name for name, value in vars(module).items() if _fixed(module, name, value)])
        self._constants = self._read()
        self._found = self._find()
        self._tensors = [value for value in self._found if isinstance(value, Tensor)]
        self._state = self._look()

    @property
    def storages(self) -> list[torch.UntypedStorage]:
        """The memory of all tensors."""
        return [tensor.untyped_storage() for tensor in self._tensors]

    def holds(self) -> bool:
        """Whether all of it is as it was."""
        found = self._find()
        if len(found) != len(self._found) or not all(map(is_, found, self._found)) or self._look() != self._state:
            return False
        return self._read() == self._constants

    def settle(self) -> None:
        """Passes over numbers that the captured work itself has changed, as a module may that counts its calls."""
        fields, self._fields = self._fields, []
        for (own, names, _), old in zip(fields, self._constants[1:], strict=True):
            self._watch(own, [name for name, value in zip(names, old, strict=False) if own.get(name) == value])
        self._constants = self._read()

    def _watch(self, own: dict[str, Any], names: list[str]) -> None:
        self._fields.append((own, names, itemgetter(*names, "training", "training")))

    def _read(self) -> list[Any]:
        try:
            return [["forward" in own for own, _, _ in self._fields], *[read(own) for own, _, read in self._fields]]
        except KeyError:  # one is gone
            return []

    def _find(self) -> list[Any]:
        codes = [getattr(root, "code", None) for root in self._roots]
        executions = [vars(root).get("execution") for root in self._roots]
        return [*codes, *executions, *chain.from_iterable(slot.values() for slot in self._slots)]

    def _look(self) -> tuple[list[int], list[bool], list[bool]]:
        places = list(map(Tensor.data_ptr, self._tensors))
        learned = [tensor.requires_grad for tensor in self._tensors]
        return places, learned, [module.training for module in self._modules]
