"""What an export has written, and how far it is from the network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from archspec.report.fact import Fact, labelled


class ExportError(ValueError):
    """A network that cannot be exported, or whose export computes something else. Nothing was written."""


@dataclass(frozen=True)
class Exported(Fact):
    """A file that was written."""

    network: str
    format: str
    path: str
    size: int
    """Bytes."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    optimized: bool
    """Whether batch norms were folded away first."""
    difference: float
    """Largest absolute difference from the eager network's outputs, over the batches tried."""
    relative: float
    """The same, of the largest value."""
    by: str
    """What ran the file, and for which batches."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return asdict(self)

    def report(self) -> Iterable[str]:
        """The text, line by line."""
        folded = ", optimized" if self.optimized else ""
        return labelled(
            [
                ("wrote", f"{self.path}: {self.network} as {self.format}{folded}, {self.size / 2**20:,.1f} MiB"),
                ("names", f"{', '.join(self.inputs)} -> {', '.join(self.outputs)}"),
                ("verified", f"{self.by}: largest difference {self.difference:.2g} ({self.relative:.1g} of the largest "
                 "value)"),
            ], 10,
        )  # fmt: skip
