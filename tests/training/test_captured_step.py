"""Captured training steps against the loop by hand: emulated graphs and, where there is a GPU, real ones."""

from __future__ import annotations

from typing import Any

import emulated
import pytest
import torch
from loops import CLOSE, OPTIMIZERS, Made, assert_same, by_hand, pair
from small import DROPPING, batches, network
from torch import nn

import archspec
from archspec.compiler.lower import Network

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("warmup", [1, 3])
def test_captured_trains_as_uncaptured(
    graphs: type[emulated.Recorder], optimizer: str, autocast: bool, warmup: int
) -> None:
    (ours, made), (theirs, given) = pair(OPTIMIZERS[optimizer])
    step = archspec.TrainingStep(
        ours, made, cuda_graphs=True, autocast=torch.bfloat16 if autocast else None, warmup=warmup
    )
    losses = [step(x, target) for x, target in batches(6)]
    expected = by_hand(theirs, given, batches(6), autocast)
    tolerance = {"atol": 1e-2, "rtol": 1e-2} if autocast or optimizer == "adamw" else CLOSE
    torch.testing.assert_close(losses, expected, **tolerance)
    if not autocast and optimizer != "adamw":
        assert_same(ours, theirs, **CLOSE)
    (by,) = graphs.made
    assert (by.warmed, by.recorded, by.replayed, step.captures) == (warmup, 1, 6 - warmup, 1)


def test_losses_are_the_callers_own(graphs: type[emulated.Recorder]) -> None:
    net = network()
    step = archspec.TrainingStep(net, OPTIMIZERS["plain"](net.parameters()), cuda_graphs=True, warmup=1)
    losses = [step(x, target) for x, target in batches(4)]
    assert len({loss.item() for loss in losses}) == 4


def test_each_kind_of_batch_is_captured_once_and_shows_its_gradients(graphs: type[emulated.Recorder]) -> None:
    (ours, made), (theirs, given) = pair(OPTIMIZERS["momentum"])
    step = archspec.TrainingStep(ours, made, cuda_graphs=True, warmup=1)
    full, last = batches(6), batches(6, size=2, seed=5)
    data = [batch for both in zip(full, last, strict=True) for batch in both]
    for x, target in data:
        step(x, target)
        by_hand(theirs, given, [(x, target)])
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-3)
    assert step.captures == 2
    assert len(graphs.made) == 1


def test_stochastic_depth_draws_on_the_device(graphs: type[emulated.Recorder]) -> None:
    net = network(DROPPING)
    step = archspec.TrainingStep(net, OPTIMIZERS["plain"](net.parameters()), cuda_graphs=True, warmup=1)
    ((x, target),) = batches(1)
    branch = net.get_submodule("stage2.1.branch")
    zero = 0
    for _ in range(30):
        step(x, target)
        assert all(parameter.grad is not None for parameter in branch.parameters())
        zero += not any(parameter.grad.any() for parameter in branch.parameters())  # type: ignore[union-attr]
    assert step.captures == 1
    assert 5 < zero < 30  # dropped with probability 0.7
    assert net.skips_dropped


def test_skipping_is_put_back_as_it_was(graphs: type[emulated.Recorder]) -> None:
    net = network(DROPPING)
    net.skips_dropped = False
    step = archspec.TrainingStep(net, OPTIMIZERS["plain"](net.parameters()), cuda_graphs=True, warmup=1)
    for x, target in batches(2):
        step(x, target)
    assert net.skips_dropped is False


def rate(net: Network, optimizer: torch.optim.Optimizer) -> None:
    optimizer.param_groups[0]["lr"] = 0.01


def loaded(net: Network, optimizer: torch.optim.Optimizer) -> None:
    optimizer.load_state_dict(optimizer.state_dict())


def grown(net: Network, optimizer: torch.optim.Optimizer) -> None:
    optimizer.param_groups[0]["weight_decay"] = 0.5


def frozen(net: Network, optimizer: torch.optim.Optimizer) -> None:
    net.get_submodule("stem").requires_grad_(False)


def fixed(net: Network, optimizer: torch.optim.Optimizer) -> None:
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def placed(net: Network, optimizer: torch.optim.Optimizer) -> None:
    for parameter in net.parameters():
        parameter.data = parameter.data.clone()


def with_momentum(net: Network, optimizer: torch.optim.Optimizer) -> None:
    optimizer.param_groups[0]["momentum"] = 0.5


@pytest.mark.parametrize("change", [rate, loaded, grown, frozen, fixed, placed, with_momentum])
@pytest.mark.parametrize("optimizer", ["plain", "momentum"])
def test_what_the_graph_holds_is_captured_again_when_it_changes(
    graphs: type[emulated.Recorder], change: Any, optimizer: str
) -> None:
    (ours, made), (theirs, given) = pair(OPTIMIZERS[optimizer])
    step = archspec.TrainingStep(ours, made, cuda_graphs=True, warmup=1)
    data = batches(7)
    for number, (x, target) in enumerate(data):
        if number == 3:
            change(ours, made)
            change(theirs, given)
        loss = step(x, target)
        (expected,) = by_hand(theirs, given, [(x, target)])
        torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-3)
    assert_same(ours, theirs, atol=1e-4, rtol=1e-3)
    assert step.captures == 2


def test_weights_loaded_in_place_need_no_capture(graphs: type[emulated.Recorder]) -> None:
    (ours, made), (theirs, given) = pair(OPTIMIZERS["plain"])
    step = archspec.TrainingStep(ours, made, cuda_graphs=True, warmup=1)
    for x, target in batches(3):
        step(x, target)
    ours.load_state_dict(theirs.state_dict())
    losses = [step(x, target) for x, target in batches(3)]
    torch.testing.assert_close(losses, by_hand(theirs, given, batches(3)), **CLOSE)
    assert step.captures == 1


def test_settings_that_change_at_every_step_are_refused(graphs: type[emulated.Recorder]) -> None:
    net = network()
    optimizer = OPTIMIZERS["plain"](net.parameters())
    step = archspec.TrainingStep(net, optimizer, cuda_graphs=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    *first, (x, target) = batches(5)
    for batch in first:
        step(*batch)
        schedule.step()
    with pytest.raises(RuntimeError, match=r"settings \(lr\) changed at each of the last 4 steps.*capturable=True, lr"):
        step(x, target)


def test_a_rate_in_a_tensor_may_change_at_every_step(graphs: type[emulated.Recorder]) -> None:
    (ours, made), (theirs, given) = pair(
        lambda parameters: torch.optim.AdamW(parameters, lr=torch.tensor(1e-2), capturable=True, foreach=False)
    )
    schedules = [torch.optim.lr_scheduler.ExponentialLR(each, 0.5) for each in (made, given)]
    step = archspec.TrainingStep(ours, made, cuda_graphs=True, warmup=1)
    for x, target in batches(8):
        loss = step(x, target)
        (expected,) = by_hand(theirs, given, [(x, target)])
        torch.testing.assert_close(loss, expected, atol=1e-3, rtol=1e-3)
        for schedule in schedules:
            schedule.step()
    assert step.captures == 1


def gpu_optimizers() -> dict[str, Made]:
    return {
        **OPTIMIZERS,
        "fused": lambda p: torch.optim.SGD(p, lr=torch.tensor(0.1, device="cuda"), momentum=0.9, fused=True),
        "adam": lambda p: torch.optim.Adam(p, lr=torch.tensor(1e-2, device="cuda"), capturable=True),
    }


@on_gpu
@pytest.mark.parametrize("mode", ["eager", "regional", "whole"])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, "fused", "adam"])
def test_on_a_gpu_captured_trains_as_uncaptured(mode: Any, autocast: bool, optimizer: str) -> None:
    (ours, made), (theirs, given) = pair(gpu_optimizers()[optimizer], device="cuda")
    archspec.compile(ours, mode)
    step = archspec.TrainingStep(ours, made, cuda_graphs=True, autocast=torch.bfloat16 if autocast else None)
    losses = [step(x, target) for x, target in batches(8)]  # from the host
    expected = by_hand(theirs, given, batches(8, device="cuda"), autocast)
    tolerance = {"atol": 0.1, "rtol": 0.1} if autocast or "adam" in optimizer else {"atol": 1e-2, "rtol": 1e-2}
    torch.testing.assert_close(losses, expected, **tolerance)
    assert step.captures == 1


@on_gpu
def test_on_a_gpu_kinds_and_settings_may_change() -> None:
    (ours, made), (theirs, given) = pair(OPTIMIZERS["momentum"], device="cuda")
    step = archspec.TrainingStep(ours, made, cuda_graphs=True, warmup=1)
    data = [b for both in zip(batches(6, device="cuda"), batches(6, 2, "cuda", 5), strict=True) for b in both]
    for number, (x, target) in enumerate(data):
        if number == 6:
            made.param_groups[0]["lr"] = given.param_groups[0]["lr"] = 0.02
        loss = step(x, target)
        torch.testing.assert_close(loss, by_hand(theirs, given, [(x, target)])[0], atol=1e-2, rtol=1e-2)
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad, atol=2e-2, rtol=2e-2)
    assert step.captures == 4


@on_gpu
def test_on_a_gpu_stochastic_depth_draws_anew_in_each_replay() -> None:
    net = network(DROPPING, device="cuda")
    step = archspec.TrainingStep(net, OPTIMIZERS["plain"](net.parameters()), cuda_graphs=True)
    ((x, target),) = batches(1, device="cuda")
    branch = net.get_submodule("stage2.1.branch")
    zero = 0
    for _ in range(40):
        step(x, target)
        zero += not any(parameter.grad.any().item() for parameter in branch.parameters())  # type: ignore[union-attr]
    assert 5 < zero < 40
