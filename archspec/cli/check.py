"""The command that proves what specs claim."""

from __future__ import annotations

import json
import os
import time
from itertools import islice
from pathlib import Path
from typing import Any

import click

from archspec import api
from archspec.cli.report import claims
from archspec.cli.shared import echo, existing, working
from archspec.language import zoo
from archspec.language.spec import load
from archspec.syntax.errors import SpecError

_MOST_FOLDERS = 1000
"""Folders looked into for specs that were not looked at."""


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--trust", is_flag=True, help="Let the specs' `module:` name any Python class.")
@click.option("--strict", is_flag=True, help="Notes, such as of a param that nothing reads, are errors too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(specs: tuple[str, ...], trust: bool, strict: bool, as_json: bool) -> None:
    """Prove the claims (`expect`) of specs against their graphs, without torch.

    SPEC may also be a folder: every .yaml file in it, but not in its subfolders; what was not looked at is told.
    Status 1 if anything is wrong in any of them.
    """
    start = time.perf_counter()
    references = [reference for given in specs for reference in _expanded(given)]
    skipped = [folder for given in specs for folder in _subfolders(given)]
    results, failed = [], 0
    with working(f"checking {len(references)} specs"):
        for reference in references:
            result = _checked(reference, trust)
            result["ok"] &= not (strict and result["notes"])
            failed += not result["ok"]
            results.append(result)
            if not as_json:
                echo(result["line"], err=not result["ok"])
                for note in result["notes"]:
                    echo(f"{'error' if strict else 'note'}: {note}", err=True)
    seconds = time.perf_counter() - start
    if as_json:
        echo(
            json.dumps(
                {
                    "ok": not failed,
                    "specs": [{k: v for k, v in r.items() if k != "line"} for r in results],
                    "skipped": skipped,
                }
            )
        )
    else:
        proved = sum(len(result["claims"]) for result in results if result["ok"])
        echo(
            f"{len(results) - failed} of {len(results)} specs hold, {proved} claims proved, in {seconds:.1f} s",
            err=bool(failed),
        )
        for folder in skipped:
            echo(f"not looked at: the specs in {folder}; give the folder itself", err=True)
    if failed:
        raise SystemExit(1)


def _expanded(given: str) -> list[str]:
    path = Path(given)
    if path.is_dir():
        found = sorted(str(file) for file in path.iterdir() if zoo.is_file_name(file.name))
        if not found:
            below = "".join(f"; there are in {folder}" for folder in _subfolders(given)[:1])
            raise click.UsageError(f"there is no .yaml file in {given}{below}")
        return found
    return [existing(None, None, given)]


def _subfolders(given: str) -> list[str]:
    """The folders right in a folder that hold specs, themselves or further down; hidden ones left out."""
    path = Path(given)
    if not path.is_dir():
        return []
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return [str(folder) for folder in folders if not zoo.is_file_name(folder.name) and _holds_specs(folder)]


def _holds_specs(folder: Path) -> bool:
    walk = islice(os.walk(folder), _MOST_FOLDERS)
    return any(zoo.is_file_name(name) for _, _, files in walk for name in files)


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
