"""The command that moves weights from elsewhere into a network of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archspec import api
from archspec.cli.shared import MODULE, echo, load, module, problems, spec_options, working

if TYPE_CHECKING:
    from archspec.weights.assignment import Head, Input


@click.command()
@spec_options
@click.option(
    "--from", "source", required=True, metavar="FILE|py:MODULE:NAME",
    help="A checkpoint; or, with --trust, a torch module in Python: py:package.module:function.",
)  # fmt: skip
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="safetensors file.")
@click.option("--head", type=click.Choice(["same", "new"]), default="same", help="new: the last layers start afresh.")
@click.option(
    "--input", "channels", type=click.Choice(["same", "sum"]), default="same", help="sum: of channels, into one."
)
@click.option("--strict/--no-strict", default=True, help="Whether every tensor must find its other.")
@click.option(
    "--probe", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with an `input` and the `output` that theirs gave: proves that the networks are one.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def weights(
    spec: str, settings: tuple[str, ...], trust: bool, source: str, out: Path, head: Head, channels: Input,
    strict: bool, probe: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Load weights from elsewhere into a spec's network, check them, and write them by our names.

    From a module both sides are run and every block is compared. Nothing is written where anything is wrong.
    """
    with problems():
        loaded = load(spec, settings, trust)
        graph = api.expand(loaded)
    with working("loading torch"):
        from archspec.exchange import load_weights
        from archspec.weights.files import write
        from archspec.weights.problem import WeightsError

    with problems():
        given = module(source, trust) if source.startswith(MODULE) else source
    if not out.parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.parent}", param_hint="-o")
    try:
        with working("loading the weights"):
            network = api.build(graph)
            done = load_weights(network, given, head=head, input=channels, strict=strict, probe=probe)
        about = {
            "archspec": loaded.name, "signature": api.signature(graph), "source": source,
            "matched": done.how, "verified": done.verified or "no",
        }  # fmt: skip
        write(out, network.state_dict(), about)
    except WeightsError as error:
        where = "" if str(error).startswith(source) else f"{source}: "
        echo(f"weights: {where}{error}", err=True)
        raise SystemExit(1) from None
    echo(json.dumps(done.to_dict()) if as_json else str(done))
    echo(f"wrote {out}", err=as_json)
