"""Exports that need nothing but torch or safetensors to read: a standalone model.py, and the weights alone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch

from archspec.compiler.emit import emit
from archspec.compiler.lower import Network, lower
from archspec.compiler.lower.holding import described
from archspec.deployment.exported import ExportError
from archspec.deployment.verify import Differences, named, verified
from archspec.weights.files import read, write


def write_python(network: Network, path: Path, about: Mapping[str, str]) -> Differences:
    """Writes the network's Python, runs it with the network's weights and compares. `about` is in no place of it.

    Raises `ValueError` for a network that is no longer what its graph says.
    """
    text = emit(described(network))
    path.write_text(text, encoding="utf-8")
    module = ModuleType("archspec_exported")
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, str(path), "exec"), vars(module))  # code generated from a checked graph
        made = module.Network()
    finally:
        del sys.modules[module.__name__]
    made.load_state_dict(network.state_dict(), assign=True)
    made.eval()
    return verified(network, lambda x: named(network, made(x)))


def write_weights(network: Network, path: Path, about: Mapping[str, str]) -> Differences:
    """Writes the state dict as safetensors with `about` as its metadata, loads it into a new network and compares."""
    write(path, network.state_dict(), about)
    found = read(path)
    if found.keys() != network.state_dict().keys():
        raise ExportError("the file has other keys than the network")
    made = lower(described(network), network.granularity, torch.device("cpu"))
    made.load_state_dict(found, assign=True)
    made.eval()
    return verified(network, lambda x: named(network, made(x)))
