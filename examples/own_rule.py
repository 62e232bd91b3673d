"""A topology of one's own: a rule in Python that places skips, named from YAML. Needs no torch."""

from collections.abc import Iterator, Sequence

import archspec
from archspec.topologies import STANDARD


def powers(points: Sequence[str], base: int = 2) -> Iterator[tuple[str, str]]:
    """A skip to every block from those base, base**2, base**3 ... blocks before it.

    Few skips (n log n), and a short way from any block to any other.
    """
    for end, target in enumerate(points):
        distance = base
        while distance <= end:
            yield points[end - distance], target
            distance *= base


SPEC = """
archspec: 1
extends: cifar_resnet110
name: powers_of_{base}
skips:
  - {{rule: powers, base: {base}, path: B}}
"""

RULES = STANDARD.with_rule("powers", powers)

print(f"{'network':<14} {'skips':>5} {'parameters':>11} {'MACs':>12}")
for base in (2, 3, 6):
    spec = archspec.loads(SPEC.format(base=base), rules=RULES)
    graph = archspec.expand(spec)
    skips = {node.unit for node in graph if node.unit.startswith("skips.")}
    joins = sum(len(node.inputs) - 2 for node in graph if node.op.key == "add")
    print(f"{graph.name:<14} {joins:>5} {graph.params:>11,} {graph.macs:>12,}   {len(skips)} of them projections")
