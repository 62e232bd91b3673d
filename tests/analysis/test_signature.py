"""Signatures against networkx's isomorphism, over exhaustive sets of small networks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from itertools import combinations, product

import pytest
from nets import ADD, CONV, RELU, chain, graph, isomorphic, pairs, profile, shuffled, subsets

import archspec
from archspec.compiler.analysis.signature import operator_text
from archspec.graph import Graph
from archspec.language.spec import from_source
from archspec.ops import BY_KEY
from archspec.syntax.errors import Source


def test_all_shortcut_subsets_of_six_blocks_differ() -> None:
    found = {archspec.signature(graph(chain(skips, 6))) for skips in subsets(pairs(6))}
    assert len(found) == 2**15


def test_every_pair_of_six_blocks_agrees_with_networkx() -> None:
    """All subsets of the shortcuts between blocks; pairs of another profile cannot be isomorphic."""
    between = [pair for pair in pairs(6) if pair[0] > 0]
    alike: dict[object, list[Graph]] = defaultdict(list)
    for skips in subsets(between):
        network = graph(chain(skips, 6))
        alike[profile(network)].append(network)
    compared = 0
    for group in alike.values():
        for one, other in combinations(group, 2):
            assert (archspec.signature(one) == archspec.signature(other)) == isomorphic(one, other)
            compared += 1
    assert compared > 1000


def test_shuffled_copies_of_six_blocks_are_equal() -> None:
    for seed, skips in enumerate(subsets(pairs(6))):
        if seed % 8 == 0:
            wiring = chain(skips, 6)
            assert archspec.signature(shuffled(wiring, seed)) == archspec.signature(graph(wiring))


def wirings(size: int) -> list[list[tuple[object, tuple[int, ...]]]]:
    """All networks of `size` layers, each over the sum of any signals before it, their loose ends added at last.

    Unlike chains they have twins and symmetries: different wirings may be one network.
    """
    found = []
    for choice in product(*(range(1, 2 ** (layer + 1)) for layer in range(size))):
        wiring: list[tuple[object, tuple[int, ...]]] = []
        outputs, read = [0], set()
        for chosen in choice:
            sources = tuple(outputs[i] for i in range(len(outputs)) if chosen >> i & 1)
            read |= set(sources)
            if len(sources) > 1:
                wiring.append((ADD, sources))
                sources = (len(wiring),)
            wiring.append((CONV, sources))
            outputs.append(len(wiring))
        loose = tuple(output for output in outputs[1:] if output not in read)
        wiring.append((ADD, loose) if len(loose) > 1 else (RELU, loose))
        found.append(wiring)
    return found


@pytest.mark.parametrize(("size", "most"), [(4, 10**9), pytest.param(5, 30, marks=pytest.mark.slow)])
def test_every_small_network_with_twins_agrees_with_networkx(size: int, most: int) -> None:
    """All 315 wirings of four layers and 9,765 of five: equal signatures are isomorphic, and no two classes of
    signatures are (of five layers, the first pairs of each profile)."""
    classes: dict[str, list[Graph]] = defaultdict(list)
    for wiring in wirings(size):
        network = graph(wiring)  # type: ignore[arg-type]
        classes[archspec.signature(network)].append(network)
    for members in classes.values():
        for other in members[1:][:2]:
            assert isomorphic(members[0], other)
    merged = sum(len(members) > 1 for members in classes.values())
    alike: dict[object, list[Graph]] = defaultdict(list)
    for members in classes.values():
        alike[profile(members[0])].append(members[0])
    compared = 0
    for group in alike.values():
        for one, other in list(combinations(group, 2))[:most]:
            assert not isomorphic(one, other)
            compared += 1
    assert merged > 10 * size
    assert compared > 100


def test_shuffled_copies_with_twins_are_equal() -> None:
    for seed, wiring in enumerate(wirings(4)):
        for copy in range(4):
            assert archspec.signature(shuffled(wiring, 10 * seed + copy)) == archspec.signature(graph(wiring))  # type: ignore[arg-type]


def test_one_layer_read_twice_is_not_two_layers() -> None:
    once = graph([(CONV, (0,)), (ADD, (1, 1))])
    twice = graph([(CONV, (0,)), (CONV, (0,)), (ADD, (1, 2))])
    assert archspec.signature(once) != archspec.signature(twice)


def test_only_additions_commute() -> None:
    concat = BY_KEY["concat"]()
    for op, same in ((ADD, True), (concat, False)):
        one, other = ([(CONV, (0,)), (RELU, (0,)), (op, operands)] for operands in ((1, 2), (2, 1)))
        assert (archspec.signature(graph(one)) == archspec.signature(graph(other))) is same


def test_operands_of_twins_count() -> None:
    """Two equal projections, told apart by what reads them."""
    base = [(CONV, (0,)), (CONV, (0,)), (RELU, (1,)), (ADD, (2, 3))]
    same = [(CONV, (0,)), (CONV, (0,)), (RELU, (2,)), (ADD, (1, 3))]
    other = [(CONV, (0,)), (CONV, (0,)), (RELU, (1,)), (ADD, (1, 3, 2))]
    assert archspec.signature(graph(base)) == archspec.signature(graph(same)) != archspec.signature(graph(other))


def test_values_count_and_defaults_do_not() -> None:
    conv = BY_KEY["conv"]
    assert operator_text(conv(out=4, kernel=3, padding=1, stride=1)) == operator_text(conv(out=4, kernel=[3, 3]))
    kinds = [
        conv(out=4, kernel=3), conv(out=4, kernel=1), conv(out=4, kernel=3, bias=True), conv(out=4, kernel=3, groups=2),
        conv(out=4, kernel=3, dilation=2), conv(out=4, kernel=3, padding=0), BY_KEY["scale"](by=0.5),
        BY_KEY["scale"](by=2),
        BY_KEY["module"](type="Dropout", args={"p": 1}), BY_KEY["module"](type="Dropout", args={"p": True}),
    ]  # fmt: skip
    assert len({operator_text(op) for op in kinds}) == len(kinds)
    assert len({archspec.signature(graph([(op, (0,))])) for op in kinds[:1] + kinds[4:5] + kinds[6:8]}) == 4


def test_neither_names_nor_the_way_of_writing_count() -> None:
    spec = archspec.load("cifar_resnet56")
    network = archspec.expand(spec)
    flat = network.to_spec_text().replace("stage", "part").replace("name: ", "name: other_")
    again = archspec.expand(from_source(Source("flat", flat)))
    assert again != network
    assert archspec.signature(again) == archspec.signature(network)


def test_signatures_are_the_same_everywhere() -> None:
    """Values written down once: another machine, version or hash seed must give the same."""
    program = "import archspec; print(archspec.signature(archspec.expand(archspec.load('resnet50'))))"
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True
        )
        assert done.stdout.strip() == RESNET50
    assert archspec.signature(graph(chain([(0, 2)], 3))) == CHAIN


RESNET50 = "b507479de2fb6acd410a08fa01640084"
CHAIN = "e0d47d1d2c2c9c72d9963516bfdf00d6"


@pytest.mark.parametrize("blocks", [200, 400])
def test_thousands_of_blocks_need_no_recursion(blocks: int) -> None:
    skips = [(i, i + 3) for i in range(0, blocks - 3)]
    assert len(archspec.signature(graph(chain(skips, blocks)))) == 32
