"""Random networks of the whole language compute the same in every way they can be run (tests/executions.py)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from executions import DifferenceError, check
from fuzz import COMPILED, drawn, report, run, shrunk
from generator.blocks import BRANCHES, GRAPHS, WHOLE_BRANCHES, WHOLE_GRAPHS
from generator.operators import JOINS, KEYS
from interpreter import RULES
from networks import graph_of

import archspec
from archspec.compiler.lower import Network
from archspec.ops import BY_KEY

SEED = 0
CHUNKS, CHUNK = 12, 20


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_networks_are_the_same_in_every_way(chunk: int) -> None:
    numbers = range(chunk * CHUNK, (chunk + 1) * CHUNK)
    failed = [case for case in (run(SEED, number) for number in numbers) if case.failed is not None]
    told = "\n".join(f"python tests/fuzz.py --seed {SEED} --only {case.number}: {case.failed}" for case in failed)
    assert not failed, f"{told}\n{failed[0].text}"


def test_what_is_run_has_the_whole_language_in_it() -> None:
    """Every operator, form of block and section of the language, in several of the networks of the test above."""
    found: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for number in range(CHUNKS * CHUNK):
        text, features = drawn(SEED, number)
        found.update(features)
        used.update({node.op.key for node in graph_of(text)})
    wanted = {
        *(f"branch {name}" for name in BRANCHES | WHOLE_BRANCHES), *(f"graph {name}" for name in GRAPHS | WHOLE_GRAPHS),
        *(f"levels {m}" for m in (1, 2, 3, 4)), *(f"rule {name}" for name in ("every", "dense", "random")),
        "3-D", "until", "init", "require", "several outputs", "block extends", "blocks by position", "hostile name",
        "hostile wire", "drop_path by batch", "drop_path by sample", "skip that adds", "skip that widens", "gate",
        "groups", "ceil_mode", "sizes by dimension", "shortcut: none", "output: wire",
        "weights", "constant weights", "weight", "normalize none", "normalize softmax", "normalize sum",
        *(f"{join} at {place}" for join in ("add", "multiply", "concat") for place in ("input", "output")),
    }  # fmt: skip
    assert {name for name in wanted if found[name] < 2} == set()
    assert {key for key in BY_KEY if used[key] < 3} == set()
    assert {*KEYS, *JOINS, "drop_path"} == set(BY_KEY) == set(RULES)


SMALL = """\
archspec: 1
input: {channels: 2, size: [5, 4]}
graph:
  a: {from: input, ops: [conv: {out: 2, kernel: 3}, bn]}
  b: {from: a, ops: [relu]}
  output: {from: [a, b, input], ops: [add]}
"""


@pytest.mark.parametrize("way", ["weights", "outputs", "operator", "statistics", "copies"])
def test_a_difference_is_found(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is broken on purpose fails."""
    check(SMALL, tmp_path)
    lower, copy = archspec.build, Network.__deepcopy__

    def broken(*given: object, **options: object) -> Network:
        network = lower(*given, **options)  # type: ignore[arg-type]
        if way == "operator" and options.get("granularity") == "op":
            network.a.conv.stride = (2, 2)
            network.a.conv.padding = (3, 3)
        elif way == "outputs":
            network.register_forward_hook(lambda module, inputs, output: output + 1e-6)
        elif way == "statistics":
            network.a.bn.momentum = 0.2  # type: ignore[union-attr]
        elif way == "weights":
            network.a.conv.register_forward_hook(lambda module, inputs, output: output * (1 + 1e-7))
        return network

    def copied(network: Network, memo: dict[int, object]) -> Network:
        twin = copy(network, memo)
        twin.a.bn.eps = 0.1  # type: ignore[union-attr]
        return twin

    if way == "copies":
        monkeypatch.setattr(Network, "__deepcopy__", copied)
    else:
        monkeypatch.setattr(archspec, "build", broken)
    with pytest.raises((DifferenceError, RuntimeError)):
        check(SMALL, tmp_path)


def test_the_same_seed_gives_the_same_networks() -> None:
    once = [drawn(7, number) for number in range(20)]
    assert once == [drawn(7, number) for number in range(20)]
    assert once != [drawn(8, number) for number in range(20)]


def test_failures_are_told_with_their_seed_and_spec_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    from fuzz import Case

    cases = [
        Case(0, frozenset({"flat"}), "one\n", None),
        Case(1, frozenset({"flat", "3-D"}), "two\n", "Different: build: y differs by 2"),
        Case(2, frozenset({"3-D"}), "three\n", "Different: build: z differs by 3"),
    ]  # fmt: skip
    assert report(iter(cases), 3, 9) == 2
    told = capsys.readouterr().out
    assert "FAILS --seed 9 --only 1: Different: build: y differs by 2\ntwo\n" in told
    assert "fails --seed 9 --only 2: Different: build: z differs by 3\n" in told
    assert "     2 flat\n" in told
    assert "     2 fail: Different: build" in told
    assert "3 networks of seed 9" in told
    assert told.endswith("1 hold, 2 fail\n")


def test_specs_shrink() -> None:
    lines = shrunk(SMALL, lambda text: "relu" in text and "add" in text).splitlines()
    assert lines[2:] == ["  b: {ops: [relu]}", "  output: {ops: [add]}"]


def test_some_are_compiled() -> None:
    torch.compiler.reset()
    assert any(number % COMPILED == 0 for number in range(CHUNKS * CHUNK))
