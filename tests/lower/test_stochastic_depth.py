"""Stochastic depth in built networks: dropped blocks are not executed, and everything else is as the paper has it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from gates import choose, gates, given
from networks import graph_of
from reference.stochastic_depth import StochasticResNet
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import archspec
from archspec.compiler.lower import Network, blocks

COUNTS = (3, 4)
BRANCHES = {
    "basic": "[conv: {out: width, kernel: 3, stride: stride}, bn, relu, conv: {out: width, kernel: 3}, bn]",
    "pre": "[bn, relu, conv: {out: width, kernel: 3, stride: stride}, bn, relu, conv: {out: width, kernel: 3}]",
}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def text_of(kind: str = "basic", drop_path: str = "survival: 0.3") -> str:
    after = ", after: [relu]" if kind == "basic" else ""
    return (
        "archspec: 1\nname: small\ninput: {channels: 3, size: [8, 8]}\nstem: [conv: {out: 4, kernel: 3}, bn, relu]\n"
        f"stages: {{repeat: {list(COUNTS)}, width: [4, 8], stride: [1, 2], blocks: block}}\n"
        f"blocks: {{block: {{branch: {BRANCHES[kind]}, shortcut: B{after}}}}}\n"
        f"head: [global_avg_pool, linear: {{out: 3}}]\n" + (f"drop_path: {{{drop_path}}}\n" if drop_path else "")
    )


def gate_of(address: str) -> str:
    return f"{address}.branch.drop_path"


def block_of(name: str) -> str:
    return name.removesuffix(".branch.drop_path")


def small(kind: str = "basic", drop_path: str = "survival: 0.3", granularity: Any = "block") -> Network:
    torch.manual_seed(0)
    return archspec.build(graph_of(text_of(kind, drop_path)), granularity=granularity)


def batch() -> Tensor:
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def step(network: nn.Module, x: Tensor, *more: Any) -> Tensor:
    """Outputs of a training step, whose gradients stay with the parameters."""
    network.zero_grad()
    y: Tensor = network(x, *more)
    (y * y.detach().cos()).sum().backward()
    return y.detach()


def assert_gradients(ours: nn.Module, theirs: nn.Module) -> None:
    """The same gradients, and none in the same places."""
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        if expected[name].grad is None:
            assert parameter.grad is None, name
        else:
            torch.testing.assert_close(parameter.grad, expected[name].grad)


def drawn(count: int, seed: int) -> list[float]:
    return torch.rand(count, generator=torch.Generator().manual_seed(seed)).tolist()


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("kind", BRANCHES)
def test_it_is_the_hand_written_network(kind: str, rescale: bool) -> None:
    ours = small(kind, f"survival: 0.3, rescale: {str(rescale).lower()}")
    theirs = StochasticResNet(COUNTS, kind == "pre", rescale, last=0.3)
    theirs.load_state_dict(ours.state_dict())
    x, steps = batch(), [0] * sum(COUNTS)
    for seed in range(8):
        numbers = drawn(sum(COUNTS), seed)
        kept = [number < block.survival for number, block in zip(numbers, theirs.blocks, strict=True)]
        steps = [count + keep for count, keep in zip(steps, kept, strict=True)]
        torch.manual_seed(seed)
        torch.testing.assert_close(step(ours, x), step(theirs, x, kept))
        assert_gradients(ours, theirs)
        for block, keep in zip(theirs.blocks, kept, strict=True):
            assert (block.branch.conv1.weight.grad is None) is not keep
    assert min(steps) < 8
    norms = {name: int(value) for name, value in ours.state_dict().items() if name.endswith("num_batches_tracked")}
    assert [norms[f"{block_of(name)}.branch.bn2.num_batches_tracked"] for name in gates(ours)] == steps
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x, kept))


def test_a_seed_repeats_the_draws() -> None:
    network, x = small(), batch()
    seen = []
    for seed in (4, 5, 4):
        torch.manual_seed(seed)
        network(x)
        seen.append(given(network))
    assert seen[0] == seen[2] != seen[1]


def test_a_generator_of_its_own_leaves_torchs_alone() -> None:
    network, x = small(), batch()
    network.drop_generator = torch.Generator().manual_seed(6)
    before = torch.get_rng_state()
    for start in (0, 7):  # the second step goes on in the same sequence
        network(x)
        for number, gate in zip(drawn(14, 6)[start : start + 7], gates(network).values(), strict=True):
            assert gate.given is (number < gate.survival)
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluation_draws_nothing() -> None:
    network = small().eval()
    before = torch.get_rng_state()
    assert torch.equal(network(batch()), network(batch()))
    assert torch.equal(torch.get_rng_state(), before)
    assert {gate.kept for gate in gates(network).values()} == {None}


def test_drops_per_sample_are_drawn_by_each_block() -> None:
    ours = small("basic", "survival: 0.3, unit: sample")
    theirs = StochasticResNet(COUNTS, False, False, last=0.3)
    theirs.load_state_dict(ours.state_dict())
    assert all(cls.bypass_graph is None for cls in map(type, blocks(ours).values()))
    torch.manual_seed(8)
    y = step(ours, batch())
    torch.manual_seed(8)
    masks = [(torch.rand(4) < block.survival).double() for block in theirs.blocks]
    torch.testing.assert_close(y, step(theirs, batch(), masks))
    assert_gradients(ours, theirs)


@pytest.mark.parametrize("kind", BRANCHES)
def test_by_operators_outputs_and_gradients_are_the_same(kind: str) -> None:
    """There a dropped branch is computed, and then replaced by zeros: its statistics stay as they were."""
    ours, theirs, x = small(kind), small(kind, granularity="op"), batch()
    for seed in range(4):
        results = []
        for network in (ours, theirs):
            torch.manual_seed(seed)
            results.append(step(network, x))
        assert torch.equal(*results)
        assert_gradients(ours, theirs)
        for key, value in ours.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[key]), key
    assert min(int(block.branch.bn1.num_batches_tracked) for block in theirs.stage2.children()) < 4


def test_survival_of_nothing_and_of_everything() -> None:
    x = batch()
    never = small(drop_path="survival: 0, decay: constant")
    theirs = StochasticResNet(COUNTS, False, False, last=0)
    theirs.load_state_dict(never.state_dict())
    torch.testing.assert_close(step(never, x), step(theirs, x, [False] * 7))
    assert_gradients(never, theirs)
    always, plain = small(drop_path="survival: 1"), small(drop_path="")
    assert torch.equal(step(always, x), step(plain, x))
    assert_gradients(always, plain)


def test_another_survival_probability_counts() -> None:
    network = small(drop_path="survival: 1")
    gates(network)[gate_of("stage2.1")].survival = 0
    network(batch())
    assert [name for name, gate in gates(network).items() if not gate.given] == [gate_of("stage2.1")]


def test_a_dropped_block_returns_its_input() -> None:
    network, x = small("pre"), torch.randn(2, 4, 8, 8)
    gates(network)[gate_of("stage1.1")].give(False)
    assert network.get_submodule("stage1.1")(x) is x


def test_a_dropped_block_overwrites_nothing() -> None:
    network, x = small(), torch.randn(2, 4, 8, 8)
    gates(network)[gate_of("stage1.1")].give(False)
    before = x.clone()
    y = network.get_submodule("stage1.1")(x)
    assert torch.equal(x, before)
    assert torch.equal(y, x.relu())
    assert not torch.equal(y, x)
    assert "inplace" in str(type(network.get_submodule("stage1.1")).fx_graph)  # where it is not dropped


def test_a_block_frozen_in_evaluation_is_not_dropped() -> None:
    network, x = small(), torch.randn(2, 4, 8, 8)
    theirs = StochasticResNet(COUNTS, False, False, last=0.3)
    theirs.load_state_dict(network.state_dict())
    gates(network)[gate_of("stage1.1")].give(False)
    block = network.train().get_submodule("stage1.1").eval()
    torch.testing.assert_close(block(x), theirs.blocks[1].eval()(x, False))


def test_levels_still_join_a_dropped_block() -> None:
    graph = archspec.expand(archspec.load("ror3_110_sd", depth=32, **{"input.size": [8, 8]}))
    network = archspec.build(graph)
    choose(network, [gate_of("stage3.4")])
    gates(network)[gate_of("stage3.4")].give(False)
    x, level, root = (torch.randn(2, 64, 2, 2) for _ in range(3))
    assert torch.equal(network.get_submodule("stage3.4")(x, level, root), (x + level + root).relu())
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    assert network.get_submodule("stage3.4.branch.conv1").weight.grad is None
    assert network.get_submodule("levels.root.conv").weight.grad.any()


def test_what_drops_is_not_executed() -> None:
    network, fired = small(), []
    for name, module in network.named_modules():
        if ".branch." in name:
            module.register_forward_hook(lambda *_, name=name: fired.append(name))
    choose(network, map(gate_of, dropped := ["stage1.2", "stage2.0"]))
    network(batch())
    assert {name.partition(".branch")[0] for name in fired} == set(map(block_of, gates(network))) - set(dropped)
    assert len(fired) == 5 * 5  # two convolutions and norms, and the drop path


def test_drops_are_as_frequent_as_the_decay_says() -> None:
    network = archspec.build(graph_of(text_of()), device="meta")
    network.forward = lambda x: x  # the draws alone
    torch.manual_seed(10)
    total = 4000
    seen = []
    for _ in range(total):
        network(torch.zeros(1))
        seen.append(given(network))
    kept = torch.tensor(seen, dtype=torch.float64)
    survival = 1 - torch.arange(1, 8) / 7 * 0.7
    assert ((kept.mean(0) - survival).abs() < 4 * (survival * (1 - survival) / total).sqrt()).all()
    together = torch.corrcoef(kept.T) - torch.eye(7)
    assert together.abs().max() < 4 / total**0.5  # each for itself


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
@pytest.mark.parametrize("granularity", ["block", "op"])
def test_copies_draw_too(copied: Callable[[Network], Network], granularity: Any) -> None:
    network, x = small(granularity=granularity), batch()
    network.drop_generator = torch.Generator().manual_seed(3)
    network(x)
    twin = copied(network)
    assert given(twin) == given(network)
    assert not set(gates(twin).values()) & set(gates(network).values())
    assert torch.equal(step(network, x), step(twin, x))  # each goes on in a sequence of its own
    assert_gradients(network, twin)
    assert set(given(twin)) == {True, False}


@pytest.mark.parametrize("kind", BRANCHES)
def test_compiled_as_a_whole_it_trains(kind: str) -> None:
    network, x = small(kind), batch()
    network(x)  # what an eager step has drawn says nothing of the next
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = (compiled(x) - 1).square().mean()
        loss.backward()
        assert not any(parameter.grad is None for parameter in network.parameters())  # dropped: times zero
        optimizer.step()
        losses.append(loss.item())
    assert {gate.kept for gate in gates(network).values()} == {None}
    assert losses[-1] < losses[0]


def test_a_step_draws_before_anything_else_does() -> None:
    """So that what else is random does not depend on where in the network it lies."""
    text = text_of().replace("bn, relu]\n", "bn, relu, dropout: {p: 0.5}]\n", 1)
    network = archspec.build(graph_of(text))
    torch.manual_seed(3)
    network(batch())
    for number, gate in zip(drawn(7, 3), gates(network).values(), strict=True):
        assert gate.given is (number < gate.survival)


# --- who calls a block -----------------------------------------------------------------------------------------------


def distinct(call: Callable[[Tensor], Tensor], x: Tensor, passes: int = 20) -> int:
    with torch.no_grad():
        return len({float(call(x).sum()) for _ in range(passes)})


@pytest.mark.parametrize("unit", ["batch", "sample"])
@pytest.mark.parametrize("granularity", ["block", "op"])
def test_every_pass_draws_whoever_calls(unit: str, granularity: Any) -> None:
    """After a step of the network, a call of anything else still draws anew, and leaves nothing behind."""
    network, x = small("pre", f"survival: 0.3, decay: constant, unit: {unit}", granularity), batch()
    network(x)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "network": network,
        "forward": network.forward,
        "graph": torch.fx.GraphModule(network, network.graph),
        "copy": copy.deepcopy(torch.fx.GraphModule(network, network.graph)),
        "traced": torch.fx.symbolic_trace(network),
        "jit": torch.jit.script(network),
        "exported": torch.export.export(network, (x,)).module(),
    }
    if granularity == "block":
        first = network.get_submodule("stage1.0")
        ways["parts"] = nn.Sequential(network.get_submodule("stem"), *network.get_submodule("stage1").children())
        ways["block"] = lambda x: first(x[:, :1].repeat(1, 4, 1, 1))
    for name, call in ways.items():
        assert distinct(call, x) > {"block": 1, "parts": 3}.get(name, 5), name
        assert {gate.kept for gate in gates(network).values()} == {None}, name


def test_a_pass_that_fails_leaves_the_next_its_own_draws() -> None:
    network, x = small("pre", "survival: 0.5, decay: constant"), batch()

    def fail(*_: Any) -> None:
        raise KeyError

    handle = network.get_submodule("stage1.2").register_forward_pre_hook(fail)
    with pytest.raises(KeyError):
        network(x)
    handle.remove()
    network.forward(x)  # uses what is left, once
    assert {gate.kept for gate in gates(network).values()} == {None}


class Checkpoint(nn.Module):
    """A block that is run again in backward, by torch's own means."""

    def __init__(self, block: nn.Module, reentrant: bool) -> None:
        super().__init__()
        self.block, self.reentrant = block, reentrant

    def forward(self, *inputs: Tensor) -> Tensor:
        return checkpoint(self.block, *inputs, use_reentrant=self.reentrant)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize(
    ("way", "wrapped"),
    [(way, wrapped) for way in ("network", "forward", "own generator") for wrapped in (False, True)],
)
def test_blocks_that_others_checkpoint_are_run_again_with_their_draws(reentrant: bool, way: str, wrapped: bool) -> None:
    network, x = small("basic", "survival: 0.5, decay: constant"), batch().requires_grad_()
    plain = copy.deepcopy(network)
    for address in ("stage1.0", "stage1.2", "stage2.1", "stage2.3"):
        block = network.get_submodule(address)
        if wrapped:
            network.set_submodule(address, Checkpoint(block, reentrant))
        else:
            block.forward = partial(checkpoint, block.forward, use_reentrant=reentrant)
    for seed in range(4):
        results = []
        for subject in (network, plain):
            subject.zero_grad()
            x.grad = None
            if way == "own generator":
                subject.drop_generator = torch.Generator().manual_seed(seed)
            torch.manual_seed(seed)
            call = subject.forward if way == "forward" else subject
            y = call(x)
            (y * y.detach().cos()).sum().backward()
            gradients = [None if p.grad is None else p.grad.clone() for p in (x, *subject.parameters())]
            results.append((y.detach(), gradients))
        assert torch.equal(results[0][0], results[1][0])
        for ours, theirs in zip(results[0][1], results[1][1], strict=True):
            assert (ours is None) == (theirs is None)
            assert ours is None or torch.allclose(ours, theirs)


class Within(nn.Module):
    """A block within another module, as adapters and distributed training put it there."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = nn.Sequential(block)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return y


def around(make: Callable[[nn.Module], nn.Module]) -> Callable[[Network], Any]:
    """Wraps every block."""

    def wrap(network: Network) -> Network:
        for address in blocks(network):
            if address.startswith("stage"):
                network.set_submodule(address, make(network.get_submodule(address)))
        return network

    return wrap


def together(network: Network) -> Network:
    """Four blocks that are run again as one."""
    network.set_submodule("stage2.0", Checkpoint(nn.Sequential(*network.stage2.children()), False))
    for i in (1, 2, 3):
        network.set_submodule(f"stage2.{i}", nn.Identity())
    return network


SUBJECTS: dict[str, Callable[[Network], Any]] = {
    "checkpoint=1": lambda network: archspec.compile(network, "eager", checkpoint=1),
    "checkpoint=4": lambda network: archspec.compile(network, "eager", checkpoint=4),
    "within": around(Within),
    "checkpointed": around(lambda block: Checkpoint(block, False)),
    "reentrant": around(lambda block: Checkpoint(block, True)),
    "as a whole": lambda network: Checkpoint(network, False),
    "together": together,
}
PASSES: dict[str, Callable[[Any, Tensor], tuple[Tensor, Tensor]]] = {
    "called": lambda network, x: (network(x), network(x + 1)),
    "called on the same": lambda network, x: (network(x), network(x)),
    "forward, called": lambda network, x: (network.forward(x), network(x + 1)),
    "called, forward": lambda network, x: (network(x), network.forward(x + 1)),
    "forward": lambda network, x: (network.forward(x), network.forward(x + 1)),
}


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("passes", PASSES)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_passes_that_wait_for_one_backward_keep_their_draws(subject: str, passes: str, own: bool) -> None:
    """Whoever wraps blocks or runs them again: the outputs and gradients of the plain network."""
    if own and (subject == "together" or (subject, passes) == ("as a whole", "called on the same")):
        return  # nothing tells these passes apart: torch's generator stands still, and inputs are new or the same
    if subject == "as a whole" and "forward" in passes:
        return  # it is Checkpoint's forward, which calls the network
    plain = small("basic", "survival: 0.5, decay: constant")
    changed, x = SUBJECTS[subject](copy.deepcopy(plain)), batch()
    for seed in range(3):
        results = []
        for each in (plain, changed):
            each.zero_grad()
            if own:
                getattr(each, "block", each).drop_generator = torch.Generator().manual_seed(seed)
            torch.manual_seed(seed)
            first, second = PASSES[passes](each, x)
            (first.square().sum() + 3 * second.sum()).backward()
            results.append((first, second, *(p.grad for p in plain_order(each))))
        for theirs, ours in zip(*results, strict=True):
            assert (ours is None) == (theirs is None)
            assert ours is None or torch.allclose(ours, theirs)


def plain_order(network: nn.Module) -> list[nn.Parameter]:
    """Parameters, which wrapping leaves in their order."""
    return list(network.parameters())


@pytest.mark.parametrize("given", ["seed", 3])
def test_a_generator_that_is_none_is_refused(given: Any) -> None:
    network = small()
    network.drop_generator = given
    with pytest.raises(TypeError, match=r"drop_generator is a torch\.Generator of the CPU, or None, not"):
        network(batch())


def test_a_gate_within_another_module_follows_the_networks_generator() -> None:
    for granularity in ("block", "op"):
        network = small(granularity=granularity)
        address = gate_of("stage2.1") if granularity == "op" else "stage2.1"
        network.set_submodule(address, Within(network.get_submodule(address)))
        network.drop_generator = torch.Generator().manual_seed(6)
        before = torch.get_rng_state()
        network(batch())
        assert torch.equal(torch.get_rng_state(), before)
        found = network.meta["archspec"].gates.found(network)
        assert [gate.given for gate in found.values()] == [
            number < gate.survival for number, gate in zip(drawn(7, 6), found.values(), strict=True)
        ]


def test_a_network_that_is_checkpointed_as_a_whole_repeats_its_draws() -> None:
    for own in (False, True):
        network, x = small("basic", "survival: 0.5, decay: constant"), batch().requires_grad_()
        gradients = []
        for call in (network, partial(checkpoint, network, use_reentrant=False)):
            network.zero_grad()
            torch.manual_seed(3)
            network.drop_generator = torch.Generator().manual_seed(3) if own else None
            call(x).square().sum().backward()
            gradients.append([p.grad for p in network.parameters()])
        for ours, theirs in zip(*gradients, strict=True):
            assert (ours is None) == (theirs is None)
            assert ours is None or torch.allclose(ours, theirs)


def test_a_gate_that_an_edit_removes_draws_no_more() -> None:
    network, x = small("basic", "survival: 0, decay: constant"), batch()
    network.set_submodule(gate_of("stage1.1"), nn.Identity())
    with pytest.raises(AttributeError):  # the block's own code asks its gate: edits of blocks are edits of code
        network(x)
    flat = small("basic", "survival: 0, decay: constant", granularity="op")
    flat.set_submodule(gate_of("stage1.1"), nn.Identity())
    step(flat, x)
    reached = {
        name.partition(".branch")[0] for name, p in flat.named_parameters() if ".branch" in name and p.grad is not None
    }
    assert reached == {"stage1.1"}


@pytest.mark.parametrize("unit", ["batch", "sample"])
@pytest.mark.parametrize("skips", [True, False])
def test_nothing_survives_without_nan(unit: str, skips: bool) -> None:
    """As set afterwards: a spec may not ask for a division by zero."""
    network, x = small("basic", f"survival: 0.5, unit: {unit}, rescale: true"), batch()
    for gate in gates(network).values():
        gate.survival = 0
    network.skips_dropped = skips
    assert step(network, x).isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
