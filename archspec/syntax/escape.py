"""A text on its way out: one function for each place that reads more into a text than its characters.

Names and words of a spec are the author's, and a spec may come from anywhere. Whatever is written into Python, YAML,
DOT, XML, LaTeX, Markdown, a plot or a terminal passes the function made for that place, and nothing else does.
"""

from __future__ import annotations

import re
from collections.abc import Container
from keyword import iskeyword

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that cannot be shown."""

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "''",
    "×": r"$\times$", "·": r"$\cdot$", "−": "$-$",
}  # fmt: skip
_MARKUP = re.compile(r"[\\`*|<~]|\](?=[(\[:])|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])")
_ENTITIES = {"&": "&amp;", "|": "&#124;", "<": "&lt;"}
_UNSAID = re.compile(r"[^\w .,:+()-]")


def identifier(text: str, taken: Container[str] = (), otherwise: str = "value") -> str:
    """A name for Python, like `text` and unlike all that is `taken`: `in_`, `conv2d`, `value_0`.

    A text that is a name already, and free, stays as it is. Letters are those of ASCII, since Python takes others for
    one another; `otherwise` begins what does not begin with a letter.
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", text).lstrip("_")
    if not name[:1].isalpha():
        name = f"{otherwise}_{name}".rstrip("_")
    if iskeyword(name):
        name += "_"
    unique, number = name, 1
    while unique in taken:
        number += 1
        unique = f"{name}{number}"
    return unique


def is_identifier(text: str) -> bool:
    """Whether Python takes a text as it is: after a dot, as a keyword argument, in an import."""
    return text.isascii() and text.isidentifier() and not iskeyword(text)


def quoted(text: str) -> str:
    """A text in double quotes, as Python and YAML both read it back."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else _escaped(c) for c in text) + '"'


def _escaped(c: str) -> str:
    return "\\" + c if c in '"\\' else repr(c)[1:-1]


def remark(text: str) -> str:
    """A text within a comment or docstring of Python: it ends neither, and stays on its line."""
    return _UNSAID.sub("_", terminal(text))


def terminal(text: str) -> str:
    """A line for a terminal, character for character: nothing in it moves the cursor or turns the writing round."""
    if text.isprintable():
        return text
    from unicodedata import category

    return "".join(c if c.isprintable() else " " if c == "\t" or category(c) == "Zs" else REPLACEMENT for c in text)


def terminal_lines(text: str) -> str:
    """Lines for a terminal; their ends are all that is left of what a terminal obeys."""
    return text if text.isprintable() else "\n".join(map(terminal, text.split("\n")))


def dot(text: str) -> str:
    """A line of a label or a name between the double quotes of DOT, where backslashes and entities have a meaning."""
    return terminal(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def xml(text: str) -> str:
    """A line as text or attribute of HTML and XML."""
    from html import escape

    return escape(terminal(text))


def latex(text: str) -> str:
    """A text in one cell of a LaTeX table, the first of a row too, where `\\\\` takes a bracket or star for its own."""
    written = "".join(_LATEX.get(c, c) for c in terminal(text))
    return f"{{{written[0]}}}{written[1:]}" if written[:1] in ("[", "*") else written


def markdown(text: str) -> str:
    """A text in one cell of a Markdown table, as it is read: no markup, no tags, no further cells."""
    return _MARKUP.sub(lambda match: _ENTITIES.get(match[0], f"\\{match[0]}"), terminal(text))


def plot(text: str) -> str:
    """A text of a plot, where matplotlib sets formulas between dollar signs."""
    return terminal(text).replace("$", r"\$")
