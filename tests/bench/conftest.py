from __future__ import annotations

import sys
from pathlib import Path

import pytest
from bench_specs import HAND, LAYERS, ONE, SEVERAL, TINY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the networks in it; what it makes importable goes with it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for module in ("tiny_layers", "kit", "kit.inner", "kit.inner.net", "kit.inner.parts"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    for name, text in {"tiny": TINY, "several": SEVERAL, "one": ONE}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "hand.py").write_text(HAND)
    (tmp_path / "tiny_layers.py").write_text(LAYERS)
    return tmp_path
