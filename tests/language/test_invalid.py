"""Every spec in tests/language/invalid says what is wrong with it in its first lines; this holds the messages to it.

`# error: LINE:COLUMN: text` is a problem at that place of the file (or of another: `FILE:LINE:COLUMN:`) whose address
and message have that text; a `# hint: text` after it is in its hint.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch  # noqa: F401 - before the clock runs: a spec with `module` would import it

from archspec.compiler.expand import expand
from archspec.language.spec import load
from archspec.syntax.errors import Problem, SpecError

CORPUS = Path(__file__).with_name("invalid")
FILES = sorted(CORPUS.glob("*.yaml"))
SECONDS = 2  # of this process: other work on the machine does not count
_ERROR = re.compile(r"# error: (?:(?P<file>[^ :]+):)?(?P<line>\d+):(?P<column>\d+): (?P<text>.+)")
_HINT = re.compile(r"# hint: (?P<text>.+)")


@dataclass
class Expected:
    file: str
    line: int
    column: int
    text: str
    hint: str | None = None

    def met_by(self, problem: Problem) -> bool:
        span = problem.span
        if span is None or (span.line, span.column) != (self.line, self.column):
            return False
        said = f"{problem.where}: {problem.message}" if problem.where else problem.message
        in_hint = self.hint is None or (problem.hint is not None and self.hint in problem.hint)
        return Path(span.source.name).name == self.file and self.text in said and in_hint


def expectations(path: Path) -> list[Expected]:
    found: list[Expected] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := _ERROR.fullmatch(line):
            file = Path(match["file"] or path.name).name
            found.append(Expected(file, int(match["line"]), int(match["column"]), match["text"]))
        elif match := _HINT.fullmatch(line):
            found[-1].hint = match["text"]
        else:
            break
    return found


def test_the_corpus_is_there() -> None:
    assert len(FILES) >= 200
    assert all(expectations(path) for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_invalid_spec(path: Path) -> None:
    began = time.process_time()
    with pytest.raises(SpecError) as caught:
        expand(load(path))
    assert time.process_time() - began < SECONDS
    problems = list(caught.value.problems)
    told = str(caught.value)
    expected = expectations(path)
    for each in expected:
        matching = [problem for problem in problems if each.met_by(problem)]
        assert matching, f"expected {each}\nbut was told\n{told}"
        problems.remove(matching[0])
    assert not problems, f"not expected: {[problem.render() for problem in problems]}"
    assert "Traceback" not in told
    for place in expected:
        assert f"{place.file}:{place.line}:{place.column}: " in told
