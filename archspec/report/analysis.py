"""An analysis as people read it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from archspec.ops import show_shape
from archspec.report.summary import count

if TYPE_CHECKING:
    from archspec.compiler.analysis.analyze import Analysis
    from archspec.compiler.analysis.main_path import Tally
    from archspec.compiler.analysis.memory import Cut
    from archspec.compiler.analysis.paths import Lengths

PART_HEADER = ("part", "weights", "norms", "non-linear", "params", "MACs")
_BYTES = 4  # of a float32


def part_rows(analysis: Analysis) -> list[tuple[str, ...]]:
    """Costs by stage and level."""
    return [
        (part.name, str(part.weights), str(part.norms), str(part.activations), f"{part.params:,}", count(part.macs))
        for part in analysis.parts
    ]  # fmt: skip


def lines(analysis: Analysis) -> list[tuple[str, str]]:
    """Everything but the table, as label and text."""
    main, cuts = analysis.main, analysis.cuts
    told = [
        ("signature", analysis.signature),
        ("paths", exact(analysis.paths)),
        ("  in layers", _lengths(analysis.layers)),
        ("  in blocks", _lengths(analysis.blocks)),
        ("main path", _tally(main.whole)),
        ("  in stages", _tally(main.stages)),
        (
            "  in a row",
            f"at most {main.linear_run} weight layer{'s' * (main.linear_run != 1)} with no non-linearity between",
        ),
        ("levels", f"{analysis.levels} shortcut{'s' * (analysis.levels != 1)} one over another"),
        ("sees", f"{show_shape(analysis.receptive_field)} of an input of {show_shape(analysis.graph.input.shape[1:])}"),
    ]
    if cuts:
        least, most = min(cuts, key=lambda cut: cut.numbers), max(cuts, key=lambda cut: (cut.numbers, cut.tensors))
        told.append(("cuts", f"{_cut(least)} to {_cut(most)}"))
    memory = analysis.memory
    told.append((
        "memory",
        f"{_size(memory.inference)} of activations at once in inference, {_size(memory.training)} kept in training, "
        f"{_size(analysis.graph.params)} of parameters (one sample, float32)",
    ))  # fmt: skip
    return told


def exact(value: int) -> str:
    """A whole number of any size: in full up to 15 digits, else to three digits with its power of two if it is one."""
    if value < 10**15:
        return f"{value:,}"
    power = f" = 2^{value.bit_length() - 1}" if value & (value - 1) == 0 else ""
    digits = len(str(value)) if value.bit_length() < 10_000 else value.bit_length() * 30103 // 100000 + 1
    leading = value // 10 ** max(0, digits - 3)
    return f"{leading / 100:.2f}e{digits - 1}{power}"


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
