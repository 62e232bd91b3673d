"""Draws the gallery: runs every `archspec render` of docs/gallery.md in docs/gallery/, so that both agree."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from archspec.cli import main

DOCS = Path(__file__).resolve().parent


def commands(text: str) -> list[list[str]]:
    """The arguments of every command of a text, lines that end in a backslash joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("archspec render ")]


if __name__ == "__main__":
    found = commands((DOCS / "gallery.md").read_text(encoding="utf-8"))
    (DOCS / "gallery").mkdir(exist_ok=True)
    os.chdir(DOCS / "gallery")
    for arguments in found:
        main(arguments, standalone_mode=False)
