"""Tables on screens of any width: nothing of them is ever lost."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from archspec.report.columns import EDGE, Column, arrange, wrapped
from archspec.report.table import GAP, Table

FIGURES = st.one_of(st.just(""), st.integers(0, 10**12).map("{:,}".format), st.floats(0, 999).map("{:.3f} M".format))
WORDS = st.lists(st.text("abcé宽0123456789,[]×·", min_size=1, max_size=9), max_size=8).map(" ".join)
FIGURE = re.compile(r"(?<!\S)[\d,]+(?:\.\d{3} M)?(?!\S)")
NAMES = st.lists(st.text("abc123", min_size=1, max_size=12), min_size=1, max_size=4).map(".".join)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    count = draw(st.integers(1, 6))
    kinds = [NAMES, *(draw(st.sampled_from([FIGURES, WORDS])) for _ in range(count))]
    header = ("label", *(draw(st.sampled_from(["params", "MACs", "what it is", "layers"])) for _ in range(count)))
    rows = draw(st.lists(st.tuples(*kinds), min_size=1, max_size=4))
    total = draw(st.none() | st.tuples(*kinds))
    return Table(draw(st.sampled_from(["", "a title"])), header, tuple(rows), total)


def squeezed(text: str) -> Counter[str]:
    return Counter(re.sub(r"[\s─]", "", text))


@settings(max_examples=100)
@given(tables(), st.integers(0, 130) | st.none())
def test_every_character_of_a_table_is_printed(table: Table, width: int | None) -> None:
    """Whatever stands in the cells is in the output, labels and header once for each part, and figures in one piece."""
    text = table.text(width)
    cells = [cell for line in table.lines for cell in line]
    assert squeezed(text) >= squeezed(table.title + "".join(table.header) + "".join(cells))
    found = Counter(FIGURE.findall(text))
    figures = [cell for line in table.lines for cell in line[1:] if FIGURE.fullmatch(cell)]
    for cell, number in Counter(figures).items():
        assert found[cell] >= number, (cell, text)


@settings(max_examples=100)
@given(tables(), st.integers(0, 130), st.integers(1, 3))
def test_widths_are_kept_where_they_can_be(table: Table, room: int, labels: int) -> None:
    """Every column stands in one part; a part of several columns fits the screen; no text is wider than its column."""
    labels = min(labels, len(table.header) - 1)
    columns = [Column(name, tuple(row[i] for row in table.rows)) for i, name in enumerate(table.header)]
    parts = arrange(columns, labels, room, GAP)
    labels = len(set(range(labels)).intersection(*parts)) or 1
    assert [i for part in parts for i in part if i >= labels] == [*range(labels, len(columns))]
    for part in parts:
        assert list(part)[:labels] == [*range(labels)]
        if len(part) > labels + 1:
            assert sum(part.values()) + GAP * (len(part) - 1) + 2 * EDGE <= room
        for i, width in part.items():
            for text in columns[i].cells:
                pieces = wrapped(text, width).split("\n")
                assert all(cell_len(piece) <= width for piece in pieces)
                assert "".join(pieces).replace(" ", "") == text.replace(" ", "")
                assert i < labels or not FIGURE.fullmatch(text) or len(pieces) == 1
    assert [*arrange(columns, labels, None, GAP)[0].values()] == [column.natural for column in columns]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("3×3 conv, 64, /2", 8, ["3×3", "conv,", "64, /2"]),
        ("stage1.0.shortcut.pad_channels", 16, ["stage1.0.", "shortcut.pad_", "channels"]),
        ("118,013,952", 4, ["118,013,952"]),
        ("1.5", 2, ["1.", "5"]),
        ("", 0, [""]),
    ],
)
def test_where_texts_break(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width).split("\n") == lines


def test_what_is_written_like_markup_is_a_text() -> None:
    table = Table("[bold]t[/bold]", ("name", "[red]"), (("[b]x[/b]", "[link=x]y"),))
    for part in ("[bold]t[/bold]", "[red]", "[b]x[/b]", "[link=x]y"):
        assert part in table.text()
