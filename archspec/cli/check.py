"""The command that proves what specs claim."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from archspec import api
from archspec.cli.report import claims
from archspec.cli.shared import echo, existing, working
from archspec.language import zoo
from archspec.language.spec import load
from archspec.syntax.errors import SpecError


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--trust", is_flag=True, help="Let the specs' `module:` name any Python class.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(specs: tuple[str, ...], trust: bool, as_json: bool) -> None:
    """Prove the claims (`expect`) of specs against their graphs, without torch.

    SPEC may also be a folder: every .yaml file in it. Status 1 if anything is wrong in any of them.
    """
    start = time.perf_counter()
    references = [reference for given in specs for reference in _expanded(given)]
    results, failed = [], 0
    with working(f"checking {len(references)} specs"):
        for reference in references:
            result = _checked(reference, trust)
            failed += not result["ok"]
            results.append(result)
            if not as_json:
                echo(result["line"], err=not result["ok"])
                for note in result["notes"]:
                    echo(f"note: {note}", err=True)
    seconds = time.perf_counter() - start
    if as_json:
        echo(json.dumps({"ok": not failed, "specs": [{k: v for k, v in r.items() if k != "line"} for r in results]}))
    else:
        proved = sum(len(result["claims"]) for result in results if result["ok"])
        echo(
            f"{len(results) - failed} of {len(results)} specs hold, {proved} claims proved, in {seconds:.1f} s",
            err=bool(failed),
        )
    if failed:
        raise SystemExit(1)


def _expanded(given: str) -> list[str]:
    path = Path(given)
    if path.is_dir():
        found = sorted(str(file) for file in path.iterdir() if file.suffix in zoo.SUFFIXES)
        if not found:
            raise click.UsageError(f"there is no .yaml file in {given}")
        return found
    return [existing(None, None, given)]


def _checked(reference: str, trust: bool) -> dict[str, Any]:
    try:
        report = api.check(load(reference, trust=trust))
    except SpecError as error:
        return {
            "spec": reference,
            "ok": False,
            "claims": [],
            "problems": [p.render() for p in error.problems],
            "notes": [],
            "line": str(error),
        }
    problems = [problem.render() for problem in report.problems]
    return {
        "spec": reference, "ok": report.ok, "claims": claims(report), "problems": problems,
        "notes": [note.render() for note in report.graph.notes], "line": str(report),
    }  # fmt: skip
