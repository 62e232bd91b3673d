"""Folding a graph into a spec: how long it takes beside the expansion that proves it, and how it grows with depth.

1. `fold` of cifar_iresnet3002, names forgotten, against one expansion of the spec that it gives.
2. The same per operator, at 164 and at 3002 layers.
3. Lines of what comes back against lines by hand, those of the specs that are extended counted, over the zoo.
"""

from __future__ import annotations

import statistics
import time

from measure import interleaved, ratio, report, show, timed

import archspec
from archspec.language import zoo

DEEP, SHALLOW = "cifar_iresnet3002", "cifar_iresnet164"


def main() -> None:
    from decompiled import lines, lines_by_hand, nameless

    options = timed(__doc__).parse_args()
    clock = time.process_time if options.cpu_time else time.perf_counter

    deep, shallow = (nameless(archspec.expand(name)) for name in (DEEP, SHALLOW))
    spec = archspec.fold(deep)
    times = interleaved(
        options.rounds,
        {
            "fold": lambda: archspec.fold(deep),
            "expand": lambda: archspec.expand(spec),
            "shallow": lambda: archspec.fold(shallow),
        },
        clock,
    )
    each = [[taken / len(graph) for taken in times[name]] for name, graph in (("fold", deep), ("shallow", shallow))]
    ratios = [
        lines(archspec.fold(nameless(archspec.expand(name))).to_yaml()) / lines_by_hand(name) for name in zoo.names()
    ]
    figures = {
        "fold of 3002 layers, s": round(statistics.median(times["fold"]), 3),
        "fold / expand": round(ratio(times["fold"], times["expand"]), 2),
        "per operator, 3002 layers / 164": round(ratio(*each), 3),
        "lines, median": round(statistics.median(ratios), 3),
        "lines, most": round(max(ratios), 2),
    }
    rows = [
        {"what": f"{DEEP}: fold / expand", "archspec": show(times["fold"]), "against": show(times["expand"]),
         "ratio": str(figures["fold / expand"])},
        {"what": "fold, per operator: 3002 layers / 164", "archspec": show(each[0]), "against": show(each[1]),
         "ratio": str(figures["per operator, 3002 layers / 164"])},
        {"what": f"lines / by hand, {len(ratios)} networks: median, most", "archspec": "", "against": "",
         "ratio": f"{figures['lines, median']}, {figures['lines, most']}"},
    ]  # fmt: skip
    report("folding", rows, figures, options.json)


if __name__ == "__main__":
    main()
