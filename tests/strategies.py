"""Random small specs for Hypothesis: every one is valid, most use several features at once."""

from __future__ import annotations

from generator import Drawn, anything, staged
from hypothesis import strategies as st

__all__ = ["Drawn", "anything_at_all", "specs"]


def specs() -> st.SearchStrategy[Drawn]:
    """Specs with stages, whose `Drawn` tells what must be found in the graph."""
    return st.randoms(use_true_random=False).map(staged)


def anything_at_all() -> st.SearchStrategy[Drawn]:
    """Specs of the whole language."""
    return st.randoms(use_true_random=False).map(anything)
