"""Emulated CUDA graphs, for tests without a GPU."""

from __future__ import annotations

import sys

import emulated
import pytest

from archspec.execution import recorder


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> type[emulated.Recorder]:
    """Emulated CUDA graphs, in the place of real ones; capturable optimizers work on the CPU."""

    class Fresh(emulated.Recorder):
        made: list[emulated.Recorder] = []  # noqa: RUF012

    monkeypatch.setattr(recorder, "Recorder", Fresh)
    adam = sys.modules["torch.optim.adam"]  # torch.optim hides the module
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda *args: ["cpu", "cuda"])
    return Fresh
