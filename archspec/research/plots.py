"""Plots with matplotlib, which is optional: `pip install 'archspec-nn[plot]'`."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.report.numbers import count
from archspec.research.axes import SpaceError
from archspec.research.sweep_folder import read_results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's, which colour-blind readers tell apart."""


class PlotError(Exception):
    """A plot that cannot be made; the message says what to do."""


def plotting_available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches. Raises `PlotError` without matplotlib."""
    if not plotting_available():
        raise PlotError("plots need matplotlib: pip install 'archspec-nn[plot]'")
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "archspec", "font.size": 9, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "figure.dpi": 150,
    })  # fmt: skip
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a figure as SVG, PNG or PDF by the name of its file. Raises `PlotError`."""
    path = Path(path)
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise PlotError(f"a plot is a .svg, .png or .pdf file, not '{path.name}'")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise PlotError(f"{path} cannot be written: {error.strerror or error}") from None


def scatter(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """The networks of a sweep: parameters against MACs, coloured by shortcut levels."""
    try:
        figure = new_figure(6, 4.2)
    except PlotError as error:
        raise SpaceError(str(error)) from None
    groups: dict[int, tuple[list[float], list[float]]] = {}
    for row in read_results(folder):
        params, macs = groups.setdefault(row["levels"], ([], []))
        params.append(row["params"])
        macs.append(row["macs"])
    axes = figure.subplots()
    for i, (levels, (params, macs)) in enumerate(sorted(groups.items())):
        label = f"{levels} level{'s' * (levels != 1)}"
        axes.scatter(
            params, macs, s=9, alpha=0.6, linewidths=0, color=COLOURS[i % len(COLOURS)], label=label, rasterized=True
        )
    axes.set(xlabel="parameters", ylabel="MACs for one sample")
    counted(axes)
    if groups:
        axes.legend(frameon=False, markerscale=2)
    try:
        save(figure, path)
    except PlotError as error:
        raise SpaceError(str(error)) from None


def counted(axes: Axes) -> None:
    """Ticks as 1.70 M rather than 1.7e6."""

    def form(value: Any, _: Any) -> str:
        return count(int(value)).replace("000 ", " ").replace(". ", " ")

    axes.xaxis.set_major_formatter(form)
    axes.yaxis.set_major_formatter(form)
