"""Rules against lists made by hand, in Python and in YAML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

import archspec
from archspec.topologies import STANDARD, RuleError, edge, rule

NINE = ["stem", *(f"stage{stage}.{block}" for stage in (1, 2, 3) for block in range(3))]


def numbers(name: str, points: Sequence[str] = NINE, **fields: object) -> list[tuple[int, int]]:
    """A rule's pairs by the places of their ends."""
    return [(points.index(source), points.index(target)) for source, target in STANDARD.pairs(name, points, fields)]


def test_every() -> None:
    assert numbers("every", step=4) == [(0, 4), (4, 8)]
    assert numbers("every", step=3) == [(0, 3), (3, 6), (6, 9)]


def test_dense() -> None:
    assert numbers("dense", NINE[:4]) == [(0, 2), (0, 3), (1, 3)]
    assert len(numbers("dense")) == 9 * 10 // 2 - 9
    assert numbers("dense", NINE[:4], shortest=1) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert numbers("dense", NINE[:4], shortest=3) == [(0, 3)]


def test_log_dense() -> None:
    assert numbers("log_dense", NINE[:6]) == [(0, 2), (1, 3), (2, 4), (0, 4), (3, 5), (1, 5)]
    assert numbers("log_dense", base=3) == [(0, 3), (1, 4), (2, 5), (3, 6), (4, 7), (5, 8), (6, 9), (0, 9)]


def test_fractal() -> None:
    assert numbers("fractal") == [(0, 2), (2, 4), (4, 6), (6, 8), (0, 4), (4, 8), (0, 8)]
    assert numbers("fractal", base=3) == [(0, 3), (3, 6), (6, 9), (0, 9)]


def test_ror() -> None:
    assert numbers("ror", m=1) == []
    assert numbers("ror", m=2) == [(0, 9)]
    assert numbers("ror", m=3) == [(0, 9), (0, 3), (3, 6), (6, 9)]
    assert numbers("ror", m=4) == [(0, 9), (0, 3), (3, 6), (6, 9), (0, 2), (3, 5), (6, 8)]


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_ror_as_a_rule_is_what_levels_are(m: int) -> None:
    base = archspec.load("cifar_resnet56")
    levels = archspec.expand(base.with_levels(m, path="C"))
    skips = archspec.expand(base.with_skips([rule("ror", m=m, path="C")]))
    assert archspec.signature(levels) == archspec.signature(skips)


def test_cross_stage() -> None:
    assert numbers("cross_stage", spans=[[0, 3], [1, 2]]) == [(0, 9), (3, 6)]
    drawn = numbers("cross_stage", count=5, seed=3)
    assert drawn == [(0, 9), (2, 8), (1, 9), (3, 6), (3, 7)]
    assert len(set(numbers("cross_stage", count=33))) == 33
    stage = [0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    everything = {(i, j) for i in range(10) for j in range(i + 2, 10) if stage[i] != stage[j]}
    assert set(numbers("cross_stage", count=len(everything))) == everything


def test_random_takes_one_draw_per_pair() -> None:
    assert numbers("random", probability=1) == numbers("dense")
    assert numbers("random", probability=0) == []
    few, many = (set(numbers("random", probability=p, seed=5)) for p in (0.2, 0.5))
    assert few < many
    assert numbers("random", probability=0.1, seed=1) == [(1, 3), (1, 4), (1, 8), (2, 8), (2, 9), (4, 6), (7, 9)]


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("every", {"step": 1}, "step must be a whole number of at least 2"),
        ("log_dense", {"base": 1.5}, "base must be"),
        ("fractal", {"base": True}, "base must be"),
        ("ror", {"m": 9}, "the largest number of levels here is 4"),
        ("cross_stage", {}, "either `count` or `spans`"),
        ("cross_stage", {"count": 34}, "fewer than 34"),
        ("cross_stage", {"spans": [[2, 1]]}, "to a later one of 3"),
        ("cross_stage", {"spans": [1]}, "list of pairs"),
        ("random", {"probability": 2}, "between 0 and 1"),
        ("every", {"stop": 1}, "it has step"),
    ],
)
def test_fields_a_rule_cannot_take(name: str, fields: dict[str, object], message: str) -> None:
    with pytest.raises(RuleError, match=message):
        list(STANDARD.pairs(name, NINE, fields))


@pytest.mark.parametrize(
    "entry",
    [
        rule("every", step=3), rule("dense", within="stage"), rule("log_dense", within="stage", base=3),
        rule("fractal"), rule("ror", m=3), rule("cross_stage", count=4, seed=2),
        rule("cross_stage", spans=[[0, 3]]), rule("random", probability=0.1, seed=7), edge("stem", "stage1.2"),
    ],
    ids=lambda entry: entry.get("rule", "edge"),
)  # fmt: skip
def test_each_rule_in_yaml_is_the_rule_in_python(entry: dict[str, object]) -> None:
    base = archspec.load("cifar_resnet20")
    python = base.with_skips([{**entry, "path": "B"}])
    yaml = archspec.loads(python.to_yaml())
    graph = archspec.expand(yaml)
    assert graph == archspec.expand(python)
    assert archspec.signature(graph) != archspec.signature(archspec.expand(base))


def test_rules_of_ones_own() -> None:
    def ends(points: Sequence[str], reach: int) -> Iterator[tuple[str, str]]:
        yield points[0], points[reach]

    rules = STANDARD.with_rule("ends", ends)
    assert "ends" not in STANDARD.functions
    spec = archspec.load("cifar_resnet20", rules=rules).with_skips([rule("ends", reach=5, path="B")])
    assert archspec.signature(archspec.expand(spec)) == archspec.signature(
        archspec.expand(spec.with_skips([edge("stem", "stage2.1", path="B")]))
    )


def test_every_rule_says_what_it_does() -> None:
    for function in STANDARD.functions.values():
        assert len((function.__doc__ or "").split()) > 8
