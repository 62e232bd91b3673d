"""Checkpointed segments: bit for bit the same step, in less memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from training.steps import FAMILIES, Outcome, batch, copied, small

import archspec
from archspec.compiler.lower.layers import DropPath
from archspec.execution.allocated import peak_allocated


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("checkpoint", [1, 3, "auto"])
def test_a_checkpointed_step_is_the_plain_one(name: str, checkpoint: Any) -> None:
    """Exactly: batch norms' statistics and counts are updated once."""
    network = small(name)
    x = batch(network)
    expected = Outcome.of(copied(network), x)
    Outcome.of(archspec.compile(network, "eager", checkpoint=checkpoint), x).same_as(expected, 0.0)
    counts = {int(buffer) for key, buffer in network.named_buffers() if key.endswith("num_batches_tracked")}
    assert counts == {1}


@pytest.mark.parametrize("name", ["wrn28_10_dropout", "ror3_110_sd"])
def test_random_numbers_are_those_of_the_first_run(name: str) -> None:
    options = {"depth": 10, "k": 1} if name.startswith("wrn") else {"depth": 20}
    network = small(name, **options)
    x = batch(network)
    plain = copied(network)
    archspec.compile(network, "eager", checkpoint=2)
    for seed in range(3):
        Outcome.of(network, x, seed).same_as(Outcome.of(plain, x, seed), 0.0)


def test_draws_between_a_forward_and_its_backward_change_nothing() -> None:
    """Two forwards, then both backwards: a segment run again sees its own step's draws, and later ones are restored."""
    network = small("ror3_110_sd", depth=20)
    plain = copied(network)
    archspec.compile(network, "eager", checkpoint=2)
    x, gradients = batch(network), []
    for subject in (network, plain):
        torch.manual_seed(5)
        first, second = subject(x), subject(x)
        drawn = [gate.given for gate in subject.modules() if isinstance(gate, DropPath)]
        (first.sum() + second.square().sum()).backward()
        assert drawn == [gate.given for gate in subject.modules() if isinstance(gate, DropPath)]
        gradients.append([parameter.grad for parameter in subject.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_frozen_batch_norms_keep_their_statistics_and_use_them() -> None:
    network = small("cifar_iresnet164")
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
            module.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
    plain = copied(network)
    archspec.compile(network, "eager", checkpoint=2)
    gradients = []
    for subject in (network, plain):
        subject(batch(subject)).square().sum().backward()
        gradients.append([parameter.grad for parameter in subject.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.equal(ours, theirs)


def test_memory_falls_as_it_is_told_to() -> None:
    def peak(**options: Any) -> int:
        network = archspec.compile(small("cifar_iresnet164", counts=[6, 6, 6]), "eager", **options)
        x = batch(network, 8)

        def step() -> None:
            network(x).sum().backward()

        step()  # gradients have their memory from now on
        return peak_allocated(step)

    plain = peak()
    least = peak(checkpoint="auto")
    assert least < 0.5 * plain
    budget = (plain + least) // 2
    assert peak(checkpoint="auto", memory=budget, batch=8) <= 1.1 * budget


def test_without_gradients_nothing_is_run_twice() -> None:
    network = archspec.compile(small("cifar_iresnet164"), "eager", checkpoint=1)
    calls = []
    network.get_submodule("stage1.1").register_forward_pre_hook(lambda *given: calls.append(1))
    with torch.no_grad():
        network(batch(network))
    network.eval()(batch(network)).sum().backward()
    assert len(calls) == 2
    network.train()(batch(network)).sum().backward()
    assert len(calls) == 4
