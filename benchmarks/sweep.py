"""How many networks a search goes through in a second on one core: from a draw to signature, parameters and MACs.

Random skips over a ResNet-110 (54 blocks, about 390 operators), the same space at other depths, and memory over many
draws. CPU seconds of one process, so that what else the machine does counts less.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

from archspec.research import Space
from archspec.research.seen import Seen
from archspec.topologies import rule

RANDOM = {
    "params": {"density": 0.01, "seed": 0},
    "skips": [rule("random", probability="density", seed="seed", path="B")],
}


def space(depth: int, skips: float) -> Space:
    """ResNets of a depth with random skips, that many on average."""
    blocks = (depth - 2) // 2
    pairs = blocks * (blocks - 1) / 2
    axes = {"density": [skips / pairs], "seed": {"from": 0, "to": 10**9}}
    return Space(
        "cifar_resnet110", axes, name="bench", change=RANDOM | {"params": {**RANDOM["params"], "depth": depth}}
    )  # type: ignore[dict-item]


def rate(depth: int, skips: float, draws: int) -> dict[str, float]:
    """Networks a second of CPU time, after the first hundredth of the draws."""
    searched, seen = space(depth, skips), Seen()
    warm, operators, start = max(20, draws // 100), 0, 0.0
    for number in range(warm + draws):
        if number == warm:
            start = time.process_time()
        found = searched.draw(1, number)
        assert not isinstance(found, str), found
        seen.add(found.signature)
        operators += found.figures["params"] > 0 and found.figures["macs"] > 0 and found.figures["operators"]
    seconds = time.process_time() - start
    return {
        "depth": depth, "skips": skips, "networks_per_second": draws / seconds,
        "operators_per_second": operators * draws / (warm + draws) / seconds, "distinct": len(seen),
    }  # fmt: skip


def memory() -> float:
    """Most memory that the process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Prints the figures, and with --json writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=3000, help="of the 110-layer networks")
    parser.add_argument("--json", help="a file for the figures")
    arguments = parser.parse_args()
    results = []
    print(f"{'depth':>6} {'skips':>6} {'networks/s':>11} {'operators/s':>12} {'distinct':>9} {'memory':>9}")
    for depth, skips, draws in (
        (110, 2, arguments.draws), (110, 7, arguments.draws), (110, 15, arguments.draws),
        (218, 7, arguments.draws // 2), (434, 7, arguments.draws // 4), (1202, 7, arguments.draws // 12),
        (110, 7, 4 * arguments.draws),
    ):  # fmt: skip
        result = rate(depth, skips, draws) | {"memory_mib": memory()}
        results.append(result)
        print(
            f"{depth:>6} {skips:>6} {result['networks_per_second']:>11,.0f} {result['operators_per_second']:>12,.0f} "
            f"{result['distinct']:>9,} {result['memory_mib']:>5,.0f} MiB",
            flush=True,
        )
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
