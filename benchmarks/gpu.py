"""All that is to be known on a GPU, within ten minutes: deep iResNets in every mode, with and without CUDA graphs.

iResNet-1001 for CIFAR and iResNet-404, training (forward, loss, backward, SGD) and inference, bfloat16 by autocast and
float32 (convolutions in TensorFloat-32, as torch has them by default), everything channels-last, against modules
written by hand in the same rounds. Each part is a process with a deadline and empty compile caches; figures are
written after every part, and a part that is stopped keeps what it has. Compile and capture seconds are apart.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import report

EVERY = (
    "hand-written", "eager", "regional", "hand-written + graphs", "eager + graphs", "regional + graphs",
)  # fmt: skip
WHOLE = ("hand-written", "whole", "whole + graphs")
DEEP, WIDE = "cifar_iresnet1001", "iresnet404"
PARTS: tuple[tuple[str, str, int, str, tuple[str, ...]], ...] = (  # what matters most comes first
    (DEEP, "inference", 1, "bfloat16", EVERY),
    (DEEP, "training", 128, "bfloat16", EVERY),
    (WIDE, "training", 32, "bfloat16", EVERY),
    (WIDE, "inference", 1, "bfloat16", EVERY),
    (DEEP, "training", 128, "float32", EVERY),
    (WIDE, "training", 32, "float32", EVERY),
    (DEEP, "inference", 128, "bfloat16", EVERY),
    (WIDE, "inference", 32, "bfloat16", EVERY),
    (WIDE, "inference", 1, "bfloat16", WHOLE),
    (DEEP, "inference", 1, "bfloat16", WHOLE),
    (DEEP, "inference", 1, "float32", EVERY),
    (WIDE, "inference", 1, "float32", EVERY),
    (WIDE, "training", 32, "bfloat16", WHOLE),
    (DEEP, "training", 128, "bfloat16", WHOLE),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny networks, batches and few rounds: a rehearsal")
    parser.add_argument("--minutes", type=float, default=9.5, help="for everything; parts not reached are named")
    parser.add_argument("--limit", type=float, default=150, help="seconds for one part")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--modes", help="only variants whose mode is in this list: hand-written,eager,regional,whole")
    parser.add_argument("--parts", help="only the parts of these numbers, from 1, separated by commas")
    parser.add_argument("--output", type=Path, help="a file for the figures, as JSON")
    parser.add_argument("--show", type=Path, help="print the figures of such a file, and measure nothing")
    options = parser.parse_args()
    if options.show:
        kept = json.loads(options.show.read_text(encoding="utf-8"))
        print(", ".join(f"{name} {value}" for name, value in kept["machine"].items()))
        for found in kept["parts"]:
            show(found, kept["ceiling_tflops"])
        return

    end = time.monotonic() + options.minutes * 60
    result: dict[str, Any] = {"machine": machine(options.device), "settings": settings(options), "parts": []}
    wanted = [int(number) - 1 for number in options.parts.split(",")] if options.parts else range(len(PARTS))
    with tempfile.TemporaryDirectory() as folder:
        found = run({"work": "ceiling", "network": "", "batch": 0, "dtype": ""}, options, end, Path(folder))
        result["ceiling_tflops"] = found.get("ceiling", {})
        keep(result, options.output)
        for number in wanted:
            network, work, batch, dtype, variants = PARTS[number]
            if options.modes:
                variants = tuple(name for name in variants if name.split(" + ")[0] in options.modes.split(","))
            part = {
                "number": number + 1, "network": network, "work": work, "dtype": dtype, "variants": variants,
                "batch": min(batch, 2) if options.quick else batch,
            }  # fmt: skip
            found = run(part, options, end, Path(folder))
            result["parts"].append({"number": number + 1, **found})
            keep(result, options.output)
            show(found, result["ceiling_tflops"])


def run(part: dict[str, Any], options: argparse.Namespace, end: float, folder: Path) -> dict[str, Any]:
    """A part's figures, from a process that is ended at its deadline."""
    file = folder / f"part{part.get('number', 0)}.json"
    caches = folder / f"caches{part.get('number', 0)}"
    limit = min(options.limit, end - time.monotonic())
    named = {name: part[name] for name in ("network", "work", "batch", "dtype")}
    if limit < (0 if options.quick else 10):
        return named | {"ended": "not reached"}
    given = part | {
        "device": options.device, "quick": options.quick, "rounds": options.rounds,
    }  # fmt: skip
    environment = os.environ | {
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"), "TRITON_CACHE_DIR": str(caches / "triton"),
    }  # fmt: skip
    start = time.monotonic()
    command = [sys.executable, str(Path(__file__).with_name("gpu_part.py")), json.dumps(given), str(file)]
    child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        _, errors = child.communicate(timeout=max(limit, 1))
        ended = "done" if child.returncode == 0 else f"failed: {' '.join(errors.split())[-500:]}"
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # its compilers too; a group of our own making
        child.communicate()
        ended = f"stopped after {limit:.0f} s"
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else named
    return found | {"ended": ended, "took_seconds": time.monotonic() - start}


def machine(device: str) -> dict[str, Any]:
    """What it runs on, by model and versions."""
    import platform

    import torch

    cuda = device == "cuda"
    return {
        "device": torch.cuda.get_device_name() if cuda else "cpu", "torch": torch.__version__,
        "cuda": torch.version.cuda if cuda else None, "cudnn": torch.backends.cudnn.version() if cuda else None,
        "python": platform.python_version(),
    }  # fmt: skip


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """What the figures hold for."""
    import torch

    return {
        "layout": "channels_last", "bfloat16": "autocast", "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "tf32_products": torch.backends.cuda.matmul.allow_tf32, "optimizer": "SGD, momentum 0.9",
        "peak_bytes": "allocated at once while a variant is built and first runs, beyond what was there before",
        "steady_bytes": "the same over one later step", "reserved_bytes": "kept by the allocator for the variant",
        "flops": "2 per multiply-accumulate; a training step counts as three forwards", "quick": options.quick,
        "rounds": options.rounds,
    }  # fmt: skip


def keep(result: dict[str, Any], path: Path | None) -> None:
    """Writes the figures so far."""
    if path is not None:
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)


def show(found: dict[str, Any], ceilings: dict[str, float]) -> None:
    """Prints a part."""
    title = f"{found['network']}, {found['work']}, batch {found['batch']}, {found['dtype']}: {found['ended']}"
    rows, failed = [], []
    top = ceilings.get("bfloat16" if found["dtype"] == "bfloat16" else "tf32")
    for name, figures in found.get("variants", {}).items():
        if "seconds" not in figures:
            failed.append(f"  {name}: {figures.get('failed', 'stopped before its rounds')}")
            continue
        rows.append({
            "variant": name, "ms": f"{figures['seconds'] * 1e3:.2f}",
            "ratio": f"{figures['to_hand_written']:.3f}" if "to_hand_written" in figures else "",
            "TFLOP/s": f"{figures['tflops']:.2f}", "ceiling": f"{figures['tflops'] / top:.1%}" if top else "",
            "compile s": f"{figures['preparing_seconds']:.1f}", "MiB": f"{figures.get('peak_bytes', 0) / 2**20:,.0f}",
        })  # fmt: skip
    if rows:
        report(title, rows, {}, as_json=False)
    else:
        print(title)
    print(*failed, sep="\n", flush=True)


if __name__ == "__main__":
    main()
