"""Texts that would be obeyed somewhere: by Python, YAML, DOT, XML, LaTeX, Markdown, rich, a plot or a terminal."""

from __future__ import annotations

MARK = "obeyed_by_python"
"""The file that those of Python would create."""
_CREATE = f"open('{MARK}', 'w')"

TEXTS = (
    # Python
    f"X:pass\n{_CREATE}", f"X(nn.Module):\n    {_CREATE}\nclass Y", f'"""\n{_CREATE}\n"""', f"'''\n{_CREATE}\n'''",
    f'"; {_CREATE}; "', f"'; {_CREATE}; '", f"\\\n{_CREATE}", f"\r{_CREATE}", f"\x0c{_CREATE}", f"\u2028{_CREATE}",
    f"{{{_CREATE}}}", f"a{{{_CREATE}!r}}", f"__import__('os').system('touch {MARK}')", "\\", '\\"', "\\'", '"', "'",
    "'\"", "\\\\'\"", '"""', "#", "None", "class", "lambda", "self", "__init__", "__debug__", "1", "1e5", "a-b", "a b",
    "", " ", "ﬁrst", "é", "ª", "日本語", "%s", "{0}", "$x",
    # YAML
    "a: b", "- a", "{a: b}", "[a]", "&a", "*a", "!!python/object/apply:os.system [ls]", "? a", "--- a", "null", "no",
    # DOT and XML
    '"]; evil [label="x', "\\N", "\\l", "&lt;", "&#27;", "&#x202e;", "<b>x</b>", "<script>alert(1)</script>", "]]>",
    "--><x/>", "<table><tr><td>", "a\" onload=\"x",
    # LaTeX, Markdown, plots
    "\\input{/etc/passwd}", "a & b", "a \\\\ b", "% a", "$\\frac$", "}{", "[a", "*a", "^_~", "|a|b|", "a\n| b |", "`a`",
    "[a](javascript:x)", "![a](x)", "**a**", "__a__", "~~a~~",
    # rich and terminals
    "[red]a[/red]", "[link=x]a", "[/]", "\x1b[2J", "\x1b]0;a\x07", "\x07", "\x9b2J", "\x7f", "a\bb", "\t", "\r\n",
    "\u202eabc", "\u2066a\u2069", "\u200b", "\ufeff", "\u00a0", "\ud800", "\U000e0041", "a" * 240,
)  # fmt: skip
