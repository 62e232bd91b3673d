"""The code blocks of the documentation: found in Markdown, run in a working folder, their output compared.

A block may have a comment on the line before it:

    <!-- file: NAME -->     the block is also written to NAME, where later blocks find it
    <!-- inside: NAME -->   a part of a spec: it is tried inside one that extends NAME
    <!-- wrong -->          a spec that must be refused
    <!-- not run -->        only shown

Directives may be joined by commas. In the output of a command `...` stands for any text, alone on a line for any
lines; seconds, MiB and the device are not compared.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from archspec import SpecError, expand
from archspec.cli import main
from archspec.language.spec import from_source
from archspec.syntax.errors import Source

ROOT = Path(__file__).resolve().parents[1]
WIDTH = {"COLUMNS": "100"}
_FENCE = re.compile(r"(`{3,})(\w*)\s*\Z")
_COMMENT = re.compile(r"<!--\s*(.*?)\s*-->\Z")
_VARYING = re.compile(
    r"\d[\d,.]* (?:ms|s|MiB)\b|(?<=median of )\d+|(?<= on )(?:cpu|cuda)\b[:\d]*|GPU memory|memory of the process"
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the lines its text lies on (from 0), what is said of it."""

    language: str
    text: str
    first: int
    last: int
    directives: dict[str, str]


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text."""
    lines = text.split("\n")
    found, at = [], 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence:
            end = next(i for i in range(at + 1, len(lines)) if lines[i] == fence.group(1))
            body = "".join(f"{line}\n" for line in lines[at + 1 : end])
            found.append(Block(fence.group(2), body, at + 1, end, _directives(lines[at - 1] if at else "")))
            at = end
        at += 1
    return found


def _directives(line: str) -> dict[str, str]:
    comment = _COMMENT.match(line)
    if comment is None or comment.group(1).startswith("end "):
        return {}
    parts = (part.partition(":") for part in comment.group(1).split(","))
    return {key.strip(): value.strip() for key, _, value in parts}


def working_folder(folder: Path) -> Path:
    """A folder with what the root of a checkout has for a reader to try."""
    for name in ("specs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run_command(command: str, folder: Path) -> str:
    """What an `archspec` or `python` command prints, run in a folder; `> file` catches it in a file."""
    command, _, target = (part.strip() for part in command.partition(" > "))
    program, *arguments = shlex.split(command)
    if program == "archspec":
        with chdir(folder):
            result = CliRunner().invoke(main, arguments, env=WIDTH, prog_name="archspec")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        output = result.output
    elif program == "python":
        environment = {**os.environ, **WIDTH}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        output = done.stdout
    else:
        raise ValueError(f"only archspec and python are run here, not {command}")
    if target:
        (folder / target).write_text(output, encoding="utf-8")
        return ""
    return "".join(f"{line.rstrip()}\n" for line in output.splitlines())


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output it shows."""
    parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
    if parts[0].strip():
        raise ValueError(f"a console block begins with a command, not with {parts[0]!r}")
    yield from zip(parts[1::2], parts[2::2], strict=True)


def agrees(shown: str, output: str) -> bool:
    """Whether an output is what the documentation shows, where it is not elided."""
    shown, output = (_VARYING.sub("...", text).strip("\n") for text in (shown, output))
    parts = re.split(r"^\s*\.\.\.$|(\.\.\.)", shown, flags=re.MULTILINE)
    pattern = ""
    for i, part in enumerate(parts):
        if i % 2 == 0:
            pattern += re.escape(part or "")
        else:
            pattern += "[^\n]*" if part else "(?s:.*)"
    return re.fullmatch(pattern, output) is not None


def try_spec(block: Block, folder: Path) -> None:
    """Loads and expands the spec of a block, or one around a part of a spec."""
    text, directives = block.text, block.directives
    inside = directives.get("inside")
    if inside:
        text = f"archspec: 1\nextends: {inside}\n{text}"
    name = directives.get("file") or directives.get("spec") or "shown.yaml"
    with chdir(folder):
        try:
            expand(from_source(Source(name, text), folder / name))
        except SpecError as error:
            if "wrong" not in directives:
                raise AssertionError(f"the spec in this block is refused:\n{error}") from None
        else:
            if "wrong" in directives:
                raise AssertionError("the spec in this block should be refused")


def run_python(block: Block, names: dict[str, Any], name: str, folder: Path) -> None:
    """Runs a block of Python; the comment after an expression is its value."""
    lines = block.text.split("\n")
    with chdir(folder):
        for statement in ast.parse(block.text).body:
            comment = re.search(r"  # (.*)\Z", lines[(statement.end_lineno or 1) - 1])
            ast.increment_lineno(statement, block.first)
            if isinstance(statement, ast.Expr):
                value = eval(compile(ast.Expression(statement.value), name, "eval"), names)
                if comment and not agrees(comment.group(1), repr(value)):
                    raise AssertionError(f"{name}:{statement.lineno}: shows {comment.group(1)}, and is {value!r}")
            else:
                exec(compile(ast.Module([statement], []), name, "exec"), names)


def links(text: str) -> list[tuple[str, str]]:
    """Links of a Markdown text to files of the checkout: path and anchor."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [(path, anchor) for path, _, anchor in (t.partition("#") for t in targets if "://" not in t)]


def anchors(text: str) -> set[str]:
    """The anchors that headings of a Markdown text make."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
