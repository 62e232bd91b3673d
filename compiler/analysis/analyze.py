"""Analysis: what the wiring of a network says about it, before a single weight exists. Exact, and linear in depth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from archspec.compiler.analysis.field import receptive_field
from archspec.compiler.analysis.main_path import MainPath, Tally, main_path
from archspec.compiler.analysis.memory import Cut, Memory, cuts, memory
from archspec.compiler.analysis.nesting import levels
from archspec.compiler.analysis.paths import Lengths, count_paths, lengths_in_blocks, lengths_in_layers
from archspec.compiler.analysis.signature import signature
from archspec.graph import Graph, Node
from archspec.ops import Shape, show_shape
from archspec.report.fact import Fact, labelled
from archspec.report.numbers import count, exact
from archspec.report.table import Table

_BYTES = 4  # of a float32


@dataclass(frozen=True)
class Part:
    """The stem, a stage, a shortcut level, the skips or the head."""

    name: str
    params: int
    """Learnable parameters."""
    macs: int
    """Multiply-accumulates for one sample; FLOPs are twice that."""
    activations: int
    """Non-linearities in it."""
    norms: int
    weights: int
    """Convolutions and linear layers."""


@dataclass(frozen=True)
class Analysis(Fact):
    """The structure of a network. What takes longer than a pass over the graph is computed when first asked for."""

    graph: Graph
    signature: str
    """The canonical hash of the computation."""
    paths: int
    """Paths from the input to the outputs."""
    main: MainPath
    """The path past the fewest weight layers."""
    levels: int
    """Shortcuts that lie one over another: 0 of a plain network, 1 of a ResNet, m of RoR-m."""
    receptive_field: Shape
    """Positions of the input that a position of the last map sees, by dimension."""
    parts: tuple[Part, ...]
    cuts: tuple[Cut, ...]
    """What a split of the network after each block must carry."""
    memory: Memory

    @cached_property
    def layers(self) -> Lengths:
        """Paths by the weight layers on them."""
        return lengths_in_layers(self.graph)

    @cached_property
    def blocks(self) -> Lengths:
        """Paths by the blocks they pass."""
        return lengths_in_blocks(self.graph)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {
            "name": self.graph.name,
            "signature": self.signature,
            "params": self.graph.params,
            "macs": self.graph.macs,
            "paths": self.paths,
            "layers": self.layers.to_dict(),
            "blocks": self.blocks.to_dict(),
            "main": self.main.to_dict(),
            "levels": self.levels,
            "receptive_field": list(self.receptive_field),
            "parts": [asdict(part) for part in self.parts],
            "cuts": [asdict(cut) for cut in self.cuts],
            "memory": asdict(self.memory),
        }

    def table(self) -> Table:
        """Costs by stage and level."""
        rows = tuple(
            (part.name, str(part.weights), str(part.norms), str(part.activations), f"{part.params:,}", count(part.macs))
            for part in self.parts
        )
        return Table(self.graph.name, ("part", "weights", "norms", "non-linear", "params", "MACs"), rows)

    def lines(self) -> list[tuple[str, str]]:
        """Everything but the table, as label and text."""
        main, cuts = self.main, self.cuts
        told = [
            ("signature", self.signature),
            ("paths", exact(self.paths)),
            ("  in layers", _lengths(self.layers)),
            ("  in blocks", _lengths(self.blocks)),
            ("main path", _tally(main.whole)),
            ("  in stages", _tally(main.stages)),
            (
                "  in a row",
                f"at most {main.linear_run} weight layer{'s' * (main.linear_run != 1)} with no non-linearity between",
            ),
            ("levels", f"{self.levels} shortcut{'s' * (self.levels != 1)} one over another"),
            ("sees", f"{show_shape(self.receptive_field)} of an input of {show_shape(self.graph.input.shape[1:])}"),
        ]
        if cuts:
            least, most = min(cuts, key=lambda cut: cut.numbers), max(cuts, key=lambda cut: (cut.numbers, cut.tensors))
            told.append(("cuts", f"{_cut(least)} to {_cut(most)}"))
        memory = self.memory
        told.append((
            "memory",
            f"{_size(memory.inference)} of activations at once in inference, {_size(memory.training)} kept in "
            f"training, {_size(self.graph.params)} of parameters (one sample, float32)",
        ))  # fmt: skip
        return told

    def report(self) -> Iterable[Table | str]:
        """The table of parts, and what the wiring says."""
        return [self.table(), *labelled(self.lines(), 12)]


def analyze(graph: Graph) -> Analysis:
    """The analysis of a graph."""
    return Analysis(
        graph, signature(graph), count_paths(graph), main_path(graph), levels(graph), receptive_field(graph),
        parts(graph), cuts(graph), memory(graph),
    )  # fmt: skip


def parts(graph: Graph) -> tuple[Part, ...]:
    """Costs by stage and by shortcut level, levels from the root inwards and the head last."""
    groups: dict[str, list[Node]] = {}
    for node in list(graph)[1:]:
        groups.setdefault(f"level {node.level}" if node.level else node.name.partition(".")[0], []).append(node)
    return tuple(_part(name, groups[name]) for name in sorted(groups, key=_place))


def _place(name: str) -> tuple[int, str]:
    """Where a part stands in the table; the sort keeps the order of those that stand alike."""
    if name.startswith("level "):
        return 1, f"{int(name.removeprefix('level ')):9}"
    return {"skips": 2, "head": 3}.get(name, 0), ""


def _part(name: str, nodes: Iterable[Node]) -> Part:
    nodes = list(nodes)
    roles = [node.op.role for node in nodes]
    return Part(
        name, sum(node.params for node in nodes), sum(node.macs for node in nodes), roles.count("activation"),
        roles.count("norm"), roles.count("weight"),
    )  # fmt: skip


def _lengths(lengths: Lengths) -> str:
    low, high = (lengths.quantile(Fraction(share, 20)) for share in (1, 19))
    return f"{lengths.shortest} to {lengths.longest}, mean {lengths.mean:.1f}, nine in ten from {low} to {high}"


def _tally(tally: Tally) -> str:
    words: Sequence[tuple[int, str]] = (
        (tally.weights, "weight layers"), (tally.activations, "non-linearities"), (tally.norms, "normalisations"),
    )  # fmt: skip
    return ", ".join(f"{number} {word}" for number, word in words)


def _cut(cut: Cut) -> str:
    return f"{_size(cut.numbers)} in {cut.tensors} tensor{'s' * (cut.tensors != 1)} after {cut.after}"


def _size(numbers: int) -> str:
    size = numbers * _BYTES
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"
