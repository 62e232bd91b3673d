"""The counter of allocated bytes against work whose memory is known."""

from __future__ import annotations

import torch

from archspec.execution.allocated import peak_allocated

KIB = 1024


def test_the_peak_is_of_what_is_alive_at_once() -> None:
    def work() -> torch.Tensor:
        first = torch.ones(256 * KIB)  # 1 MiB
        second = first + 1
        del first
        return second + 1

    assert 0 <= peak_allocated(work) - 2 * KIB * KIB < KIB  # numbers become tensors of a few bytes


def test_what_was_there_before_does_not_count_when_it_goes() -> None:
    kept = {"old": torch.ones(512 * KIB)}

    def work() -> None:
        kept["new"] = torch.ones(256 * KIB)
        del kept["old"]
        kept["newer"] = torch.ones(256 * KIB)

    assert 0 <= peak_allocated(work) - 2 * KIB * KIB < KIB  # numbers become tensors of a few bytes


def test_backward_counts_and_every_run_gives_the_same() -> None:
    weight = torch.ones(1000, 1000, requires_grad=True)
    weight.grad = torch.zeros_like(weight)
    x = torch.ones(1000, 1000)

    def work() -> None:
        (x @ weight).relu().sum().backward()  # type: ignore[no-untyped-call]

    counts = [peak_allocated(work) for _ in range(3)]
    assert counts[0] >= 2 * 4_000_000  # relu's output and the gradient of its input
    assert len(set(counts)) == 1


def test_views_and_no_work_cost_nothing() -> None:
    x = torch.ones(10, 10)
    assert peak_allocated(lambda: x.reshape(5, 20)) == 0
    assert peak_allocated(lambda: None) == 0
