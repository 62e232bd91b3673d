"""The command that writes a network for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archspec import api
from archspec.cli.shared import echo, load, problems, spec_options, working

if TYPE_CHECKING:
    from archspec.deployment.export import Format


@click.command()
@spec_options
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file.")
@click.option(
    "--format", "kind", type=click.Choice(["onnx", "pt2", "aoti", "safetensors", "model.py"]),
    help="By default what the file's ending says: .onnx, .pt2, .safetensors, .py.",
)  # fmt: skip
@click.option("--weights", metavar="FILE", help="A checkpoint to load first; else weights are drawn afresh.")
@click.option("--optimize", is_flag=True, help="Fold batch norms into layers first.")
@click.option("--seed", default=0, show_default=True, help="Of freshly drawn weights.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def export(
    spec: str, settings: tuple[str, ...], trust: bool, out: Path, kind: Format | None, weights: str | None,
    optimize: bool, seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Write a network as ONNX, pt2, a compiled package, weights or Python, run it, and tell how far it is off."""
    with problems():
        graph = api.expand(load(spec, settings, trust))
    if not out.parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.parent}", param_hint="-o")
    with working("loading torch"):
        import torch

        from archspec.deployment.exported import ExportError
        from archspec.exchange import export as exported
        from archspec.exchange import load_weights
        from archspec.weights.problem import WeightsError
    try:
        torch.manual_seed(seed)
        network = api.build(graph)
        if weights is not None:
            load_weights(network, weights)
        with working("exporting"):
            done = exported(network, out, kind, optimize=optimize)
    except (ExportError, WeightsError) as error:
        echo(f"export: {error}", err=True)
        raise SystemExit(1) from None
    echo(json.dumps(done.to_dict()) if as_json else str(done))
