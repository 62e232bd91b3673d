"""Analysis against enumeration of every path of small graphs, and against what the papers say of theirs."""

from __future__ import annotations

import json
from itertools import combinations, pairwise

import networkx
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import ADD, CONV, MAP, RELU, Wiring, chain, graph

import archspec
from archspec.cli import main
from archspec.compiler.analysis.main_path import main_path
from archspec.compiler.analysis.memory import live_numbers, memory
from archspec.compiler.analysis.nesting import levels, shortcut_spans
from archspec.compiler.analysis.paths import count_paths, lengths_in_blocks, lengths_in_layers
from archspec.graph import Graph, Node
from archspec.ops import BY_KEY
from archspec.report.numbers import exact

BN = BY_KEY["bn"]()
POOL = BY_KEY["max_pool"](kernel=3, stride=1)
UNITS = ["stem", "stage1.0.branch", "stage1.0.shortcut", "stage1.1.branch", "stage2.0.branch", "levels.root", "head"]


@st.composite
def networks(draw: st.DrawFn) -> Graph:
    """Any graph of up to nine operators, its nodes spread over units, so that paths enter blocks in every way."""
    wiring: list[tuple[object, tuple[int, ...]]] = []
    for at in range(draw(st.integers(1, 9))):
        signals = st.integers(max(0, at - 4), at)
        if draw(st.booleans()):
            wiring.append((draw(st.sampled_from([CONV, RELU, BN, POOL])), (draw(signals),)))
        else:
            wiring.append((ADD, tuple(draw(st.lists(signals, min_size=2, max_size=3)))))
    names = ["input"] + [f"{draw(st.sampled_from(UNITS))}.n{i}" for i in range(len(wiring))]
    return graph(wiring, names)  # type: ignore[arg-type]


def every_path(network: Graph) -> list[list[Node]]:
    """All of them, one by one."""
    found, queue = [], [[network[name]] for name in network.outputs.values()]
    while queue:
        path = queue.pop()
        if not path[0].inputs:
            found.append(path)
        queue.extend([network[source], *path] for source in path[0].inputs)
    return found


def blocks_on(path: list[Node]) -> int:
    """Visits to blocks in which the path passes a weight layer off the shortcut."""
    count, passed, unit = 0, False, ""
    for node in path:
        if node.unit != unit:
            unit, passed = node.unit, False
        if (
            not passed
            and node.op.role == "weight"
            and node.block is not None
            and not node.local.startswith("shortcut.")
        ):
            passed, count = True, count + 1
    return count


def tally(path: list[Node]) -> tuple[int, ...]:
    roles = [node.op.role for node in path[1:]]
    return roles.count("weight"), roles.count("activation"), roles.count("norm"), len(roles)


@settings(max_examples=150)
@given(networks())
def test_paths_are_those_one_can_list(network: Graph) -> None:
    paths = every_path(network)
    assert count_paths(network) == len(paths)
    for lengths, measure in (
        (lengths_in_layers(network), lambda path: tally(path)[0]),
        (lengths_in_blocks(network), blocks_on),
    ):
        listed = [measure(path) for path in paths]
        assert lengths.counts == {length: listed.count(length) for length in set(listed)}
        assert lengths.shortest == min(listed)
        assert lengths.longest == max(listed)
        assert lengths.mean == pytest.approx(sum(listed) / len(listed))


@settings(max_examples=150)
@given(networks())
def test_the_main_path_is_the_least_of_all(network: Graph) -> None:
    main = main_path(network)
    whole = main.whole
    best = min(tally(path) for path in every_path(network))
    assert (whole.weights, whole.activations, whole.norms, whole.operators) == best
    assert list(main.nodes) in [[node.name for node in path] for path in every_path(network)]


@settings(max_examples=150)
@given(networks())
def test_what_is_alive_is_what_is_read_later(network: Graph) -> None:
    nodes = list(network)
    peak = 0
    for place, (name, tensors, numbers) in enumerate(live_numbers(network)):
        later = {source for node in nodes[place + 1 :] for source in node.inputs} | set(network.outputs.values())
        alive = [node for node in nodes[: place + 1] if node.name in later]
        assert (name, tensors, numbers) == (nodes[place].name, len(alive), sum(node.size for node in alive))
        held = {node.name for node in nodes[:place] if node.name in later | set(nodes[place].inputs)}
        peak = max(peak, nodes[place].size + sum(network[held_name].size for held_name in held))
    assert memory(network).inference == peak


@settings(max_examples=150)
@given(networks())
def test_the_receptive_field_is_the_widest_over_all_paths(network: Graph) -> None:
    widest = max(
        sum(node.op.kernel - 1 for node in path if hasattr(node.op, "kernel"))
        for name in network.nodes
        for path in every_path(Graph("part", list(network), {"output": name}))
    )
    assert archspec.analyze(network).receptive_field == (1 + widest,) * 2


@settings(max_examples=100)
@given(networks())
def test_levels_are_the_longest_chain_of_spans(network: Graph) -> None:
    spans = shortcut_spans(network)[:8]
    chains = [
        chain_
        for size in range(len(spans) + 1)
        for chain_ in combinations(sorted(spans, key=lambda span: span[0] - span[1]), size)
        if all(a[0] <= b[0] and b[1] <= a[1] for a, b in pairwise(chain_))
    ]
    if len(shortcut_spans(network)) <= 8:
        assert levels(network) == max(map(len, chains))


def test_a_shortcut_is_an_operand_that_goes_round() -> None:
    wiring: Wiring = chain([(0, 2), (0, 3)], 3)
    places = [place for place, node in enumerate(graph(wiring)) if node.op is ADD]
    own = list(zip([0, *places], places, strict=False))
    assert shortcut_spans(graph(wiring)) == sorted([*own, (0, places[1]), (0, places[2])])
    assert levels(graph(wiring)) == 3


@pytest.mark.parametrize(
    ("name", "depths"), [("resnet", (50, 101, 152)), ("iresnet", (50, 101, 152, 302, 404)), ("resstage", (50, 200))]
)
def test_non_linearities_on_the_main_path(name: str, depths: tuple[int, ...]) -> None:
    """Duta et al., section 3.1: one at the end of each stage in ResStage and iResNet, one per block in ResNet."""
    for depth in depths:
        network = archspec.expand(archspec.load(f"{name}{depth}"))
        blocks = len({node.unit for node in network if node.block is not None})
        assert archspec.analyze(network).main.stages.activations == (blocks if name == "resnet" else 4)


def test_pre_activation_has_nothing_but_projections_on_its_main_path() -> None:
    """Four 1x1 projections in a row where they read the raw signal, as the iResNet paper has it; where they read the
    activated one, as in He et al., each but the first brings its own non-linearity, and still no block does."""
    for depth in (50, 101):
        shared = archspec.analyze(archspec.expand(archspec.load(f"preresnet{depth}"))).main
        assert (shared.stages.weights, shared.stages.activations) == (4, 3)
        kinds = archspec.expand(archspec.load(f"preresnet{depth}")).kinds
        raw = {f"blocks.{kind}.shared": False for kind in set(kinds.values())}
        main = archspec.analyze(archspec.expand(archspec.load(f"preresnet{depth}", **raw))).main
        assert (main.stages.weights, main.stages.activations, main.linear_run) == (4, 0, 4)


def test_the_number_of_paths_doubles_per_block() -> None:
    for name, blocks in (("resnet50", 16), ("cifar_resnet110", 54), ("iresnet101", 33)):
        analysis = archspec.analyze(archspec.expand(archspec.load(name)))
        assert analysis.paths == analysis.layers.total == 2**blocks
        assert analysis.blocks.counts == {k: binomial(blocks, k) for k in range(blocks + 1)}


def binomial(n: int, k: int) -> int:
    result = 1
    for i in range(k):
        result = result * (n - i) // (i + 1)
    return result


def test_networks_of_one_depth_have_the_same_operators() -> None:
    """Section 7: ResNet-50, pre-activation-50 and ResStage-50 are one multiset of weights, differently ordered."""
    counts = {archspec.expand(archspec.load(name)).params for name in ("resnet50", "resstage50", "iresnet50")}
    assert len(counts) == 1


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_levels_of_ror_are_its_m(m: int) -> None:
    assert archspec.analyze(archspec.expand(archspec.load("ror3_110", m=m))).levels == m


def test_a_plain_network_has_one_path_and_no_level() -> None:
    analysis = archspec.analyze(archspec.expand(archspec.load("cifar_plain20")))
    assert (analysis.paths, analysis.levels, analysis.layers.shortest) == (1, 0, 20)


def test_costs_by_part_are_those_of_the_network() -> None:
    network = archspec.expand(archspec.load("ror3_110"))
    found = archspec.analyze(network).parts
    assert [part.name for part in found] == ["stem", "stage1", "stage2", "stage3", "level 1", "level 2", "head"]
    assert sum(part.params for part in found) == network.params
    assert sum(part.macs for part in found) == network.macs


def test_cuts_carry_one_more_tensor_for_each_level_above() -> None:
    cuts = {cut.after: cut for cut in archspec.analyze(archspec.expand(archspec.load("ror3_110"))).cuts}
    assert cuts["stage1.3"].tensors == 2  # its output, and the stem's for the root and stage 1
    assert cuts["stage2.3"].tensors == 3  # and that of stage 1 for stage 2
    assert cuts["stage2.3"].numbers == 16 * 32 * 32 * 2 + 32 * 16 * 16


def test_training_memory_is_what_autograd_keeps() -> None:
    for name in ("cifar_resnet20", "cifar_iresnet164"):
        model = archspec.build(name)
        estimate = archspec.analyze(model.architecture).memory.training
        parameters = {parameter.data_ptr() for parameter in [*model.parameters(), *model.buffers()]}
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor, kept: dict[int, int] = kept, known: set[int] = parameters) -> torch.Tensor:
            if tensor.data_ptr() not in known and tensor.is_floating_point():
                kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 4
            return tensor

        images = torch.randn(1, *model.architecture.input.shape)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            output = model(images)
        kept.pop(images.untyped_storage().data_ptr(), None)
        assert output.requires_grad
        assert estimate == pytest.approx(sum(kept.values()), rel=0.05)


def test_the_dominator_of_all_is_on_every_path() -> None:
    """networkx as a second witness: nodes on the main path that dominate the output are on every path."""
    network = archspec.expand(archspec.load("ror3_110"))
    dominators = networkx.immediate_dominators(network.dag, network.input.name)
    at, needed = network.outputs["output"], set()
    while at not in (network.input.name, None):
        needed.add(at)
        at = dominators[at]
    assert needed <= set(archspec.analyze(network).main.nodes)


def test_the_command() -> None:
    run = CliRunner().invoke(main, ["analyze", "iresnet50"])
    assert run.exit_code == 0, run.output
    for text in ("paths        65,536", "4 weight layers, 4 non-linearities", "6 to 50, mean 28.0", "level"):
        assert text in run.output
    run = CliRunner().invoke(main, ["analyze", "ror3_110", "--json"])
    data = json.loads(run.output)
    assert data["paths"] == sum(data["layers"]["counts"].values()) == sum(data["blocks"]["counts"].values())
    assert data["signature"] == archspec.signature(archspec.expand(archspec.load("ror3_110")))


def test_counts_of_thousands_of_digits_are_printed() -> None:
    """Python refuses to print them by default."""
    assert exact(2**20_000).endswith("e6020 = 2^20000")
    assert exact(2**64 + 1) == "1.84e19"
    assert exact(10**15 - 1) == "999,999,999,999,999"


def test_three_thousand_layers_take_no_recursion() -> None:
    wiring = chain([(i, i + 2) for i in range(0, 3000, 7)], 3002)
    analysis = archspec.analyze(graph(wiring))
    assert analysis.paths.bit_length() > 3000
    assert analysis.receptive_field == (2 * 3002 + 1,) * 2
    assert MAP[1:] == (8, 8)
