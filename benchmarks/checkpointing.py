"""Activation checkpointing of the CIFAR iResNet of 1001 layers: memory and time of a training step, with and without.

Memory is the peak of what torch's allocator holds during forward and backward, above what it held before (weights,
gradients and momentum have their memory by then), counted at the allocator. Both figures are ratios to the same mode
without checkpointing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from measure import arguments, interleaved, keep_memory, ratio, report, show


def main() -> None:
    modes = ("eager", "regional", "whole")
    parser = arguments(__doc__, spec="cifar_iresnet1001", batch=8, rounds=9, modes=modes)
    parser.add_argument("--blocks", type=int, nargs="*", default=[], help="also regions of so many blocks")
    parser.add_argument("--budget", type=float, nargs="*", default=[], help="also of so much of their activations kept")
    options = parser.parse_args()
    keep_memory()

    import torch

    import archspec
    from archspec.execution import network as execution
    from archspec.execution.allocated import peak_allocated

    if options.threads:
        torch.set_num_threads(options.threads)
    graph = archspec.expand(options.spec)
    x = torch.randn(options.batch, *graph.input.shape, device=options.device)
    peaks: dict[str, int] = {}

    def step(name: str, mode: str, checkpoint: Any) -> Callable[[], object]:
        network = archspec.build(graph, device=options.device).train()
        archspec.compile(network, mode, channels_last=True, checkpoint=checkpoint)

        def work() -> None:
            network(x).square().mean().backward()
            if x.is_cuda:
                torch.cuda.synchronize()

        work()
        work()
        peaks[name] = peak_allocated(work, options.device)
        return work

    clock = time.process_time if options.cpu_time else time.perf_counter
    rows, figures = [], {"batch": options.batch, "threads": torch.get_num_threads()}
    for mode in options.mode:
        works = {f"{mode}": step(f"{mode}", mode, None), f"{mode}, auto": step(f"{mode}, auto", mode, "auto")}
        chosen = execution.BLOCKS, execution.BUDGET
        for blocks in options.blocks if mode == "regional" else ():
            for budget in options.budget:
                execution.BLOCKS, execution.BUDGET = blocks, budget
                name = f"{mode}, {blocks} blocks, budget {budget:g}"
                works[name] = step(name, mode, "auto")
        execution.BLOCKS, execution.BUDGET = chosen
        times = interleaved(options.rounds, works, clock)
        for name, seconds in times.items():
            quotient, memory = ratio(seconds, times[mode]), peaks[name] / peaks[mode]
            figures |= {f"{name}, time": round(quotient, 3), f"{name}, memory": round(memory, 3)}
            rows.append({
                options.spec: name, "step": show(seconds), "to without": f"{quotient:.3f}",
                "peak": f"{peaks[name] / 2**20:,.0f} MiB", "peak to without": f"{memory:.3f}",
            })  # fmt: skip
    title = f"training step, batch {options.batch}, {options.device}, {torch.get_num_threads()} threads, float32"
    report(title, rows, figures, options.json)


if __name__ == "__main__":
    main()
