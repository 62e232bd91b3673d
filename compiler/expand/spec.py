"""Expansion: a spec in staged or in flat form becomes one graph of operators."""

from __future__ import annotations

from archspec.compiler.expand.builder import Builder
from archspec.compiler.expand.dilation import dilate
from archspec.compiler.expand.drop_path import check_drops
from archspec.compiler.expand.flat import expand_flat
from archspec.compiler.expand.following import expand_following
from archspec.compiler.expand.inner import InnerBlocks
from archspec.compiler.expand.input import input_node
from archspec.compiler.expand.memo import Memo
from archspec.compiler.expand.options import check_options, idle_levels
from archspec.compiler.expand.outputs import output_nodes
from archspec.compiler.expand.paths import Paths
from archspec.compiler.expand.references import check_references
from archspec.compiler.expand.stages import Staged
from archspec.compiler.expand.unread import check_columns, unread_definitions, unread_params
from archspec.graph import Graph
from archspec.language.spec import Spec
from archspec.syntax.errors import Problem, SpecError, within_budget


def expand(spec: Spec, memo: Memo | None = None) -> Graph:
    """The graph of a spec. Raises `SpecError` with everything found wrong.

    `memo` keeps what expansions of one document with different params have in common.
    """
    builder = Builder(spec.trust, memo.operators if memo else None, spec.document)
    place = spec.data.key_spans.get("params") or spec.data.span
    with within_budget(builder.problems, spec.work, span=place) as builder.work:
        return _expanded(spec, memo, builder)


def _expanded(spec: Spec, memo: Memo | None, builder: Builder) -> Graph:
    # Dangling references are told and expansion goes on around them, so that one run tells of wrong shapes too.
    checked = memo is not None and memo.checked  # of this document, with other params
    if not checked and not check_references(spec, builder.problems):
        builder.problems.check()
    builder.idle = memo.idle if memo else builder.idle
    dangling = bool(builder.problems)  # what is misspelt, or not there, may be what would read a column
    idle: list[Problem] = []
    if not checked:
        check_options(spec, builder.problems)
        idle += [*unread_params(spec), *unread_definitions(spec)]
    document = spec.document
    heads: dict[str, str] = {}
    follows = document.until is None and document.stages is not None and bool(document.graph or document.heads)
    start = input_node(spec, builder)
    paths = Paths(document.paths, builder, InnerBlocks(document.blocks))
    try:
        if document.graph is not None and document.stages is None:
            kinds, notes, passed = {}, [], {}
            end = expand_flat(spec, start, paths, builder)
        else:
            network = Staged(spec, builder, paths, memo)
            end, kinds, notes = network.expand(start), network.kinds, network.notes
            passed = network.passed if document.until is not None else {"head": end, **network.passed}
            if follows and not builder.problems:
                end, heads = expand_following(spec, end, passed, paths, builder)
    except SpecError as error:
        builder.problems.extend(error.problems)
    if not checked and not dangling:
        check_columns(spec, builder.problems)
    builder.problems.check()
    if not checked:
        idle += [*idle_levels(spec), *builder.idle.tell(builder.problems)]
    if memo and not builder.problems:
        memo.checked = True
    outputs = output_nodes(document.outputs, end, builder, passed, heads, follows)
    check_drops(builder, outputs.values())
    if document.output_stride is not None and not builder.problems:
        dilate(builder, document.output_stride, spec.params)
    builder.problems.check()
    return Graph(spec.name, builder.nodes.values(), outputs, document.init, kinds, [*idle, *notes])
