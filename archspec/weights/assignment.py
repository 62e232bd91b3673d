"""Which tensor of theirs each of ours gets: by structure, by the names of a library, or in order of the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from torch import Tensor

from archspec.graph import Graph
from archspec.ops import show_shape
from archspec.weights.layers import COUNTERS, Layer, counted, first_convolutions, heads
from archspec.weights.names import named, partly
from archspec.weights.problem import WeightsError

Head: TypeAlias = Literal["same", "new"]
Input: TypeAlias = Literal["same", "sum"]


@dataclass(frozen=True)
class Leave:
    """What may differ between the two sides."""

    head: Head = "same"
    """"new": the last layers stay as they are, as for other classes."""
    input: Input = "same"
    """"sum": a first convolution that reads one channel gets theirs summed over the channels."""
    strict: bool = True
    """Whether every tensor must find its other."""


@dataclass
class Assignment:
    """What goes where."""

    how: str
    """How the layers were matched, in words."""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    """Theirs by our keys, in our shapes."""
    layers: dict[str, str] = field(default_factory=dict)
    """Their layers by ours."""
    kept: list[str] = field(default_factory=list)
    """Keys of ours that stay as they are, by leave."""
    missing: list[str] = field(default_factory=list)
    """Keys of ours that nothing of theirs fits; empty if strict."""
    aside: list[str] = field(default_factory=list)
    """Layers of theirs that have no place in ours."""


class Assigner:
    """Assigns the layers of a source to those of a network, by leave."""

    def __init__(self, graph: Graph, ours: Sequence[Layer], leave: Leave) -> None:
        self.graph, self.ours, self.leave = graph, ours, leave
        self.new = heads(graph) if leave.head == "new" else set()
        self.first = first_convolutions(graph)
        self.headless = not any(layer.name.partition(".")[0] == "head" for layer in ours)

    def fits(self, ours: Layer, theirs: Layer) -> bool:
        """Whether theirs can become ours, under the leave that is given."""
        if set(ours.shapes) != set(theirs.shapes):
            return ours.name in self.new and set(ours.shapes) >= {"weight"}
        return ours.name in self.new or all(
            self._shaped(ours.name, key, theirs.tensors[key], shape) is not None for key, shape in ours.shapes.items()
        )

    def _shaped(self, name: str, key: str, value: Tensor, shape: tuple[int, ...]) -> Tensor | None:
        """A tensor of theirs in the shape of ours: a linear layer may be a convolution of kernel 1."""
        theirs = tuple(value.shape)
        if theirs == shape:
            return value
        if key == "weight" and name in self.first and self.leave.input == "sum" and shape[1:2] == (1,):
            value = value.sum(1, keepdim=True)
            return value if tuple(value.shape) == shape else None
        longer, shorter = max(theirs, shape, key=len), min(theirs, shape, key=len)
        if key == "weight" and shorter == longer[: len(shorter)] and set(longer[len(shorter) :]) == {1}:
            return value.reshape(shape)
        return None

    def by_names(self, theirs: Sequence[Layer]) -> Assignment | None:
        """By the first table of names that all of ours follow."""
        found = named(self.graph, self.ours, theirs, self.fits)
        if found is None:
            return None
        scheme, layers = found
        left = [layer.name for layer in theirs if layer.name not in layers.values()]
        if left and self.leave.strict and not self.headless:
            return None
        return self.along(theirs, layers, f"by the names of {scheme}")

    def by_order(self, theirs: Sequence[Layer], how: str = "in order of the layers") -> Assignment:
        """One after another. Raises `WeightsError` naming the first pair that does not fit."""
        for mine, other in zip(self.ours, theirs, strict=False):
            if not self.fits(mine, other):
                raise self._another(f"ours has {mine}, where theirs has {other}", theirs)
        if len(self.ours) > len(theirs):
            raise self._another(f"theirs ends before {self.ours[len(theirs)]} of ours", theirs)
        if len(theirs) > len(self.ours) and not (self.headless or self.leave.head == "new"):
            raise self._another(f"ours ends before {theirs[len(self.ours)]} of theirs", theirs)
        layers = {mine.name: other.name for mine, other in zip(self.ours, theirs, strict=False)}
        return self.along(theirs, layers, how)

    def _another(self, where: str, theirs: Sequence[Layer]) -> WeightsError:
        return WeightsError(
            f"these are not the weights of '{self.graph.name}': {where}; ours {counted(self.ours)}, theirs "
            f"{counted(theirs)}"
        )

    def along(self, theirs: Sequence[Layer], layers: Mapping[str, str], how: str) -> Assignment:
        """Along a map of layers. Raises `WeightsError` for tensors that do not fit, unless they need not."""
        there = {layer.name: layer for layer in theirs}
        found = Assignment(how)
        for mine in self.ours:
            other = there.get(layers.get(mine.name, ""))
            if mine.name in self.new:
                found.kept += [f"{mine.name}.{key}" for key in mine.shapes]
                continue
            if other is not None:
                found.layers[mine.name] = other.name
            for key, shape in mine.shapes.items():
                self._assign(found, mine, key, shape, other)
            for key in COUNTERS:
                if other is not None and key in mine.tensors and key in other.tensors:
                    found.tensors[f"{mine.name}.{key}"] = other.tensors[key]
        used = set(layers.values())
        found.aside = [layer.name for layer in theirs if layer.name not in used]
        return found

    def _assign(
        self, found: Assignment, mine: Layer, key: str, shape: tuple[int, ...], other: Layer | None
    ) -> None:  # fmt: skip
        value = other.tensors.get(key) if other is not None else None
        shaped = None if value is None else self._shaped(mine.name, key, value, shape)
        if shaped is not None:
            found.tensors[f"{mine.name}.{key}"] = shaped
        elif self.leave.strict:
            theirs = "nothing" if value is None else show_shape(tuple(value.shape))
            place = f" ({other.name}.{key})" if other is not None else ""
            raise WeightsError(
                f"these are not the weights of '{self.graph.name}': {mine.name}.{key} is {show_shape(shape)} in "
                f"ours and {theirs} in theirs{place}{self._advice(mine)}"
            )
        else:
            found.missing.append(f"{mine.name}.{key}")

    def _advice(self, mine: Layer) -> str:
        if mine.name in heads(self.graph):
            return "; another head is kept by head='new' (--head new)"
        return "; one channel gets the sum of several by input='sum' (--input sum)" if mine.name in self.first else ""

    def as_far_as_possible(self, theirs: Sequence[Layer]) -> Assignment:
        """Not strict: by the table of names that places most layers, each tensor where its shape fits."""
        best: dict[str, str] = {}
        how = "by name"
        for name, layers in partly(self.graph, self.ours, theirs):
            if len(layers) > len(best):
                best, how = layers, f"by the names of {name}, as far as they fit"
        return self.along(theirs, best, how)
