"""Devices and number types by their names."""

from __future__ import annotations

import torch

DTYPES = {
    "float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16,
}  # fmt: skip


def pick_device(name: str) -> torch.device:
    """The device of a name; `auto` takes CUDA where there is one. Raises `ValueError` for what is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type != "meta":
            torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"the device '{name}' cannot be used: {str(error).splitlines()[0]}") from None
    return device
