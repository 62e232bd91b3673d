"""A training step, eager, of the iresnet50 that archspec builds and of one written by hand.

Both have the same weights and see the same batch; a step is forward, loss, backward and SGD with momentum. Steps are
interleaved. The process keeps the memory it frees between steps (see `archspec.bench.process`): with the C library's
default, page faults dominate on big activations and flatter whoever runs second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from measure import interleaved, keep_memory, ratio, report, show


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=96, help="height and width of the images")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0, help="torch's threads; 0 leaves its own choice")
    parser.add_argument("--granularity", choices=["block", "op"], default="block")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--cpu-time", action="store_true", help="count the process's time: for a busy machine")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.device == "cpu":
        keep_memory()

    import torch
    from reference.iresnet import IResNet
    from reference.layers import initialise

    import archspec

    if options.threads:
        torch.set_num_threads(options.threads)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    torch.manual_seed(0)
    with torch.device(options.device):
        theirs = IResNet([3, 4, 6, 3]).to(memory_format=layout)
        initialise(theirs)
        x = torch.randn(options.batch, 3, options.size, options.size).to(memory_format=layout)
        target = torch.randint(1000, (options.batch,))
    ours = archspec.build("iresnet50", granularity=options.granularity, device=options.device).to(memory_format=layout)

    def step(network: torch.nn.Module) -> Callable[[], object]:
        network.train()
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)

        def work() -> None:
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(network(x), target).backward()
            optimizer.step()
            if x.is_cuda:
                torch.cuda.synchronize()

        return work

    def forward(network: torch.nn.Module) -> Callable[[], object]:
        def work() -> None:
            network.eval()
            with torch.inference_mode():
                network(x)
            if x.is_cuda:
                torch.cuda.synchronize()

        return work

    clock = time.process_time if options.cpu_time else time.perf_counter
    rows, figures = [], {"batch": options.batch, "size": options.size, "threads": torch.get_num_threads()}
    for kind, of in (("training step", step), ("forward", forward)):
        times = interleaved(options.rounds, {"archspec": of(ours), "hand-written": of(theirs)}, clock)
        quotient = ratio(times["archspec"], times["hand-written"])
        figures[kind] = round(quotient, 4)
        rows.append({
            "iresnet50": kind, **{name: show(seconds) for name, seconds in times.items()},
            "ratio": f"{quotient:.3f}",
        })  # fmt: skip
    title = (
        f"{options.batch}x3x{options.size}x{options.size}, {options.device}, {torch.get_num_threads()} threads, float32"
    )
    report(title, rows, figures, options.json)


if __name__ == "__main__":
    main()
