"""A training step with stochastic depth (p_L = 0.5, linear decay) against the same network without it.

Dropped blocks are not executed: with survival falling linearly to one half, a quarter of the blocks' work is saved on
average (Huang et al., arXiv 1603.09382, section 3). Each round draws its own gates from one seed a round, so that the
figures are of many draws; eager, and compiled by region.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from measure import arguments, interleaved, keep_memory, ratio, report, show


def main() -> None:
    parser = arguments(__doc__, spec="cifar_resnet110", batch=32, rounds=31, modes=("eager", "regional"))
    options = parser.parse_args()
    keep_memory()

    import torch

    import archspec

    if options.threads:
        torch.set_num_threads(options.threads)
    plain = archspec.load(options.spec)
    dropping = archspec.load(options.spec, drop_path={"survival": 0.5, "decay": "linear"})
    shape = archspec.expand(plain).input.shape
    x = torch.randn(options.batch, *shape, device=options.device)

    def step(spec: archspec.Spec, mode: str) -> Callable[[], object]:
        network = archspec.compile(spec, mode, channels_last=True, device=options.device).train()
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
        network.drop_generator = torch.Generator().manual_seed(0)

        def work() -> None:
            optimizer.zero_grad(set_to_none=True)
            network(x).square().mean().backward()
            optimizer.step()
            if x.is_cuda:
                torch.cuda.synchronize()

        for _ in range(12):  # until each block has run both ways
            work()
        return work

    clock = time.process_time if options.cpu_time else time.perf_counter
    rows, figures = [], {"batch": options.batch, "threads": torch.get_num_threads()}
    for mode in options.mode:
        times = interleaved(
            options.rounds, {"dropping": step(dropping, mode), "without": step(plain, mode)}, clock
        )  # fmt: skip
        mean = sum(times["dropping"]) / sum(times["without"])
        figures[mode], figures[f"{mode}, median"] = round(mean, 3), round(ratio(times["dropping"], times["without"]), 3)
        rows.append({
            options.spec: mode, **{name: show(seconds) for name, seconds in times.items()},
            "ratio of sums": f"{mean:.3f}",
        })  # fmt: skip
    title = f"training step, batch {options.batch}, {options.device}, {torch.get_num_threads()} threads, float32"
    report(title, rows, figures, options.json)


if __name__ == "__main__":
    main()
