"""The options of `summary --train`: what a training step takes, with or without recomputing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from archspec.report.numbers import ITEM_BYTES, size_of

if TYPE_CHECKING:
    from archspec.graph import Graph


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else size_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _checkpoint(ctx: click.Context, param: click.Parameter, value: str | None) -> str | int | None:
    if value is None or value == "auto":
        return value
    if not value.isdecimal() or len(value) > 9 or not int(value):
        raise click.BadParameter(f"{value!r} is neither auto nor a number of blocks", ctx, param)
    return int(value)


def training_options(command: Any) -> Any:
    """The options, which come to the command as `training` if --train is given, and as None if not."""
    options = (
        click.option("--train", is_flag=True, help="Predict the memory of a training step as well."),
        click.option("--batch", type=click.IntRange(1), help="Samples in the step; 1 by default."),
        click.option("--dtype", type=click.Choice(list(ITEM_BYTES)), help="Its numbers; float32 by default."),
        click.option(
            "--checkpoint", callback=_checkpoint, metavar="auto|K",
            help="Recompute in backward: K blocks at a time, or what suits best.",
        ),
        click.option(
            "--budget", callback=_size, metavar="SIZE", help="For --checkpoint auto: bytes of activations, as 2GiB."
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class Training:
    """What is asked about training."""

    batch: int
    dtype: str
    checkpoint: str | int | None
    budget: int | None

    def of(self, graph: Graph) -> Prediction:
        """The answer. Bad usage if the budget cannot be met."""
        from archspec.compiler.analysis.checkpoints import auto
        from archspec.compiler.analysis.segments import every
        from archspec.compiler.analysis.training import training_memory
        from archspec.compiler.analysis.training_text import training_data, training_lines

        size = ITEM_BYTES[self.dtype]
        segments = None
        if isinstance(self.checkpoint, int):
            segments = every(graph, self.checkpoint)
        elif self.checkpoint:
            try:
                segments = auto(graph, batch=self.batch, item_bytes=size, budget=self.budget)
            except ValueError as error:
                raise click.UsageError(str(error)) from None
        memory = training_memory(graph, batch=self.batch, item_bytes=size, segments=segments)
        told = graph, memory, self.dtype, segments
        return Prediction(training_lines(*told), training_data(*told))


@dataclass(frozen=True)
class Prediction:
    """The memory of a step, in words and as data."""

    lines: list[tuple[str, str]]
    data: dict[str, Any]


def asked(
    train: bool, batch: int | None, dtype: str | None, checkpoint: str | int | None, budget: int | None
) -> Training | None:
    """The options as given. Raises `UsageError` where they do not go together."""
    given = {"--batch": batch, "--dtype": dtype, "--checkpoint": checkpoint, "--budget": budget}
    alone = [name for name, value in given.items() if value is not None]
    if not train:
        if alone:
            raise click.UsageError(f"{alone[0]} is about training: add --train")
        return None
    if budget is not None and checkpoint != "auto":
        raise click.UsageError("--budget is met by recomputing: add --checkpoint auto")
    return Training(batch or 1, dtype or "float32", checkpoint, budget)
