"""From one graph to a drawing, at the detail asked for."""

from __future__ import annotations

from archspec.compiler.figures.chain import Chain, chain_of
from archspec.compiler.figures.collapse import grouped
from archspec.compiler.figures.drawing import Drawing
from archspec.compiler.figures.layered import layered
from archspec.compiler.figures.line import line
from archspec.compiler.figures.network import folding_of, network
from archspec.compiler.figures.options import Detail, Options
from archspec.compiler.figures.panels import panels
from archspec.graph import Graph


def draw(graph: Graph, options: Options) -> Drawing:
    """The drawing of a graph in points, at its natural size. Raises `FigureError`."""
    chain = chain_of(graph)
    detail = _detail(chain, graph, options)
    if chain is None or (detail in ("op", "block") and not _fits_columns(chain)):
        return layered(graph, options, detail)
    if detail == "stage":
        return line(chain, options)
    if detail == "blocks":
        return panels(chain, options)
    return network(chain, options, operators=detail == "op")


def _fits_columns(chain: Chain) -> bool:
    """Whether every lane runs between blocks of the stages: columns have no place for one from before the stem, or
    into what follows the stages (the right half of a U-Net)."""
    staged = [number for number, part in enumerate(chain.parts) if part.stage is not None]
    return not staged or all(staged[0] <= lane.source + 1 and lane.target <= staged[-1] for lane in chain.lanes)


def _detail(chain: Chain | None, graph: Graph, options: Options) -> Detail:
    """`auto`: operators of small networks, blocks of middling ones, stages of the largest."""
    if chain is not None and not chain.parts and options.detail != "blocks":
        return "stage"  # a network without operators: its input is its output
    if options.detail != "auto":
        return options.detail
    if chain is None:
        return "op" if len(graph) <= 120 else "block"
    count = len(grouped(chain, folding_of(chain, options)).groups)
    if not any(part.is_block for part in chain.parts):
        return "op"
    return "block" if count <= 48 else "stage"
