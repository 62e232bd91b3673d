"""Segments to recompute: closed, in order, and as good as the best of all there are on small networks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from networks import graph_of

import archspec
from archspec.compiler.analysis.checkpoints import auto
from archspec.compiler.analysis.outline import outline
from archspec.compiler.analysis.segments import Segment, every
from archspec.compiler.analysis.tape import Tape, tape
from archspec.compiler.analysis.training import Run, runs_of, simulate, training_memory
from archspec.graph import Graph

NETWORKS: dict[str, dict[str, Any]] = {
    "cifar_resnet20": {},
    "ror3_110": {"depth": 32},
    "ror5_110": {},
    "preror3_164": {},
    "resnet50": {},
    "vgg19": {},
    "cifar_preresnet110": {"depth": 32, "skips": [{"rule": "every", "step": 2, "path": "B"}]},
    "cifar_resnet110": {"depth": 32, "outputs": {"logits": "head", "c2": "stage2"}},
}


def expanded(name: str) -> Graph:
    return archspec.expand(archspec.load(name, **NETWORKS[name]))


@pytest.mark.parametrize("k", [1, 2, 5, 1000])
@pytest.mark.parametrize("name", NETWORKS)
def test_segments_are_closed_and_give_what_is_read_later(name: str, k: int) -> None:
    graph = expanded(name)
    units = outline(graph)
    segments = every(graph, k)
    order = [unit.address for unit in units]
    inside = [address for segment in segments for address in segment.units]
    assert inside == order[order.index(inside[0]) : order.index(inside[-1]) + 1]
    of = {unit.address: unit for unit in units}
    for segment in segments:
        known = set(segment.inputs)
        made: set[str] = set()
        for address in segment.units:
            assert set(of[address].inputs) <= known
            made |= {node.name for node in of[address].nodes}
            known |= set(of[address].outputs)
        assert not made & set(segment.inputs)
        outside = [node for node in graph if node.name not in made]
        later = {source for node in outside for source in node.inputs} | set(graph.outputs.values())
        assert set(segment.outputs) == made & later
        assert len(set(segment.outputs)) == len(segment.outputs)


@pytest.mark.parametrize(("k", "expected"), [(1, [1] * 9), (2, [2, 2, 2, 2, 1]), (4, [4, 4, 1]), (9, [9]), (50, [9])])
def test_every_counts_blocks(k: int, expected: list[int]) -> None:
    segments = every(archspec.expand("cifar_resnet20"), k)
    assert [len(segment.units) for segment in segments] == expected
    assert segments[0].units[0] == "stage1.0"
    assert segments[-1].units[-1] == "stage3.2"


def test_what_lies_between_blocks_goes_with_the_block_after_it() -> None:
    segments = every(archspec.expand("ror5_110"), 4)
    assert segments[1].units == ("levels.stage1_1_1", "stage1.4", "stage1.5", "stage1.6", "stage1.7")
    assert segments[1].inputs == ("stem.relu", "stage1.3.after.relu")


def test_a_network_without_stages_is_cut_by_units() -> None:
    graph = graph_of("""
        archspec: 1
        input: {channels: 3, size: [8, 8]}
        graph:
          stem.conv: [conv: {out: 4, kernel: 3}]
          a.conv: {from: stem.conv, ops: [conv: {out: 4, kernel: 3}]}
          b.conv: {from: a.conv, ops: [conv: {out: 4, kernel: 3}]}
          c.add: {from: [b.conv, stem.conv], ops: [add]}
          output: {from: c.add, ops: [relu]}
    """)
    assert next(iter(every(graph, 2))).units == ("a", "b")


def test_a_segment_has_a_block_at_least() -> None:
    with pytest.raises(ValueError, match="one block at least, not 0"):
        every(archspec.expand("cifar_resnet20"), 0)


# --- against every segmentation there is ------------------------------------------------------------------------------

TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("cifar_resnet20", {"depth": 14}),
    "bottleneck": ("resnet50", {"counts": [1, 2, 2, 1], "input.size": [64, 64]}),
    "preresnet": ("cifar_preresnet110", {"depth": 14}),
    "wide": ("wrn16_4", {}),
    "levels": ("ror3_110", {"depth": 14, "levels.m": 2}),
    "iresnet": ("iresnet50", {"counts": [2, 2, 1, 1], "input.size": [64, 64]}),
}


def segmentations(count: int, at: int = 0) -> Iterator[tuple[Run, ...]]:
    """Every way to keep units or to join them into segments."""
    if at == count:
        yield ()
        return
    yield from segmentations(count, at + 1)
    for stop in range(at + 1, count + 1):
        for rest in segmentations(count, stop):
            yield ((at, stop), *rest)


def macs_of(record: Tape, runs: tuple[Run, ...]) -> int:
    return sum(node.macs for start, stop in runs for unit in record.units[start:stop] for node in unit.nodes)


@cache
def tried(name: str) -> tuple[Graph, Tape, list[tuple[int, int]]]:
    """A network and what each segmentation of it takes: peak and MACs."""
    reference, changes = TINY[name]
    graph = archspec.expand(archspec.load(reference, **changes))
    record = tape(graph, 8, 4)
    assert len(record.units) <= 9
    plans = segmentations(len(record.units))
    return graph, record, [(simulate(record, runs)[1], macs_of(record, runs)) for runs in plans]


def taken(record: Tape, segments: tuple[Segment, ...]) -> tuple[int, int]:
    runs = tuple(runs_of(record, segments))
    return simulate(record, runs)[1], macs_of(record, runs)


@pytest.mark.parametrize("name", TINY)
def test_no_segmentation_has_a_lower_peak(name: str) -> None:
    graph, record, every_plan = tried(name)
    assert taken(record, auto(graph, batch=8))[0] <= 1.001 * min(every_plan)[0]


@pytest.mark.parametrize("share", [0.95, 0.85, 0.75, 0.65, 0.55, 0.45, 0.35, 0.25])
@pytest.mark.parametrize("name", TINY)
def test_no_segmentation_within_a_budget_is_cheaper(name: str, share: float) -> None:
    graph, record, every_plan = tried(name)
    budget = int(simulate(record, ())[1] * share)
    fitting = [macs for peak, macs in every_plan if peak <= budget]
    if not fitting or budget < 1.001 * min(every_plan)[0]:
        with pytest.raises(ValueError, match="does not fit into"):
            auto(graph, batch=8, budget=budget)
        return
    peak, macs = taken(record, auto(graph, batch=8, budget=budget))
    assert peak <= budget
    assert macs <= 1.02 * min(fitting)


# --- large networks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ror3_110", "preror3_164", "resnet50", "cifar_resnet110"])
def test_the_choice_beats_equal_segments(name: str) -> None:
    graph = expanded(name)
    least = training_memory(graph, batch=8, segments=auto(graph, batch=8)).peak
    equal = [training_memory(graph, batch=8, segments=every(graph, k)).peak for k in range(1, 20)]
    assert least <= min(equal)


def test_a_looser_budget_costs_no_more() -> None:
    graph = expanded("preror3_164")
    base = training_memory(graph, batch=8).peak
    costs = []
    for percent in (15, 20, 30, 50, 70, 90, 100):
        memory = training_memory(graph, batch=8, segments=auto(graph, batch=8, budget=base * percent // 100))
        assert memory.peak <= base * percent // 100
        costs.append(memory.recomputed)
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == 0
    assert costs[2] < 0.6 * graph.macs


def test_three_thousand_layers() -> None:
    """Sublinear: of a thousand blocks' memory, the order of a square root stays (Chen et al.)."""
    graph = archspec.expand("cifar_iresnet3002")
    base = training_memory(graph, batch=8).peak
    assert training_memory(graph, batch=8, segments=auto(graph, batch=8)).peak < base / 25
    half = training_memory(graph, batch=8, segments=auto(graph, batch=8, budget=base // 2))
    assert half.peak <= base // 2
    assert half.recomputed < 0.45 * graph.macs


def test_a_budget_out_of_reach_says_what_can_be_reached() -> None:
    graph = archspec.expand("cifar_resnet20")
    least = training_memory(graph, batch=8, segments=auto(graph, batch=8)).peak
    with pytest.raises(ValueError, match=f"does not fit into 1.00 MiB of activations.*{least:,} bytes"):
        auto(graph, batch=8, budget=2**20)
    with pytest.raises(ValueError, match="one sample at least, not 0"):
        auto(graph, batch=0)
