"""The analysis of a network, without torch: how long `archspec summary` takes, and how it grows with depth.

1. The whole process of `archspec summary iresnet404` against one that only imports networkx and pydantic.
2. From the spec to shapes and costs (`expand(load(name))`), within a process.
3. The same per operator, at 164 and at 3002 layers.
4. MACs: the rules of the operators against torch's FlopCounterMode on the meta device, which runs the network.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from measure import interleaved, ratio, report, show

ANALYSE = """
import json, sys, time
import archspec
import archspec.compiler.analysis.summary
def analyse(name, **params):
    start = time.{clock}()
    graph = archspec.expand(archspec.load(name, **params))
    costs = graph.params, graph.macs, graph.layers
    return time.{clock}() - start, len(graph) - 1
first, _ = analyse("iresnet404")
warm, shallow, deep = [], [], []
for _ in range({rounds}):
    warm.append(analyse("iresnet404")[0])
    for times, counts in ((shallow, [18, 18, 18]), (deep, [333, 334, 333])):
        seconds, operators = analyse("cifar_iresnet3002", counts=counts)
        times.append(seconds / operators)
assert "torch" not in sys.modules
print(json.dumps([first, warm, shallow, deep]))
"""
IMPORTS = [sys.executable, "-c", "import networkx, pydantic"]
SUMMARY = [sys.executable, "-m", "archspec", "summary", "iresnet404"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-torch", action="store_true", help="leave the comparison with FlopCounterMode out")
    parser.add_argument("--cpu-time", action="store_true", help="count processes' time: for a busy machine")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, str]] = []
    figures: dict[str, float | int] = {"rounds": options.rounds}

    def tell(key: str, what: str, ours: list[float], theirs: list[float]) -> None:
        quotient = ratio(ours, theirs)
        figures[key] = round(quotient, 4)
        rows.append({"what": what, "archspec": show(ours), "against": show(theirs), "ratio": f"{quotient:.3g}"})

    clock = children if options.cpu_time else time.perf_counter
    whole = interleaved(options.rounds, {"summary": lambda: run(SUMMARY), "imports": lambda: run(IMPORTS)}, clock)
    what = "process: archspec summary iresnet404 / import networkx, pydantic"
    tell("whole process", what, whole["summary"], whole["imports"])

    code = ANALYSE.replace("{clock}", "process_time" if options.cpu_time else "perf_counter")
    code = code.replace("{rounds}", str(options.rounds))
    first, warm, shallow, deep = json.loads(run([sys.executable, "-c", code]))
    figures["analysis of iresnet404, first in its process, ms"] = round(first * 1e3, 1)
    figures["analysis of iresnet404, ms"] = round(statistics.median(warm) * 1e3, 1)
    row = {"what": "iresnet404, spec to costs / first in its process", "archspec": show(warm)}
    rows.append({**row, "against": show([first]), "ratio": ""})
    tell("per operator", "per operator: 3002 layers / 164 layers", deep, shallow)
    if not options.no_torch:
        counted = macs(options.rounds)
        tell("macs", "MACs of iresnet404: over its graph / FlopCounterMode", counted["analytic"], counted["torch"])
    report("analysis, without torch", rows, figures, options.json)


def run(command: list[str]) -> str:
    """Standard output of a process."""
    # Both sides with their bytecode cached, as any installed package has it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def children() -> float:
    """Processor seconds of all child processes so far."""
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def macs(rounds: int) -> dict[str, list[float]]:
    """Times of both ways to count, which must agree."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    import archspec

    graph = archspec.expand("iresnet404")
    network = archspec.build(graph, device="meta").eval()
    x = torch.empty(1, *graph.input.shape, device="meta")

    def by_torch() -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(x)
        return counter.get_total_flops() // 2

    def by_rule() -> int:
        return sum(node.op.macs(graph.input_shapes(node)) for node in graph if node.inputs)

    assert by_torch() == by_rule() == graph.macs
    return interleaved(max(3, rounds // 3), {"analytic": by_rule, "torch": by_torch})


if __name__ == "__main__":
    main()
