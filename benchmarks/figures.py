"""How long figures take, and that the time grows with the size and no faster: layout and DOT text, and Graphviz.

python benchmarks/figures.py [--json]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import report

import archspec
from archspec.compiler.figures import Options, figure, rendered
from archspec.graph import Graph

ALL = frozenset({"all"})
DEPTHS = ("cifar_iresnet164", "cifar_iresnet1001", "cifar_iresnet2000", "cifar_iresnet3002")


def main() -> None:
    rows, figures = [], {}
    for name in DEPTHS:
        graph = archspec.expand(name)
        layout, engine = seconds(graph, Options(detail="op", expand=ALL))
        operators = len(graph) - 1
        rows.append({
            "network, all operators": name, "operators": f"{operators:,}", "layout and DOT": f"{layout:.2f} s",
            "Graphviz": f"{engine:.2f} s", "us an operator": f"{(layout + engine) / operators * 1e6:.0f}",
        })  # fmt: skip
        figures[f"{name}_us_per_operator"] = round((layout + engine) / operators * 1e6)
    report("archspec.figure to SVG", rows, figures, "--json" in sys.argv)
    start = min(process("-c", "pass") for _ in range(3))
    whole = []
    for title, spec, options in (
        ("iresnet404, folded", "iresnet404", ("--detail", "block")),
        ("iresnet404, all 134 blocks", "iresnet404", ("--detail", "block", "--expand", "all")),
        ("cifar_iresnet3002, all operators", "cifar_iresnet3002", ("--detail", "op", "--expand", "all")),
    ):
        with tempfile.TemporaryDirectory() as folder:
            arguments = ("-m", "archspec", "render", spec, *options, "-o", str(Path(folder) / "figure.svg"))
            took = min(process(*arguments) for _ in range(3)) - start
        whole.append({"whole process": title, "seconds beyond Python's start": f"{took:.2f}"})
    measured = {row["whole process"]: float(row["seconds beyond Python's start"]) for row in whole}
    report("archspec render", whole, measured, "--json" in sys.argv)


def seconds(graph: Graph, options: Options) -> tuple[float, float]:
    """Seconds for the layout with its DOT text, and for Graphviz."""
    start = time.perf_counter()
    finished = figure([graph], options)
    middle = time.perf_counter()
    rendered(finished, "svg")
    return middle - start, time.perf_counter() - middle


def process(*arguments: str) -> float:
    """Seconds that a Python process takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
