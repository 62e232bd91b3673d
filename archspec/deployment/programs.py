"""Exports by torch itself: an ExportedProgram (.pt2), and the same compiled ahead of time (AOTInductor)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from archspec.compiler.lower import Network
from archspec.deployment.verify import Differences, example, named, verified


def program(network: Network) -> torch.export.ExportedProgram:
    """The exported program of a network in evaluation mode, for any batch. Addresses of modules are in its
    `nn_module_stack`, state-dict keys are the network's."""
    batch = torch.export.Dim("batch")
    return torch.export.export(network, (example(network),), dynamic_shapes=({0: batch},), strict=False)


def write_pt2(network: Network, path: Path, about: Mapping[str, str]) -> Differences:
    """Writes a .pt2 file with `about` as `archspec.json` in it, loads it and compares."""
    torch.export.save(program(network), path, extra_files={"archspec.json": json.dumps(dict(about))})
    module = torch.export.load(path).module()
    return verified(network, lambda x: named(network, module(x)))


def write_aoti(network: Network, path: Path, about: Mapping[str, str]) -> Differences:
    """Compiles a network ahead of time into a package with its weights, loads it and compares. Needs a C++ compiler
    and minutes of it, and runs on the kind of device it was compiled on."""
    from torch._inductor import aoti_compile_and_package, aoti_load_package

    options = {"aot_inductor.metadata": dict(about)}
    with torch.no_grad():
        aoti_compile_and_package(program(network), package_path=str(path), inductor_configs=options)
    run = aoti_load_package(str(path))

    def call(x: Tensor) -> Mapping[str, Tensor]:
        return named(network, run(x))

    return verified(network, call)
