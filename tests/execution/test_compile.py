"""archspec.compile: every mode gives eager's outputs, gradients and statistics, and compiles as often as it says.

What depends on the code that inductor makes is tested with it; what depends on dynamo alone, with the backend
"aot_eager", which needs no C++ compiler.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters
from training.steps import FAMILIES, Outcome, batch, copied, small

import archspec
from archspec.compiler.lower import blocks
from archspec.compiler.lower.codegen import Block
from archspec.execution.compiled import CompileError
from archspec.execution.network import BUDGET

TRACED = ("iresgroup50", "iresnet3d50")
"""Inductor takes a minute for each; what it makes of their kind of blocks, the others show."""
SHORT = {("iresgroup50", "regional"), ("iresgroup50", "whole"), ("iresnet3d50", "whole"), ("wrn28_10", "regional")}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Nothing compiled before, nothing counted."""
    torch.compiler.reset()
    counters.clear()
    yield
    torch.compiler.reset()


def graphs() -> int:
    """Graphs that dynamo has captured."""
    return int(counters["stats"]["unique_graphs"])


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        pytest.param(name, mode, marks=[] if (name, mode) in SHORT else pytest.mark.slow)
        for mode in ("regional", "whole")
        for name in FAMILIES
    ],
)
def test_a_compiled_step_is_the_eager_one(name: str, mode: str) -> None:
    network = small(name)
    x = batch(network)
    expected = Outcome.of(copied(network), x)
    backend = "aot_eager" if name in TRACED else "inductor"
    compiled = archspec.compile(network, mode, backend=backend)  # type: ignore[arg-type]
    Outcome.of(compiled, x).same_as(expected, 1e-9)
    assert compiled is network
    kinds = {type(block) for block in blocks(network).values()}
    assert compiled.execution is not None
    assert compiled.execution.kinds == (len(kinds) if mode == "regional" else 1)
    assert graphs() == 2 * compiled.execution.kinds, "one for training, one for evaluation"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar_iresnet164", "ror3_110"])
def test_regions_of_two_blocks_recompute_and_compute_the_same(name: str) -> None:
    network = small(name)
    x = batch(network)
    expected = Outcome.of(copied(network), x)
    Outcome.of(archspec.compile(network, checkpoint="auto"), x).same_as(expected, 1e-9)
    execution = network.execution
    assert execution is not None
    assert execution.budget == BUDGET
    assert max(len(segment.units) for segment in execution.segments) >= 2
    assert graphs() == 2 * execution.kinds


def test_depth_adds_no_kinds_and_no_graphs() -> None:
    counted = []
    for counts in ([4, 4, 4], [6, 6, 6]):
        torch.compiler.reset()
        counters.clear()
        network = small("cifar_iresnet164", counts=counts)
        archspec.compile(network, backend="aot_eager")
        with torch.no_grad():
            network.eval()(batch(network))
        assert network.execution is not None
        counted.append((network.execution.kinds, graphs()))
    assert counted[0] == counted[1]


def test_batch_sizes_after_the_second_cost_nothing() -> None:
    network = archspec.compile(small("wrn28_10"), backend="aot_eager")
    eager = archspec.compile(copied(network), "eager")
    with torch.no_grad():
        for samples in (2, 3, 4, 7):
            x = batch(network, samples)
            torch.testing.assert_close(network.eval()(x), eager.eval()(x), rtol=1e-9, atol=1e-9)
            if samples == 3:
                twice = graphs()
    assert graphs() == twice


def test_autocast_is_eagers() -> None:
    network = small("cifar_iresnet164").float().eval()
    x = batch(network).float()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = copied(network)(x)
        given = archspec.compile(network, backend="aot_eager")(x)
    assert given.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(given, expected, rtol=5e-2, atol=5e-2)
    with torch.no_grad():
        torch.testing.assert_close(network(x), copied(network)(x), rtol=1e-4, atol=1e-4)  # and outside of it, exact


@pytest.mark.slow
def test_dropout_drops_in_compiled_training_only() -> None:
    network = archspec.compile(small("wrn28_10_dropout", depth=10, k=1))
    x = batch(network)
    torch.manual_seed(0)
    first, second = network(x), network(x)
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(network(x), first)
    with torch.no_grad():
        network.eval()
        assert torch.equal(network(x), network(x))


def test_dropped_blocks_are_passed_by_compiled_as_eagerly() -> None:
    network = small("ror3_110_sd", depth=20)
    x = batch(network)
    eager = copied(network)
    archspec.compile(network, backend="aot_eager")
    for seed in range(3):  # with each, other blocks are dropped
        expected = Outcome.of(eager, x, seed)
        Outcome.of(network, x, seed).same_as(expected, 1e-9)
        assert any(gradient is None for gradient in expected.gradients.values())
    kinds = {type(block) for block in blocks(network).values()}
    assert graphs() <= sum(len(cls.computing) for cls in kinds) + len(kinds)


@pytest.mark.slow
def test_compiled_whole_dropped_blocks_are_computed() -> None:
    network = small("ror3_110_sd", depth=20)
    archspec.compile(network, "whole", backend="aot_eager")
    assert not network.skips_dropped
    x = batch(network)
    torch.manual_seed(0)
    outputs = {round(network(x).sum().item(), 9) for _ in range(4)}
    assert len(outputs) > 1  # it does drop
    assert graphs() == 1  # whatever it drops
    assert archspec.compile(network, "eager").skips_dropped


def test_weights_and_input_are_channels_last() -> None:
    network = archspec.compile(small("wrn28_10"), channels_last=True, mode="eager")
    weight = network.get_parameter("stage1.0.branch.conv1.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    seen = []
    network.get_submodule("stem").register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(batch(network))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    video = archspec.compile(small("iresnet3d50"), channels_last=True, mode="eager")
    stem = video.get_parameter("stem.conv.weight")
    assert stem.is_contiguous(memory_format=torch.channels_last_3d)


def test_hooks_that_compiled_code_would_drop_are_refused() -> None:
    network = small("cifar_iresnet164").eval()
    conv = network.get_submodule("stage1.1.branch.conv1")
    handle = conv.register_forward_hook(lambda *given: None)
    with pytest.raises(ValueError, match=r"hooks on stage1\.1\.branch\.conv1: remove them, hook the block 'stage1\.1'"):
        archspec.compile(network)
    handle.remove()
    archspec.compile(network, backend="aot_eager")
    with pytest.raises(RuntimeError, match=r"'stage1\.1\.branch\.conv1' would never be called.*block 'stage1\.1'"):
        conv.register_forward_pre_hook(lambda *given: None)
    with pytest.raises(RuntimeError, match="never be called"):
        conv.register_full_backward_hook(lambda *given: None)
    calls: list[str] = []
    network.get_submodule("stage1.1").register_forward_hook(lambda *given: calls.append("block"))
    network.register_forward_hook(lambda *given: calls.append("network"))
    with torch.no_grad():
        network(batch(network))
    assert calls == ["block", "network"]
    conv = archspec.compile(network, "eager").get_submodule("stage1.1.branch.conv1")
    conv.register_forward_hook(lambda *given: calls.append("conv"))
    with torch.no_grad():
        network(batch(network))
    assert "conv" in calls


def test_a_copy_runs_eagerly() -> None:
    network = archspec.compile(small("wrn28_10"))
    for copy_ in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert copy_.execution is None
        assert all("forward" not in block.__dict__ for block in blocks(copy_).values())
        copy_.get_submodule("stage1.0.branch.conv1").register_forward_hook(lambda *given: None)
        torch.testing.assert_close(copy_(batch(network)), archspec.compile(network, "eager")(batch(network)))
        archspec.compile(network)
    assert list(network.state_dict()) == list(small("wrn28_10").state_dict())


def test_what_dynamo_refuses_is_an_error_and_never_runs_eagerly() -> None:
    network = archspec.compile(small("wrn28_10"), backend="aot_eager").eval()
    with torch.no_grad(), torch._dynamo.config.patch(recompile_limit=1):
        network(batch(network, 2))
        with pytest.raises(CompileError, match=r"'stem' was not run.*compiled 1 times.*recompile_limit"):
            network(batch(network, 3))


def test_a_forward_that_python_must_run_is_an_error() -> None:
    class Unfit(nn.ReLU):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch._dynamo.graph_break()
            return super().forward(x)

    network = small("wrn28_10_dropout", depth=10, k=1).eval()
    block = next(b for name, b in blocks(network).items() if name == "stage1.0")
    block.branch.dropout1 = Unfit()  # type: ignore[union-attr, assignment]
    archspec.compile(network)
    with pytest.raises(CompileError, match=r"'stage1\.0' could not be compiled"), torch.no_grad():
        network(batch(network))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fast"}, "mode is 'eager', 'regional' or 'whole', not 'fast'"),
        ({"memory": 1 << 20}, "add checkpoint='auto'"),
        ({"memory": 1 << 20, "checkpoint": "auto"}, "add batch="),
        ({"checkpoint": "all"}, "a number of blocks"),
        ({"checkpoint": 2, "mode": "whole"}, "checkpoint='auto'"),
        ({"checkpoint": 0}, "one block at least"),
        ({"checkpoint": "auto", "memory": 1, "batch": 4, "mode": "whole"}, "mode='regional' can recompute more"),
        ({"checkpoint": "auto", "memory": 1, "batch": 4}, "least"),
        ({"checkpoint": "auto", "backend": "eager"}, "only the backend 'inductor'"),
        ({"device": "meta"}, "move a network by .to"),
    ],
)
def test_options_that_make_no_sense_are_told(options: dict[str, object], message: str) -> None:
    network = small("wrn28_10")
    with pytest.raises(ValueError, match=message):
        archspec.compile(network, **options)  # type: ignore[arg-type]
    assert network.execution is None


def test_by_operator_there_are_no_regions() -> None:
    network = archspec.build(archspec.load("wrn28_10", depth=10, k=1), granularity="op")
    with pytest.raises(ValueError, match=r"no blocks.*mode='whole'"):
        archspec.compile(network)
    with pytest.raises(ValueError, match="granularity='block'"):
        archspec.compile(network, "eager", checkpoint=2)


def test_an_edited_graph_must_be_compiled_again() -> None:
    network = archspec.compile(small("wrn28_10"), "eager", checkpoint=1)
    head = next(node for node in network.graph.nodes if node.target == "head")
    with network.graph.inserting_after(head):
        doubled = network.graph.call_function(torch.mul, (head, 2))
    head.replace_all_uses_with(doubled, delete_user_cb=lambda user: user is not doubled)
    network.recompile()
    with pytest.raises(RuntimeError, match="compile the network again"):
        network(batch(network))


def test_specs_are_built_first() -> None:
    network = archspec.compile(archspec.load("wrn28_10", depth=10, k=1), "eager", device="meta", dtype=torch.float16)
    assert next(network.parameters()).dtype == torch.float16
    assert next(network.parameters()).is_meta
    assert isinstance(network.get_submodule("stage1.0"), Block)


def test_no_mask_is_kept_beside_the_output_it_can_be_made_from() -> None:
    """torch's partitioner keeps a bool of a closing ReLU for backward; the ReLU's output is there anyway."""
    network = archspec.compile(small("cifar_resnet110", depth=8))
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(batch(network)).sum()
    assert kept
    assert all(tensor.dtype != torch.bool for tensor in kept)


class Own(nn.Module):
    def __init__(self, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.inner = inner or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y


def test_how_a_network_runs_names_what_is_not_compiled() -> None:
    """Modules in the place of blocks, put there before compiling or after."""
    network = archspec.build("cifar_resnet20", device="meta")
    network.set_submodule("stage1.1", Own())
    archspec.compile(network, backend="eager")
    assert network.execution is not None
    assert network.execution.foreign == ("stage1.1",)
    before = archspec.compile(archspec.build("cifar_resnet20", device="meta"), backend="eager")
    assert before.execution is not None
    assert before.execution.foreign == ()
    before.set_submodule("stage1.2", Own(before.get_submodule("stage1.2")))  # within, it is compiled
    before.set_submodule("stage2.1", archspec.build("cifar_resnet20", device="meta").get_submodule("stage2.1"))
    assert before.execution.foreign == ("stage1.2", "stage2.1")
    told = str(before.execution).splitlines()
    assert told[0] == f"compiled by region: {before.execution.kinds} kinds of block"
    assert "uncompiled, since put in a block's place: stage1.2, stage2.1" in told
    assert "memory: channels last" in told
    for mode in ("whole", "eager"):
        archspec.compile(before, mode, backend="eager")  # type: ignore[arg-type]
        assert before.execution is not None
        assert before.execution.foreign == ()
    assert str(before.execution).startswith("eagerly, uncompiled")
    archspec.compile(before, "eager", checkpoint=4)
    assert "recomputed in backward: 9 blocks and other units, in 3 segments" in str(before.execution)
    assert copy.deepcopy(before).execution is None
