"""Devices and number types, by their names or as torch has them."""

from __future__ import annotations

from typing import Any

import torch

from archspec.syntax.errors import suggest

DTYPES = {
    "float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16,
}  # fmt: skip
_SHORT = {"fp32": "float32", "fp64": "float64", "bf16": "bfloat16", "fp16": "float16", "half": "float16"}
_SHORT |= {"float": "float32", "double": "float64"}
_MEANT = {"gpu": "cuda", "nvidia": "cuda", "host": "cpu"}


def pick_device(device: Any) -> torch.device:
    """A device of torch, its name or its number; `auto` takes CUDA where there is one. Raises `ValueError` for what is
    none, and for what is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        meant = _MEANT.get(str(device).partition(":")[0].lower())
        advice = f"; did you mean '{meant}'?" if meant else ""
        raise ValueError(
            f"the device {device!r} cannot be used: it is cpu, cuda, cuda:1, mps, xpu, meta, or auto, which takes CUDA "
            f"where there is one{advice}"
        ) from None
    try:
        if found.type != "meta":
            torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"the device '{device}' cannot be used: {str(error).splitlines()[0]}") from None
    return found


def pick_dtype(dtype: Any) -> torch.dtype:
    """A number type of torch, or its name. Raises `ValueError` for what no network can be built in."""
    name = str(dtype).removeprefix("torch.")
    if name in DTYPES and isinstance(dtype, str | torch.dtype):
        return DTYPES[name]
    meant = _SHORT.get(name)
    advice = f"did you mean '{meant}'?" if meant else suggest(name, DTYPES) if isinstance(dtype, str) else None
    raise ValueError(f"dtype is {', '.join(DTYPES)}, not {dtype!r}{f'; {advice}' if advice else ''}")


def picked(device: Any, dtype: Any) -> tuple[torch.device | None, torch.dtype | None]:
    """Both, where they are given. Raises `ValueError`."""
    return None if device is None else pick_device(device), None if dtype is None else pick_dtype(dtype)
