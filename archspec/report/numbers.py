"""Numbers as people read and write them."""

from __future__ import annotations

import re

ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8}
"""Bytes of a number of each type."""
_UNITS = {"": 1, "b": 1, **{f"{name}ib": 2 ** (10 * i) for i, name in enumerate("kmgt", start=1)}}
_UNITS |= {f"{name}b": 10 ** (3 * i) for i, name in enumerate("kmgt", start=1)}


def count(value: int) -> str:
    """A large number: 29,895,108,096 as 29.895 G."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            return f"{value / size:.3f} {unit}"
    return str(value)


def exact(value: int) -> str:
    """A whole number of any size: in full up to 15 digits, else to three digits with its power of two if it is one."""
    if value < 10**15:
        return f"{value:,}"
    power = f" = 2^{value.bit_length() - 1}" if value & (value - 1) == 0 else ""
    digits = len(str(value)) if value.bit_length() < 10_000 else value.bit_length() * 30103 // 100000 + 1
    leading = value // 10 ** max(0, digits - 3)
    return f"{leading / 100:.2f}e{digits - 1}{power}"


def size_text(size: int) -> str:
    """Bytes: 1.50 GiB."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 2**power:
            return f"{size / 2**power:.2f} {unit}"
    return f"{size} bytes"


def size_of(text: str) -> int:
    """Bytes as people write them: 2GiB, 1.5 GB, 800MiB, 4096. Raises `ValueError`."""
    match = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)\s*", text)
    if not match or match.group(2).lower() not in _UNITS:
        raise ValueError(f"{text!r} is no size: 2GiB, 1.5GB, 800MiB, or a number of bytes")
    size = int(float(match.group(1)) * _UNITS[match.group(2).lower()])
    if not size:
        raise ValueError(f"{text!r} is no size: it holds nothing")
    return size
