"""Who reads the graph of a network that others have edited follows the edit, or refuses and names it."""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lower.edited import ADDED, EDITS, LAYERS, NOT_BY_OPERATOR, SAME, SHARED, WHOLE, batch, edited, network
from ops.test_operators import CASES, Case
from torch import Tensor, nn

import archspec
from archspec.compiler.lower import Network, lower
from archspec.compiler.lower.edits import Edit, edits, hooked
from archspec.compiler.lower.holding import differences
from archspec.graph import Graph, Node, Source
from archspec.ops import OPERATORS, ModuleCall

BOTH = pytest.mark.parametrize("granularity", ["block", "op"])


def graph_of_case(case: Case) -> Graph:
    """A network of one operator, below a stem that splits nothing: every operand is the input."""
    source = Node("input", Source(sample=case.inputs[0]), (), case.inputs[0], 0, 0, None)
    op = case.op
    shapes = (case.inputs[0],) * len(case.inputs)
    node = Node("head.op", op, ("input",) * len(shapes), op.shape(shapes), op.params(shapes), op.macs(shapes), None)
    end = archspec.ops.BY_KEY["relu"]()
    return Graph(
        "one", [source, node, Node("head.end", end, ("head.op",), node.shape, 0, 0, None)], {"output": "head.end"}
    )


MODULES = [case for case in CASES if isinstance(case.op.call(case.inputs), ModuleCall)]


def test_every_operator_that_is_a_module_is_here() -> None:
    known = {case.key for case in MODULES}
    functions = {case.key for case in CASES} - known
    assert known | functions == {operator.key for operator in OPERATORS}
    assert len(known) >= 9


def other(value: Any) -> Any:
    """Another value of an attribute, of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}_"
        case tuple() | list():
            return type(value)([other(value[0]), *value[1:]]) if value else (1,)
        case None:
            return 2
    return None


@BOTH
@pytest.mark.parametrize("case", MODULES, ids=str)
def test_every_attribute_of_every_operator_counts(case: Case, granularity: Any) -> None:
    """Its numbers and words, its class, its parameters and buffers, its children and its methods."""
    net = lower(graph_of_case(case), granularity, torch.device("meta"))
    module = net.get_submodule("head.op")
    assert list(edits(net)) == []

    def found() -> list[tuple[str, str]]:
        return [(edit.address, edit.field) for edit in edits(net)]

    own = vars(nn.Module())
    for name, value in list(vars(module).items()):
        if name in own:
            continue
        vars(module)[name] = other(value)
        assert found() == [("head.op", name)], name
        del vars(module)[name]
        assert found() == [("head.op", name)], name
        vars(module)[name] = value
    for slot in (module._parameters, module._buffers):
        for name, value in list(slot.items()):
            slot[name] = torch.nn.Parameter(torch.empty(1, 2, 3, device="meta")) if value is None else None
            assert found() == [("head.op", name)], name
            if value is not None:
                wide = torch.empty(*value.shape, 2, device="meta")
                slot[name] = nn.Parameter(wide) if slot is module._parameters else wide
                assert found() == [("head.op", name)], name
                kind = {torch.int64: torch.float32}.get(value.dtype, torch.int8)
                slot[name] = torch.empty(value.shape, dtype=kind, device="meta")
                assert found() == [("head.op", name)], name
            slot[name] = value
    module.register_buffer("mask", torch.ones(1))
    assert found() == [("head.op", "mask")]
    del module.mask
    module.add_module("adapter", nn.Identity())
    assert found() == [("head.op", "")]
    del module.adapter
    for name in ("forward", "extra_repr"):
        setattr(module, name, lambda *_: None)
        assert found() == [("head.op", name)]
        delattr(module, name)
    own_class = type(module)
    module.__class__ = type("Other", (own_class,), {})
    assert found() == [("head.op", "")]
    module.__class__ = own_class
    net.set_submodule("head.op", nn.Sequential())
    assert found() == [("head.op", "")]
    del net.head.op
    assert found() == [("head.op", "")]


@pytest.mark.parametrize("name", ["iresnet50", "ror3_110_sd", "resnext50_32x4d", "iresnet3d50", "vgg19"])
def test_networks_as_built_are_what_their_graphs_say(name: str) -> None:
    for granularity in ("block", "op"):
        net = archspec.build(name, granularity=granularity, device="meta")  # type: ignore[arg-type]
        assert list(differences(net)) == []


@pytest.mark.parametrize("name", SAME)
def test_what_changes_no_layer_is_no_edit(name: str) -> None:
    net = network()
    SAME[name](net)
    for each in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert list(differences(each)) == []
    assert archspec.signature(net) == archspec.signature(network().architecture)


@BOTH
@pytest.mark.parametrize("name", EDITS)
def test_edits_are_found_and_named(name: str, granularity: Any) -> None:
    if granularity == "op" and name in NOT_BY_OPERATOR:
        return
    address, net = EDITS[name][0], edited(name, granularity)
    found: list[Edit] = [*edits(net), *hooked(net)]
    assert address in {str(each).partition(":")[0] for each in found}
    with pytest.raises(ValueError, match=f"(?s)'edited' is no longer what its graph says.*{address}"):
        archspec.emit(net)
    assert f"{found[0]}" in net._repr_mimebundle_()["text/plain"] if name != "hook" else True


@BOTH
@pytest.mark.parametrize("name", [*SHARED, *ADDED])
def test_what_is_shared_or_added_is_named(name: str, granularity: Any) -> None:
    """In copies too. Compiling, checkpointing and folding follow what is shared; folding refuses what it would lose."""
    address, edit = (SHARED | ADDED)[name]
    if granularity == "op" and name == "one_statistic":
        return
    net = network(granularity)
    edit(net)
    copies = (copy.deepcopy(net), pickle.loads(pickle.dumps(net))) if name != "one_memory" else ()  # apart, by torch
    for each in (net, *copies):
        assert [str(found).partition(":")[0] for found in differences(each)][:1] == [address]
        with pytest.raises(ValueError, match=f"no longer what its graph says: {address}: "):
            archspec.summarize(each)
        assert "edited since it was built" in each._repr_mimebundle_()["text/plain"]
    if name in ADDED:
        with pytest.raises(ValueError, match=f"{address}: it has .*take out what its forward does not call"):
            archspec.optimize(net)
    else:
        expected = outcome(net, batch())
        torch.testing.assert_close(outcome(archspec.optimize(net), batch()), expected, rtol=1e-4, atol=1e-4)
    if granularity == "block":
        assert archspec.compile(net, "eager", checkpoint="auto").execution is not None


def test_layers_tied_within_a_class_of_someone_elses_are_its_own_matter() -> None:
    spec = (
        "archspec: 1\ninput: {channels: 4, size: [4, 4]}\nstem: [module: {type: lower.edited.Tied, args: {width: 4}}]\n"
    )
    net = archspec.build(archspec.loads(spec, trust=True))
    assert list(differences(net)) == []
    assert archspec.summarize(net).params == sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("granularity", ["block", "op"])
@pytest.mark.parametrize("whose", ["torch", "helper", "archspec", "block", "network"])
def test_classes_that_were_patched_are_named(whose: str, granularity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of someone's own for all instances of a class, before or after the network was built."""
    net = network(granularity)
    cls, name, address = {
        "torch": (nn.Conv2d, "forward", "stem.conv"),
        "helper": (nn.Conv2d, "_conv_forward", "stem.conv"),
        "archspec": (
            type(net.get_submodule("stage1.0.shortcut.layer_norm")),
            "forward",
            "stage1.0.shortcut.layer_norm",
        ),
        "block": (type(net.get_submodule("stage1.1")), "forward", "stage1.1"),
        "network": (type(net), "forward", "the network"),
    }[whose]
    if whose == "block" and granularity == "op":
        return
    own = getattr(cls, name)
    monkeypatch.setattr(cls, name, functools.wraps(own)(lambda *given: 2 * own(*given)))
    for each in (net, network(granularity)) if whose != "network" else (net,):
        found = [str(edit) for edit in edits(each)]
        assert f"{address}: its class {cls.__name__} has been given another {name}" in found
        with pytest.raises(ValueError, match=f"{address}: its class"):
            archspec.emit(each)
        if whose != "archspec":  # nothing is folded into that
            with pytest.raises(ValueError, match="has been given another"):
                archspec.optimize(each)


@pytest.mark.parametrize("name", ["forward", "__call__"])
def test_a_class_of_someones_own_made_of_a_network_is_named(name: str) -> None:
    net = network()
    own = getattr(type(net), name)
    net.__class__ = type("Mine", (type(net),), {name: lambda self, x: 2 * own(self, x)})
    expected = outcome(net, batch())
    for verb in (archspec.summarize, archspec.optimize, archspec.compile):
        with pytest.raises(ValueError, match=f"the network: its class Mine has its own {name}"):
            verb(net)
    torch.testing.assert_close(outcome(net, batch()), expected)


def test_a_layer_of_the_same_name_is_told_by_its_module() -> None:
    net = network()
    net.set_submodule("head.linear", torch.ao.nn.quantized.dynamic.Linear(8, 5))
    with pytest.raises(
        ValueError, match=r"it is a torch\.ao\.nn\.\S+\.Linear, where the graph has a torch\.nn\.modules"
    ):
        archspec.summarize(net)


@BOTH
def test_a_graph_that_awaits_recompiling_is_named(granularity: Any) -> None:
    """A copy is made from it, and computes another function."""
    net = network(granularity)
    net.recompile, own = (lambda: None), net.recompile  # type: ignore[method-assign, assignment]
    WHOLE["graph"][1](net)
    del net.recompile
    assert not net.edited
    with pytest.raises(ValueError, match="its fx graph has been edited, and not recompiled"):
        archspec.optimize(net)
    own()
    with pytest.raises(ValueError, match=r"its fx graph has been edited[;.]"):
        archspec.summarize(net)


def test_a_layout_of_ones_own_is_named() -> None:
    net = network()
    linear = net.get_submodule("head.linear")
    linear.weight = nn.Parameter(linear.weight.detach().to_sparse())
    assert [str(edit) for edit in edits(net)] == ["head.linear: weight is sparse_coo 5x8, where the graph has 5x8"]


def test_wrappers_of_torchs_pass_for_no_network() -> None:
    wrapped = torch.compile(network(), backend="eager")
    for verb in (archspec.summarize, archspec.optimize, archspec.compile, archspec.build, archspec.probe):
        with pytest.raises(TypeError, match="give that, its `_orig_mod`"):
            verb(wrapped)
        with pytest.raises(TypeError, match="but a DataParallel"):
            verb(nn.DataParallel(network()))


@BOTH
@pytest.mark.parametrize("way", ["plain", "compiled", "generator", "edited", "training"])
def test_a_shallow_copy_is_a_network_over_the_same_layers(way: str, granularity: Any) -> None:
    net = network(granularity)
    if way == "compiled":
        archspec.compile(net, "eager", channels_last=True)
    elif way == "generator":
        net.drop_generator = torch.Generator()
    elif way == "edited":
        WHOLE["graph"][1](net)
    elif way == "training":
        net.train()
    copied = copy.copy(net)
    assert [*copied.parameters()] == [*net.parameters()]
    assert copied.training == net.training
    if way == "edited":  # as any GraphModule
        torch.testing.assert_close(outcome(copied, batch()), outcome(net, batch()))
        return
    assert type(copied) is not type(net)
    assert copied.execution is None
    assert copied.drop_generator is net.drop_generator
    assert list(differences(copied)) == []
    assert archspec.summarize(copied) == archspec.summarize(net)
    if way != "training":
        torch.testing.assert_close(outcome(copied, batch()), outcome(net, batch()))


VERBS: dict[str, Callable[[Any], Any]] = {
    "expand": archspec.expand, "summarize": archspec.summarize, "check": archspec.check, "analyze": archspec.analyze,
    "signature": archspec.signature, "table": archspec.table, "emit": archspec.emit, "render": archspec.render,
    "diff": lambda net: archspec.diff(net, net.architecture).equal,
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_take_a_built_network_for_its_graph(verb: str) -> None:
    net = network()
    assert VERBS[verb](net) == (VERBS[verb](net.architecture) if verb != "diff" else True)
    LAYERS["another_stride"][1](net)
    with pytest.raises(ValueError, match=r"stem\.conv: stride is \(2, 2\), where the graph has \(1, 1\)"):
        VERBS[verb](net)
    with pytest.raises(TypeError, match="but a Linear"):
        archspec.summarize(nn.Linear(1, 1))  # type: ignore[arg-type]


def outcome(net: nn.Module, x: Tensor) -> Tensor | None:
    """What a network gives; None if its edit makes that impossible."""
    try:
        with torch.no_grad():
            return net(x.clone())  # type: ignore[no-any-return]
    except (RuntimeError, ValueError, AttributeError, TypeError):
        return None


@BOTH
@pytest.mark.parametrize("name", [*EDITS, "epsilon", "momentum", "survival", "synchronised"])
def test_folding_follows_or_refuses(name: str, granularity: Any) -> None:
    numbers: dict[str, tuple[str, Callable[[Network], Any]]] = {
        "epsilon": ("", lambda net: setattr(net.get_submodule("stem.bn"), "eps", 0.7)),
        "momentum": ("", lambda net: setattr(net.get_submodule("stem.bn"), "momentum", 0.7)),
        "survival": ("", lambda net: setattr(net.get_submodule("stage1.1.branch.drop_path"), "survival", 0.9)),
        "synchronised": ("", lambda net: nn.SyncBatchNorm.convert_sync_batchnorm(net)),
    }
    if granularity == "op" and name in NOT_BY_OPERATOR:
        return
    address, edit = (EDITS | numbers)[name]
    net = network(granularity)
    edit(net)
    expected = outcome(net, batch())
    refused = ""
    try:
        folded = archspec.optimize(net)
    except ValueError as error:
        refused = str(error)
    if refused:
        assert name not in numbers
        assert address in refused
    else:
        torch.testing.assert_close(outcome(folded, batch()), expected, rtol=1e-4, atol=1e-4)


def test_folding_follows_what_it_does_not_touch() -> None:
    for name in ("head", "low_rank", "slope", "opaque", "norm_of_shortcut", "quantised"):
        net = edited(name)
        torch.testing.assert_close(
            outcome(archspec.optimize(net), batch()), outcome(net, batch()), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("name", EDITS)
def test_copies_keep_what_was_edited(name: str) -> None:
    net = edited(name)
    expected = outcome(net, batch())
    assert expected is not None
    torch.testing.assert_close(outcome(copy.deepcopy(net), batch()), expected)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("regional", "another_stride"),
        ("regional", "forward"),
        ("regional", "block"),
        ("whole", "another_stride"),
        ("whole", "head"),
    ],
)
def test_compiled_code_follows(mode: Any, name: str) -> None:
    """Before compiling, and after; an edit by hand of what compiling replaces is refused."""
    torch.compiler.reset()
    expected = outcome(edited(name), batch())
    early = archspec.compile(edited(name), mode, backend="eager", channels_last=False)
    torch.testing.assert_close(outcome(early, batch()), expected)
    late = archspec.compile(network(), mode, backend="eager", channels_last=False)
    outcome(late, batch())
    torch.manual_seed(2)
    EDITS[name][1](late)
    torch.testing.assert_close(outcome(late, batch()), expected)


@pytest.mark.parametrize("name", ["rerouted", "rerouted_block"])
def test_a_forward_of_ones_own_is_not_compiled_away(name: str) -> None:
    for mode in ("regional", "whole", "eager"):
        net = edited(name)
        expected = outcome(net, batch())
        with pytest.raises(ValueError, match=f"{EDITS[name][0]}: it has its own forward"):
            archspec.compile(net, mode, backend="eager")  # type: ignore[arg-type]
        torch.testing.assert_close(outcome(net, batch()), expected)


@pytest.mark.parametrize("name", ["another_kernel", "another_stride", "head", "block", "no_norm"])
def test_checkpointing_follows_and_plans_refuse(name: str) -> None:
    net = edited(name)
    for options in ({"checkpoint": "auto"}, {"checkpoint": "auto", "memory": 1 << 20, "batch": 2}):
        with pytest.raises(ValueError, match=f"(?s){EDITS[name][0]}.*What to recompute follows from the graph"):
            archspec.compile(net, "eager", **options)  # type: ignore[arg-type]
    assert net.execution is None
    plain = copy.deepcopy(net).train()
    archspec.compile(net, "eager", checkpoint=1).train()
    results = []
    for each in (plain, net):
        torch.manual_seed(3)
        results.append(each(batch()))
        results[-1].sum().backward()
    torch.testing.assert_close(*results)
    for one, two in zip(plain.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad)


def test_numbers_spoil_no_plan() -> None:
    net = network()
    net.get_submodule("stem.bn").momentum = 0.01
    net.get_submodule("head.dropout").p = 0.9
    assert archspec.compile(net, "eager", checkpoint="auto").execution is not None


def test_many_edits_are_told_in_few_words() -> None:
    net = network()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1
    with pytest.raises(ValueError, match=r"eps is 1, where the graph has 1e-05; .*; and 1 more\. Its graph as it was"):
        archspec.emit(net)
    assert set(WHOLE) | set(LAYERS) == set(EDITS)


PASSING: dict[str, tuple[str, Any]] = {
    "norm_first": ("branch: [bn, relu, conv: {out: width, kernel: 3}]", ["branch.bn"]),
    "norm_after_identity": ("branch: [identity, bn, relu, conv: {out: width, kernel: 3}]", ["branch.bn"]),
    "both": (
        "branch: [conv: {out: width, kernel: 3}, bn, relu, conv: {out: width, kernel: 3}]",
        ["branch.conv1", "branch.bn"],
    ),
    "opaque_before": (
        "branch: [module: {type: Identity}, bn, relu, conv: {out: width, kernel: 3}]", ["branch.bn"],
    ),
    "plain": ("branch: [bn, relu]\n    shortcut: none", ["branch.bn"]),
    "wires": (
        "graph:\n      a: [conv: {out: width, kernel: 3}, sigmoid]\n"
        "      branch: {from: a, ops: [conv: {out: width, kernel: 1}, bn, relu]}\n"
        "      output: {from: [branch, a, input], ops: [add]}",
        ["branch.conv", "branch.bn"],
    ),
}  # fmt: skip
"""Blocks, and layers of theirs that are replaced by nothing."""


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", PASSING)
def test_layers_replaced_by_nothing_overwrite_nothing(name: str, training: bool) -> None:
    """By block, where activations overwrite what is theirs, as by operator, where nothing does."""
    block, gone = PASSING[name]
    spec = (
        "archspec: 1\ninput: {channels: 8, size: [8, 8]}\n"
        f"params: {{width: 8}}\nstages: {{repeat: [2], blocks: block}}\nblocks:\n  block:\n    {block}\n"
    )
    results = []
    x = torch.randn(2, 8, 8, 8)
    for granularity in ("block", "op"):
        torch.manual_seed(0)
        net = archspec.build(archspec.loads(spec), granularity=granularity).train(training)  # type: ignore[arg-type]
        for address in (f"stage1.{i}.{local}" for i in (0, 1) for local in gone):
            net.set_submodule(address, nn.Identity())
        given = x.clone()
        results.append(net(given))
        assert torch.equal(given, x), "the caller's own"
    torch.testing.assert_close(*results)


def test_dynamo_and_torchscript_read_a_careful_activation() -> None:
    torch.compiler.reset()
    spec = (
        "archspec: 1\ninput: {channels: 8, size: [8, 8]}\nstages: {repeat: [2], width: [8], blocks: block}\n"
        "blocks: {block: {branch: [bn, relu, conv: {out: width, kernel: 3}]}}\n"
    )
    for gone in (False, True):
        net = archspec.build(archspec.loads(spec)).eval()
        if gone:
            net.set_submodule("stage1.0.branch.bn", nn.Identity())
        expected = outcome(net, torch.ones(2, 8, 8, 8))
        scripted = torch.jit.script(fx_of(net.get_submodule("stage1.0")))
        torch.testing.assert_close(
            scripted(torch.ones(2, 8, 8, 8)), net.get_submodule("stage1.0")(torch.ones(2, 8, 8, 8))
        )
        exported = torch.export.export(net, (torch.ones(2, 8, 8, 8),)).module()
        torch.testing.assert_close(outcome(exported, torch.ones(2, 8, 8, 8)), expected)
        for mode in ("regional", "whole"):
            archspec.compile(net, mode, backend="aot_eager")  # type: ignore[arg-type]
            torch.testing.assert_close(outcome(net, torch.ones(2, 8, 8, 8)), expected)


def fx_of(block: Any) -> nn.Module:
    """A block as a plain GraphModule."""
    return torch.fx.GraphModule(block, block.fx_graph)
