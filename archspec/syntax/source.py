"""YAML text -> data with a mark on every key and value.

Read with PyYAML's event stream rather than its loader, which recurses, keeps the last of duplicate keys, reads `on`
and `no` as booleans and loses where things stood. The reader here is iterative and bounded, resolves scalars as YAML
1.2 does, and refuses what YAML 1.1 would have read differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from archspec.syntax import limits
from archspec.syntax.complaints import BREAKS, foreign_characters, no_tag_directives, separators, syntax_problem
from archspec.syntax.errors import Problem, Problems, Source, Span, SpecError, within_budget
from archspec.syntax.scalars import YAML_1_1, Plain, resolve_plain
from archspec.syntax.work import spend

_NODE = 100
"""Steps that a value of a text costs, until it is validated."""
_TOO_MUCH = "the text holds too much data"

Key: TypeAlias = str | int
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


def parse(source: Source) -> Data:
    """The data of a YAML document. Raises `SpecError` with everything found wrong in it."""
    problems = Problems()
    with within_budget(problems, join=True):
        return _parsed(source, problems)


def _parsed(source: Source, problems: Problems) -> Data:
    no_tag_directives(source)
    reader = _Reader(source, problems)
    empty = "give a value" if source.inline else "start it with 'archspec: 1'"
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    problems.extend(foreign_characters(source))
    problems.check()
    try:
        text = source.text
        if any(chr(separator) in text for separator in BREAKS):
            text = text.translate(BREAKS)
        for event in yaml.parse(text, Loader=loader):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        problem = syntax_problem(source, error)
        # What is told of a line may be what the reader stumbles over there.
        told = any(known.span and problem.span and known.span.line == problem.span.line for known in problems)
        problems.extend([] if told else [problem])
    except yaml.YAMLError as error:
        problems.add("this is not YAML text: " + " ".join(str(error).split()), Span(source, 1, 1))
    problems.check()
    if reader.root is None:
        raise SpecError([Problem("there is nothing here", Span(source, 1, 1), empty)])
    return reader.root


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
    parentheses: int = 0  # open ones among the words of a flow collection


class _Reader:
    """Builds the tree from events with an explicit stack, so that depth costs no recursion."""

    def __init__(self, source: Source, problems: Problems) -> None:
        self.source, self.problems = source, problems
        self.root: Data | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Data, int] | None] = {}

    def stop(self, message: str, span: Span, hint: str | None = None) -> None:
        """A problem after which reading on makes no sense."""
        self.problems.add(message, span, hint=hint)
        self.problems.check()

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            span = self.span(event)
            spend(_NODE + len(event.value) // 10, _TOO_MUCH, span)
            self.check_tag(event, span)
            self.place(self.scalar(event, span), event.anchor, span, 1)
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
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")[:80]
            self.problems.add(f"a spec has no YAML tags, such as {tag}", span, hint="leave the tag out")

    def open(self, event: Any) -> None:
        span = self.span(event)
        spend(_NODE, _TOO_MUCH, span)
        self.check_tag(event, span)
        if len(self.stack) >= limits.MAX_NESTING:
            self.stop(f"nested more than {limits.MAX_NESTING} levels deep", span)
        if self.stack and isinstance(self.stack[-1].node, Map) and not self.stack[-1].expecting_value:
            self.stop("a key must be a word or a whole number, not a collection", span, hint="quote the key")
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
        spend(_NODE * size, "the aliases in this file stand for too much data", span, "write the data out")
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
        if not isinstance(node, Scalar):
            self.problems.add("a key must be a word or a whole number, not a collection", span)
            return None
        if isinstance(node.value, float | bool) or node.value is None:
            hint = "quote it if it is a name"
            self.problems.add(f"a key must be a word or a whole number, not '{node.text}'", span, hint=hint)
            return None
        if node.value == "<<":
            self.problems.add("YAML merge keys are not used here", span, hint="use 'extends'")
            return None
        if ":" in node.text:
            before, _, after = node.text.partition(":")
            meant = f"a space after the colon: `{before[:40]}: {after.strip()[:40]}`"
            hint = meant if before and after else "no name has one"
            self.problems.add(f"the key '{node.text[:60]}' has a colon in it", span, hint=hint)
            return None
        if node.value in into:
            first = into.key_spans[node.value]
            at = f"first on line {first.line}" if first else "twice"
            self.problems.add(f"'{node.text}' is given twice, {at}", span, hint="keep one of them")
            return None
        return node.value

    def scalar(self, event: Any, span: Span) -> Scalar:
        text: str = event.value
        self.problems.extend(separators(text, span))
        if event.style:  # quoted or block; None or empty for plain, by parser
            return Scalar(text, text, span)
        top = self.stack[-1] if self.stack else None
        if top and top.flow:
            before, top.parentheses = top.parentheses, max(0, top.parentheses + text.count("(") - text.count(")"))
            if top.parentheses and not before:
                self.problems.add(
                    "this expression is cut at its comma: inside { } or [ ] YAML splits there", span,
                    hint='quote the whole expression, as in {out: "min(a, b)"}',
                )  # fmt: skip
        if top and isinstance(top.node, Map) and not top.expecting_value and text.lower() in YAML_1_1:
            self.problems.add(f"YAML readers disagree on '{text}'", span, hint="quote it if it is a name")
            return Scalar(text, text, span)
        return Scalar(resolve_plain(text, span, self.problems), text, span)


def mark(value: object, source: Source, depth: int = 0) -> Data:
    """Plain Python data (from a caller, not a file) as marked data that `source` accounts for.

    Raises `TypeError` for anything but numbers, strings, booleans, None, lists, tuples and mappings of them, and
    `SpecError` for a whole number of so many digits that Python itself would not print it.
    """
    span = Span(source, 1, 1, len(source.text))
    if isinstance(value, Scalar | Seq | Map):
        return value
    if depth > limits.MAX_NESTING:
        raise TypeError(f"a spec's data nests at most {limits.MAX_NESTING} levels deep")
    if isinstance(value, int):
        _printable(value, span)
    if value is None or isinstance(value, bool | int | float | str):
        return Scalar(value, str(value), span)
    if isinstance(value, Mapping):
        items = {}
        for key, entry in value.items():
            if isinstance(key, int):
                _printable(key, span)
            items[key if isinstance(key, int) else str(key)] = mark(entry, source, depth + 1)
        return Map(items, span, dict.fromkeys(items, span))
    if isinstance(value, Sequence):
        return Seq([mark(entry, source, depth + 1) for entry in value], span)
    raise TypeError(f"a spec holds numbers, strings, lists and mappings, not {type(value).__name__}")


def _printable(number: int, span: Span) -> None:
    if number.bit_length() > 64:
        raise SpecError([Problem(f"this number is larger than {limits.MAX_NUMBER:.0e}", span)])


def plain(data: Data) -> Any:
    """Marked data as ordinary Python data."""
    if isinstance(data, Scalar):
        return data.value
    if isinstance(data, Seq):
        return [plain(item) for item in data]
    return {key: plain(item) for key, item in data.items()}
