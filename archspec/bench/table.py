"""A benchmark's result as tables for the terminal, their columns aligned from spec to spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from archspec.bench.result import OURS, Compile, Result, Row, Section
from archspec.bench.timing import describe
from archspec.report.columns import Column, arrange, wrapped
from archspec.report.numbers import count

if TYPE_CHECKING:
    from rich.table import Table

LABELS = ("step", "network", "layout")
HEADER = (
    *LABELS, "time", "±", "speed-up", "samples/s", "GFLOP/s", "ceiling", "compile", "peak", "predicted",
)  # fmt: skip
GAP = 2
"""Characters between columns."""


def tables(result: Result, width: int | None) -> Iterator[tuple[str, list[Table]]]:
    """For each spec a title, and its table, or several where one is wider than `width` characters (None: no end).

    Columns that hold nothing in any spec are left out.
    """
    bodies = [_body(section) for section in result.specs]
    cells = [row for body in bodies for group in body for row in group]
    columns = [
        Column(name, tuple(row[name] for row in cells)) for name in HEADER if any(row[name] for row in cells)
    ]  # fmt: skip
    parts = [
        {columns[i].name: size for i, size in part.items()} for part in arrange(columns, len(LABELS), width, GAP)
    ]  # fmt: skip
    for section, body in zip(result.specs, bodies, strict=True):
        shape = "x".join(map(str, section.input))
        rivals = dict.fromkeys(row.network for row in section.rows if row.network != OURS)
        by_hand = "".join(f"; by hand: {name}" for name in rivals)
        title = f"{section.name}: input {shape}, {section.params:,} parameters, {count(section.macs)} MACs{by_hand}"
        yield title, [_table(body, part) for part in parts]


def _table(body: Sequence[Sequence[Mapping[str, str]]], widths: Mapping[str, int]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for name, width in widths.items():
        table.add_column(name, justify="left" if name in LABELS else "right", width=width, no_wrap=True)
    for group in body:
        for row in group:
            table.add_row(*(Text(wrapped(row[name], width)) for name, width in widths.items()))
        table.add_section()
    return table


def _body(section: Section) -> list[list[dict[str, str]]]:
    """The cells of each row of each comparison, by column."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in section.rows:
        groups.setdefault((row.work, row.batch), []).append(row)
    return [
        [_cells(row, f"{work}, {batch}" if number == 0 else "", section) for number, row in enumerate(rows)]
        for (work, batch), rows in groups.items()
    ]


def _cells(row: Row, label: str, section: Section) -> dict[str, str]:
    name = OURS if row.network == OURS else "by hand"
    layouts = {2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}[len(section.input) - 1]
    cells = dict.fromkeys(HEADER, "")
    cells |= {"step": label, "network": f"{name} {row.mode}", "layout": layouts[row.layout == "channels_last"]}
    if row.failed is not None or row.seconds is None:
        return cells | {"time": "failed"}
    baseline = section.baseline == f"{row.network} {row.mode}"
    return cells | {
        "time": describe(row.seconds.median),
        "±": f"{row.seconds.half / row.seconds.median:.1%}" if len(row.rounds) > 1 else "",
        "samples/s": f"{row.samples_per_second:,.4g}",
        "GFLOP/s": f"{(row.flops_per_second or 0) / 1e9:,.4g}",
        "ceiling": f"{row.of_ceiling:.1%}",
        "speed-up": "baseline" if baseline else _ratio(row),
        "compile": _compile(row.compile),
        "peak": _bytes(row.peak),
        "predicted": _bytes(row.predicted),
    }


def _ratio(row: Row) -> str:
    if row.speedup is None:
        return ""
    return f"{row.speedup.median:.2f}" + (f" ±{row.speedup.half:.2f}" if len(row.rounds) > 1 else "")


def _compile(cost: Compile | None) -> str:
    return "" if cost is None else f"{cost.seconds:.1f} s ({cost.python:.0f}+{cost.children:.0f})"


def _bytes(size: int | None) -> str:
    if size is None:
        return ""
    power, unit = (20, "MiB") if size >= 2**20 else (10, "KiB")
    return f"{size / 2**power:,.1f} {unit}"


def failures(result: Result) -> list[str]:
    """One line for each row that failed."""
    return [
        f"failed: {section.name}, {row.work}, batch {row.batch}, {row.network} {row.mode}: {row.failed}"
        for section in result.specs
        for row in section.rows
        if row.failed is not None
    ]


def notes(result: Result) -> list[tuple[str, str]]:
    """What the figures mean and where they come from, as label and text."""
    machine, ceiling = result.machine, result.ceiling
    rows = [row for section in result.specs for row in section.rows if row.failed is None]
    cpu = machine.device.startswith("cpu")
    threads = f", {machine.threads} thread{'s' if machine.threads != 1 else ''}" if cpu else ""
    kept = {True: ", freed memory kept by the process", False: ", page faults of the default malloc counted"}
    autocast = " in inference; in training float32 parameters, under autocast" if result.autocast else ""
    told = [
        ("device", f"{machine.device}: {machine.name}{threads}, torch {machine.torch}"),
        ("numbers", result.dtype + autocast),
        (
            "ceiling",
            f"{ceiling.flops_per_second / 1e9:,.0f} GFLOP/s: the best product of square matrices here, of "
            f"{ceiling.size} rows, {ceiling.dtype}{' with TF32, as convolutions run' if ceiling.tf32 else ''}",
        ),
        ("time", f"median of {_rounds([len(row.rounds) for row in rows])} in which the rows take turns, ± half the "
                 f"distance of the quartiles{kept[machine.memory_kept] if cpu else ''}"),
        ("GFLOP/s", "two per multiply-accumulate of the spec; backward as two forwards, recomputing not counted"),
    ]  # fmt: skip
    if any(row.speedup for row in rows):
        bases = dict.fromkeys(section.baseline for section in result.specs)
        told.append(("speed-up", f"over {', '.join(bases)}: median of the ratios within a round, ± as above"))
    if any(row.compile for row in rows):
        cold = all(row.compile.cold for row in rows if row.compile)
        start = f"; {result.compiler_start:.1f} s to start the compiler are in none" if result.compiler_start else ""
        told.append(("compile", f"{'cold' if cold else 'with the caches as they were'}, wall seconds (CPU seconds of "
                                f"Python + compilers){start}"))  # fmt: skip
    told.append(("peak", "what a step allocates beyond weights, gradients and momentum"
                 + ("; predicted: from the graph" if any(row.predicted for row in rows) else "")))  # fmt: skip
    return told


def _rounds(numbers: Sequence[int]) -> str:
    if not numbers:
        return "no rounds"
    least, most = min(numbers), max(numbers)
    return f"{least} round{'s' if least != 1 else ''}" if least == most else f"{least} to {most} rounds"
