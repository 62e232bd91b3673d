"""Every artifact of several networks as one JSON of hashes; `tests/test_order.py` runs it under several hash seeds."""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from typing import Any

import archspec
from archspec.compiler.analysis.training import training_memory
from archspec.language.jsonschema import json_schema
from archspec.research import Space
from archspec.topologies import rule

ZOO = ("ror3_110_sd", "iresnet3d50", "ssd_iresnet50_backbone")
"""With levels and stochastic depth, in three dimensions, with several outputs."""
CIRCLE = "archspec: 1\ninput: {size: [8, 8]}\n%s\nstem: [conv: {out: 1, kernel: 1}]\n"
BAD = {
    "a circle of params": CIRCLE % "params: {a: b + c, b: a + d, c: b + d, d: a + c}",
    "a circle of paths": CIRCLE % "paths: {a: [use: b, use: c], b: [use: c, use: a], c: [use: a, use: b]}",
    "unknown names": CIRCLE.replace("out: 1", "out: alpha + beta + gamma") % "params: {q: 1}",
}


def flat_spec(seed: int, wires: int) -> str:
    """A random flat network whose units read each other in circles and hold one another."""
    draw = random.Random(seed)
    names: list[str] = []
    lines = []
    for number in range(wires):
        name = f"{draw.choice(['p', 'q', 'r', 'stage1.0', 'stage1.x', 'levels.a'])}.{draw.choice('abc')}{number}"
        sources = draw.sample(["input", *names], min(len(names) + 1, draw.choice([1, 1, 2, 3])))
        first = "" if len(sources) == 1 else f"{draw.choice(['add', 'multiply'])}, "
        op = draw.choice(["conv: {out: 3, kernel: 3}", "bn", "relu", "conv: {out: 3, kernel: 1, bias: true}"])
        lines.append(f"  {name}: {{from: [{', '.join(sources)}], ops: [{first}{op}]}}")
        names.append(name)
    read = " ".join(lines)
    ends = [name for name in names if read.count(f"{name},") + read.count(f"{name}]") == 0]
    draw.shuffle(lines)
    lines.append(f"  output: {{from: [{', '.join(ends)}], ops: [add]}}" if len(ends) > 1 else f"  output: {ends[0]}")
    return "archspec: 1\ninput: {channels: 3, size: [8, 8]}\ngraph:\n" + "\n".join(lines) + "\n"


def networks() -> Iterator[tuple[str, Any]]:
    yield from ((name, archspec.load(name)) for name in ZOO)
    for seed in range(24):
        yield f"flat{seed}", archspec.loads(flat_spec(seed, 5 + seed % 20), name=f"flat{seed}")
    change = {"params": {"seed": 0}, "skips": [rule("random", probability=0.2, seed="seed", path="B")]}
    space = Space("cifar_resnet20", {"seed": {"from": 0, "to": 99}}, ["shortest_path <= 18"], name="s", change=change)
    yield from ((spec.name, spec) for spec in space.sample(2, seed=1))


def artifacts(spec: Any) -> Iterator[tuple[str, Any]]:
    graph = archspec.expand(spec)
    yield "to_spec_text", graph.to_spec_text()
    yield "graph", json.dumps(graph.to_dict())
    yield "emission", archspec.emit(graph)
    yield "signature", archspec.signature(graph)
    yield "summary", f"{archspec.summarize(graph)}{json.dumps(archspec.summarize(graph).to_dict())}"
    yield "analysis", f"{archspec.analyze(graph)}{json.dumps(archspec.analyze(graph).to_dict())}"
    yield "memory", repr(training_memory(graph, batch=2))
    yield "optimised", archspec.optimize(graph).to_spec_text()
    details = ("auto", "op") if len(graph) < 100 else ("auto",)
    yield "DOT", [archspec.render(graph, detail=detail).text for detail in details]
    for granularity in ("block", "op"):
        network = archspec.build(graph, granularity=granularity, device="meta")
        yield f"parameters by {granularity}", [name for name, _ in network.named_parameters()]
        yield f"modules by {granularity}", [name for name, _ in network.named_modules()]
        yield f"state dict by {granularity}", list(network.state_dict())
        yield f"code by {granularity}", network.code


def problems(text: str) -> str:
    try:
        archspec.expand(archspec.loads(text))
    except archspec.SpecError as error:
        return str(error)
    raise AssertionError("a bad spec passes")


def main() -> None:
    made: dict[str, Any] = {"JSON Schema": json.dumps(json_schema())}
    made |= {name: problems(text) for name, text in BAD.items()}
    made["table"] = archspec.table("resnet18", "iresnet50", "resnext50_32x4d").markdown()
    made["difference"] = json.dumps(archspec.diff("resnet50", "iresnet50").to_dict())
    for name, spec in networks():
        made |= {f"{kind} of {name}": value for kind, value in artifacts(spec)}
    assert len(made) > 400
    json.dump({name: hashlib.md5(repr(value).encode()).hexdigest() for name, value in made.items()}, sys.stdout)


if __name__ == "__main__":
    main()
