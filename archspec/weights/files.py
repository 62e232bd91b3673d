"""Files of tensors: read without running what is in them, written whole or not at all."""

from __future__ import annotations

import errno
import os
import pickle
import re
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from archspec.syntax.escape import terminal
from archspec.weights.problem import WeightsError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights")
"""Keys under which training scripts keep a state dict beside other things."""
_KINDS = {b"\x89HDF": "a Keras or HDF5 file", b"GGUF": "a GGUF file", b"\x93NUM": "a NumPy array", b"\x1f\x8b": "gzip"}


def read(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a checkpoint on the CPU, by their keys in the file's order.

    By its content: safetensors, or what torch.save has written, which is read as tensors alone (`weights_only=True`):
    a file that asks for code to be run is refused. A state dict in a larger dict is found (`WRAPPERS`), and the
    prefix "module." that data-parallel training leaves is taken off. Raises `WeightsError`, `OSError`.
    """
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(16)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**32:
        return plain_keys(_safetensors(path), str(path))
    for sign, kind in _KINDS.items():
        if start.startswith(sign):
            raise WeightsError(f"{path}: this is {kind}, not a checkpoint; safetensors and torch.save are read")
    if start[:2] != b"PK" and start[:1] != b"\x80":
        raise WeightsError(f"{path}: this is no checkpoint: neither safetensors nor written by torch.save")
    return plain_keys(_torch(path), str(path))


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no dict
    except SafetensorError as error:
        size = path.stat().st_size
        raise WeightsError(f"{path}: the safetensors file is cut off or damaged ({size:,} bytes): {error}") from None


def _torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")  # what cannot be read is told below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error)) or re.search(r"global ([\w.]+)", str(error))
        what = f"'{terminal(wanted.group(1))}'" if wanted else "code"
        if wanted is None and "Weights only" not in str(error):
            raise WeightsError(f"{path}: this is no checkpoint, or a damaged one") from None
        raise WeightsError(
            f"{path}: to read it would run {what}, which a file of weights has no need of. Save its state dict alone, "
            "where you trust it: torch.save(model.state_dict(), PATH)"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # torch seeks before the start of what is cut
            raise
        told = (str(error).splitlines() or [""])[0].partition(". ")[0]
        raise WeightsError(f"{path}: this is no checkpoint, or one that is cut off ({terminal(told)})") from None


def plain_keys(data: Any, name: str) -> dict[str, Tensor]:
    """A state dict by plain keys: out of what it is wrapped in, without "module.". Raises `WeightsError`."""
    for _ in range(3):
        inner = next((data[key] for key in WRAPPERS if isinstance(data.get(key), Mapping)), None) \
            if isinstance(data, Mapping) else None  # fmt: skip
        if inner is None:
            break
        data = inner
    if not isinstance(data, Mapping):
        raise WeightsError(f"{name}: this holds a {type(data).__name__}, not a state dict")
    found = {key: value for key, value in data.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if not found:
        raise WeightsError(f"{name}: there are no tensors in it")
    for prefix in ("module.", "_orig_mod."):
        if all(key.startswith(prefix) for key in found):
            found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found


def write(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file: aside, then renamed, so that there is a whole file or none. Raises `OSError`."""
    data = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    write_bytes(path, save(data, dict(metadata)))


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file aside, then renames it. Raises `OSError`."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
