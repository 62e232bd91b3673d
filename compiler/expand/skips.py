"""Skips between blocks: explicit edges, and edges that rules make."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archspec.language.fields import place_of
from archspec.language.items import Path
from archspec.language.schema_shortcuts import Skip
from archspec.syntax import limits
from archspec.syntax.errors import Problem, Problems, suggest
from archspec.syntax.expressions import EvaluationError, Poisoned
from archspec.syntax.work import Exhausted, spend
from archspec.topologies import RuleError, Rules

STEM = "stem"
TOO_MANY = "the skips are too many"


@dataclass(frozen=True, slots=True)
class Edge:
    """A skip from the output of one block (or the stem, or a stage's `enter`) to another block."""

    source: str
    target: str
    path: Path
    join: str
    place: str
    skip: Skip

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What there is one of."""
        return self.source, self.target, self.join, self.place

    entering: bool = False
    """Whether it reads what enters a stage, whatever has joined the output that this is."""
    alone: bool = True
    """Whether no other skip joins the two blocks by the same name."""

    @property
    def name(self) -> str:
        """What its operators are called after: where it leads, and how it joins where that is not the usual way."""
        usual = (self.join, self.place) in (("add", "addition"), ("concat", "input")) and self.alone
        how = [] if usual else [self.place, *([self.join] if self.join != "add" else [])]
        return "_".join([self.source.replace(".", "_"), "to", self.target.replace(".", "_"), *how])


def skip_edges(
    skips: Sequence[Skip], stages: Sequence[Sequence[str]], entered: Collection[str], params: Mapping[str, Any],
    rules: Rules, problems: Problems, notes: list[Problem],
) -> list[Edge]:  # fmt: skip
    """The edges of a spec over its blocks' addresses by stage: those written, then those that rules add to them.

    `entered` are the addresses of the stages' `enter`, of those that have one (`stage2.enter`): skips may start there.
    Edges are a set, and rules may overlap: a search that draws one rule beside another, or overrides one skip of a rule
    by hand, would otherwise be at the mercy of chance. What is named first decides; `notes` say what was there already.
    """
    ends = _ends(stages)
    stages = [stage for stage in stages if stage]
    blocks = [address for stage in stages for address in stage]
    order: dict[str, float] = {STEM: -1.0, **{address: float(i) for i, address in enumerate(blocks)}}
    for stage in stages:
        if (enter := _enter_of(stage)) in entered:
            order[enter] = order[stage[0]] - 0.5
    edges: dict[tuple[str, str, str, str], Edge] = {}
    for skip in skips:
        _check_join(skip, problems)
        if skip.rule is None:
            edge = _written(skip, order, ends, problems)
            if edge is None:
                continue
            if edge.key in edges:
                message = f"the skip from {edge.source} to {edge.target} is given twice"
                problems.add(message, skip.span, hint="remove one")
            edges[edge.key] = edge
    for skip in skips:
        if skip.rule is None:
            continue
        made = _made(skip, _sequences(stages, skip.within, order), order, params, rules, problems)
        known = [edge for edge in made if edge.key in edges]
        if (known or not made) and len(notes) < limits.MAX_PROBLEMS:
            notes.append(_known_already(known, len(made), skip) if made else _none_made(skip))
        for edge in made:
            edges.setdefault(edge.key, edge)
    for (source, target, join, place), edge in edges.items():
        if (join, place) == ("concat", "input") and (source, target, "add", "addition") in edges:
            edges[edge.key] = replace(edge, alone=False)
    return sorted(edges.values(), key=lambda edge: (order[edge.target], order[edge.source]))


def _check_join(skip: Skip, problems: Problems) -> None:
    """Tells of fields that its join, or the place of it, has no use for."""
    if skip.at == "addition" and skip.join != "add":
        hint = "`at: input` or `at: output`"
        problems.add(f"a skip with `join: {skip.join}` cannot join an addition", skip.span, hint=hint)
    if skip.weights is not None and skip.place == "addition":
        hint = "they stand with the block's own addition (`add: {weights: ...}`); `weight` is one skip's own"
        problems.add("`weights` are those of an addition at `at: input` or `at: output`", skip.weights.span, hint=hint)
    elif skip.weights is not None and skip.join != "add":
        problems.add(f"a skip with `join: {skip.join}` has no `weights`", skip.weights.span, hint="`join: add` has")
    if "order" in skip.model_fields_set and skip.join != "concat":
        hint = "of a sum or a product it is all one"
        problems.add(f"a skip with `join: {skip.join}` has no `order`", skip.span, hint=hint)


def _none_made(skip: Skip) -> Problem:
    hint = "blocks may be too few for its fields, or `within: stage` leaves it too few"
    return Problem(f"the rule '{skip.rule}' makes no skip here", skip.span, hint=hint)


def _known_already(known: Sequence[Edge], made: int, skip: Skip) -> Problem:
    first = f"{known[0].source} -> {known[0].target}"
    which = f"as {first}" if len(known) > 1 else first
    message = f"the rule '{skip.rule}' adds {made - len(known)} of its {made} skips: "
    message += f"{len(known)} {'are' if len(known) > 1 else 'is'} there already ({which})"
    return Problem(
        message, skip.span, hint="whatever names a skip first decides on its path: edges, then rules in order"
    )


def _ends(stages: Sequence[Sequence[str]]) -> dict[str, str]:
    """The last block of each stage; of a stage without blocks, the one before it."""
    ends: dict[str, str] = {}
    last = STEM
    for number, stage in enumerate(stages, 1):
        last = stage[-1] if stage else last
        ends[f"stage{number}"] = last
    return ends


def _is_block(address: str) -> bool:
    return address != STEM and not address.endswith(".enter")


def _enter_of(stage: Sequence[str]) -> str:
    return f"{stage[0].partition('.')[0]}.enter"


def _written(skip: Skip, order: Mapping[str, float], ends: Mapping[str, str], problems: Problems) -> Edge | None:
    for field, expr in (skip.__pydantic_extra__ or {}).items():
        hint = suggest(field, ["from", "to", "path", "weight", "join", "at", "weights", "order", "rule", "within"])
        problems.add(f"a skip has no field '{field[:60]}'", expr.span, hint=hint)
    if skip.source is None or skip.to is None:
        hint = "as in {from: stage1.0, to: stage1.2}"
        problems.add("a skip needs `from` and `to`, or a `rule`", skip.span, hint=hint)
        return None
    source = ends.get(skip.source, skip.source)
    for address, role in ((source, "from"), (skip.to, "to")):
        if address not in order or (role == "to" and not _is_block(address)):
            known = [known for known in order if role == "from" or _is_block(known)]
            hint = suggest(address, known)
            if role == "to" and address in ends:
                hint = f"that is a stage: name one of its blocks, as in {address}.0"
            span = place_of(address) or skip.span
            problems.add(f"there is no block '{address[:60]}' to skip {role}", span, hint=hint)
            return None
    if order[source] >= order[skip.to]:
        hint = "a skip leads to a later block"
        problems.add(f"the skip from {source} to {skip.to} runs backwards", skip.span, hint=hint)
        return None
    return Edge(source, skip.to, skip.path, skip.join, skip.place, skip)


def _made(
    skip: Skip, sequences: Iterable[Sequence[str]], order: Mapping[str, float], params: Mapping[str, Any], rules: Rules,
    problems: Problems,
) -> list[Edge]:  # fmt: skip
    name = skip.rule or ""
    if name not in rules.functions:
        hint = suggest(name, rules.functions)
        problems.add(f"there is no rule '{name[:60]}'", place_of(name) or skip.span, hint=hint)
        return []
    if skip.source is not None or skip.to is not None:
        problems.add("a rule makes its own edges: leave out `from` and `to`", skip.span)
        return []
    own = rules.fields(name)
    for field, expr in (skip.__pydantic_extra__ or {}).items():
        if own is not None and field not in own:
            hint = suggest(field, [*own, "path", "join", "within"])
            problems.add(f"the rule '{name}' has no field '{field[:60]}'", expr.span, hint=hint)
            return []
    try:
        fields = {field: expr(params) for field, expr in (skip.__pydantic_extra__ or {}).items()}
    except EvaluationError as error:
        problems.extend([error.problem])
        return []
    except Poisoned:
        return []
    found: list[Edge] = []
    try:
        made: set[tuple[str, str]] = set()
        for points in sequences:
            spend(5 * len(points), TOO_MANY, skip.span)
            for source, target in rules.pairs(name, points, fields):
                spend(40, TOO_MANY, skip.span)
                if (source, target) in made:
                    raise RuleError(f"the rule '{name}' made the skip {source} -> {target} twice")
                made.add((source, target))
                if source not in order or target not in order or order[source] >= order[target]:
                    raise RuleError(f"the rule '{name}' made the impossible skip {source} -> {target}")
                entering = skip.within == "stage" and source == points[0]
                found.append(Edge(source, target, skip.path, skip.join, skip.place, skip, entering))
    except Exhausted as error:  # as the rule draws, which knows no place
        error.span = error.span or skip.span
        raise
    except RuleError as error:
        problems.add(str(error), skip.span)
        return []
    return found


def _sequences(stages: Sequence[Sequence[str]], within: str, known: Container[str]) -> list[list[str]]:
    """Points for a rule: the signal that enters, then the blocks; of the whole network or of each stage.

    What enters a stage has been through its `enter`, as at the start of a level's span.
    """
    if within == "network":
        return [[STEM, *(address for stage in stages for address in stage)]]
    before = [STEM, *(stage[-1] for stage in stages)]
    return [
        [enter if (enter := _enter_of(stage)) in known else end, *stage]
        for end, stage in zip(before, stages, strict=False)
    ]
