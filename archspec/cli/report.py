"""A network in words: its table, its totals, what its claims proved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archspec.cli.shared import echo, print_table

if TYPE_CHECKING:
    from archspec.compiler.analysis.claims import Report
    from archspec.compiler.analysis.summary import Summary


def print_summary(summary: Summary, report: Report | None) -> None:
    print_table(summary.table())
    for label, text in summary.totals():
        echo(f"{label:<10} {text}")
    for note in summary.notes:
        echo(f"note: {note}", err=True)
    if report is not None:
        echo(f"{'expect':<10} {_expect_line(report)}")
        for problem in report.problems:
            echo(problem.render(), err=True)


def _expect_line(report: Report) -> str:
    if report.skipped:
        return "not checked: values were overridden"
    if not report.claims:
        return "nothing claimed"
    proven = [f"{claim.name} {claim.expected}" for claim in report.claims if claim.holds]
    failed = [claim.name for claim in report.claims if not claim.holds]
    return "; ".join(
        ([f"proved {', '.join(proven)}"] if proven else []) + ([f"FAILED {', '.join(failed)}"] if failed else [])
    )


def claims(report: Report) -> list[Mapping[str, Any]]:
    return [
        {"name": claim.name, "expected": claim.expected, "actual": claim.actual, "holds": claim.holds}
        for claim in report.claims
    ]  # fmt: skip
