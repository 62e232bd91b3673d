"""Probes as a figure: mean, variance, branch against shortcut, and gradient, block by block, several overlaid."""

from __future__ import annotations

import os
from collections.abc import Sequence

from archspec.execution.probe import Probe
from archspec.research.plots import COLOURS, new_figure, save
from archspec.syntax.escape import plot

_PANELS = (
    ("mean", "mean of the output", "symlog"),
    ("variance", "variance of the output", "log"),
    ("ratio", "variance of branch / shortcut", "log"),
    ("gradient", "norm of the loss's gradient", "log"),
)


def plot_probes(probes: Sequence[Probe], path: str | os.PathLike[str]) -> None:
    """Writes the figure; the horizontal axis is the share of blocks passed. Raises `PlotError`."""
    figure = new_figure(8.2, 5.6)
    for panel, (field, title, scale) in zip(figure.subplots(2, 2).flat, _PANELS, strict=True):
        for i, probe in enumerate(probes):
            last = max(1, len(probe.blocks) - 1)
            points = [(place / last, getattr(block, field)) for place, block in enumerate(probe.blocks)]
            known = [(x, y) for x, y in points if y is not None and (scale == "symlog" or y > 0)]
            marker = "o" if len(points) <= 40 else None
            panel.plot(
                [x for x, _ in known], [y for _, y in known], color=COLOURS[i % len(COLOURS)], linewidth=1.2,
                marker=marker, markersize=2.5, label=plot(probe.name),
            )  # fmt: skip
        panel.set_yscale(scale)
        panel.set_title(title, loc="left", fontsize=9)
        panel.set_xlabel("blocks passed, from the stem (0) to the last (1)", fontsize=8)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    save(figure, path)
