"""What a transfer of weights has done, and how far it is known to be right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from archspec.report.fact import Fact, labelled


@dataclass(frozen=True)
class Transfer(Fact):
    """Weights that were loaded into a network."""

    network: str
    source: str
    how: str
    """How the layers were matched: by structure, by the names of a library, in order."""
    layers: int
    tensors: int
    verified: str | None
    """What has shown that the network computes what theirs does; None where nothing has."""
    largest: float | None
    """Largest difference of the outputs, of their largest value, where both sides were run."""
    kept: tuple[str, ...]
    """Keys of ours that stayed as they were, by leave."""
    missing: tuple[str, ...]
    """Keys of ours that nothing of theirs fitted."""
    aside: tuple[str, ...]
    """Layers of theirs without a place in ours."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return asdict(self)

    def report(self) -> Iterable[str]:
        """The text, line by line."""
        lines = [
            ("loaded", f"{self.tensors} tensors of {self.layers} layers into {self.network}, {self.how}"),
            ("verified", self.verified or "no: tensors of equal shapes do not prove equal networks; give a probe file "
             "or the module"),
        ]  # fmt: skip
        told = (("kept", self.kept), ("missing", self.missing), ("aside", self.aside))
        lines += [(label, _some(names)) for label, names in told if names]
        return labelled(lines, 10)


def _some(names: Sequence[str], count: int = 6) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return f"{len(names)}: {', '.join(names[:count])}{more}"
