"""How the axes of a tensor lie in the memory of the signal it shows: views, permutations, broadcasts.

A module may look at one signal in many ways: (N, C, H, W), flattened, channels last, in groups. None of these computes
anything. A tensor is therefore known by the signal, an archspec node of shape (C, *S), and a layout: for each axis of
the tensor its factors `(size, stride)`, outermost first, where strides count numbers of the contiguous (N, C, *S). An
axis over which the signal is repeated has stride 0; axes of size one have no factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeAlias

Factor: TypeAlias = tuple[int, int]
Axis: TypeAlias = tuple[Factor, ...]
Layout: TypeAlias = tuple[Axis, ...]


def normal(axis: Sequence[Factor]) -> Axis:
    """An axis with no factor of size one, and neighbours that make one run as one factor."""
    found: list[Factor] = []
    for size, stride in axis:
        if size == 1:
            continue
        if found and found[-1][1] == size * stride:
            found[-1] = (found[-1][0] * size, stride)
        else:
            found.append((size, stride))
    return tuple(found)


def contiguous(sizes: Sequence[int]) -> Layout:
    """The layout of a tensor that is the signal as it lies, batch first."""
    strides, below = [], 1
    for size in reversed(sizes):
        strides.append(below)
        below *= size
    return tuple(normal([(size, stride)]) for size, stride in zip(sizes, reversed(strides), strict=True))


def reshaped(layout: Layout, sizes: Sequence[int]) -> Layout | None:
    """The layout of a view in other sizes; None where an axis would have to be cut apart that has no such parts."""
    factors = [factor for axis in layout for factor in axis][::-1]
    axes: list[Axis] = []
    for size in sizes:
        axis: list[Factor] = []
        while size > 1:
            if not factors:
                return None
            own, stride = factors.pop()
            if size % own == 0:
                axis.append((own, stride))
                size //= own
            elif own % size == 0:
                axis.append((size, stride * (own // size)))
                factors.append((own // size, stride))
                size = 1
            else:
                return None
        axes.append(normal(axis))
    return tuple(axes) if not factors else None


def expanded(layout: Layout, sizes: Sequence[int]) -> Layout:
    """The layout of a view that repeats axes of size one, new ones before the others included."""
    padded: Layout = ((),) * (len(sizes) - len(layout)) + tuple(layout)
    return tuple(
        axis if not (size > 1 and not axis) else ((size, 0),) for axis, size in zip(padded, sizes, strict=True)
    )  # fmt: skip


def size_of(axis: Axis) -> int:
    """Numbers along an axis."""
    return prod(size for size, _ in axis)


def repeats(layout: Layout) -> bool:
    """Whether some axis repeats the signal."""
    return any(stride == 0 for axis in layout for _, stride in axis)


def bare(layout: Layout) -> Layout:
    """The layout without repetitions, as broadcasting sees it."""
    return tuple(tuple(factor for factor in axis if factor[1]) for axis in layout)


def arranging(layout: Layout) -> tuple[list[int], list[int], list[int]]:
    """How to come from the contiguous signal to a tensor of this layout: the sizes to view it in, the order in which
    to permute these, and what is to be repeated, as a size for each factor of the layout, -1 where it stays."""
    factors = [factor for axis in layout for factor in axis]
    kept = sorted((factor for factor in factors if factor[1]), key=lambda factor: -factor[1])
    places = {factor: i for i, factor in enumerate(kept)}
    sizes = [size for size, _ in kept]
    order = [places[factor] for factor in factors if factor[1]]
    repeated = [size if stride == 0 else -1 for size, stride in factors]
    return sizes, order, repeated
