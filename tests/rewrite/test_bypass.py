"""What is left of a block whose branch is dropped: its plan, and that it computes what zeros in the branch would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from gates import choose, gates
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks import graph_of
from strategies import Drawn, specs
from torch import Tensor

import archspec
from archspec.compiler.analysis.outline import Plan, outline
from archspec.compiler.lower import Network
from archspec.compiler.rewrite.bypass import bypass

HEAD = """
archspec: 1
name: one
input: {channels: 4, size: [6, 6]}
stages: {repeat: [1], width: 4, blocks: one}
drop_path: {survival: 0.5}
blocks:
  one:
"""
CONV = "conv: {out: width, kernel: 3}"
BLOCKS = {
    "identity": f"branch: [{CONV}, bn]\nshortcut: B",
    "relu": f"branch: [{CONV}, bn]\nshortcut: B\nafter: [relu]",
    "shared": f"pre: [bn, relu]\nbranch: [{CONV}]\nshortcut: [conv: {{out: width, kernel: 1}}]\nshared: true",
    "product": f"graph:\n  branch: [{CONV}]\n  both: {{from: [branch, input], ops: [multiply]}}\n"
    "  output: {from: [both, input], ops: [add]}",
    "concat": f"""
      graph:
        branch: [{CONV}]
        both:   {{from: [branch, input], ops: [concat, {CONV}]}}
        output: {{from: [both, input], ops: [add]}}""",
    "behind": f"graph:\n  branch: [{CONV}]\n  f: {{from: branch, ops: [tanh]}}\n"
    "  output: {from: [f, input], ops: [add]}",
    "three": f"graph:\n  branch: [{CONV}]\n  other: [{CONV}]\n  output: {{from: [other, branch, input], ops: [add]}}",
    "scaled": f"""
      graph:
        branch: [{CONV}]
        twice:  {{from: branch, ops: [scale: {{by: 2}}]}}
        output: {{from: [twice, input, branch], ops: [add, tanh]}}""",
    "exclusive": f"""
      graph:
        branch: [{CONV}]
        gate:   [conv: {{out: width, kernel: 1}}, sigmoid]
        closed: {{from: gate, ops: [one_minus]}}
        carry:  {{from: [input, closed], ops: [multiply]}}
        passed: {{from: [branch, gate], ops: [multiply]}}
        output: {{from: [carry, passed], ops: [add]}}""",
    "squeeze": f"""
      graph:
        branch: [{CONV}, bn]
        gate:   {{from: branch, ops: [global_avg_pool, linear: {{out: width}}, sigmoid]}}
        scaled: {{from: [branch, gate], ops: [multiply]}}
        output: {{from: [scaled, input], ops: [add]}}""",
    "inverted": f"""
      graph:
        branch: [{CONV}]
        other:  {{from: branch, ops: [one_minus]}}
        gated:  {{from: [other, input], ops: [multiply]}}
        output: {{from: [gated, input], ops: [add]}}""",
    "overwriting": f"""
      graph:
        branch: [{CONV}, bn]
        joined: {{from: [branch, input], ops: [add, relu, {CONV}]}}
        output: {{from: [joined, input], ops: [add]}}""",
    "two": f"branch: [{CONV}]\nshortcut: [bn, drop_path: {{survival: 0.5}}]",
    "fresh_module": f"branch: [{CONV}]\nshortcut: B\nafter: [module: {{type: ReLU}}]",
    "module_inside": f"branch: [{CONV}, module: {{type: ReLU}}]\nshortcut: B",
}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def spec(block: str, head: str = HEAD) -> str:
    lines = block.strip("\n").splitlines()
    shift = len(lines[0]) - len(lines[0].lstrip())
    return head + "".join(f"    {line[shift:]}\n" for line in lines)


def plan_of(block: str, head: str = HEAD) -> Plan:
    return next(unit.plan for unit in outline(graph_of(spec(BLOCKS[block], head))) if unit.address == "stage1.0")


def shown(plan: Plan) -> str:
    """A plan in short: `bn(0) relu(bn) -> relu`."""
    steps = [f"{step.name}({', '.join(map(str, step.inputs))})" for step in plan.steps]
    return " ".join([*steps, "->", *map(str, plan.outputs)])


@pytest.mark.parametrize(
    ("block", "left"),
    [
        ("identity", "-> 0"),
        ("relu", "after.relu(0) -> after.relu"),
        ("shared", "pre.bn(0) pre.relu(pre.bn) shortcut.conv(pre.relu) -> shortcut.conv"),
        ("three", "other.conv(0) add(other.conv, 0) -> add"),
        ("scaled", "tanh(0) -> tanh"),
        (
            "exclusive",
            "gate.conv(0) gate.sigmoid(gate.conv) closed.one_minus(gate.sigmoid) "
            "carry.multiply(0, closed.one_minus) -> carry.multiply",
        ),
        ("squeeze", "-> 0"),
        ("overwriting", "joined.relu(0) joined.conv(joined.relu) add(joined.conv, 0) -> add"),
        ("product", "-> 0"),
        ("fresh_module", "after.module(0) -> after.module"),
        ("module_inside", "-> 0"),
    ],
)
def test_what_is_left(block: str, left: str) -> None:
    plan = plan_of(block)
    found = bypass(plan)
    assert found is not None
    assert found[0] == "branch.drop_path"
    assert shown(found[1]) == left
    assert found[1].inputs == plan.inputs
    assert not [step for step in found[1].steps if ("inplace", True) in step.call.arguments]


@pytest.mark.parametrize("block", ["behind", "concat", "inverted", "two"])
def test_what_cannot_be_left_out(block: str) -> None:
    assert bypass(plan_of(block)) is None


@pytest.mark.parametrize("rest", ["", "drop_path: {survival: 0.5, unit: sample}"])
def test_where_nothing_drops_for_the_batch(rest: str) -> None:
    assert bypass(plan_of("relu", HEAD.replace("drop_path: {survival: 0.5}", rest))) is None


def built(text: str, granularity: Any = "block") -> Network:
    torch.manual_seed(0)
    return archspec.build(graph_of(text), granularity=granularity)


def named(value: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    return value if isinstance(value, dict) else {"output": value}


def step(network: Network, x: Tensor) -> dict[str, Tensor]:
    outputs = named(network(x))
    if any(value.requires_grad for value in outputs.values()):
        sum((value * value.detach().cos()).sum() for value in outputs.values()).backward()
    return outputs


def assert_equal(ours: Network, theirs: Network, x: Tensor) -> None:
    """A training step of each: the same outputs, gradients, where no gradient is a gradient of zero, and statistics."""
    before = x.clone()
    outputs, expected = step(ours, x), step(theirs, x)
    assert torch.equal(x, before)
    for label, value in expected.items():
        assert torch.equal(outputs[label], value), label
    others = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        mine, other = (torch.zeros(()) if p.grad is None else p.grad for p in (parameter, others[name]))
        assert parameter.grad is None or others[name].grad is not None, name
        scale = max(1.0, other.abs().max().item())
        torch.testing.assert_close(*torch.broadcast_tensors(mine, other), rtol=1e-8, atol=1e-9 * scale)
    for key, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[key]), key


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("block", BLOCKS)
def test_it_computes_what_zeros_give(block: str, kept: bool) -> None:
    networks = built(spec(BLOCKS[block])), built(spec(BLOCKS[block]), "op")
    for network in networks:
        choose(network, () if kept else [*gates(network)])
    x = torch.randn(3, 4, 6, 6)
    assert_equal(*networks, x)
    moved = [int(v) for k, v in networks[0].state_dict().items() if k.endswith("branch.bn.num_batches_tracked")]
    assert moved == [int(kept)] * len(moved)


def test_a_branch_that_must_be_computed_gives_zeros() -> None:
    network = built(spec(BLOCKS["concat"]))
    choose(network, ["stage1.0.branch.drop_path"])
    x = torch.randn(2, 4, 6, 6)
    conv = network.get_submodule("stage1.0.both.conv")
    assert torch.equal(network(x), conv(torch.cat([torch.zeros_like(x), x], 1)) + x)
    both = built(spec(BLOCKS["two"]))
    choose(both, ["stage1.0.branch.drop_path"])
    fired: list[Any] = []
    both.get_submodule("stage1.0.branch.conv").register_forward_hook(lambda *_: fired.append(1))
    both(x)
    assert fired


@settings(max_examples=60)
@given(data=st.data(), drawn=specs())
def test_any_choice_of_gates_gives_what_zeros_give(data: st.DataObject, drawn: Drawn) -> None:
    assume(drawn.droppable)
    text = drawn.text.replace("unit: sample", "unit: batch")
    if not drawn.drop_path:
        text += f"drop_path: {{survival: 0.5, rescale: {data.draw(st.sampled_from(['true', 'false']))}}}\n"
    networks = built(text), built(text, "op")
    dropped = [name for name in gates(networks[0]) if data.draw(st.booleans(), name)]
    assert 0 < len(gates(networks[0])) <= len(drawn.blocks)
    for network in networks:
        choose(network, dropped)
    graph = networks[0].architecture
    assert_equal(*networks, torch.randn(2, *graph.input.shape, generator=torch.Generator().manual_seed(1)))
