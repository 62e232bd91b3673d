"""What an unquoted word of YAML means: YAML 1.2, refusing what YAML 1.1 would have read as something else."""

from __future__ import annotations

import re
from math import isfinite
from typing import TypeAlias

from archspec.syntax import limits
from archspec.syntax.errors import Problems, Span

Plain: TypeAlias = int | float | str | bool | None

_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)\Z", re.IGNORECASE)
YAML_1_1 = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_NAMED: dict[str, Plain] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


def resolve_plain(text: str, span: Span | None, problems: Problems) -> Plain:
    """What an unquoted scalar means in YAML 1.2, refusing what 1.1 would have read as something else."""
    if text in _NAMED:
        return _NAMED[text]
    if _INTEGER.match(text):
        digits = text.lstrip("+-").replace("_", "")
        if len(digits) > 1 and digits[0] == "0":
            problems.add(f"'{text}' could be octal", span, hint="write it without the leading zero, or quote it")
            return 0
        if len(digits) > 18:
            problems.add(f"this number is larger than {limits.MAX_NUMBER:.0e}", span)
            return 0
        return int(text.replace("_", ""))
    if _FLOAT.match(text):
        number = float(text)
        if isfinite(number):
            return number
        problems.add(f"this number is larger than {limits.MAX_NUMBER:.0e}", span)
        return 0.0
    if text.lower() in YAML_1_1:
        meant = YAML_1_1[text.lower()]
        problems.add(f"YAML readers disagree on '{text}'", span, hint=f"write {meant}, or quote it if it is a name")
        return None
    if _NOT_FINITE.match(text):
        problems.add(f"'{text}' is not a number that a spec can use", span, hint="quote it if it is a text")
        return 0.0
    return text
