"""Lowering: what a graph becomes, at both granularities, and what survives copying, saving and editing."""

from __future__ import annotations

import copy
import io
import math
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from networks import graph_of
from torch import Tensor, fx, nn

import archspec
from archspec.compiler.analysis.outline import outline
from archspec.compiler.lower import Network, blocks, lower
from archspec.compiler.lower.codegen import Block
from archspec.compiler.lower.layers import DropPath
from archspec.graph import Graph

STAGED = """
archspec: 1
name: small
input: {channels: 3, size: [12, 10]}
stem: [conv: {out: 4, kernel: 3}, bn, relu]
stages: {repeat: [3, 2], width: [4, 8], stride: [1, 2], blocks: basic}
blocks:
  basic:
    branch: [conv: {out: width, kernel: 3, stride: stride}, bn, relu, conv: {out: width, kernel: 3}, bn]
    shortcut: B
    after: [relu]
head: [global_avg_pool, linear: {out: 5}]
"""
GATED = """
archspec: 1
input: {channels: 3, size: [8, 8]}
stem: [conv: {out: 6, kernel: 3}]
stages: {repeat: [2, 2], width: [6, 10], stride: [1, 2], blocks: highway}
blocks:
  highway:
    out: width
    graph:
      carry: [use: B]
      f: [conv: {out: width, kernel: 3, stride: stride}, bn, prelu]
      gate: [conv: {out: width, kernel: 1, stride: stride, bias: true, bias_init: -1}, sigmoid]
      closed: {from: gate, ops: [one_minus]}
      kept: {from: [carry, closed], ops: [multiply]}
      passed: {from: [f, gate], ops: [multiply]}
      output: {from: [kept, passed], ops: [add]}
    after: [relu]
head: [flatten, linear: {out: 3}]
"""
SQUEEZED = """
archspec: 1
input: {channels: 3, size: [9, 9]}
stages: {repeat: 2, width: [8], blocks: se}
blocks:
  se:
    out: width
    graph:
      branch: [conv: {out: width, kernel: 3}, group_norm: {groups: 2}, silu]
      gate: {from: branch, ops: [global_avg_pool, linear: {out: 2}, relu, linear: {out: width}, sigmoid]}
      scaled: {from: [branch, gate], ops: [multiply]}
      short: [use: C]
      output: {from: [scaled, short], ops: [add]}
head: [layer_norm, avg_pool: {kernel: 3}, dropout: {p: 0.2}, flatten, linear: {out: 4}]
"""
DENSE = """
archspec: 1
input: {channels: 3, size: [8, 8]}
stem: [conv: {out: 4, kernel: 3}]
stages: {repeat: [3, 2], width: [4, 6], blocks: plain, enter: [null, transition]}
blocks: {plain: {branch: [bn, relu, conv: {out: width, kernel: 3}], shortcut: none}}
paths: {transition: [conv: {out: 5, kernel: 1}, relu]}
skips: [{rule: dense, within: stage, join: concat}]
head: [global_avg_pool, linear: {out: 3}]
"""
LEVELS = STAGED.replace("name: small", "name: ror") + (
    "levels: {m: 3}\nskips: [{from: stage1.0, to: stage2.0, path: C}]\n"
    "drop_path: {survival: 0.5, unit: sample, rescale: true}\n"
)
# The first skip has no weights, the second has: its part of the network begins before `levels`, its weights after.
BARE = (
    STAGED.replace("name: small", "name: bare")
    + """
skips:
  - {from: stem, to: stage1.0, join: concat, path: [max_pool: {kernel: 3, stride: 1}]}
  - {from: stage2.0, to: stage2.1, path: C}
levels: {m: 3}
"""
)
SEVERAL = STAGED.replace("name: small", "name: several") + "outputs: {logits: head, c1: stage1, stem: stem.conv}\n"
VIDEO = """
archspec: 1
input: {channels: 2, size: [4, 8, 8]}
stem: [conv: {out: 4, kernel: [3, 5, 5], stride: [1, 2, 2]}, bn, elu, max_pool: {kernel: [1, 3, 3], stride: [1, 2, 2]}]
stages: {repeat: 1, width: [4, 8], stride: [[1, 1, 1], [2, 2, 2]], blocks: b}
blocks: {b: {branch: [conv: {out: width, kernel: 3, stride: stride}, bn], shortcut: A, after: [gelu]}}
head: [global_avg_pool, dropout, linear: {out: 3}]
"""
# Names that make units circular (a and b), hold one another (stage1 and stage1.0), look like what fx itself names
# (x, self, torch, output), or collide as Python identifiers (c.d_e, c_d.e).
FLAT = """
archspec: 1
input: {channels: 3, size: [6, 6]}
graph:
  a.1: [conv: {out: 4, kernel: 3}]
  b.1: {from: a.1, ops: [bn]}
  a.2: {from: b.1, ops: [relu]}
  b.2: {from: [a.2, b.1], ops: [add]}
  stage1.0.c: {from: b.2, ops: [conv: {out: 4, kernel: 1}]}
  stage1.0.d: {from: stage1.0.c, ops: [relu]}
  stage1.x.y: {from: stage1.0.d, ops: [bn]}
  stage1.x.z: {from: stage1.x.y, ops: [relu]}
  x: {from: stage1.x.z, ops: [conv: {out: 4, kernel: 3}]}
  self.x: {from: x, ops: [bn]}
  self.self: {from: [self.x, x], ops: [concat]}
  torch.operator: {from: self.self, ops: [identity]}
  torch.torch: {from: torch.operator, ops: [relu]}
  c.d_e: {from: torch.torch, ops: [conv: {out: 4, kernel: 3}]}
  c_d.e: {from: c.d_e, ops: [relu]}
  c_d.f: {from: [c_d.e, c.d_e], ops: [multiply]}
  output: c_d.f
"""
MODULE = """
archspec: 1
input: {channels: 4, size: [6, 6]}
stem:
  - module: {type: Conv2d, args: {in_channels: channels, out_channels: 8, kernel_size: 3}}
  - relu
  - module: {type: PixelShuffle, args: {upscale_factor: 2}}
head: [global_avg_pool, softmax]
"""
SMALL = {
    "staged": STAGED, "gated": GATED, "squeezed": SQUEEZED, "dense": DENSE, "levels": LEVELS, "bare": BARE,
    "several": SEVERAL, "video": VIDEO, "flat": FLAT, "module": MODULE,
}  # fmt: skip
ZOO: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet18": ("resnet18", {"input.size": [33, 33]}),
    "iresnet50": ("iresnet50", {"input.size": [33, 33], "counts": [2, 3, 1, 2], "classes": 5}),
    "cifar_resnet": ("cifar_resnet110", {"depth": 14}),
    "ror3": ("ror3_110", {"depth": 14, "input.size": [16, 16]}),
    "wrn": ("wrn28_10", {"depth": 10, "k": 2, "input.size": [8, 8]}),
    "resnet3d50": ("resnet3d50", {"input.size": [4, 32, 32], "counts": [1, 1, 1, 1], "classes": 3}),
}
NETWORKS = [*SMALL, *ZOO]


@cache
def graph_named(name: str) -> Graph:
    if name in SMALL:
        return graph_of(SMALL[name])
    reference, params = ZOO[name]
    return archspec.expand(archspec.load(reference, **params))


def seeded(name: str, granularity: Any = "block", **options: Any) -> Network:
    torch.manual_seed(0)
    return archspec.build(graph_named(name), granularity=granularity, **options)


def sample(network: Network, batch: int = 3, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, *network.architecture.input.shape, generator=generator, dtype=dtype)


def outputs_of(value: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    return value if isinstance(value, dict) else {"output": value}


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


each_network = pytest.mark.parametrize("name", NETWORKS)


# --- granularity ------------------------------------------------------------------------------------------------------


@each_network
def test_both_granularities_have_the_same_keys_and_the_same_weights_from_one_seed(name: str) -> None:
    block, op = seeded(name), seeded(name, "op")
    same(block.state_dict(), op.state_dict())
    assert sum(parameter.numel() for parameter in block.parameters()) == graph_named(name).params
    assert {key.rpartition(".")[0] for key in block.state_dict()} <= set(graph_named(name).nodes)
    assert (block.granularity, op.granularity) == ("block", "op")
    assert blocks(block)
    assert not blocks(op)


@each_network
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_both_granularities_compute_the_same(name: str, train: bool) -> None:
    """Outputs and running statistics to the last bit; gradients too, but for the order in which they are summed."""
    results = []
    for granularity in ("block", "op"):
        network = seeded(name, granularity, dtype=torch.float64).train(train)
        x = sample(network, dtype=torch.float64).requires_grad_()
        torch.manual_seed(2)
        outputs = outputs_of(network(x))
        sum((value * value.detach().cos()).sum() for value in outputs.values()).backward()
        gradients = {"x": x.grad} | {key: parameter.grad for key, parameter in network.named_parameters()}
        results.append((outputs, dict(network.named_buffers()), gradients))
    same(results[0][0], results[1][0])
    same(results[0][1], results[1][1])
    assert list(results[0][2]) == list(results[1][2])
    for key, gradient in results[0][2].items():
        torch.testing.assert_close(gradient, results[1][2][key], rtol=1e-10, atol=1e-11)
    shapes = {label: tuple(value.shape[1:]) for label, value in results[0][0].items()}
    assert shapes == graph_named(name).output_shapes()


@each_network
def test_weights_move_between_granularities(name: str) -> None:
    block, op = seeded(name), archspec.build(graph_named(name), granularity="op")
    block.eval(), op.eval()
    op.load_state_dict(block.state_dict(), strict=True)
    same(outputs_of(op(sample(op))), outputs_of(block(sample(block))))
    other = archspec.build(graph_named(name))
    other.load_state_dict(op.state_dict(), strict=True)
    same(other.state_dict(), block.state_dict())


def test_loading_is_strict() -> None:
    network = seeded("staged")
    state = network.state_dict()
    state["stage1.0.branch.conv9.weight"] = state.pop("stage1.0.branch.conv2.weight")
    with pytest.raises(RuntimeError, match=r"Missing.*stage1\.0\.branch\.conv2[\s\S]*Unexpected.*conv9"):
        network.load_state_dict(state)


def test_several_outputs_are_a_dict() -> None:
    network = seeded("several").eval()
    outputs = network(sample(network))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "logits": (3, 5),
        "c1": (3, 4, 12, 10),
        "stem": (3, 4, 12, 10),
    }
    assert torch.equal(outputs["stem"], network.stem.conv(sample(network)))
    assert torch.equal(outputs["logits"], seeded("staged").eval()(sample(network)))


def test_an_unknown_granularity_is_refused() -> None:
    with pytest.raises(ValueError, match="granularity is 'block' or 'op', not 'layer'"):
        archspec.build(graph_named("staged"), granularity="layer")  # type: ignore[arg-type]


# --- classes ----------------------------------------------------------------------------------------------------------


def test_blocks_of_one_signature_are_instances_of_one_class() -> None:
    """iresnet50: stages of 3, 4, 6, 3 blocks. In each a start, a middle without its leading batch norm, one with, if
    there are more than three blocks, and an end; beside them the stem and the head."""
    found = blocks(archspec.build("iresnet50", device="meta"))
    assert len(found) == 3 + 4 + 6 + 3 + 2
    classes = {address: type(block) for address, block in found.items()}
    assert len(set(classes.values())) == 3 + 4 + 4 + 3 + 2
    assert len({classes[f"stage3.{i}"] for i in range(2, 5)}) == 1
    assert len({classes[f"stage3.{i}"].forward for i in range(2, 5)}) == 1
    assert len({classes[f"stage3.{i}"] for i in (0, 1, 2, 5)}) == 4
    names = {cls.forward.__name__ for cls in classes.values()}
    assert len(names) == len({cls.__name__ for cls in classes.values()}) == 16
    assert len({cls.forward.__code__.co_filename for cls in classes.values()}) == 16


def test_two_networks_share_the_classes_of_equal_blocks() -> None:
    first, second = blocks(seeded("staged")), blocks(seeded("several"))
    assert type(first["stage1.1"]) is type(second["stage1.1"])
    assert type(first["stage1.1"]).forward is type(second["stage1.2"]).forward
    assert type(first["stem"]) is not type(second["stem"])  # one gives a second output


def test_a_survival_probability_does_not_make_another_class() -> None:
    found = blocks(seeded("levels"))
    assert type(found["stage1.0"]) is type(found["stage1.1"])
    survivals = [module.survival for module in seeded("levels").modules() if isinstance(module, DropPath)]
    assert survivals == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])


def test_depth_adds_no_classes() -> None:
    deep = archspec.build(archspec.load("cifar_resnet110", depth=56), device="meta")
    deeper = archspec.build(archspec.load("cifar_resnet110", depth=110), device="meta")
    kinds = [{type(block) for block in blocks(network).values()} for network in (deep, deeper)]
    assert kinds[0] == kinds[1]
    assert len(blocks(deeper)) == 54 + 2
    assert len(kinds[0]) == 7  # stem, head, a block for each stage, and one that changes the shape in two of them


# --- the outline ------------------------------------------------------------------------------------------------------


@each_network
def test_units_follow_what_they_read_and_hold_each_operator_once(name: str) -> None:
    graph = graph_named(name)
    known = {graph.input.name}
    for unit in outline(graph):
        assert set(unit.inputs) <= known
        assert set(unit.outputs) <= {node.name for node in unit.nodes}
        assert known.isdisjoint(node.name for node in unit.nodes)
        known |= {node.name for node in unit.nodes}
    assert known == set(graph.nodes)


def test_units_in_order() -> None:
    addresses = [unit.address for unit in outline(graph_named("levels"))]
    assert [address for address in addresses if address.startswith("stage")] == [
        "stage1.0", "stage1.1", "stage1.2", "stage2.0", "stage2.1",
    ]  # fmt: skip
    assert addresses[0] == "stem"
    assert addresses[-1] == "head"
    assert {"levels.root", "levels.stage1", "levels.stage2", "skips.stage1_0_to_stage2_0"} <= set(addresses)
    joined = next(unit for unit in outline(graph_named("levels")) if unit.address == "stage2.1")
    assert len(joined.inputs) == 3  # the block's own, the stage's and the root's


def test_units_that_read_or_hold_each_other_fall_apart() -> None:
    units = {unit.address: len(unit.nodes) for unit in outline(graph_named("flat"))}
    assert units == {
        "a.1": 1, "b.1": 1, "a.2": 1, "b.2": 1, "stage1.0": 2, "stage1.x.y": 1, "stage1.x.z": 1, "x": 1, "self": 2,
        "torch": 2, "c": 1, "c_d": 2,
    }  # fmt: skip


def test_activations_overwrite_only_what_nobody_else_needs() -> None:
    plan = {unit.address: unit.plan for unit in outline(graph_named("flat"))}
    inplace = {
        (address, step.name)
        for address, steps in plan.items() for step in steps.steps
        if dict(getattr(step.call, "arguments", ())).get("inplace")
    }  # fmt: skip
    assert inplace == {("stage1.0", "d")}
    stem = next(unit for unit in outline(graph_named("several")) if unit.address == "stem")
    assert [dict(step.call.arguments).get("inplace") for step in stem.plan.steps] == [None, None, True]
    watched = graph_of(STAGED + "outputs: {logits: head, bn: stem.bn}\n")
    stem = next(unit for unit in outline(watched) if unit.address == "stem")
    assert "inplace" not in dict(stem.plan.steps[-1].call.arguments)


def test_an_op_network_overwrites_nothing() -> None:
    """Whoever edits its graph may read any value: here, the batch norm's before the ReLU."""
    network = seeded("staged", "op").eval()
    bn, relu = (next(node for node in network.graph.nodes if node.name == name) for name in ("stem_bn", "stem_relu"))
    output = next(node for node in network.graph.nodes if node.op == "output")
    output.args = ((bn, relu),)
    network.recompile()
    before, after = network(sample(network))
    assert (before < 0).any()
    assert torch.equal(before.clamp(min=0), after)


# --- names and provenance ---------------------------------------------------------------------------------------------


def test_fx_nodes_are_named_after_addresses() -> None:
    block, op = seeded("levels"), seeded("levels", "op")
    assert [node.name for node in block.graph.nodes if node.op != "output"] == [
        "x", "stem", "stage1_0", "stage1_1", "levels_stage1", "stage1_2", "skips_stage1_0_to_stage2_0", "stage2_0",
        "levels_stage2", "levels_root", "stage2_1", "head",
    ]  # fmt: skip
    names = [node.name for node in op.graph.nodes if node.op == "call_module"]
    assert names == [
        node.name.replace(".", "_") for node in op.architecture if node.params or node.op.key == "drop_path"
    ]
    # One addition of four operands is three of two.
    assert {"stage2_1_add_of_2", "stage2_1_add_of_3", "stage2_1_add"} <= {node.name for node in op.graph.nodes}
    assert repr(block).startswith("ror(")


@pytest.mark.parametrize("granularity", ["block", "op"])
def test_every_fx_node_quotes_its_line_of_the_spec(granularity: Any) -> None:
    network = seeded("staged", granularity)
    lines = STAGED.splitlines()
    for node in network.graph.nodes:
        if node.op in ("call_module", "call_function"):
            address, source = node.meta["archspec"]["address"], node.meta["archspec"]["source"]
            file, line, _ = source.rsplit(":", 2)
            assert node.stack_trace == f'  File "{file}", line {line}, in {address}\n'
            if "shortcut" in address:
                assert file.endswith("standard.yaml")  # where the language itself defines B
                continue
            assert file == "test.yaml"
            start = {"stem": "stem:", "head": "head:", "stage": "blocks:"}
            part = next(key for prefix, key in start.items() if address.startswith(prefix))
            first = next(number for number, text in enumerate(lines, 1) if text.startswith(part))
            assert first <= int(line) <= first + 5
    if granularity == "op":
        node = next(node for node in network.graph.nodes if node.name == "stage2_1_branch_bn2")
        assert node.meta["archspec"]["shape"] == (8, 6, 5)
        assert "branch:" in lines[int(node.meta["archspec"]["source"].split(":")[1]) - 1]


@pytest.mark.parametrize("granularity", ["block", "op"])
def test_an_interpreters_error_quotes_the_spec(granularity: Any) -> None:
    network = seeded("staged", granularity)
    broken = network.get_submodule("stage2.0.branch.conv2")
    broken.weight = nn.Parameter(torch.zeros(8, 5, 3, 3))
    with pytest.raises(RuntimeError) as caught:
        fx.Interpreter(network).run(sample(network))
    text = "".join(traceback.format_exception(caught.value))
    assert 'File "test.yaml", line' in text
    assert ("in stage2.0\n" if granularity == "block" else "in stage2.0.branch.conv2\n") in text


def test_a_traceback_through_a_block_shows_its_generated_code() -> None:
    network = seeded("staged")
    network.get_submodule("stage1.1.branch.conv2").weight = nn.Parameter(torch.zeros(4, 5, 3, 3))
    with pytest.raises(RuntimeError) as caught:
        network(sample(network))
    text = "".join(traceback.format_exception(caught.value))
    assert "in forward_basic_" in text
    assert "branch_conv2 = self.branch.conv2(branch_relu)" in text


def test_generated_code_is_what_one_would_write() -> None:
    code = type(blocks(seeded("staged"))["stage1.1"]).fx_graph.python_code("self").src
    statements = [line.strip().split(";")[0] for line in code.splitlines() if "=" in line]
    assert statements == [
        "branch_conv1 = self.branch.conv1(x)",
        "branch_bn1 = self.branch.bn1(branch_conv1)",
        "branch_relu = archspec_compiler_lower_layers_overwriting_relu(branch_bn1, x)",
        "branch_conv2 = self.branch.conv2(branch_relu)",
        "branch_bn2 = self.branch.bn2(branch_conv2)",
        "add = branch_bn2 + x",
        "after_relu = torch.nn.functional.relu(add, inplace = True)",
    ]


# --- copies -----------------------------------------------------------------------------------------------------------


def saved(network: Network) -> Network:
    buffer = io.BytesIO()
    torch.save(network, buffer)
    buffer.seek(0)
    loaded: Network = torch.load(buffer, weights_only=False)
    return loaded


COPIES: dict[str, Callable[[Network], Network]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda network: pickle.loads(pickle.dumps(network)),
    "torch.save": saved,
    "twice": lambda network: copy.deepcopy(pickle.loads(pickle.dumps(copy.deepcopy(network)))),
}
each_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def hook(*_: Any) -> None:
    """A hook that does nothing, at the module's top so that it pickles."""


@each_copy
@pytest.mark.parametrize("name", ["levels", "gated", "several", "flat", "module"])
@pytest.mark.parametrize("granularity", ["block", "op"])
def test_a_copy_is_a_network_like_the_original(
    name: str, granularity: Any, copied: Callable[[Network], Network]
) -> None:
    network = seeded(name, granularity).train()
    network(sample(network))
    twin = copied(network.eval())
    same(network.state_dict(), twin.state_dict())
    same(dict(network.named_buffers()), dict(twin.named_buffers()))
    assert not twin.training
    assert isinstance(twin, Network)
    assert twin.granularity == granularity
    assert twin.architecture == network.architecture
    for ours, theirs in zip(network.graph.nodes, twin.graph.nodes, strict=True):
        assert (ours.name, ours.op, str(ours.target), ours.meta) == (
            theirs.name,
            theirs.op,
            str(theirs.target),
            theirs.meta,
        )
        assert ours.stack_trace == theirs.stack_trace
    assert {address: type(block) for address, block in blocks(twin).items()} == {
        address: type(block) for address, block in blocks(network).items()
    }
    assert {id(p) for p in twin.parameters()}.isdisjoint(id(p) for p in network.parameters())
    same(outputs_of(network(sample(network))), outputs_of(twin(sample(network))))
    assert repr(twin) == repr(network)


@each_copy
def test_a_copy_keeps_hooks_attributes_and_frozen_weights(copied: Callable[[Network], Network]) -> None:
    network = seeded("staged")
    network.register_forward_hook(hook)
    network.register_forward_pre_hook(hook)
    blocks(network)["stage1.0"].register_forward_hook(hook)
    network.note = "mine"  # type: ignore[assignment]
    network.stem.requires_grad_(False)
    blocks(network)["stage1.1"].eval()
    twin = copied(network)
    for module in (twin, blocks(twin)["stage1.0"]):
        assert list(module._forward_hooks.values()) == [hook]
    assert list(twin._forward_pre_hooks.values()) == [hook]
    assert twin.note == "mine"
    assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in network.parameters()]
    assert [m.training for m in twin.modules()] == [m.training for m in network.modules()]


def test_a_pickle_opens_in_another_process() -> None:
    """Where no class of its blocks has been made yet, and strings hash differently."""
    network = seeded("levels").eval()
    expected = network(sample(network)).double().sum().item()
    code = """
import pickle, sys, torch
network = pickle.loads(sys.stdin.buffer.read())
x = torch.randn(3, 3, 12, 10, generator=torch.Generator().manual_seed(1))
found = {type(block) for name, block in network.named_modules() if name in ("stage1.0", "stage1.1")}
print(len(found), network(x).double().sum().item())
"""
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(network), capture_output=True, check=True)
    kinds, total = done.stdout.split()
    assert int(kinds) == 1
    assert float(total) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("granularity", ["block", "op"])
def test_an_edited_network_pickles_as_a_plain_graph_module(granularity: Any) -> None:
    network = seeded("staged", granularity).eval()
    output = next(node for node in network.graph.nodes if node.op == "output")
    with network.graph.inserting_before(output):
        doubled = network.graph.call_function(torch.mul, (output.args[0], 2))
    output.args = (doubled,)
    network.recompile()
    plain = seeded("staged", granularity).eval()
    for twin in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert torch.equal(twin(sample(network)), 2 * plain(sample(network)))
        assert not twin.training
        same(twin.state_dict(), network.state_dict())
    loaded = pickle.loads(pickle.dumps(network))
    assert isinstance(loaded, fx.GraphModule)
    assert not isinstance(loaded, Network)
    assert pickle.loads(pickle.dumps(loaded))(sample(network)).equal(network(sample(network)))


def test_a_block_alone_copies_and_pickles() -> None:
    block = blocks(seeded("staged"))["stage2.0"].eval()
    x = torch.randn(2, 4, 12, 10)
    for twin in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert type(twin) is type(block)
        assert isinstance(twin, Block)
        assert torch.equal(twin(x), block(x))


# --- devices and dtypes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("granularity", ["block", "op"])
def test_on_the_meta_device_nothing_is_filled(granularity: Any) -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    explicit = archspec.build(graph_named("levels"), granularity=granularity, device="meta")
    with torch.device("meta"):
        ambient = archspec.build(graph_named("levels"), granularity=granularity)
        output = ambient(torch.empty(2, 3, 12, 10))
    assert output.shape == (2, 5)
    for network in (explicit, ambient):
        assert {tensor.device.type for tensor in (*network.parameters(), *network.buffers())} == {"meta"}
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_made_without_memory_can_be_given_some() -> None:
    network = archspec.build(graph_named("levels"), device="meta").to_empty(device="cpu")
    network.load_state_dict(seeded("levels").state_dict(), strict=True)
    same(dict(network.named_buffers()), dict(seeded("levels").named_buffers()))
    x = sample(network)
    for train in (False, True):
        torch.manual_seed(5)
        expected = seeded("levels").train(train)
        torch.manual_seed(6)
        y = expected(x)
        torch.manual_seed(6)
        assert torch.equal(network.train(train)(x), y)


NUMBER = 0.999  # which bfloat16 would round to 1
MOVES: dict[str, Callable[[nn.Module], Any]] = {
    "bfloat16": lambda net: net.bfloat16(),
    "half and back": lambda net: net.half().float(),
    "to meta and to_empty": lambda net: net.to("meta").to_empty(device="cpu"),
    "to_empty": lambda net: net.to_empty(device="cpu"),
    "copy": copy.deepcopy,
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
    "load": lambda net: net.load_state_dict(net.state_dict(), strict=True) and net,
    "assign": lambda net: net.load_state_dict(net.double().state_dict(), assign=True) and net,
    "share": lambda net: net.share_memory(),
    "apply": lambda net: net._apply(torch.zeros_like),
}  # fmt: skip


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("changed", [False, True])
def test_numbers_of_a_spec_are_no_tensors_of_the_network(move: str, changed: bool) -> None:
    """No cast, move or allocation changes what is no parameter and no buffer."""
    network = seeded("levels")
    moved = MOVES[move](network) if not changed else None
    if changed:
        for module in network.modules():
            if isinstance(module, DropPath):
                module.survival = NUMBER
        moved = MOVES[move](network)
    found = [module for module in moved.modules() if isinstance(module, DropPath)]
    expected = [NUMBER] * 5 if changed else [0.9, 0.8, 0.7, 0.6, 0.5]
    assert [drop.survival for drop in found] == (expected if changed else pytest.approx(expected, abs=1e-12))
    for drop in found:
        x = torch.ones(2, 3)
        drop.rescale = False
        assert torch.equal(drop.eval()(x), x * drop.survival)
        compiled = torch.compile(drop, backend="eager")  # what compiled code reads is the same number
        assert torch.equal(compiled(x), x * drop.survival)
    assert f"survival={found[-1].survival:.3g}" in repr(found[-1])


@each_network
def test_the_state_of_a_network_is_all_in_its_state_dict(name: str) -> None:
    """Whoever loads or allocates that has loaded or allocated the network."""
    network = seeded(name)
    held = {key for key, _ in (*network.named_parameters(), *network.named_buffers())}
    assert held == set(network.state_dict())


def test_a_survival_probability_is_one() -> None:
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="a survival probability is between 0 and 1"):
            DropPath(survival=wrong)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", ["levels", "squeezed", "module"])
def test_dtype(name: str, dtype: torch.dtype) -> None:
    network = seeded(name, dtype=dtype).eval()
    floating = [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in floating} == {dtype}
    assert network(sample(network, dtype=dtype)).dtype == dtype
    assert network.train()(sample(network, dtype=dtype)).dtype == dtype


def test_dtype_defaults_to_torchs() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert seeded("staged").stem.conv.weight.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert seeded("staged").stem.conv.weight.dtype == torch.float32


# --- initialisation ---------------------------------------------------------------------------------------------------

LAYERS = """
archspec: 1
input: {channels: 48, size: [8, 8]}
init: %s
stem:
  - conv: {out: 96, kernel: [3, 5], groups: 2}
  - bn: {scale_init: 0.5}
  - prelu: {slope: 0.1}
  - conv: {out: 64, kernel: 1, bias: true, bias_init: -6}
  - conv: {out: 64, kernel: 3, bias: true}
  - bn
  - group_norm
head: [global_avg_pool, linear: {out: 500}]
"""


def layers(init: str) -> Network:
    torch.manual_seed(0)
    return archspec.build(graph_of(LAYERS % init))


def test_convolutions_start_he_normal_by_fan_out_and_linear_as_torch_does() -> None:
    network = layers("{}")
    weight = network.stem.conv1.weight  # groups count in torch's fan-out as they do in what a weight's shape says
    std = math.sqrt(2 / (96 * 15))
    assert weight.std().item() == pytest.approx(std, rel=0.01)
    assert weight.mean().item() == pytest.approx(0, abs=0.02 * std)
    assert weight.abs().max().item() > 3 * std  # normal, not uniform
    assert network.stem.conv3.weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.01)
    linear = network.head.linear
    bound = 1 / math.sqrt(64)
    assert linear.weight.abs().max().item() == pytest.approx(bound, rel=0.001)
    assert linear.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert linear.bias.abs().max().item() == pytest.approx(bound, rel=0.02)


def test_biases_scales_and_slopes_start_as_asked() -> None:
    stem = layers("{}").stem
    assert stem.conv2.bias.unique().tolist() == [-6]
    assert stem.conv3.bias.unique().tolist() == [0]
    assert stem.bn1.weight.unique().tolist() == [0.5]
    assert stem.bn2.weight.unique().tolist() == [1]
    assert stem.prelu.weight.unique().tolist() == [pytest.approx(0.1)]
    assert stem.group_norm.weight.unique().tolist() == [1]
    for norm in (stem.bn1, stem.bn2):
        assert norm.bias.unique().tolist() == [0]
        assert norm.running_mean.unique().tolist() == [0]
        assert norm.running_var.unique().tolist() == [1]
        assert norm.num_batches_tracked.item() == 0


IN, OUT = 24 * 15, 96 * 15  # fans of the first convolution, as its weight's shape tells them
METHODS = {
    "{conv: {fan: in}}": (math.sqrt(2 / IN), None),
    "{conv: {method: he_uniform}}": (math.sqrt(2 / OUT), math.sqrt(6 / OUT)),
    "{conv: {method: he_uniform, fan: in}}": (math.sqrt(2 / IN), math.sqrt(6 / IN)),
    "{conv: {method: xavier_normal}}": (math.sqrt(2 / (IN + OUT)), None),
    "{conv: {method: xavier_uniform}}": (math.sqrt(2 / (IN + OUT)), math.sqrt(6 / (IN + OUT))),
    "{conv: {method: normal}}": (0.01, None),
    "{conv: {method: normal, std: 0.2}}": (0.2, None),
    "{conv: {method: default}}": (math.sqrt(1 / (3 * IN)), math.sqrt(1 / IN)),
}


@pytest.mark.parametrize("init", METHODS)
def test_each_method_has_its_deviation_and_bound(init: str) -> None:
    std, bound = METHODS[init]
    weight = layers(init).stem.conv1.weight
    assert weight.std().item() == pytest.approx(std, rel=0.01)
    assert weight.abs().max().item() == pytest.approx(bound, rel=0.001) if bound else weight.abs().max() > 3 * std


def test_linear_layers_follow_their_own_rule() -> None:
    linear = layers("{linear: {method: normal, std: 0.3}}").head.linear
    assert linear.weight.std().item() == pytest.approx(0.3, rel=0.02)
    assert linear.bias.unique().tolist() == [0]
    both = layers("{linear: {method: he_normal}, conv: {method: normal}}")
    assert both.head.linear.weight.std().item() == pytest.approx(math.sqrt(2 / 500), rel=0.02)
    assert both.stem.conv3.weight.std().item() == pytest.approx(0.01, rel=0.02)


def test_a_seed_decides_the_weights() -> None:
    same(seeded("levels").state_dict(), seeded("levels").state_dict())
    torch.manual_seed(1)
    other = archspec.build(graph_named("levels"))
    assert not torch.equal(other.stem.conv.weight, seeded("levels").stem.conv.weight)
    weights = [seeded("staged").get_parameter(f"stage1.{i}.branch.conv1.weight") for i in range(3)]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


def test_modules_of_torch_fill_themselves() -> None:
    network = seeded("module")
    torch.manual_seed(0)
    expected = nn.Conv2d(4, 8, 3)
    assert torch.equal(next(network.parameters()), expected.weight)


# --- with torch's own tools -------------------------------------------------------------------------------------------


@each_network
@pytest.mark.parametrize("granularity", ["block", "op"])
def test_an_interpreter_runs_it(name: str, granularity: Any) -> None:
    network = seeded(name, granularity).eval()
    x = sample(network)
    same(outputs_of(fx.Interpreter(network).run(x)), outputs_of(network(x)))


def test_an_interpreter_sees_the_shapes_of_the_graph() -> None:
    network = seeded("levels", "op", device="meta")
    seen: dict[str, tuple[int, ...]] = {}

    class Watcher(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            value = super().run_node(n)
            if n.op in ("call_module", "call_function"):
                seen[n.meta["archspec"]["address"]] = tuple(value.shape[1:])
            return value

    Watcher(network).run(torch.empty(2, 3, 12, 10, device="meta"))
    assert seen == {node.name: node.shape for node in list(network.architecture)[1:]}


@pytest.mark.parametrize("name", ["several", "gated"])
def test_it_exports(name: str) -> None:
    network = seeded(name).eval()
    x = sample(network)
    exported = torch.export.export(network, (x,))
    same(outputs_of(exported.module()(x)), outputs_of(network(x)))


def test_channels_last_gives_the_same() -> None:
    network = seeded("gated", dtype=torch.float64).eval()
    x = sample(network, dtype=torch.float64)
    expected = network(x)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(network(x.to(memory_format=torch.channels_last)), expected)


def test_lower_is_what_build_calls() -> None:
    torch.manual_seed(0)
    same(lower(graph_named("staged")).state_dict(), seeded("staged").state_dict())
