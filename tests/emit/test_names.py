"""Emission is a promise for every graph: whatever its names, the file loads, and is the network that `build` gives."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from keyword import iskeyword
from pathlib import Path
from random import Random

import pytest
import torch
from emitted import TEXTS, assert_same, imported
from hostile import WORDS, hostile_blocks, hostile_spec
from networks import graph_of

import archspec
from archspec.compiler.emit import emit
from archspec.compiler.emit.calls import Globals
from archspec.graph import Graph
from archspec.syntax.escape import identifier


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_any_names_of_a_flat_graph(start: int, tmp_path: Path) -> None:
    for seed in range(start, start + 10):
        assert_same(graph_of(hostile_spec(seed)), tmp_path)


@pytest.mark.parametrize("start", range(0, 10, 5))
def test_any_names_of_blocks_and_wires(start: int, tmp_path: Path) -> None:
    for seed in range(start, start + 5):
        assert_same(graph_of(hostile_blocks(seed)), tmp_path)


@pytest.mark.slow
def test_any_names_at_length(tmp_path: Path) -> None:
    for seed in range(40, 1500):
        assert_same(graph_of(hostile_spec(seed)), tmp_path)
    for seed in range(10, 300):
        assert_same(graph_of(hostile_blocks(seed)), tmp_path)


FLAT = "archspec: 1\nname: n\ninput: {channels: 3, size: [8, 8]}\ngraph:\n"
CONV = "conv: {out: 4, kernel: 3}"


@pytest.mark.parametrize(
    "wires",
    [
        f"stage1.0.a: [{CONV}]\n  b: {{from: stage1.0.a, ops: [relu]}}\n  stage1.0.c: {{from: b, ops: [sigmoid]}}\n"
        "  output: {from: [stage1.0.c, stage1.0.a], ops: [add]}",
        f"stage1.1.n1: [{CONV}]\n  output: {{from: stage1.1.n1, ops: [relu]}}",
        f"a.0: [{CONV}]\n  a.1: {{from: a.0, ops: [tanh]}}\n  output: {{from: [a.0, a.1], ops: [add]}}",
        f"in_: [{CONV}]\n  b: {{from: in_, ops: [sigmoid]}}\n  output: {{from: [in_, b], ops: [multiply]}}",
        f"stage1.enter.conv: [{CONV}]\n  stage3.0.a: {{from: stage1.enter.conv, ops: [bn, {CONV}]}}\n"
        "  stage3.0.b: {from: stage1.enter.conv, ops: [relu]}\n  output: {from: [stage3.0.b, stage3.0.a], ops: [add]}",
    ],
    ids=["wires of a block", "no block 0", "numbers", "a keyword", "stages without blocks"],
)
def test_names_that_look_like_something(wires: str, tmp_path: Path) -> None:
    assert_same(graph_of(f"{FLAT}  {wires}\n"), tmp_path)


@pytest.mark.parametrize("outputs", [{"output": "input"}, {"a": "input", "b": "input"}])
def test_a_network_without_operators(outputs: dict[str, str], tmp_path: Path) -> None:
    graph = Graph("nothing", [graph_of(TEXTS["wordless"]).input], outputs)
    ast.parse(emit(graph))
    x = torch.rand(2, *graph.input.shape)
    given = imported(emit(graph), tmp_path).Network()(x)
    assert all(torch.equal(value, x) for value in (given.values() if isinstance(given, dict) else [given]))


KINDS = [
    "X:pass\nimport os;os.system('x')",
    "a-b",
    "1",
    "None",
    "a b",
    "&lt;",
    "ﬁrst",
    "class",
    "",
    "__init__",
    "é",
    "._",
]


def test_names_of_blocks_are_no_code(tmp_path: Path) -> None:
    """A graph may be made by hand: whatever its blocks, outputs and itself are called."""
    made = graph_of(hostile_blocks(3))
    addresses = sorted(made.kinds)
    for turned in (KINDS, KINDS[6:] + KINDS[:6]):
        kinds = dict(zip(addresses, turned, strict=False))
        outputs = {f"{kind}0": made.outputs["output"] for kind in turned}
        graph = Graph(turned[0], made, outputs, made.init, kinds)
        parts = ast.parse(emit(graph)).body
        assert {type(part) for part in parts[1:]} <= {ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef}
        assert len({part.name for part in parts if isinstance(part, ast.ClassDef)}) > 2
        assert_same(graph, tmp_path)
        assert "\n" not in archspec.build(graph).__class__.__name__


def test_an_identifier_is_legal_and_its_own() -> None:
    random = Random(1)
    letters = "aZ_09.-é ﬁ\n\"'\\%ª²\x00"
    texts = ["", *WORDS, *("".join(random.choices(letters, k=random.randint(0, 5))) for _ in range(3000))]
    taken: set[str] = set()
    for text in texts:
        name = identifier(text, taken)
        assert name.isascii()
        assert name.isidentifier()
        assert not iskeyword(name)
        assert not name.startswith("_")
        assert name not in taken
        taken.add(name)
        if text.isascii() and text.isidentifier() and not iskeyword(text) and text[0] != "_":
            assert identifier(text) == text


def test_names_of_thousands_of_kinds_take_no_time() -> None:
    known = Globals()
    names = [known.claim("Block") for _ in range(20_000)]
    assert len(set(names)) == len(names)
    assert names[-1] == "Block20000"
