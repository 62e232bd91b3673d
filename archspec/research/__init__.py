"""Inventing topologies: search many networks, tell them apart, and see how they behave before any training.

A `Space` is a spec, axes along which it varies and conditions; it draws, mutates and crosses valid networks. `sweep`
finds thousands of them and writes their figures as it goes. `diff` tells two networks apart. `probe` runs signals and
gradients through a fresh one, and alone needs torch.

    from archspec.research import Space, diff, probe, sweep

All this stands on the verbs of archspec, and nothing in the language or the compiler knows of it. Editing a spec
(`spec.with_levels(m=3)`) and placing shortcuts (`archspec.topologies`) belong to the language.
"""

from archspec.compiler.analysis.difference import Change, Difference, diff
from archspec.execution.probe import BlockSignal, Probe, probe
from archspec.research.axes import SpaceError
from archspec.research.space import Space
from archspec.research.space_file import load_space
from archspec.research.sweeps import Swept, read_results, sweep

__all__ = [
    "BlockSignal", "Change", "Difference", "Probe", "Space", "SpaceError", "Swept", "diff", "load_space", "probe",
    "read_results", "sweep",
]  # fmt: skip
