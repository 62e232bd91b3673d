"""The command that measures networks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archspec import api
from archspec.cli.shared import console, echo, existing, load, problems, screen_width, working
from archspec.syntax.escape import terminal

if TYPE_CHECKING:
    from archspec.bench.result import Result
    from archspec.bench.rival import Rival
    from archspec.bench.subject import Settings
    from archspec.compiler.lower.running import Mode
    from archspec.execution.network import Checkpoint
    from archspec.graph import Graph

MODES = ("eager", "regional", "whole")


def _modes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    modes = tuple(dict.fromkeys(mode.strip() for mode in value.split(",")))
    for mode in modes:
        if mode not in MODES:
            raise click.BadParameter(f"{mode!r} is none of {', '.join(MODES)}", ctx, param)
    return modes


def _batches(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        batches = tuple(dict.fromkeys(int(number) for number in value.split(",")))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of numbers, as in 1,32", ctx, param) from None
    if min(batches) < 1:
        raise click.BadParameter("a batch has one sample at least", ctx, param)
    return batches


def _checkpoint(ctx: click.Context, param: click.Parameter, value: str | None) -> Checkpoint | None:
    if value is None or value == "auto":
        return "auto" if value else None
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter("it is auto, or a number of blocks", ctx, param)
    return int(value)


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option(
    "--against",
    multiple=True,
    metavar="FILE.py:CLASS",
    help="The same network written by hand, made without arguments; once for each SPEC. Runs the file.",
)
@click.option(
    "--mode", "modes", default="eager,regional,whole", show_default=True, callback=_modes, help="Of archspec.compile."
)
@click.option("--train", is_flag=True, help="A training step too: forward, loss, backward, SGD.")
@click.option("--batch", "batches", default="1", show_default=True, metavar="N[,N...]", callback=_batches)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16", "float64"]),
    default="float32",
    show_default=True,
    help="Inference casts the weights; training in half precision keeps them in float32 and uses autocast.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1; auto takes CUDA if there.")
@click.option(
    "--channels-last/--contiguous",
    default=None,
    help="One layout for all. By default compiled rows are channels-last, eager ones contiguous.",
)
@click.option("--checkpoint", metavar="auto|K", callback=_checkpoint, help="Recompute in training, archspec's rows.")
@click.option("--seconds", type=click.FloatRange(0), default=5.0, show_default=True, help="To measure each row for.")
@click.option("--repeat", type=click.IntRange(1), help="Rounds, instead of as many as fit in --seconds (5 at least).")
@click.option("--warm-cache", is_flag=True, help="Compile with torch's caches as they are, instead of empty ones.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Give a param of every SPEC another value.")
@click.option("--trust", is_flag=True, help="Let the specs' `module:` name any Python class.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every round's seconds, instead of tables.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the JSON into this file too.")
def bench(
    specs: tuple[str, ...], against: tuple[str, ...], modes: tuple[Mode, ...], train: bool, batches: tuple[int, ...],
    dtype: str, device: str, channels_last: bool | None, checkpoint: Checkpoint | None, seconds: float,
    repeat: int | None, warm_cache: bool, settings: tuple[str, ...], trust: bool, as_json: bool, out: Path | None,
) -> None:  # fmt: skip
    """Measure networks: time, rate, compile time and memory, by mode and against the same written by hand.

    Rows of one spec, step and batch size take turns in one process, and ratios are of times in the same round.
    Compile times are with empty caches. Status 1 if any row fails; the others are measured all the same.
    """
    if against and len(against) != len(specs):
        raise click.UsageError(f"--against is given once for each SPEC: {len(against)} of them, {len(specs)} specs")
    if checkpoint is not None and not train:
        raise click.UsageError("--checkpoint is of training: add --train")
    with problems():
        graphs = [api.expand(load(existing(None, None, spec), settings, trust)) for spec in specs]
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler, which counts memory, tells when it starts
    with working("loading torch"):
        from archspec.bench.process import keep_memory
        from archspec.bench.subject import Settings
        from archspec.bench.table import failures
        from archspec.execution.device import DTYPES, pick_device
    try:
        target = pick_device(device)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if target.type == "meta":
        raise click.UsageError("nothing runs on the meta device")
    chosen = Settings(
        modes, train, batches, DTYPES[dtype], checkpoint, channels_last, repeat, seconds, warm_cache
    )  # fmt: skip
    result = _measured(
        graphs, against, device=str(target), settings=chosen, kept=target.type == "cpu" and keep_memory()
    )
    text = json.dumps(result.to_dict())
    if as_json:
        echo(text)
    else:
        _show(result)
    for line in failures(result):
        echo(line, err=True)
    if out is not None:
        try:
            out.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise click.UsageError(str(error)) from None
    if result.failed:
        raise SystemExit(1)


def _measured(
    graphs: list[Graph], against: tuple[str, ...], *, device: str, settings: Settings, kept: bool
) -> Result:  # fmt: skip
    import torch

    from archspec.bench.rival import RivalError, load_rival, told
    from archspec.bench.run import bench as run

    try:
        rivals: list[Rival] = [load_rival(reference) for reference in against]
        with _progress() as tell:
            return run(graphs, rivals, torch.device(device), settings, memory_kept=kept, tell=tell)
    except RivalError as error:
        raise click.UsageError(str(error)) from None
    except (RuntimeError, NotImplementedError) as error:
        echo(f"bench: {told(error)}", err=True)
        raise SystemExit(1) from None


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], object]]:
    """A bar on a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True, refresh_per_second=2) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(
            task, description=terminal(what), completed=done, total=total or None
        )


def _show(result: Result) -> None:
    from archspec.bench.table import GAP, notes, tables
    from archspec.report.table import needed

    for title, parts in tables(result, screen_width()):
        echo(title)
        for table in parts:
            console(width=needed(table, GAP)).print(table)
    for label, text in notes(result):
        echo(f"{label:<10} {text}")
