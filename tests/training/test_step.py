"""TrainingStep against the loop written by hand, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from typing import Any

import emulated
import pytest
import torch
from loops import CLOSE, EXACT, OPTIMIZERS, Made, assert_same, by_hand, pair
from small import DROPPING, batches, network
from torch import Tensor, nn

import archspec
from archspec.execution import recorder
from archspec.execution.recorder import CaptureError


@pytest.mark.parametrize("optimizer", ["plain", "momentum", "dampened"])
@pytest.mark.parametrize("autocast", [False, True])
def test_plain_is_the_loop_by_hand(optimizer: str, autocast: bool) -> None:
    (ours, made), (theirs, given) = pair(OPTIMIZERS[optimizer])
    step = archspec.TrainingStep(ours, made, autocast=torch.bfloat16 if autocast else None)
    losses = [step(x, target) for x, target in batches(3)]
    expected = by_hand(theirs, given, batches(3), autocast)
    torch.testing.assert_close(losses, expected, **EXACT)
    assert_same(ours, theirs, **EXACT)
    assert not any(loss.requires_grad for loss in losses)


def test_plain_follows_a_surrounding_autocast_and_another_loss() -> None:
    net = network()
    seen = []

    def loss(output: Tensor, target: Tensor) -> Tensor:
        seen.append(output.dtype)
        return output.float().square().mean()

    step = archspec.TrainingStep(net, OPTIMIZERS["plain"](net.parameters()), loss)
    ((x, target),) = batches(1)
    with torch.autocast("cpu", torch.bfloat16):
        step(x, target)
    step(x, target)
    assert seen == [torch.bfloat16, torch.float32]


def test_plain_passes_by_dropped_blocks() -> None:
    (ours, made), (theirs, given) = pair(OPTIMIZERS["momentum"], DROPPING)
    step = archspec.TrainingStep(ours, made)
    torch.manual_seed(3)
    losses = [step(x, target) for x, target in batches(3)]
    torch.manual_seed(3)
    expected = by_hand(theirs, given, batches(3))
    torch.testing.assert_close(losses, expected, **EXACT)
    assert_same(ours, theirs, **EXACT)
    assert "skips_dropped" not in vars(ours)


def test_plain_trains_what_is_compiled_by_region(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda function, **options: compiled(function, fullgraph=True, backend="aot_eager")
    )
    (ours, made), (theirs, given) = pair(OPTIMIZERS["momentum"])
    archspec.compile(ours, "regional", channels_last=False)
    step = archspec.TrainingStep(ours, made)
    losses = [step(x, target) for x, target in batches(3)]
    torch.testing.assert_close(losses, by_hand(theirs, given, batches(3)), **CLOSE)
    assert_same(ours, theirs, **CLOSE)


def test_evaluation_mode_is_refused() -> None:
    net = network().eval()
    step = archspec.TrainingStep(net, OPTIMIZERS["plain"](net.parameters()))
    with pytest.raises(RuntimeError, match=r"call network\.train\(\)"):
        step(*batches(1)[0])


def test_kinds_of_batch_are_bounded(graphs: type[emulated.Recorder]) -> None:
    net = network()
    step = archspec.TrainingStep(net, OPTIMIZERS["plain"](net.parameters()), cuda_graphs=True)
    x, target = batches(1, size=recorder.LIMIT + 2)[0]
    for size in range(2, recorder.LIMIT + 2):
        step(x[:size], target[:size])
    with pytest.raises(RuntimeError, match=r"16 kinds of batch .*drop_last=True"):
        step(x, target)


def test_options_that_do_not_go_together_are_refused() -> None:
    net = network()
    optimizer = OPTIMIZERS["plain"](net.parameters())
    with pytest.raises(ValueError, match=r"bfloat16 or None, not torch\.float16: other types need a gradient scaler"):
        archspec.TrainingStep(net, optimizer, autocast=torch.float16)
    with pytest.raises(ValueError, match="warmup is a whole number from 1, not 0"):
        archspec.TrainingStep(net, optimizer, warmup=0)
    with pytest.raises(ValueError, match=r"need a GPU, and the network is on cpu"):
        archspec.TrainingStep(net, optimizer, cuda_graphs=True)


def elsewhere(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    optimizer.param_groups[0]["lr"] = torch.empty((), device="meta")
    return optimizer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: torch.optim.Adam(p), r"needs Adam\(\.\.\., capturable=True\)"),
        (lambda p: torch.optim.Adagrad(p), "Adagrad keeps numbers on the host"),
        (lambda p: torch.optim.LBFGS(p), "LBFGS keeps numbers on the host"),
        (lambda p: torch.optim.SGD(p, lr=torch.tensor(0.1)), r"SGD reads a tensor \(lr\) on the host.*fused=True"),
        (lambda p: elsewhere(torch.optim.Adam(p, capturable=True)), "optimizer's lr is on meta: .* needs it on cpu"),
    ],
)
def test_optimizers_that_count_on_the_host_are_refused(
    graphs: type[emulated.Recorder], make: Made, message: str
) -> None:
    net = network()
    with pytest.raises(ValueError, match=message):
        archspec.TrainingStep(net, make(net.parameters()), cuda_graphs=True)


def test_fused_sgd_may_have_its_rate_in_a_tensor(graphs: type[emulated.Recorder]) -> None:
    net = network()
    archspec.TrainingStep(
        net, torch.optim.SGD(net.parameters(), lr=torch.tensor(0.1), fused=True, momentum=0.9), cuda_graphs=True
    )


def test_segments_are_refused(graphs: type[emulated.Recorder]) -> None:
    net = archspec.compile(network(), "eager", checkpoint=1)
    optimizer = OPTIMIZERS["plain"](net.parameters())
    with pytest.raises(ValueError, match=r"compile\(network, 'regional', checkpoint='auto'\)"):
        archspec.TrainingStep(net, optimizer, cuda_graphs=True)
    archspec.TrainingStep(net, optimizer)(*batches(1)[0])


def test_hooks_are_refused(graphs: type[emulated.Recorder]) -> None:
    net = network(DROPPING)  # which has a hook of its own
    optimizer = OPTIMIZERS["plain"](net.parameters())
    step = archspec.TrainingStep(net, optimizer, cuda_graphs=True, warmup=1)
    ((x, target),) = batches(1)
    step(x, target)
    handle = net.get_submodule("stage1.0").register_full_backward_hook(print)
    for make in (lambda: step(x, target), lambda: archspec.TrainingStep(net, optimizer, cuda_graphs=True)):
        with pytest.raises(ValueError, match=r"would call the hooks on stage1\.0 at its capture only"):
            make()
    handle.remove()
    step(x, target)
    assert step.captures == 1


def test_what_cannot_be_captured_says_why_and_leaves_no_gradients(
    graphs: type[emulated.Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    (ours, made), (theirs, given) = pair(OPTIMIZERS["momentum"])
    step = archspec.TrainingStep(ours, made, cuda_graphs=True, warmup=1)
    first, second = batches(2)
    step(*first)
    by_hand(theirs, given, [first])
    monkeypatch.setattr(graphs, "refusal", "operation not permitted when stream is capturing")
    with pytest.raises(CaptureError, match=r"'spec' could not be captured .* not run: operation not permitted"):
        step(*second)
    assert all(parameter.grad is None for parameter in ours.parameters())


def test_the_name_is_there_without_torch() -> None:
    code = "import sys, archspec; assert 'TrainingStep' in dir(archspec); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Step'"):
        _ = archspec.Step  # type: ignore[attr-defined]


def test_an_optimizer_of_other_weights_is_refused() -> None:
    net, other = network(), network()
    cases: list[tuple[nn.Module, Any]] = [(net, other.parameters()), (deepcopy(net), net.parameters())]
    replaced = network()
    kept = list(replaced.parameters())
    replaced.head.linear = nn.Linear(16, 5)  # type: ignore[union-attr]
    cases.append((replaced, kept))
    for trained, held in cases:
        with pytest.raises(ValueError, match=r"does not hold \S+.*but \d+ parameters that are not the network's"):
            archspec.TrainingStep(trained, torch.optim.SGD(held, lr=0.1))
    with pytest.raises(ValueError, match="not NoneType"):
        archspec.TrainingStep(net, None)  # type: ignore[arg-type]
    archspec.TrainingStep(net, torch.optim.SGD(net.head.parameters(), lr=0.1))  # type: ignore[union-attr]


def test_blocks_that_stand_twice_keep_their_statistics_under_checkpoints() -> None:
    nets = []
    for checkpoint in (None, 3):
        net = network()
        net.stage1.add_module("1", net.get_submodule("stage1.0"))  # type: ignore[operator, union-attr]
        net = archspec.compile(net, "eager", checkpoint=checkpoint)
        step = archspec.TrainingStep(net, torch.optim.SGD(net.parameters(), lr=0.1))
        for x, target in batches(2):
            step(x, target)
        nets.append(net)
    for (name, a), (_, b) in zip(*(net.state_dict().items() for net in nets), strict=True):
        torch.testing.assert_close(a, b, msg=name)
    net = network(DROPPING)
    net.stage1.add_module("1", net.get_submodule("stage1.0"))  # type: ignore[operator, union-attr]
    net = archspec.compile(net, "eager", checkpoint=3)
    with pytest.raises(ValueError, match="stands twice in one segment"):
        net(batches(1)[0][0])
