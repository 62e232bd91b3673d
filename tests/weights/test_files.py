"""Files of tensors, good and bad: read without running anything, written whole or not at all."""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from archspec import WeightsError
from archspec.weights import files

TENSORS = {"b.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.bfloat16)}


class RunsCode:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


def test_safetensors_and_torch_files(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a.safetensors")
    torch.save(TENSORS, tmp_path / "a.pt")
    torch.save({"epoch": 3, "model": TENSORS}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    os.rename(tmp_path / "a.safetensors", tmp_path / "misnamed.bin")
    for name in ("misnamed.bin", "a.pt", "old.pth"):
        found = files.read(tmp_path / name)
        assert set(found) == set(TENSORS)
        assert all(torch.equal(found[key], value) for key, value in TENSORS.items())


def test_a_file_that_runs_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    made = tmp_path / "made"
    torch.save({"state_dict": TENSORS, "more": RunsCode(made)}, tmp_path / "evil.pt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(RunsCode(made)))
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, what in (("evil.pt", "posix.mkdir"), ("evil.pkl", ""), ("whole.pt", "Linear")):
            with pytest.raises(WeightsError, match=f"{name}: to read it would run .*{what}"):
                files.read(tmp_path / name)
    assert not made.exists()


def test_damaged_files_are_told(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "whole.safetensors")
    torch.save(TENSORS, tmp_path / "whole.pt")
    for name in ("whole.safetensors", "whole.pt"):
        data = (tmp_path / name).read_bytes()
        for cut in (len(data) - 5, len(data) // 2, 20, 1, 0):
            (tmp_path / "cut").write_bytes(data[:cut])
            with pytest.raises(WeightsError, match="cut"):
                files.read(tmp_path / "cut")


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"hello\n", "no checkpoint"), (b"\x89HDF\r\n\x1a\n", "a Keras or HDF5 file"), (b"PK\x03\x04rubbish", "cut off"),
     (b"\x80\x02rubbish", "no checkpoint"), (b"\xff" * 40, "no checkpoint")],
)  # fmt: skip
def test_what_is_no_checkpoint(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(WeightsError, match=told):
        files.read(tmp_path / "file")


def test_checkpoints_without_a_state_dict(tmp_path: Path) -> None:
    for value, told in (([1, 2], "holds a list"), ({"epoch": 3}, "no tensors")):
        torch.save(value, tmp_path / "file.pt")
        with pytest.raises(WeightsError, match=told):
            files.read(tmp_path / "file.pt")
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "none.pt")


def test_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.safetensors"
    files.write(path, {"a": torch.ones(3)[::2], "b": torch.ones(4).expand(2, 4)}, {"archspec": "x"})
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"archspec": "x"}
        assert file.get_tensor("b").shape == (2, 4)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        files.write(path, {"a": torch.zeros(3)}, {})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["out.safetensors"]
