"""From the text of an expression to its tree: Python's own parser, then an allow-list of constructs."""

from __future__ import annotations

import ast
import operator
import re
from typing import Any

from archspec.syntax import limits
from archspec.syntax.errors import Problem, Span, SpecError, suggest
from archspec.syntax.expressions import EvaluationError, Expr, Term
from archspec.syntax.source import Data, Map, Scalar, Seq
from archspec.syntax.values import BINARY, COMPARE, FUNCTIONS, MOST_ARGUMENTS
from archspec.syntax.work import spend


def expression(data: Data) -> Expr:
    """An expression from what YAML gave: a number, a text to parse, or a list or table of expressions.

    Raises `SpecError`.
    """
    problems: list[Problem] = []
    root = _from_data(data, problems)
    if problems:
        raise SpecError(problems)
    return Expr(_written(data), data.span, root)


def parse_text(text: str, span: Span | None = None) -> Expr:
    """An expression from its text. Raises `SpecError`."""
    return expression(Scalar(text, text, span))


def _written(data: Data) -> str:
    if isinstance(data, Scalar):
        return data.text
    if isinstance(data, Seq):
        return f"[{', '.join(map(_written, data))}]"
    return "{" + ", ".join(f"{key}: {_written(entry)}" for key, entry in data.items()) + "}"


def _from_data(data: Data, problems: list[Problem]) -> Term:
    if isinstance(data, Seq | Map) and len(data) > limits.MAX_LIST:
        problems.append(Problem(f"this has more than {limits.MAX_LIST:,} entries", data.span))
        return Term("constant", None, (), data.span)
    if isinstance(data, Seq):
        return Term("list", None, tuple(_from_data(item, problems) for item in data), data.span)
    if isinstance(data, Map):
        return Term("table", tuple(data), tuple(_from_data(item, problems) for item in data.values()), data.span)
    if not isinstance(data.value, str):
        if data.value != data.value:
            problems.append(Problem("nan is not a number that a spec can use", data.span))
        elif isinstance(data.value, int | float) and not abs(data.value) <= limits.MAX_NUMBER:
            problems.append(Problem(f"this number is larger than {limits.MAX_NUMBER:.0e}", data.span))
        return Term("constant", data.value, (), data.span)
    try:
        return _Translation(data.value, data.span).term
    except EvaluationError as error:
        problems.append(error.problem)
        return Term("constant", None, (), data.span)


HAS = f"numbers, names, + - * / // % **, comparisons, and, or, not, a if c else b, a[i], a[i:j], {', '.join(FUNCTIONS)}"
# Python's parser warns of these on its own channel, and then reads them.
_WARNED = re.compile(r"\\|(?<![\w.])[0-9][0-9_.]*+(?:[eE][-+]?[0-9]+)?+[A-Za-z_]")
_SLIPS = [
    (re.compile(r"&&|\|\||!(?!=)"), "conditions are joined with `and`, `or` and `not`"),
    (re.compile(r"(?<![=<>!])=(?!=)"), "to compare, write =="),
    (re.compile(r"\?"), "a choice is written `a if c else b`"),
    (re.compile(r"\A\s*[\[{]|\Z(?<=[:,])"), "a list or a table is written in YAML, outside the quotes"),
]
_REFUSED: dict[type[ast.expr], str] = {
    ast.Attribute: "attributes: a name has no dot", ast.Constant: "texts in quotes", ast.Call: "such call",
    ast.Slice: "slices of several dimensions", ast.Subscript: "slices with a step",
    ast.Dict: "tables within: write them in YAML, outside the quotes",
    ast.Lambda: "lambda", ast.ListComp: "comprehensions: use `each`", ast.GeneratorExp: "comprehensions: use `each`",
    ast.Compare: "`in` and `is`", ast.BinOp: "such operator", ast.UnaryOp: "such operator",
}  # fmt: skip


class _Translation:
    """From Python's syntax tree to ours, refusing every construct not named here."""

    def __init__(self, text: str, span: Span | None) -> None:
        self.text, self.span = text, span
        self.shown: int | None = None  # where the text begins in its span, once looked for; -1 if it is not there
        if len(text) > limits.MAX_EXPRESSION:
            raise EvaluationError(f"an expression is at most {limits.MAX_EXPRESSION} characters long", span)
        spend(350 + 24 * len(text), "the expressions are too many to read", span)
        source = text.strip()
        self.indent = len(text) - len(text.lstrip())
        if _WARNED.search(source):
            raise EvaluationError(f"'{_crop(text)}' is not an expression", span, HAS)
        try:
            tree = ast.parse(source, mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            hint = next((advice for slip, advice in _SLIPS if slip.search(source)), HAS)
            raise EvaluationError(f"'{_crop(text)}' is not an expression", span, hint) from None
        self.term = self.translate(tree.body, 0)

    def at(self, offset: int, length: int) -> Span | None:
        """The span of a part, if the source line really shows the text there (it does not in folded scalars)."""
        if self.span is None:
            return None
        if self.shown is None:
            source, first = self.span.source, self.span.source.start(self.span.line) + self.span.column - 1
            found = source.text.find(self.text, first, first + len(self.text) + 1)
            self.shown = found - first if found >= 0 else -1
        if self.shown < 0 or not 0 <= offset <= len(self.text):
            return self.span
        return self.span.part(self.shown + offset, max(1, length))

    def where(self, node: ast.expr) -> Span | None:
        end = node.end_col_offset if node.end_col_offset is not None else node.col_offset + 1
        return self.at(node.col_offset + self.indent, end - node.col_offset) if node.lineno == 1 else self.span

    def refuse(self, node: ast.expr, message: str, hint: str | None = None) -> EvaluationError:
        return EvaluationError(message, self.where(node), hint)

    def bound(self, node: ast.expr | None, depth: int) -> Term:
        """An end of a slice; None where it is the list's own."""
        return Term("constant", None, (), self.span) if node is None else self.translate(node, depth)

    def translate(self, node: ast.expr, depth: int) -> Term:
        if depth > limits.MAX_EXPRESSION_DEPTH:
            raise EvaluationError("the expression is nested too deeply", self.span)

        def term(kind: str, data: Any, *parts: ast.expr) -> Term:
            return Term(kind, data, tuple(self.translate(part, depth + 1) for part in parts), self.where(node))

        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                if abs(value) > limits.MAX_NUMBER:
                    raise self.refuse(node, f"this number is larger than {limits.MAX_NUMBER:.0e}")
                return term("constant", value)
            case ast.Name(id="true" | "false" as word):
                return term("constant", word == "true")
            case ast.Name(id=name):
                return term("name", name)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return term("binary", BINARY[type(op)], left, right)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return term("unary", operator.neg, operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return term("unary", operator.pos, operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return term("unary", operator.not_, operand)
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in COMPARE for op in ops):
                return term("compare", tuple(COMPARE[type(op)] for op in ops), left, *others)
            case ast.BoolOp(op=op, values=values):
                return term("logic", "or" if isinstance(op, ast.Or) else "and", *values)
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return term("choice", None, body, test, otherwise)
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=None)):
                bounds = [self.bound(end, depth + 1) for end in (lower, upper)]
                return Term("slice", None, (self.translate(value, depth + 1), *bounds), self.where(node))
            case ast.Subscript(value=value, slice=index) if not isinstance(index, ast.Slice):
                return term("index", None, value, index)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return term("list", None, *items)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                if name not in FUNCTIONS:
                    raise self.refuse(node, f"there is no function '{name}'", suggest(name, FUNCTIONS))
                most = MOST_ARGUMENTS.get(name, len(arguments))
                if not 1 <= len(arguments) <= most:
                    takes = {1: "one argument", 2: "one argument or two"}.get(most, "a list, or numbers")
                    raise self.refuse(node, f"{name}() takes {takes}")
                return term("call", name, *arguments)
        what = _REFUSED.get(type(node), "such construct")
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            what = f"{_crop(repr(node.value))}"
        raise self.refuse(node, f"expressions have no {what}", HAS)


def _crop(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
