"""What is wrong with a text before it is data: characters YAML has not, and libyaml's complaints in words that help."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

import yaml

from archspec.syntax.errors import LINE_END, Problem, Source, Span, SpecError

BREAKS = {0x85: 0xE085, 0x2028: 0xE028, 0x2029: 0xE029}
"""What YAML 1.1 takes for line breaks and YAML 1.2 does not, as private characters that libyaml reads over."""

NO_TEXT = "[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]"
NO_ASCII = "[^\\t\\n\\r\\x20-\\x7e]"
"""The same for a text that is ASCII, as most are: a pattern that is compiled in no time."""
BROKEN = re.compile(f"[{''.join(map(chr, BREAKS.values()))}]")
_MOST = 20  # told of one text


def foreign_characters(source: Source) -> Iterator[Problem]:
    """The characters of a text that no YAML has, each at its place."""
    line, begin = 1, 0
    for number, match in enumerate(re.finditer(NO_ASCII if source.text.isascii() else NO_TEXT, source.text)):
        if number == _MOST:
            return
        at = match.start()
        for end in LINE_END.finditer(source.text, begin, at):
            line, begin = line + 1, end.end()
        yield Problem(f"a spec has no {_named(match[0])}", Span(source, line, at - begin + 1), "remove it")


def separators(text: str, span: Span) -> Iterator[Problem]:
    """The separators of lines in a value, as `BREAKS` has put them: YAML readers disagree on them."""
    for match in BROKEN.finditer(text):
        character = chr(next(written for written, read in BREAKS.items() if chr(read) == match[0]))
        yield Problem(f"YAML readers disagree on {_named(character)}", span, "write a space, or nothing")


def _named(character: str) -> str:
    known = {"\0": "NUL", "\f": "form feed", "\x1b": "escape", "\x85": "next line"}
    name = known.get(character) or unicodedata.name(character, "").lower()
    return f"character U+{ord(character):04X}" + (f" ({name})" if name else "")


def syntax_problem(source: Source, error: yaml.MarkedYAMLError) -> Problem:
    """libyaml's complaint, at its place, in words that say what to do about the usual slips."""
    mark, context = error.problem_mark or error.context_mark, error.context or ""
    began = error.context_mark
    if began and ("quoted scalar" in context or "simple key" in context):
        mark = began  # the end of the file is where it was noticed, not where it is
    span = Span(source, mark.line + 1, mark.column + 1) if mark else Span(source, 1, 1)
    what = error.problem or context or "it cannot be read"
    if "mapping values" in what or "document start" in what:
        missing = _without_space(source, range(span.line - 1, max(0, span.line - _LINES_BACK), -1))
    else:
        missing = _without_space(source, [span.line]) if "simple key" in context else None
    if missing is not None:
        return missing
    line = source.line(span.line)
    before, here = line[: span.column - 1], line[span.column - 1 : span.column]
    hint = None
    if here == "[" and re.search(r"[\w\])]\s*\Z", before):
        what, hint = "a bracket follows a word", 'quote an expression that has brackets: "counts[stage - 1]"'
    elif "quoted scalar" in context:
        what, hint = "this quote is never closed", "close it, or put the text in quotes of the other kind"
    elif "simple key" in context:
        what, hint = "this line is no `key: value`", "a space must follow the colon"
    elif here == "\t" or "\t" in before[: len(before) - len(before.lstrip())]:
        what, hint = "a tab where only spaces may stand", "indent with spaces, not tabs"
    elif here and here in "@`%":
        what, hint = f"a value cannot start with {here}", "put it in quotes"
    elif "mapping values" in what and ": " not in before:
        what, hint = "this line does not fit the one above", "indent both alike; a space follows a colon"
    elif "mapping values" in what:
        what, hint = "a second `: ` where the line has its key already", "put it on its own line, or quote the value"
    elif began and "flow" in context:
        hint = f"a bracket opened on line {began.line + 1} may not be closed, or an expression may need quotes"
    elif "block" in context:
        hint = "what belongs together starts in the same column"
    return Problem(f"not valid YAML: {what}", span, hint)


_UNSPACED = re.compile(r"(?P<before>[ \t]*(?:- +)*)(?P<key>[A-Za-z_][\w.-]*):(?P<value>[^\s:/][^:]*)\Z")
_LINES_BACK = 50


def unspaced(source: Source, line: int) -> Problem | None:
    """What is wrong with a line such as `archspec:1`, which is one word to YAML; None if it is no such line."""
    match = _UNSPACED.match(source.line(line).partition(" #")[0].rstrip())
    if match is None:
        return None
    word = match[0][match.start("key") :]
    span = Span(source, line, match.start("key") + 1, len(word))
    hint = f"a space after the colon: `{match['key']}: {match['value'][:40]}`"
    return Problem(f"'{word[:60]}' is one word, and no key with a value", span, hint)


def _without_space(source: Source, lines: Iterable[int]) -> Problem | None:
    """A key without a space after its colon, on the first of some lines that is not empty: YAML reads on behind it,
    and complains where the next key comes."""
    written = (number for number in lines if source.line(number).partition("#")[0].strip())
    number = next(written, None)
    return unspaced(source, number) if number is not None else None


def no_tag_directives(source: Source) -> None:
    """Refuses what could only declare tags: libyaml compares each with all before it, however many there are."""
    found = [source.text.find(f"{end}%TAG") + 1 for end in "\n\r\x85\u2028\u2029"]
    at = 0 if source.text.startswith("%TAG") else min((place for place in found if place), default=-1)
    if at >= 0:
        span = Span(source, source.text.count("\n", 0, at) + 1, 1, 4)
        raise SpecError([Problem("a spec has no YAML tags", span, "leave the %TAG out")])
