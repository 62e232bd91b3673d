"""YAML text -> data with a mark on every key and value.

Read with PyYAML's event stream rather than its loader, which recurses, keeps the last of duplicate keys, reads `on`
and `no` as booleans and loses where things stood. The reader here is iterative and bounded, resolves scalars as YAML
1.2 does, and refuses what YAML 1.1 would have read differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from archspec import limits
from archspec.errors import Problem, Problems, Source, Span, SpecError

Key: TypeAlias = str | int
Plain: TypeAlias = int | float | str | bool | None
Data: TypeAlias = "Scalar | Seq | Map"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A leaf: its value, the text it was written as, and where."""

    value: Plain
    text: str
    span: Span | None = None


class Seq(list["Data"]):
    """A YAML sequence."""

    def __init__(self, items: Iterable[Data] = (), span: Span | None = None) -> None:
        super().__init__(items)
        self.span = span


class Map(dict[Key, "Data"]):
    """A YAML mapping; `key_spans` says where each key was written."""

    def __init__(
        self,
        items: Mapping[Key, Data] | None = None,
        span: Span | None = None,
        key_spans: Mapping[Key, Span | None] | None = None,
    ) -> None:
        super().__init__(items or {})
        self.span = span
        self.key_spans = dict(key_spans or {})

    def set(self, key: Key, value: Data, key_span: Span | None) -> None:
        self[key] = value
        self.key_spans[key] = key_span


_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)\Z", re.IGNORECASE)
_YAML_1_1 = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_NAMED: dict[str, Plain] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


def read_source(path: Path, name: str | None = None) -> Source:
    """The text of a spec file. Raises `SpecError` if it cannot be read, is too large or is not UTF-8."""
    name = name or str(path)
    try:
        if not path.is_file():
            reason = "is a directory" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
            raise SpecError([Problem(f"{name} {reason}")])
        with path.open("rb") as file:
            raw = file.read(limits.MAX_TEXT + 1)
    except (OSError, ValueError) as error:
        raise SpecError([Problem(f"{name} cannot be read: {error}")]) from None
    if len(raw) > limits.MAX_TEXT:
        raise SpecError([Problem(f"{name} is larger than {limits.MAX_TEXT // 2**20} MiB")])
    try:
        return Source(name, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        span = Span(Source(name, raw.decode("utf-8", "replace")), line, column)
        problem = Problem("this byte is not UTF-8", span, "save the file as UTF-8 text")
        raise SpecError([problem]) from None


def parse(source: Source) -> Data:
    """The data of a YAML document. Raises `SpecError` with everything found wrong in it."""
    problems = Problems()
    reader = _Reader(source, problems)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(source.text, Loader=loader):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        problems.extend([_syntax_problem(source, error)])
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        problems.add("this is not YAML text: " + " ".join(str(error).split()), Span(source, 1, 1))
    problems.check()
    if reader.root is None:
        raise SpecError([Problem("the file is empty", Span(source, 1, 1), "start it with 'archspec: 1'")])
    return reader.root


def _syntax_problem(source: Source, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    span = Span(source, mark.line + 1, mark.column + 1) if mark else Span(source, 1, 1)
    what = error.problem or error.context or "not valid YAML"
    line = source.line(span.line)
    before = line[: span.column - 1]
    hint = None
    if line[span.column - 1 : span.column] == "[" and re.search(r"[\w\])]\s*\Z", before):
        hint = "quote an expression that has brackets: \"counts[stage - 1]\""
    elif "\t" in before[: len(before) - len(before.lstrip())] + line[span.column - 1 : span.column]:
        hint = "indent with spaces, not tabs"
    elif before.count("{") > before.count("}") or before.count("[") > before.count("]"):
        hint = "a bracket may be missing, or an expression here needs quotes"
    return Problem(f"not valid YAML: {what}", span, hint)


@dataclass(slots=True)
class _Open:
    """A collection being read: a mapping's `key` waits for its value."""

    node: Seq | Map
    anchor: str | None
    flow: bool
    key: Key | None = None
    key_span: Span | None = None
    expecting_value: bool = False
    size: int = 1


class _Reader:
    """Builds the tree from events with an explicit stack, so that depth costs no recursion."""

    def __init__(self, source: Source, problems: Problems) -> None:
        self.source, self.problems = source, problems
        self.root: Data | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Data, int] | None] = {}
        self.aliased = 0

    def stop(self, message: str, span: Span, hint: str | None = None) -> None:
        """A problem after which reading on makes no sense."""
        self.problems.add(message, span, hint=hint)
        self.problems.check()

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            span = self.span(event)
            self.check_tag(event, span)
            flow = bool(self.stack) and self.stack[-1].flow
            self.place(self.scalar(event, span, flow), event.anchor, span, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self.stack.pop()
            if done.anchor:
                self.anchors[done.anchor] = (done.node, done.size)
            self.place(done.node, None, done.node.span, done.size)
        elif isinstance(event, yaml.AliasEvent):
            self.alias(event)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            self.stop("a spec is one YAML document, and this starts a second", self.span(event))

    def span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        length = end.column - start.column if end.line == start.line else 1
        return Span(self.source, start.line + 1, start.column + 1, max(1, length))

    def check_tag(self, event: Any, span: Span) -> None:
        if event.tag is not None:
            self.problems.add(f"YAML tags are not allowed here: {event.tag}", span, hint="leave the tag out")

    def open(self, event: Any) -> None:
        span = self.span(event)
        self.check_tag(event, span)
        if len(self.stack) >= limits.MAX_NESTING:
            self.stop(f"nested more than {limits.MAX_NESTING} levels deep", span)
        if self.stack and isinstance(self.stack[-1].node, Map) and not self.stack[-1].expecting_value:
            self.stop("a key must be a word or a number, not a collection", span, "quote it if it is an expression")
        if event.anchor:
            self.anchors[event.anchor] = None
        node = Seq(span=span) if isinstance(event, yaml.SequenceStartEvent) else Map(span=span)
        self.stack.append(_Open(node, event.anchor, bool(event.flow_style)))

    def alias(self, event: Any) -> None:
        span = self.span(event)
        known = self.anchors.get(event.anchor)
        if known is None:
            what = "stands inside what it names" if event.anchor in self.anchors else "names no anchor"
            return self.stop(f"the alias *{event.anchor} {what}", span)
        node, size = known
        self.aliased += size
        if self.aliased > limits.MAX_ALIASED:
            return self.stop("the aliases in this file stand for too much data", span, "write the data out")
        return self.place(node, None, span, size)

    def place(self, node: Data, anchor: str | None, span: Span | None, size: int) -> None:
        if anchor:
            self.anchors[anchor] = (node, size)
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        top.size += size
        if isinstance(top.node, Seq):
            top.node.append(node)
        elif top.expecting_value:
            top.expecting_value = False
            if top.key is not None:
                top.node.set(top.key, node, top.key_span)
        else:
            top.key, top.key_span, top.expecting_value = self.key(node, span, top.node), span, True

    def key(self, node: Data, span: Span | None, into: Map) -> Key | None:
        if not isinstance(node, Scalar) or isinstance(node.value, float | bool) or node.value is None:
            text = node.text if isinstance(node, Scalar) else "a collection"
            self.problems.add(f"a key must be a word or a whole number, not '{text}'", span, hint="quote it")
            return None
        if node.value == "<<":
            self.problems.add("YAML merge keys are not used here", span, hint="use 'extends'")
            return None
        if node.value in into:
            first = into.key_spans[node.value]
            at = f"first on line {first.line}" if first else "twice"
            self.problems.add(f"'{node.text}' is given twice, {at}", span, hint="keep one of them")
            return None
        return node.value

    def scalar(self, event: Any, span: Span, flow: bool) -> Scalar:
        text: str = event.value
        if event.style:  # quoted or block; None or empty for plain, by parser
            return Scalar(text, text, span)
        if flow and text.count("(") != text.count(")"):
            self.problems.add(
                "this expression is cut at its comma: inside { } or [ ] YAML splits there", span,
                hint="quote the expression",
            )  # fmt: skip
        return Scalar(resolve_plain(text, span, self.problems), text, span)


def resolve_plain(text: str, span: Span | None, problems: Problems) -> Plain:
    """What an unquoted scalar means in YAML 1.2, refusing what 1.1 would have read as something else."""
    if text in _NAMED:
        return _NAMED[text]
    if _INTEGER.match(text):
        digits = text.lstrip("+-").replace("_", "")
        if len(digits) > 1 and digits[0] == "0":
            problems.add(f"'{text}' could be octal", span, hint="write it without the leading zero, or quote it")
            return None
        if len(digits) > 18:
            problems.add("this number is absurdly large", span)
            return None
        return int(text.replace("_", ""))
    if _FLOAT.match(text):
        return float(text)
    if text.lower() in _YAML_1_1:
        meant = _YAML_1_1[text.lower()]
        problems.add(f"YAML readers disagree on '{text}'", span, hint=f"write {meant}, or quote it if it is a name")
        return None
    if _NOT_FINITE.match(text):
        problems.add(f"'{text}' is not a number that can be used here", span)
        return None
    return text


def mark(value: object, source: Source) -> Data:
    """Plain Python data (from a caller, not a file) as marked data that `source` accounts for.

    Raises `TypeError` for anything but numbers, strings, booleans, None, lists, tuples and mappings of them.
    """
    span = Span(source, 1, 1, len(source.text))
    if isinstance(value, Scalar | Seq | Map):
        return value
    if value is None or isinstance(value, bool | int | float | str):
        return Scalar(value, str(value), span)
    if isinstance(value, Mapping):
        items = {key if isinstance(key, int) else str(key): mark(entry, source) for key, entry in value.items()}
        return Map(items, span, dict.fromkeys(items, span))
    if isinstance(value, Sequence):
        return Seq([mark(entry, source) for entry in value], span)
    raise TypeError(f"a spec holds numbers, strings, lists and mappings, not {type(value).__name__}")


def plain(data: Data) -> Any:
    """Marked data as ordinary Python data."""
    if isinstance(data, Scalar):
        return data.value
    if isinstance(data, Seq):
        return [plain(item) for item in data]
    return {key: plain(item) for key, item in data.items()}
