"""Settings of the whole suite, and golden files: texts that tests compare with, rewritten by --update-golden."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The suite runs on all cores already, one test each.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("archspec", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("archspec")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with the golden file of a name."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.is_file():
            pytest.fail(f"there is no golden file {name}; run pytest with --update-golden")
        known = path.read_text(encoding="utf-8")
        if text != known:
            difference = difflib.unified_diff(known.splitlines(), text.splitlines(), name, "now", lineterm="")
            pytest.fail("\n".join([*difference, "if the change is meant: pytest --update-golden"]), pytrace=False)

    return compare
