"""Cold compile times of CIFAR iResNets of 56, 164 and 1001 layers, by region and as a whole.

Each figure comes from a process of its own with empty caches: what the first calls took beyond as many steady ones,
on the wall clock, in CPU seconds of this process (tracing, generating code: Python) and of the C++ compilers it
starts. Loading the compiler, by way of something trivial, is in none.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from measure import report

LAYERS = {56: [6, 6, 6], 164: [18, 18, 18], 1001: [111, 111, 111]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, nargs="+", choices=LAYERS, default=list(LAYERS))
    parser.add_argument("--mode", nargs="+", choices=["regional", "whole"], default=["regional", "whole"])
    parser.add_argument("--train", action="store_true", help="a training step instead of inference")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.layers[0], options.mode[0], options.train, options.batch, options.device)))
        return
    rows, figures = [], {}
    found: dict[tuple[int, str], dict[str, float]] = {}
    for mode in options.mode:
        for layers in options.layers:
            given = ["--layers", str(layers), "--mode", mode, "--batch", str(options.batch), "--device", options.device]
            command = [sys.executable, __file__, "--one", *given, *(["--train"] if options.train else [])]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            figure = found[layers, mode] = json.loads(done.stdout.splitlines()[-1])
            figures |= {f"{mode}, {layers} layers, {name}": value for name, value in figure.items()}
            first = found[options.layers[0], mode]
            rows.append({
                "cold compile": f"{mode}, {layers} layers", "graphs": f"{figure['graphs']:.0f}",
                "seconds": f"{figure['seconds']:.1f}", "Python": f"{figure['python']:.1f}",
                "C++ compilers": f"{figure['children']:.1f}",
                f"to {options.layers[0]} layers": f"{figure['seconds'] / first['seconds']:.2f}",
            })  # fmt: skip
    deepest = options.layers[-1]
    if len(options.mode) == 2:
        quotient = found[deepest, "whole"]["python"] / found[deepest, "regional"]["python"]
        figures[f"Python of whole to regional, {deepest} layers"] = round(quotient, 2)
        rows.append(
            dict.fromkeys(rows[0], "") | {"cold compile": "whole to regional", "Python": f"{quotient:.1f} times"}
        )
    work = "training step" if options.train else "inference"
    report(f"{work}, batch {options.batch}, {options.device}, float32", rows, figures, options.json)


def measure(layers: int, mode: str, train: bool, batch: int, device: str) -> dict[str, float]:
    """What compiling one network takes, in this process."""
    import torch
    from torch._dynamo.utils import counters

    import archspec
    from archspec.bench.caches import caches, start_compiler
    from archspec.bench.subject import first_calls

    with caches(warm=False) as own:
        start_compiler(torch.device(device))
        counters.clear()
        network = archspec.build(archspec.load("cifar_iresnet164", counts=LAYERS[layers]), device=device)
        archspec.compile(network.train(train), mode)
        x = torch.randn(batch, 3, 32, 32, device=device)

        def step() -> None:
            with torch.set_grad_enabled(train):
                output = network(x)
                if train:
                    output.square().mean().backward()

        _, cost = first_calls(step, True, own)
        assert cost is not None
        graphs = counters["stats"]["unique_graphs"]
    return {"seconds": cost.seconds, "python": cost.python, "children": cost.children, "graphs": graphs}


if __name__ == "__main__":
    main()
