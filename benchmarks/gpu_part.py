"""One part of gpu.py, in a process of its own: a network, a kind of work, a batch; every variant in turns.

What compiles nothing goes first, and what compiles then takes its turns with the hand-written network again. What is
known is written after each variant and each round, so that a part stopped at its deadline keeps its figures.
"""

from __future__ import annotations

import gc
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import ratio

LEAST = 0.2
"""Seconds that a measurement lasts at least, by repeating steps."""
BASE = "hand-written"
COUNTS = {"cifar_iresnet1001": [111, 111, 111], "iresnet404": [4, 46, 80, 4]}
QUICK = {"cifar_iresnet1001": {"depth": 20}, "iresnet404": {"counts": [2, 2, 2, 2], "input.size": [32, 32]}}
QUICK_COUNTS = {"cifar_iresnet1001": [2, 2, 2], "iresnet404": [2, 2, 2, 2]}


@dataclass
class Variant:
    """A network ready to run, and what is known of it."""

    step: Callable[[], object]
    calls: int
    figures: dict[str, Any]
    rounds: list[float] = field(default_factory=list)
    """Seconds of a step."""
    base: list[float] = field(default_factory=list)
    """The hand-written network's in the same rounds."""


def main() -> None:
    """Runs the part described by argv[1] (JSON) and writes it to argv[2]."""
    part, path = json.loads(sys.argv[1]), Path(sys.argv[2])
    found = {name: part[name] for name in ("network", "work", "batch", "dtype")} | {"variants": {}}

    def write() -> None:
        _fill(found, ready, part)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(found), encoding="utf-8")
        os.replace(partial, path)

    ready: dict[str, Variant] = {}
    if part["work"] == "ceiling":
        found["ceiling"] = ceiling(part["device"], part["quick"])
        write()
        return
    wake(part["device"])
    compiled = [name for name in part["variants"] if name.startswith(("regional", "whole"))]
    for stage in ([name for name in part["variants"] if name not in compiled], compiled):
        for name in stage:
            try:
                ready[name] = prepare(name, part)
                found["variants"][name] = ready[name].figures
            except Exception as error:  # the other variants go on
                found["variants"][name] = {"failed": " ".join(f"{type(error).__name__}: {error}".split())[:500]}
            write()
        names = [name for name in dict.fromkeys([BASE, *stage]) if name in ready]
        for count in range(part["rounds"] if set(names) - {BASE} or stage != compiled else 0):
            gc.collect()
            took = {}
            for name in names if count % 2 else reversed(names):
                took[name] = seconds(ready[name].step, ready[name].calls, part["device"])
            for name in set(names) & set(stage):
                ready[name].rounds.append(took[name])
                ready[name].base.append(took.get(BASE, math.nan))
            write()


def prepare(name: str, part: dict[str, Any]) -> Variant:
    """A variant: built, run until steady, its first calls timed apart."""
    import torch

    cuda, training = part["device"] == "cuda", part["work"] == "training"
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    torch.manual_seed(0)
    network, graph = built(name, part)
    x = torch.randn(part["batch"], *graph.input.shape, device=part["device"])
    x = x.to(memory_format=torch.channels_last)
    classes = next(iter(graph[output].shape for output in graph.outputs.values()))[0]
    target = torch.randint(classes, (part["batch"],), device=part["device"])
    step = trained(name, network, x, target, part) if training else inferred(name, network, x, part)
    first = seconds(step, 1, part["device"])
    rest = [seconds(step, 1, part["device"]) for _ in range(5 if training else 2)]  # a captured step warms up by three
    steady = rest[-1]
    figures: dict[str, Any] = {"first_seconds": first, "preparing_seconds": max(0.0, first + sum(rest) - 6 * steady)}
    execution = getattr(network, "execution", None)
    if execution is not None:
        figures["compiled"] = execution.kinds
    if cuda:
        figures["peak_bytes"] = torch.cuda.max_memory_allocated() - allocated
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        figures["steady_bytes"] = torch.cuda.max_memory_allocated() - before
        torch.cuda.empty_cache()
        figures["reserved_bytes"] = torch.cuda.memory_reserved() - reserved
    if not training:
        figures["latency_seconds"] = statistics.median(seconds(step, 1, part["device"]) for _ in range(9))
    return Variant(step, 1 if part["quick"] else max(1, min(50, math.ceil(LEAST / steady))), figures)


def built(name: str, part: dict[str, Any]) -> tuple[Any, Any]:
    """A variant's network in channels-last layout, with the graph of its architecture."""
    import torch
    from reference.iresnet import CifarIResNet, IResNet
    from reference.layers import initialise

    import archspec

    graph = archspec.expand(archspec.load(part["network"], **(QUICK[part["network"]] if part["quick"] else {})))
    kind, graphs = name.removesuffix(" + graphs"), name.endswith(" + graphs")
    if kind == BASE:
        counts = (QUICK_COUNTS if part["quick"] else COUNTS)[part["network"]]
        with torch.device(part["device"]):
            network: Any = (CifarIResNet if part["network"].startswith("cifar") else IResNet)(counts)
            initialise(network)
        assert sum(parameter.numel() for parameter in network.parameters()) == graph.params
        return network.to(memory_format=torch.channels_last), graph
    captured = graphs and part["work"] == "inference"
    network = archspec.build(graph, device=part["device"])
    return archspec.compile(network, kind, channels_last=True, cuda_graphs=captured), graph  # type: ignore[arg-type]


def trained(name: str, network: Any, x: Any, target: Any, part: dict[str, Any]) -> Callable[[], object]:
    """A training step: forward, loss, backward, SGD with momentum."""
    import torch

    import archspec

    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    autocast = torch.bfloat16 if part["dtype"] == "bfloat16" else None
    step = archspec.TrainingStep(network.train(), optimizer, autocast=autocast, cuda_graphs=name.endswith(" + graphs"))
    return lambda: step(x, target)


def inferred(name: str, network: Any, x: Any, part: dict[str, Any]) -> Callable[[], object]:
    """A forward in evaluation mode, without gradients."""
    import torch

    network.eval()
    reduced = part["dtype"] == "bfloat16"

    def work() -> Any:
        with torch.inference_mode(), torch.autocast(part["device"], torch.bfloat16, enabled=reduced):
            return network(x)

    return graphed(network, x, reduced) if name == f"{BASE} + graphs" else work


def graphed(network: Any, x: Any, reduced: bool) -> Callable[[], object]:
    """What one would write by hand to replay a module's forward."""
    import torch

    from archspec.execution.recorder import Recorder, device_of

    given, recorder = x.clone(), Recorder(device_of(network))

    def work() -> Any:
        with torch.no_grad(), torch.autocast("cuda", torch.bfloat16, enabled=reduced, cache_enabled=False):
            return network(given)

    for _ in range(3):
        recorder.run(work)
    replay, output = recorder.record(work)

    def replayed(network: Any = network) -> Any:  # the graph reads its weights, and does not keep them
        given.copy_(x)
        replay()
        return output.clone()

    return replayed


def seconds(step: Callable[[], object], calls: int, device: str) -> float:
    """Seconds of a call, on a GPU between two events of its stream."""
    if device != "cuda":
        start = time.perf_counter()
        for _ in range(calls):
            step()
        return (time.perf_counter() - start) / calls
    import torch

    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    begin.record()
    for _ in range(calls):
        step()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1e3 / calls


def wake(device: str) -> None:
    """Has the device's libraries load before anything is timed."""
    import torch

    layer = torch.nn.Conv2d(8, 8, 3, device=device)
    layer(torch.randn(2, 8, 16, 16, device=device)).sum().backward()


def ceiling(device: str, quick: bool) -> dict[str, float]:
    """TFLOP/s of the best square matrix product, by type; float32 with and without TensorFloat-32."""
    import torch

    found: dict[str, float] = {}
    for name, dtype, tf32 in (
        ("bfloat16", torch.bfloat16, False), ("float32", torch.float32, False), ("tf32", torch.float32, True),
    ):  # fmt: skip
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        for size in (64, 128) if quick else (4096, 8192):
            a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
            seconds(lambda a=a, b=b: a @ b, 3, device)
            took = min(seconds(lambda a=a, b=b: a @ b, 10, device) for _ in range(3))
            found[name] = max(found.get(name, 0.0), 2 * size**3 / took / 1e12)
    torch.set_float32_matmul_precision("highest")
    return found


def _fill(found: dict[str, Any], ready: dict[str, Variant], part: dict[str, Any]) -> None:
    """Writes what the rounds so far say into a part's figures."""
    import archspec

    if part["work"] == "ceiling":
        return
    graph = archspec.expand(archspec.load(part["network"], **(QUICK[part["network"]] if part["quick"] else {})))
    flops = 2 * graph.macs * part["batch"] * (3 if part["work"] == "training" else 1)
    found |= {"layers": graph.layers, "parameters": graph.params, "flops_per_step": flops}
    for name, variant in ready.items():
        if variant.rounds:
            middle = statistics.median(variant.rounds)
            found["variants"][name] = variant.figures | {
                "seconds": middle, "least_seconds": min(variant.rounds), "rounds": variant.rounds,
                "calls": variant.calls, "images_per_second": part["batch"] / middle, "tflops": flops / middle / 1e12,
            }  # fmt: skip
            if BASE in ready:
                found["variants"][name]["to_hand_written"] = ratio(variant.rounds, variant.base)


if __name__ == "__main__":
    main()
