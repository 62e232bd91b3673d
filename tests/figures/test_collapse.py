"""Folding of equal blocks, and what is said about those that are almost equal."""

from __future__ import annotations

from figure_specs import RESIDUAL, SPECS
from networks import graph_of

import archspec
from archspec.compiler.figures.chain import Chain, chain_of
from archspec.compiler.figures.collapse import Folding, grouped
from archspec.graph import Graph


def chain(graph: Graph) -> Chain:
    found = chain_of(graph)
    assert found is not None
    return found


def counts(graph: Graph, folding: Folding | None = None) -> list[int]:
    return [group.count for group in grouped(chain(graph), folding or Folding()).groups if group.part.is_block]


def test_equal_blocks_fold_to_one() -> None:
    assert counts(graph_of(RESIDUAL)) == [5, 1, 3, 1, 2]


def test_blocks_apart_by_a_normalisation_fold_with_a_footnote() -> None:
    grouping = grouped(chain(archspec.expand("iresnet404")), Folding())
    blocks = [(group.part.kind, group.count, group.mark) for group in grouping.groups if group.part.stage == 3]
    assert blocks == [("start", 1, ""), ("middle", 78, "†"), ("end", 1, "")]
    assert grouping.notes == ("† stage1.1, stage2.1, stage3.1 and stage4.1: no leading BN",)


def test_lanes_survive_and_part_runs() -> None:
    """A run ends where a shortcut leaves or joins, so that it is drawn where it is."""
    graph = graph_of(RESIDUAL.replace("[5, 4, 3]", "[9, 9, 9]") + "skips: [{from: stage1.2, to: stage1.6, path: C}]\n")
    grouping = grouped(chain(graph), Folding())
    assert counts(graph)[:3] == [3, 4, 2]
    (lane,) = grouping.lanes
    assert grouping.groups[lane.source].last - grouping.groups[1].first == 2
    assert grouping.groups[lane.target].part.address == "stage1.6" or grouping.groups[lane.target].count == 4


def test_levels_join_a_folded_stage_at_its_end() -> None:
    graph = graph_of(RESIDUAL + "levels: {m: 3, path: C}\n")
    grouping = grouped(chain(graph), Folding())
    assert counts(graph) == [5, 1, 3, 1, 2]
    assert [lane.role for lane in grouping.lanes] == ["level2", "level2", "level2", "level1"]


def test_an_ellipsis_keeps_the_first_and_the_last() -> None:
    graph = graph_of(RESIDUAL)
    groups = [g for g in grouped(chain(graph), Folding(most=3)).groups if g.part.stage == 1]
    assert [(g.count, g.omitted) for g in groups] == [(1, False), (1, False), (2, True), (1, False)]


def test_lanes_of_blocks_left_out_are_told() -> None:
    graph = graph_of(RESIDUAL.replace("[5, 4, 3]", "[9, 9, 9]") + "skips: [{from: stage1.2, to: stage1.5, path: C}]\n")
    grouping = grouped(chain(graph), Folding(most=3))
    assert grouping.lanes == ()
    assert grouping.notes == ("1 shortcut of blocks left out is not drawn",)


def test_an_open_stage_stays_whole() -> None:
    assert counts(graph_of(RESIDUAL), Folding(open=frozenset({1}))) == [1, 1, 1, 1, 1, 1, 3, 1, 2]


def test_one_kind_folds_whatever_differs_and_says_what() -> None:
    grouping = grouped(chain(graph_of(RESIDUAL)), Folding(by_kind=True))
    assert [g.count for g in grouping.groups if g.part.is_block] == [5, 4, 3]
    assert grouping.notes == ("† stage2.0 and stage3.0: stride 2, 1×1 conv and BN on the shortcut",)


def test_survival_probabilities_do_not_part_blocks() -> None:
    assert counts(graph_of(SPECS["scaled"])) == counts(graph_of(RESIDUAL))


def test_open_blocks_keep_the_one_a_lane_joins_apart() -> None:
    """Drawn in operators, a sum within a folded block would stand for one in each of them."""
    graph = graph_of(RESIDUAL + "levels: {m: 2, path: C}\n")
    assert counts(graph, Folding(joins_apart=True)) == [5, 1, 3, 1, 1, 1]
