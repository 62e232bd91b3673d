"""Expansion: a spec in staged or in flat form becomes one graph of operators."""

from __future__ import annotations

from archspec.compiler.expand.builder import Builder
from archspec.compiler.expand.drop_path import check_drops
from archspec.compiler.expand.flat import expand_flat
from archspec.compiler.expand.input import input_node
from archspec.compiler.expand.memo import Memo
from archspec.compiler.expand.outputs import output_nodes
from archspec.compiler.expand.paths import Paths
from archspec.compiler.expand.references import check_references
from archspec.compiler.expand.stages import Staged
from archspec.compiler.expand.unread import check_columns, unread_params
from archspec.graph import Graph
from archspec.language.spec import Spec
from archspec.syntax.errors import Problem, SpecError, within_budget


def expand(spec: Spec, memo: Memo | None = None) -> Graph:
    """The graph of a spec. Raises `SpecError` with everything found wrong.

    `memo` keeps what expansions of one document with different params have in common.
    """
    builder = Builder(spec.trust, memo.operators if memo else None)
    place = spec.data.key_spans.get("params") or spec.data.span
    with within_budget(builder.problems, spec.work, span=place) as builder.work:
        return _expanded(spec, memo, builder)


def _expanded(spec: Spec, memo: Memo | None, builder: Builder) -> Graph:
    # Dangling references are told and expansion goes on around them, so that one run tells of wrong shapes too.
    if not (memo and memo.checked) and not check_references(spec.document, builder.problems):
        builder.problems.check()
    unread: list[Problem] = []
    if not (memo and memo.checked):
        if not builder.problems:  # what is misspelt, or not there, may be what would read it
            check_columns(spec, builder.problems)
        unread = unread_params(spec)
    if memo and not builder.problems:
        memo.checked = True
    start = input_node(spec, builder)
    paths = Paths(spec.document.paths, builder)
    try:
        if spec.document.graph is not None:
            kinds, notes, passed = {}, [], {}
            end = expand_flat(spec.document, spec.params, start, paths, builder)
        else:
            network = Staged(spec, builder, paths, memo)
            kinds, notes, passed, end = network.kinds, network.notes, network.passed, network.expand(start)
    except SpecError as error:
        builder.problems.extend(error.problems)
    builder.problems.check()
    headless = spec.document.until is not None
    outputs = output_nodes(spec.document.outputs, end, builder, passed, headless)
    check_drops(builder, outputs.values())
    builder.problems.check()
    return Graph(spec.name, builder.nodes.values(), outputs, spec.document.init, kinds, [*unread, *notes])
