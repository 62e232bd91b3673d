"""The commands for comparing and inventing topologies: analyze, probe, diff, sweep."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archspec import api
from archspec.cli.shared import (
    TRUST,
    console,
    echo,
    existing,
    given,
    load,
    print_table,
    problems,
    spec_options,
    with_values,
    working,
)

if TYPE_CHECKING:
    from archspec.graph import Graph
    from archspec.language.spec import Spec


@contextmanager
def _long_numbers() -> Iterator[None]:
    """Lets whole numbers of any length be printed: a count of paths may have thousands of digits."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


@click.command()
@spec_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON: every length, every cut, the main path.")
def analyze(spec: str, settings: tuple[str, ...], trust: bool, as_json: bool) -> None:
    """Tell what a network's wiring says: paths, the main path, levels, memory. Exact, without torch."""
    with problems():
        graph = api.expand(given(spec, settings, trust))
    analysis = api.analyze(graph)
    if as_json:
        with _long_numbers():
            echo(json.dumps(analysis.to_dict(), indent=1))
        return
    print_table(analysis.table())
    for label, text in analysis.lines():
        echo(f"{label:<12} {text}")


@click.command()
@click.argument("space", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--n", "count", type=click.IntRange(1), default=1000, show_default=True, help="Distinct networks to find."
)
@click.option("--where", multiple=True, metavar="CONDITION", help='As in "params <= 2M"; may be given again.')
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of results.")
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--no-specs", is_flag=True, help="Leave out the YAML of each network.")
@click.option("--plot/--no-plot", default=None, help="Scatter plot; by default where matplotlib is installed.")
@click.option("--trust", is_flag=True, help="Let the base's `module:` name any Python class.")
def sweep(
    space: Path, count: int, where: tuple[str, ...], out: Path, seed: int, jobs: int, no_specs: bool, plot: bool | None,
    trust: bool,
) -> None:  # fmt: skip
    """Find distinct networks of a space and write their figures and specs, resumably.

    OUT gets results.jsonl, specs/*.yaml and scatter.svg. After a kill the same command goes on where it was.
    What is not as it was written is kept under OUT/aside, and found again.
    """
    from archspec.research import SpaceError, load_space
    from archspec.research import sweep as run
    from archspec.research.plots import plotting_available, scatter

    with problems():
        try:
            loaded = load_space(space, where=where, trust=trust)
            with _progress(count) as progress:
                done = run(loaded, count, out, seed=seed, jobs=jobs, specs=not no_specs, progress=progress)
            echo(
                f"{done.found:,} networks in {done.draws:,} draws, {done.resumed:,} of them found before; "
                f"{', '.join(f'{number:,} {why}' for why, number in done.rejected.items()) or 'none'} rejected"
            )
            for note in done.notes:
                echo(f"note: {note}", err=True)
            if plot or (plot is None and plotting_available()):
                scatter(out, out / "scatter.svg")
            written = [path.name for path in sorted(out.iterdir()) if not path.name.startswith(".")]
            echo(f"wrote {out}/: {', '.join(written)}")
        except (SpaceError, OSError) as error:
            echo(f"sweep: {error}", err=True)
            raise SystemExit(1) from None


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal: networks found, and draws made for them."""
    if not sys.stderr.isatty():
        yield lambda found, draws: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("networks"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[draws]:,} draws"),
    )
    with Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task("sweep", total=total, draws=0)
        yield lambda found, draws: bar.update(task, completed=found, draws=draws)


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("probe.svg"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and plot only where --out is given.")
@click.option("--batch", type=click.IntRange(2), default=8, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--size", metavar="N", type=click.IntRange(8), help="Another input size, N x N.")
@click.option("--trust", is_flag=True, help="Let the specs' `module:` name any Python class.")
@click.pass_context
def probe(
    ctx: click.Context, specs: tuple[str, ...], out: Path, as_json: bool, batch: int, seed: int, device: str,
    size: int | None, trust: bool,
) -> None:  # fmt: skip
    """Follow signals and gradients through freshly initialised networks, block by block."""
    with problems():
        loaded = [load(existing(None, None, spec), (), trust) for spec in specs]
        with working("loading torch"):
            from archspec.research.plots import PlotError
            from archspec.research.propagation_plot import plot_probes
        probes = []
        for spec in loaded:
            with working(f"probing {spec.name}"):
                try:
                    shape = (size,) * len(api.expand(spec).input.shape[1:]) if size else None
                    probes.append(api.probe(spec, batch=batch, seed=seed, device=device, size=shape))
                except (ValueError, RuntimeError) as error:
                    echo(f"probe: {spec.name}: {str(error).splitlines()[0]}", err=True)
                    raise SystemExit(1) from None
            if not as_json:
                echo(str(probes[-1]))
    if as_json:
        echo(json.dumps([each.to_dict() for each in probes]))
    given = ctx.get_parameter_source("out") == click.core.ParameterSource.COMMANDLINE
    if as_json and not given:
        return
    try:
        plot_probes(probes, out)
    except PlotError as error:
        echo(f"probe: {error}", err=True)
        raise SystemExit(1 if given else 0) from None
    echo(f"wrote {out}", err=as_json)


@click.command()
@click.argument("one", callback=with_values)
@click.argument("other", callback=with_values)
@click.option("--trust", is_flag=True, help=TRUST)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--figure", type=click.Path(dir_okay=False, path_type=Path), help="Draw both side by side into this file."
)
def diff(
    one: tuple[str, tuple[str, ...]], other: tuple[str, tuple[str, ...]], trust: bool, as_json: bool,
    figure: Path | None,
) -> None:  # fmt: skip
    """Tell what changed from one spec to another: in the language, in the blocks, in the wiring, in figures.

    Blocks are aligned by what they compute: one put in between shifts none of the others. Values may stand with a
    spec: archspec diff iresnet50 "iresnet50 released=true".
    """

    with problems():
        specs = [given(reference, settings, trust) for reference, settings in (one, other)]
        found = api.diff(*specs)
    before, after = (" ".join((spec.name, *side[1])) for spec, side in zip(specs, (one, other), strict=True))
    found = replace(found, names=(before, after))
    if as_json:
        echo(json.dumps(found.to_dict(), indent=1))
    else:
        echo(str(found))
    if figure is not None:
        _side_by_side(specs, figure)


def _side_by_side(specs: list[Spec | Graph], path: Path) -> None:
    from archspec.compiler.figures import EngineError, FigureError

    try:
        for message in api.render(specs, path).messages:
            echo(message, err=True)
    except (FigureError, EngineError, OSError) as error:
        echo(f"diff: {error}", err=True)
        raise SystemExit(1) from None
    echo(f"wrote {path}", err=True)
