"""Which node of one graph is which of another: the map that their canonical orders give, proven node by node.

Two graphs of one computation, whoever wrote them, have one canonical order (compiler/analysis/signature). Where several
maps are possible, as between equal branches side by side, each is as good as another: what goes along one of them, such
as weights, computes the same.
"""

from __future__ import annotations

from archspec.compiler.analysis.signature import canonical_order, operator_text
from archspec.graph import Graph, Node
from archspec.ops import Add


def correspondence(one: Graph, other: Graph) -> dict[str, str] | None:
    """Names of the other graph's nodes by those of the first's; None where the graphs are not one computation.

    The names of several outputs count; that of a single one does not. Linear in operators and operands where
    refinement tells nodes apart.
    """
    if len(one) != len(other) or len(one.outputs) != len(other.outputs):
        return None
    found = dict(zip(canonical_order(one), canonical_order(other), strict=True))
    alike = all(_alike(node, other[found[node.name]], found) for node in one)
    return found if alike and _same_outputs(one, other, found) else None


def _alike(node: Node, match: Node, found: dict[str, str]) -> bool:
    """Whether two nodes are one operator of corresponding operands, those of an addition in any order."""
    if node.op != match.op and operator_text(node.op) != operator_text(match.op):
        return False
    expected, given = [found[name] for name in node.inputs], list(match.inputs)
    return sorted(expected) == sorted(given) if type(node.op) is Add else expected == given


def _same_outputs(one: Graph, other: Graph, found: dict[str, str]) -> bool:
    mine = {label: found[name] for label, name in one.outputs.items()}
    if len(mine) == 1:
        return list(mine.values()) == list(other.outputs.values())
    return mine == other.outputs
