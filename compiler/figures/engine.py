"""Graphviz as renderer, in a child process with a time limit: `neato` on PATH, else what pygraphviz carries."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence

from archspec.syntax.arguments import positive

FORMATS = ("svg", "pdf", "png", "dot")
INSTALL = "install pygraphviz (pip install 'pygraphviz>=2.0'), or Graphviz so that `neato` is on PATH"

LIBRARIES = (
    "on Debian and Ubuntu, `apt-get install libglib2.0-0t64 libx11-6 libxext6 libxrender1 libexpat1` (`libglib2.0-0` "
    "before Debian 13 and Ubuntu 24.04); on Fedora, `dnf install glib2 libX11 libXext libXrender expat`"
)
"""What pygraphviz's wheel links and does not carry."""
_MISSING = re.compile(
    r"(lib[\w.+-]+): cannot open shared object file|Library not loaded: \S*?(lib[\w.+-]+)|DLL load failed.*?: (.+)"
)
"""What the loaders of Linux, macOS and Windows say."""

_CHILD = """
import sys
from pygraphviz import graphviz as gv
graph, context = gv.agread(sys.stdin, None), gv.gvContextWithBuiltins()
if gv.gvLayout(context, graph, sys.argv[1].encode()):
    sys.exit("it could not place the figure")
error, data = gv.gvRenderData(context, graph, sys.argv[2].encode())
if error:
    sys.exit("it could not draw the figure")
sys.stdout.buffer.write(data)
sys.stdout.buffer.flush()
"""


class EngineError(Exception):
    """Graphviz is missing, failed, or took too long; the message says which and what to do."""


def available() -> bool:
    """Whether anything here can render."""
    return bool(shutil.which("neato")) or importlib.util.find_spec("pygraphviz") is not None


def render(text: str, form: str, *, program: str = "nop2", dpi: int | None = None, timeout: float = 120) -> bytes:
    """DOT text as a file of format `form`. `program` is nop2 (positions are given) or dot (they are not).

    Raises `EngineError`, and `ValueError` for a timeout that is none.
    """
    positive("timeout", timeout)
    command = _command(form, program)
    if dpi is not None:
        text = text.replace("{", f"{{ graph [dpi={dpi}];", 1)
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"Graphviz did not finish within {timeout:g} s; draw less detail (--detail stage), or write a .dot file"
        ) from None
    except OSError as error:
        raise EngineError(f"Graphviz did not start: {error}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise EngineError(_unloaded(said) or f"Graphviz failed: {said[-1] if said else f'status {done.returncode}'}")
    return done.stdout


def _unloaded(said: Sequence[str]) -> str | None:
    """The message where the engine needs a shared library that this system lacks."""
    found = next((match for line in reversed(said) if (match := _MISSING.search(line))), None)
    if found is None:
        return None
    return (
        "Graphviz cannot be loaded, since this system lacks a library that it links "
        f"({next(filter(None, found.groups()))}). Install it: {LIBRARIES}. Or install Graphviz, so that `neato` is on "
        "PATH"
    )


def _command(form: str, program: str) -> Sequence[str]:
    system = shutil.which("neato" if program == "nop2" else program)
    if system:
        return [system, *(["-n2"] if program == "nop2" else []), f"-T{form}"]
    if importlib.util.find_spec("pygraphviz") is None:
        raise EngineError(f"there is no Graphviz here: {INSTALL}")
    return [sys.executable, "-c", _CHILD, program, form]
