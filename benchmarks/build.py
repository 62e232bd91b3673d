"""Building a network of 3002 layers without memory, and the same network written by hand.

`archspec.build` on the meta device, from the spec (YAML to GraphModule) and from its graph (lowering alone), against
the constructor of the hand-written module: as torch's layers fill themselves, and with the loop that then fills the
convolutions as the paper says (what a usable network needs; the built one is filled once, where it has memory).
"""

from __future__ import annotations

import argparse
import time

from measure import interleaved, ratio, report, show

COUNTS = {3002: [333, 334, 333], 164: [18, 18, 18]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, choices=COUNTS, default=3002)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="meta", help="meta, or cpu to count filling the weights")
    parser.add_argument("--granularity", choices=["block", "op"], default="block")
    parser.add_argument("--cpu-time", action="store_true", help="count the process's time: for a busy machine")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    import torch
    from reference.iresnet import CifarIResNet
    from reference.layers import initialise

    import archspec

    counts = COUNTS[options.layers]

    def spec() -> archspec.Spec:
        return archspec.load("cifar_iresnet3002", **({} if options.layers == 3002 else {"counts": counts}))

    def by_hand(filled: bool) -> torch.nn.Module:
        with torch.device(options.device):
            network = CifarIResNet(counts)
            if filled:
                initialise(network)
        return network

    def built(source: archspec.Spec | archspec.Graph) -> torch.nn.Module:
        return archspec.build(source, device=options.device, granularity=options.granularity)

    graph = archspec.expand(spec())
    works = {
        "archspec, from the graph": lambda: built(graph),
        "archspec, from the spec": lambda: built(spec()),
        "hand-written": lambda: by_hand(filled=False),
        "hand-written, filled by the paper": lambda: by_hand(filled=True),
    }
    sizes = {name: sum(p.numel() for p in work().parameters()) for name, work in works.items()}
    assert len(set(sizes.values())) == 1, sizes
    times = interleaved(options.rounds, works, time.process_time if options.cpu_time else time.perf_counter)
    rows, figures = [], {"layers": graph.layers, "operators": len(graph) - 1}
    for name, seconds in times.items():
        quotient = ratio(seconds, times["hand-written"])
        figures[name] = round(quotient, 3)
        rows.append({"construction": name, "time": show(seconds), "to hand-written": f"{quotient:.2f}"})
    title = f"{graph.layers} layers, {len(graph) - 1} operators, {graph.params:,} parameters, on {options.device}"
    report(title, rows, figures, options.json)


if __name__ == "__main__":
    main()
