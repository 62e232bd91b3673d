"""Text of statements: which values get a variable and which stand inside another expression, and lines that fit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

from archspec.compiler.emit.calls import ATOM, Render, Rendered
from archspec.syntax.escape import identifier, quoted

WIDTH = 110
LIMIT = 120
LONGEST = 30
"""Characters of a variable's name, but for a number at its end."""


@dataclass(frozen=True)
class Piece:
    """One computation of a forward: the values it gives and reads, how it is written, a name for its result.

    A `call` nests its operands; an addition does not. A `loop` runs over modules, each of which maps the value on.
    What is on the `main` road is called x.
    """

    values: tuple[str, ...]
    operands: tuple[str, ...]
    render: Render
    hint: str
    call: bool = True
    loop: str | None = None
    main: bool = False


@dataclass(frozen=True)
class Nest:
    """An expression with items, one to a line where they do not fit on one."""

    head: str
    items: tuple[tuple[str, Expression], ...]
    tail: str


Expression: TypeAlias = "str | Nest"


def flat(expression: Expression) -> str:
    """An expression on one line."""
    if isinstance(expression, str):
        return expression
    return expression.head + ", ".join(prefix + flat(item) for prefix, item in expression.items) + expression.tail


def laid_out(prefix: str, expression: Expression, suffix: str, indent: int) -> list[str]:
    """The lines of an expression."""
    pad = " " * indent
    if isinstance(expression, str):
        return [pad + prefix + expression + suffix]
    simple = len(expression.items) <= 2 or not any("(" in flat(item) for _, item in expression.items)
    if simple and len(line := pad + prefix + flat(expression) + suffix) <= WIDTH:
        return [line]
    lines = [pad + prefix + expression.head]
    for name, item in expression.items:
        lines += laid_out(name, item, ",", indent + 4)
    return [*lines, pad + expression.tail + suffix]


def broken(line: str) -> list[str]:
    """A line in as many as it takes, parted within brackets; as it is where that cannot be."""
    if len(line) <= LIMIT:
        return [line]
    statement = re.match(r"( *)(return|[\w, ]+ =) (.*[^:])\Z", line)
    if statement:
        start, value = statement[2], statement[3]
        start = f"({start[:-2]}) =" if "," in start else start
        bracketed = re.fullmatch(r'[\w.\[\]"]*(\(.*\)|\{.*\})', value)
        line = f"{statement[1]}{start} {value if bracketed else f'({value})'}"
    pad = " " * (len(line) - len(line.lstrip()) + (8 if line.lstrip().startswith("def ") else 4))
    masked = re.sub(r'"(?:[^"\\]|\\.)*"', lambda quoted: "_" * len(quoted[0]), line)
    depths = list(accumulate((c in "([{") - (c in ")]}") for c in masked))
    spots = [m.end() for m in re.finditer(r", | (?=[+*] )|[(\[{](?=[^)\]}])", masked) if depths[m.end() - 1] > 0]
    lines, start = [], 0
    while len(line) - start + len(pad) * bool(start) > LIMIT:
        room = start + LIMIT - len(pad) * bool(start)
        fitting = [spot for spot in spots if start < spot <= room]
        if not fitting:
            break
        lines.append(pad * bool(start) + line[start : fitting[-1]].rstrip())
        start = fitting[-1]
    return [*lines, pad * bool(start) + line[start:]]


@dataclass(frozen=True)
class _Tree:
    """A piece whose operands are values, or the trees of pieces written inside it."""

    piece: Piece
    operands: tuple[_Tree | str, ...]
    depth: int
    size: int


def forward_lines(
    pieces: Sequence[Piece], inputs: Sequence[str], arguments: Sequence[str],
    outputs: Mapping[str, str] | Sequence[str], depth: int, reserved: Container[str],
) -> list[str]:  # fmt: skip
    """The body of a forward, given the values it starts from and those it gives: one, several, or a dict by label."""
    wanted = list(outputs.values()) if isinstance(outputs, Mapping) else list(outputs)
    statements, returned = _statements(pieces, wanted, depth)
    last: dict[str, int] = {}
    for i, tree in enumerate(statements):
        for value in _read(tree):
            last[value] = i
    for value in [v for tree in returned for v in ([tree] if isinstance(tree, str) else _read(tree))]:
        last[value] = len(statements)
    scope = _Variables(dict(zip(inputs, arguments, strict=True)), last, reserved)
    upcoming = _upcoming([tree.piece.main for tree in statements])
    lines = []
    for i, tree in enumerate(statements):
        piece, text = tree.piece, _text(tree, scope.names)[0]
        before = scope.names[piece.operands[0]] if piece.loop else ""
        hints = piece.values if len(piece.values) > 1 else (piece.hint,)
        until = upcoming[i] if piece.main else i + 1
        pairs = zip(piece.values, hints, strict=True)
        targets = ", ".join([scope.assign(value, hint, i, until, piece.main) for value, hint in pairs])
        if piece.loop is None:
            lines.append(f"{targets} = {text}")
            continue
        lines += [f"{targets} = {before}"] if before != targets else []
        lines += [f"for block in {piece.loop}:", f"    {targets} = block({targets})"]
    texts = [scope.names[tree] if isinstance(tree, str) else _text(tree, scope.names)[0] for tree in returned]
    if isinstance(outputs, Mapping):
        texts = ["{" + ", ".join(f"{quoted(label)}: {text}" for label, text in zip(outputs, texts, strict=True)) + "}"]
    return [*lines, f"return {', '.join(texts)}"]


def _upcoming(main: Sequence[bool]) -> list[int]:
    """For each statement, the number of the next one on the main road."""
    following = [len(main)]
    for i in range(len(main) - 1, 0, -1):
        following.append(i if main[i] else following[-1])
    return following[::-1]


def _text(tree: _Tree, names: Mapping[str, str]) -> Rendered:
    operands = [(names[part], ATOM) if isinstance(part, str) else _text(part, names) for part in tree.operands]
    return tree.piece.render(operands)


def _read(tree: _Tree) -> Iterable[str]:
    for part in tree.operands:
        if isinstance(part, str):
            yield part
        else:
            yield from _read(part)


def _statements(pieces: Sequence[Piece], wanted: Sequence[str], depth: int) -> tuple[list[_Tree], list[_Tree | str]]:
    """Pieces as statements, one inside another where it is read once, next, and in the order of evaluation."""
    uses: dict[str, int] = {}
    for value in [*(value for piece in pieces for value in piece.operands), *wanted]:
        uses[value] = uses.get(value, 0) + 1
    done: list[_Tree] = []
    waiting: list[_Tree] = []
    for piece in pieces:
        inner = _taken(piece.operands, waiting)
        trees = {tree.piece.values[0]: tree for tree in inner}
        parts = tuple(trees.get(value, value) for value in piece.operands)
        tree = _tree(piece, parts)
        if inner and (tree.depth > depth or tree.size > WIDTH - 20 or piece.loop):
            inner, tree = [], _tree(piece, piece.operands)
        if inner:
            del waiting[-len(inner) :]
        elif any(value == other.piece.values[0] for value in piece.operands for other in waiting):
            done += waiting
            waiting.clear()
        if piece.loop or len(piece.values) > 1 or uses[piece.values[0]] > 1 or len(waiting) > 8:
            done += [*waiting, tree]
            waiting.clear()
        else:
            waiting.append(tree)
    kept = _taken(wanted, waiting)
    done += waiting[: len(waiting) - len(kept)]
    ends = {tree.piece.values[0]: tree for tree in kept}
    return done, [ends.get(value, value) for value in wanted]


def _taken(operands: Sequence[str], waiting: Sequence[_Tree]) -> list[_Tree]:
    """The trees that wait for these operands, if they are the last that wait, in this order."""
    found = {tree.piece.values[0] for tree in waiting}
    values = [value for value in operands if value in found]
    tail = list(waiting[len(waiting) - len(values) :])
    return tail if [tree.piece.values[0] for tree in tail] == values else []


def _tree(piece: Piece, parts: tuple[_Tree | str, ...]) -> _Tree:
    inner = [part for part in parts if isinstance(part, _Tree)]
    own = len(piece.render([("x", ATOM)] * len(parts))[0]) if piece.loop is None else 0
    return _Tree(
        piece, parts, max((part.depth for part in inner), default=0) + piece.call,
        own + sum(part.size for part in inner),
    )  # fmt: skip


class _Variables:
    """Names of values: x on the main road, else the value's own; a name is used again once its value is dead."""

    def __init__(self, inputs: Mapping[str, str], last: Mapping[str, int], reserved: Container[str]) -> None:
        self._last, self._reserved = last, reserved
        self.names: dict[str, str] = {}
        self._holds: dict[str, str] = {}
        self._ending: Counter[int] = Counter()  # how many values are read last by each statement
        self._alive, self._counted, self._at = 0, -1, 0
        for value, name in inputs.items():
            self._set(value, name)

    def _set(self, value: str, name: str) -> None:
        self.names[value] = name
        self._holds[name] = value
        self._alive += 1
        self._ending[max(self._last.get(value, 0), self._counted + 1)] += 1

    def __contains__(self, name: object) -> bool:
        """Whether a variable cannot be called so now."""
        return name in self._reserved or not self._free(str(name), self._at)

    def _free(self, name: str, at: int) -> bool:
        return name not in self._holds or self._last.get(self._holds[name], -1) <= at

    def assign(self, value: str, hint: str, at: int, until: int, main: bool) -> str:
        """The variable of a value that statement `at` gives: x if it is read no later than by statement `until`, and
        is on the main road or all that is alive."""
        name = "x"
        while self._counted < at:
            self._counted += 1
            self._alive -= self._ending[self._counted]
        alone = main or not self._alive
        if not alone or not self._free("x", at) or self._last.get(value, at) > until:
            name, self._at = identifier(hint[:LONGEST].rstrip("_")), at
            name = identifier(f"{name}_value" if name in self._reserved or name == "x" else name, self)
        self._set(value, name)
        return name


def input_names(inputs: Sequence[str]) -> list[str]:
    """Names of a forward's arguments: the first is x, others say what they bring."""
    kinds = ["x", *("level" if value.startswith("level") else "skip" for value in inputs[1:])]
    return [f"{kind}{kinds[: i + 1].count(kind)}" if kinds.count(kind) > 1 else kind for i, kind in enumerate(kinds)]
