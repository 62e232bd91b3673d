"""Arithmetic of windows that slide over feature maps: sizes by dimension, padding, what is left."""

from collections.abc import Sequence
from typing import Any

from archspec.ops.base import Shape, ShapeError, Shapes, show_shape
from archspec.ops.ranges import Alike


def per_dimension(value: int | Sequence[int], rank: int, what: str) -> Shape:
    """One number per spatial dimension. Raises `ShapeError` if as many are not given."""
    if type(value) is int:
        return (value,) * rank
    value = (int(value),) * value.dimensions if isinstance(value, Alike) else value
    assert not isinstance(value, int)
    if len(value) != rank:
        raise ShapeError(f"{what} {list(value)} has {len(value)} sizes for {rank} spatial dimensions")
    return tuple(value)


def need_map(inputs: Shapes, key: str) -> tuple[int, Shape]:
    """Channels and spatial sizes of a single feature map. Raises `ShapeError` for a vector."""
    channels, *spatial = inputs[0]
    if not spatial:
        raise ShapeError(f"{key} needs a feature map, and gets a vector of {channels}")
    return channels, tuple(spatial)


def windowed(
    spatial: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil: bool = False
) -> Shape:
    """Spatial sizes after a sliding window, as torch computes them. Raises `ShapeError` if nothing is left."""
    sizes = []
    for size, k, s, p, d in zip(spatial, kernel, stride, padding, dilation, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        out = (-(-room // s) if ceil else room // s) + 1
        if ceil and (out - 1) * s >= size + p:  # the last window would begin in the padding
            out -= 1
        sizes.append(out)
    if min(sizes) < 1:
        raise ShapeError(
            f"the feature map vanishes: a window of {show_shape(kernel)} does not fit {show_shape(spatial)}",
            "use a larger input, fewer strides, or padding",
        )
    return tuple(sizes)


def same_padding(padding: Any, kernel: Shape, dilation: Shape, rank: int) -> Shape:
    """The padding written, or the one that keeps the size at stride 1 (of an odd kernel)."""
    if padding is None:
        return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    return per_dimension(padding, rank, "padding")


def show_window(kernel: int | Shape, rank: int) -> str:
    """A window for readers: 3 over signals, 3×3 over images, and over video too where all its sizes agree."""
    return "×".join(map(str, kernel if isinstance(kernel, tuple) else (kernel,) * min(rank, 2)))


def unpadded(padding: Any, kernel: int | Sequence[int], dilation: int | Sequence[int] = 1) -> bool:
    """Whether a window has no padding in any dimension, however many there are."""
    if padding is not None:
        return not any(padding if isinstance(padding, Sequence) else [padding])
    return not any(d * (k - 1) // 2 for k, d in _paired(kernel, dilation))


def undilated(kernel: int | Sequence[int], dilation: int | Sequence[int]) -> bool:
    """Whether a dilation spaces nothing: it is 1, or the kernel is, in every dimension."""
    return all(k == 1 or d == 1 for k, d in _paired(kernel, dilation))


def _paired(kernel: int | Sequence[int], dilation: int | Sequence[int]) -> list[tuple[int, int]]:
    """Kernel and dilation by dimension; of as many as are written."""
    kernels = [int(kernel)] if isinstance(kernel, int) else list(kernel)
    dilations = [int(dilation)] if isinstance(dilation, int) else list(dilation)
    rank = max(len(kernels), len(dilations))
    return list(zip(kernels * (rank // len(kernels)), dilations * (rank // len(dilations)), strict=False))


def squeezed(value: Shape) -> int | Shape:
    """One number where all dimensions agree, for readable calls."""
    return value[0] if len(set(value)) == 1 else value
