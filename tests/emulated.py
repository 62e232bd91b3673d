"""CUDA graphs, emulated on the CPU: what is captured is a tape of operators on fixed memory, and no Python.

As with a real graph, capturing runs nothing (memory is put back, results are not numbers), numbers of the host are
constants, and replaying repeats the operators on the memory they were recorded with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from archspec.execution import recorder

T = TypeVar("T")
STATISTICS = (3, 4)  # of native_batch_norm, whose schema hides that it writes to them


class Recorder:
    """Stands in for `archspec.execution.recorder.Recorder`."""

    device_type = "cpu"
    made: list[Recorder] = []  # noqa: RUF012
    refusal: str | None = None
    """What a capture raises, if any."""

    def __init__(self, device: torch.device) -> None:
        assert device.type == "cpu"
        self.warmed = self.recorded = self.replayed = 0
        type(self).made.append(self)

    @staticmethod
    def capturing() -> bool:
        return False

    def follow(self) -> None:
        pass

    def settle(self) -> None:
        pass

    def run(self, work: Callable[[], T]) -> T:
        self.warmed += 1
        return work()

    def record(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        tape = Tape()
        with tape:
            result = work()
            if self.refusal is not None:
                try:
                    raise RuntimeError(f"{self.refusal}\nmore of it")
                except RuntimeError:
                    raise RuntimeError("operation failed due to a previous error during capture")  # noqa: B904
        tape.put_back()
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            tape.replay()

        return replay, result


class Tape(TorchDispatchMode):
    """Operators with the tensors they read and wrote."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._own: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        assert "_local_scalar_dense" not in func.name(), "a capture forbids to read a number on the host"
        written = [
            value for place, argument in enumerate(func._schema.arguments)
            if (argument.alias_info is not None and argument.alias_info.is_write)
            or (func.name() == "aten::native_batch_norm" and place in STATISTICS)
            for value in tree_leaves(kwargs.get(argument.name, args[place] if place < len(args) else None))
        ]  # fmt: skip
        for value in written:
            if isinstance(value, Tensor) and _place(value) not in self._own:
                storage = value.untyped_storage()
                self._before.setdefault(storage.data_ptr(), (storage, storage.clone()))
        out = func(*args, **kwargs)
        if func.namespace != "profiler":
            self._steps.append((func, args, kwargs, out))
        read = {_place(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        for made in tree_leaves(out):
            if isinstance(made, Tensor) and _place(made) not in read:
                self._own[_place(made)] = made
        return out

    def put_back(self) -> None:
        """Memory as it was before, and results that are none."""
        for storage, before in self._before.values():
            storage.copy_(before)
        for made in self._own.values():
            if made.is_floating_point():
                made.detach().fill_(float("nan"))

    def replay(self) -> None:
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            for func, args, kwargs, out in self._steps:
                again = func(*args, **kwargs)
                for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                    if isinstance(old, Tensor) and _place(old) in self._own and _place(old) != _place(new):
                        old.detach().copy_(new)


def _place(tensor: Tensor) -> int:
    """The address of a tensor's memory."""
    return tensor.untyped_storage().data_ptr()


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    """Emulated CUDA graphs, in the place of real ones; capturable optimizers work on the CPU."""

    class Fresh(Recorder):
        made: list[Recorder] = []  # noqa: RUF012

    monkeypatch.setattr(recorder, "Recorder", Fresh)
    adam = sys.modules["torch.optim.adam"]  # torch.optim hides the module
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda *args: ["cpu", "cuda"])
    return Fresh
