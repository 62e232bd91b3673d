"""Every network's drawing by its geometry: nothing overlaps, no wires run along each other, all ends meet."""

from __future__ import annotations

import pytest
from figure_geometry import faults
from figure_specs import RESIDUAL, SPECS
from networks import graph_of, zoo_graph

from archspec.compiler.figures import FigureError, Options, draw
from archspec.compiler.figures.chain import chain_of
from archspec.compiler.figures.drawing import Drawing
from archspec.compiler.figures.options import Detail
from archspec.compiler.figures.rows import place_rows
from archspec.graph import Graph
from archspec.language import zoo

DETAILS: tuple[Detail, ...] = ("stage", "block", "blocks", "op")
WAYS = (
    Options(), Options(expand=frozenset({"all"})), Options(collapse=True), Options(max_blocks=3), Options(width=234),
    Options(columns=1), Options(shapes=False, legend=False),
)  # fmt: skip


def options_of(detail: Detail, way: Options) -> Options:
    return Options(**{**{name: getattr(way, name) for name in way.__dataclass_fields__}, "detail": detail})


def names(drawing: Drawing) -> set[str]:
    return {box.name for box in drawing.boxes}


@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("name", zoo.names())
def test_networks_of_the_zoo(name: str, detail: Detail) -> None:
    graph = zoo_graph(name)
    ways = [Options(), Options(width=234)]
    if len(graph) < 500:
        ways.append(Options(expand=frozenset({"all"})))
    for way in ways:
        assert faults(draw(graph, options_of(detail, way))) == []


@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("name", SPECS)
def test_everything_the_language_can_say(name: str, detail: Detail) -> None:
    graph = graph_of(SPECS[name])
    chain = chain_of(graph)
    if detail == "blocks" and chain is not None and not any(part.is_block for part in chain.parts):
        with pytest.raises(FigureError, match="no blocks"):
            draw(graph, Options(detail=detail))
        return
    for way in WAYS:
        if way.expand and chain is None:
            continue
        assert faults(draw(graph, options_of(detail, way)), lanes=chain is not None) == [], way


@pytest.mark.parametrize("name", [name for name in SPECS if name != "flat"])
def test_the_whole_network_is_there(name: str) -> None:
    """At the level of blocks every block has its box, at that of operators every operator."""
    graph = graph_of(SPECS[name])
    chain = chain_of(graph)
    assert chain is not None
    everything = Options(detail="block", expand=frozenset({"all"} if any(p.is_block for p in chain.parts) else ()))
    drawn = names(draw(graph, everything))
    assert {part.address for part in chain.parts if part.is_block} <= drawn
    drawn = names(draw(graph, options_of("op", everything)))
    inside = {node.name for part in chain.parts if part.is_block for node in part.nodes}
    closing_of_lanes = {node.name for part in chain.parts for node in part.nodes if node.op.joins}
    assert inside - closing_of_lanes <= drawn


def test_lanes_are_as_many_as_the_graph_has() -> None:
    graph = graph_of(SPECS["levels4"])
    drawing = draw(graph, Options(detail="block"))
    roles = [wire.role for wire in drawing.wires if not wire.source.startswith("legend")]
    assert roles.count("level1") == 1
    assert roles.count("level2") == 3
    assert roles.count("level3") == 6
    units = {name for name in names(drawing) if name.startswith("levels.")}
    assert units == {unit for unit in graph.units() if unit.startswith("levels.")}


def test_outer_lanes_enclose_inner_ones() -> None:
    drawing = draw(graph_of(SPECS["levels4"]), Options(detail="block"))
    lanes = [wire for wire in drawing.wires if not wire.source.startswith("legend")]
    by_role = {role: [wire for wire in lanes if wire.role == role] for role in ("own", "level3", "level2")}
    for outer, inner in (("level2", "level3"), ("level3", "own")):
        reach = {wire.source: max(x for x, _ in wire.points) - wire.points[0][0] for wire in by_role[outer]}
        assert min(reach.values()) > max(max(x for x, _ in w.points) - w.points[0][0] for w in by_role[inner])


def test_rows_beside_the_main_path_leave_its_wires_free() -> None:
    graph = graph_of(SPECS["gated"])
    chain = chain_of(graph)
    assert chain is not None
    part = next(part for part in chain.parts if part.is_block)
    closing = part.anatomy.closing
    assert closing is not None
    track = list(part.anatomy.track)
    rows = place_rows(part, track[: track.index(closing) + 1])
    assert [[name.removeprefix("stage1.0.") for name in chain_] for chain_ in rows.chains] == [
        ["f.conv", "f.bn", "passed.multiply"], ["gate.conv", "gate.sigmoid", "closed.one_minus"],
    ]  # fmt: skip
    assert rows.row[closing.name] > max(rows.row[name] for chain_ in rows.chains for name in chain_)


def test_an_unknown_stage_cannot_be_expanded() -> None:
    with pytest.raises(FigureError, match="there is no stage9 to expand; this network has 3 stages"):
        draw(graph_of(RESIDUAL), Options(expand=frozenset({"stage9"})))


def test_a_tangle_too_large_to_lay_out_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archspec.compiler.figures.layered.MOST", 10)
    with pytest.raises(FigureError, match="too many to lay out; draw less detail"):
        draw(graph_of(SPECS["flat"]), Options(detail="op"))


def test_size_is_linear_in_depth() -> None:
    """A stage twice as deep takes twice the boxes and wires: nothing is drawn per pair."""

    def count(depth: int) -> int:
        graph: Graph = graph_of(RESIDUAL.replace("[5, 4, 3]", f"[{depth}, {depth}, {depth}]"))
        drawing = draw(graph, Options(detail="op", expand=frozenset({"all"}), legend=False))
        return len(drawing.boxes) + len(drawing.wires)

    a, b, c = count(20), count(40), count(60)
    assert abs((c - b) - (b - a)) <= 0.05 * (b - a)
