"""Every table of the command line at every width: the numbers of its --json are in it, whole."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from archspec.bench.result import Ceiling, Compile, Machine, Result, Row, Section
from archspec.bench.spread import Spread
from archspec.bench.timing import describe
from archspec.cli import inspect, main
from archspec.report.numbers import count, exact

WIDTHS = (40, 60, 80, 120)
_TOKEN = re.compile(r"(?<![\w.,×])\d(?:[\d.,x×]*\d)?(?:e[+-]\d+)?(?![\w×])(?: (?:[kMGT](?:iB)?|ms|us|s)\b)?")
"""A number that nothing cuts on either side, with its unit."""


def output(*arguments: str, width: int | None = None) -> str:
    result = CliRunner().invoke(
        main, arguments, env={"COLUMNS": None if width is None else str(width)}, catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result.stdout


def tokens(text: str) -> Counter[str]:
    """The numbers of a text, with their units."""
    return Counter(_TOKEN.findall(text))


def shape(sizes: list[int]) -> str:
    return "x".join(map(str, sizes))


def of_summary(data: dict[str, Any]) -> Iterator[str]:
    for row in data["stages"]:
        yield f"{row['params']:,}"
        yield count(row["macs"])
        yield from [str(row["blocks"])] * bool(row["blocks"])
        yield from map(shape, [row["output"]] if row["output"] else [])
    yield from (f"{data['params']:,}", f"{data['params']:,}", count(data["macs"]), f"{data['macs']:,}")
    yield from (str(data["layers"]), str(data["weight_layers"]), str(data["blocks"]), f"{data['operators']:,}")
    yield from map(shape, [data["input"], *data["outputs"].values()])


def of_operators(data: dict[str, Any]) -> Iterator[str]:
    for node in data["nodes"]:
        yield shape(node["shape"])
        yield from [f"{node['params']:,}"] * bool(node["params"])
        yield from [count(node["macs"])] * bool(node["macs"])


def of_zoo(data: list[dict[str, Any]]) -> Iterator[str]:
    for row in data:
        yield from (str(row["layers"]), f"{row['params'] / 1e6:.2f} M", f"{row['macs'] / 1e9:.2f} G")
        yield from [row["arxiv"]] * bool(row["arxiv"])
        yield from map(str, row["error"].values())


def of_analysis(data: dict[str, Any]) -> Iterator[str]:
    for part in data["parts"]:
        yield from (f"{part['params']:,}", count(part["macs"]))
        yield from (str(part[name]) for name in ("weights", "norms", "activations"))
    yield from (exact(data["paths"]), str(data["levels"]), shape(data["receptive_field"]))


def of_build(data: dict[str, Any]) -> Iterator[str]:
    yield from of_summary(data["summary"])
    yield str(data["run"]["signatures"])


CASES: dict[str, tuple[tuple[str, ...], Callable[[Any], Iterator[str]]]] = {
    "summary": (("summary", "resnext50_32x4d"), of_summary),
    "summary of levels": (("summary", "ror3_110", "--set", "depth=32"), of_summary),
    "summary in 3-D": (("summary", "iresnet3d50"), of_summary),
    "operators": (("summary", "resnet50", "--depth", "op"), of_operators),
    "operators with long names": (("summary", "ror3_110", "--set", "depth=20", "--depth", "op"), of_operators),
    "operators in 3-D": (("summary", "iresnet3d50", "--depth", "op"), of_operators),
    "list": (("list", "50"), of_zoo),
    "list of long names": (("list", "cifar_resnet110"), of_zoo),
    "analyze": (("analyze", "ror3_110", "--set", "depth=32"), of_analysis),
    "analyze in 3-D": (("analyze", "iresnet3d50"), of_analysis),
}


@pytest.mark.parametrize("name", CASES)
def test_no_number_is_cut(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "_zoo_row", cache(inspect._zoo_row))
    arguments, expected = CASES[name]
    wanted = Counter(expected(json.loads(output(*arguments, "--json"))))
    assert len(wanted) > 10
    assert not wanted - tokens(output(*arguments))
    for width in WIDTHS:
        assert not wanted - tokens(output(*arguments, width=width)), width


@pytest.mark.parametrize("name", CASES)
def test_no_line_of_a_table_is_wider_than_the_screen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "_zoo_row", cache(inspect._zoo_row))
    for width in WIDTHS:
        table = re.split(r"\n(?=\S)", output(*CASES[name][0], width=width), maxsplit=1)[0]
        assert max(map(len, table.splitlines())) <= width


def test_a_file_is_as_wide_as_its_lines() -> None:
    lines = output("summary", "iresnet3d50", "--depth", "op").splitlines()
    graph = json.loads(output("summary", "iresnet3d50", "--depth", "op", "--json"))
    assert len(lines) == 5 + len(graph["nodes"])


def test_the_zoo_has_its_errors_at_every_width() -> None:
    for width in WIDTHS:
        text = output("list", "cifar_resnet110", width=width)
        assert "error" in text
        assert "cifar10 " in text


def test_build_at_every_width(tmp_path: Path) -> None:
    arguments = ("build", "cifar_resnet20", "--device", "meta", "--out", str(tmp_path))
    wanted = Counter(of_build(json.loads(output(*arguments, "--json"))))
    for width in WIDTHS:
        assert not wanted - tokens(output(*arguments, width=width)), width


def test_the_table_of_the_papers_is_whole_at_every_width() -> None:
    wide = output("table", "resnet50", "iresnet3d50")
    assert {output("table", "resnet50", "iresnet3d50", width=width) for width in WIDTHS} == {wide}
    data = json.loads(output("summary", "resnet50", "--json"))
    assert not Counter([count(data["params"]), count(data["macs"])]) - tokens(wide)


def made() -> Result:
    """A benchmark of two specs that nobody ran, with the widest figures there are."""
    rows = []
    for work in ("inference", "training"):
        for batch, mode in ((1, "eager"), (512, "regional"), (512, "whole")):
            seconds, more = 123.456e-3 / batch, batch > 1
            rows.append(Row(
                "archspec", mode, "channels_last" if more else "contiguous", work, batch, None,
                (seconds, seconds * 1.1), 3, Spread(seconds, seconds * 0.97, seconds * 1.03),
                Spread(1.2345, 1.1, 1.3) if more else None, 123456.7, 1.23456e15, 0.98765,
                Compile(1234.56, 987.6, 246.8, True) if more else None, 123456789012, 234567890123, 3, 7, None,
            ))  # fmt: skip
    rows.append(Row("hand.py:Net", "eager", "contiguous", "training", 512, "out of memory"))
    sections = tuple(
        Section(name, (3, *sizes), 29895108, 29895108096, "archspec eager", tuple(rows))
        for name, sizes in (("one", (224, 224)), ("two", (16, 112, 112)))
    )  # fmt: skip
    machine = Machine("cpu", "a processor", 16, "2.8.0", "3.12.0", True)
    return Result("0", machine, "float32", False, Ceiling(1e12, 4096, "float32", False), 12.3, sections)


def of_bench(data: dict[str, Any]) -> Iterator[str]:
    for section in data["specs"]:
        yield from (shape(section["input"]), f"{section['params']:,}", count(section["macs"]))
        for row in section["rows"]:
            if row["failed"] is not None:
                continue
            yield describe(row["seconds"]["median"])
            yield f"{row['samples_per_second']:,.4g}"
            yield f"{row['flops_per_second'] / 1e9:,.4g}"
            yield f"{row['of_ceiling'] * 100:.1f}"
            yield from (f"{row[name] / 2**20:,.1f} MiB" for name in ("peak", "predicted"))
            yield from [f"{row['compile']['seconds']:.1f} s"] if row["compile"] else []
            yield from [f"{row['speedup']['median']:.2f}"] if row["speedup"] else []


def test_a_benchmark_at_every_width(monkeypatch: pytest.MonkeyPatch) -> None:
    from archspec.bench import run

    monkeypatch.setattr(run, "bench", lambda *_, **__: made())
    command = CliRunner()
    arguments = ["bench", "cifar_resnet20", "--device", "cpu"]
    wanted = Counter(of_bench(json.loads(command.invoke(main, [*arguments, "--json"]).stdout)))
    assert len(wanted) > 10
    for width in (None, *WIDTHS):
        result = command.invoke(main, arguments, env={"COLUMNS": None if width is None else str(width)})
        assert result.exit_code == 1  # one row failed
        assert not wanted - tokens(result.stdout), (width, wanted - tokens(result.stdout), result.stdout)
        tables = [line for line in result.stdout.splitlines() if line.startswith(" ")]
        assert width is None or max(map(len, tables)) <= width
