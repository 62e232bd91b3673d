"""Inventing topologies: search many networks.

A `Space` is a spec, axes along which it varies and conditions; it draws, mutates and crosses valid networks. `sweep`
finds thousands of them and writes their figures as it goes.

    from archspec.research import Space, sweep

All this stands on the verbs of archspec, and nothing in the language or the compiler knows of it. Editing a spec
(`spec.with_levels(m=3)`) and placing shortcuts (`archspec.topologies`) belong to the language.
"""

from archspec.research.axes import SpaceError
from archspec.research.space import Space
from archspec.research.space_file import load_space
from archspec.research.sweep_folder import read_results
from archspec.research.sweeps import Swept, sweep

__all__ = [
    "Space", "SpaceError", "Swept", "load_space", "read_results", "sweep",
]  # fmt: skip
