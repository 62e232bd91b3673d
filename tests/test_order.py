"""Nothing depends on the order of a set, which for texts changes from process to process.

`tests/artifacts.py` makes every artifact of several networks under four hash seeds; and no line of the code goes over a
set, but into what has no order either.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SEEDS = ("0", "1", "2", "3")
SETS = frozenset({"set", "frozenset", "AbstractSet"})
MIXED = frozenset({"union", "intersection", "difference", "symmetric_difference"})
UNORDERED = SETS | MIXED | set("sorted len any all min max sum bool Counter update isdisjoint".split())
"""What takes a set and gives what its order does not matter to."""
ORDERED = frozenset({
    "list", "tuple", "iter", "enumerate", "join", "fromkeys", "map", "filter", "zip", "chain", "from_iterable",
    "extend", "dict", "OrderedDict", "deque", "reversed", "next",
})  # fmt: skip
"""What takes anything and keeps its order."""


def test_artifacts_do_not_depend_on_the_hash_seed() -> None:
    """Parameters, state dicts, emitted text, graphs, figures, messages: equal in four processes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    runs = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "artifacts.py")], stdout=subprocess.PIPE,
            env={**environment, "PYTHONHASHSEED": seed},
        )
        for seed in SEEDS
    ]  # fmt: skip
    first, *others = [json.loads(run.communicate()[0]) for run in runs]
    assert [run.returncode for run in runs] == [0] * len(SEEDS)
    for other in others:
        assert [name for name in first if other[name] != first[name]] == []
        assert list(other) == list(first)


def _is_set(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation).partition("[")[0] in SETS


class Loops(ast.NodeVisitor):
    """Lines that go over a set in an order that reaches something."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[int] = []
        self._scopes: list[set[str]] = []
        nodes = list(ast.walk(tree))
        self._fields = {
            each.target.id if isinstance(each.target, ast.Name) else ast.unparse(each.target).removeprefix("self.")
            for each in nodes if isinstance(each, ast.AnnAssign) and _is_set(each.annotation)
        }  # fmt: skip
        self._functions = {each.name for each in nodes if isinstance(each, ast.FunctionDef) and _is_set(each.returns)}
        self.visit(tree)

    def _unordered(self, node: ast.AST) -> bool:
        """Whether an expression is a set."""
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Call(func=ast.Name(id=name)):
                return name in SETS | self._functions
            case ast.Call(func=ast.Attribute(attr=name)):
                return name in MIXED | self._functions
            case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
                return any(self._unordered(side) or ast.unparse(side).endswith(".keys()") for side in (left, right))
            case ast.IfExp(body=one, orelse=other):
                return self._unordered(one) or self._unordered(other)
            case ast.Name(id=name):
                return any(name in scope for scope in self._scopes)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return name in self._fields
        return False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        scope = {each.arg for each in arguments if _is_set(each.annotation)}
        self._scopes.append(scope)
        for each in ast.walk(node):
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and _is_set(each.annotation):
                scope.add(each.target.id)
            for target in each.targets if isinstance(each, ast.Assign) else ():
                value = each.value  # type: ignore[attr-defined]
                tuples = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                pairs = zip(target.elts, value.elts, strict=False) if tuples else [(target, value)]  # type: ignore[attr-defined]
                scope |= {ast.unparse(one) for one, given in pairs if self._unordered(given)}
        self.generic_visit(node)
        self._scopes.pop()

    def visit_For(self, node: ast.For) -> None:
        self._hold(node.iter)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._hold(node.value)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._hold(node.iter)
        self.generic_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._unheld(node)

    def _unheld(self, node: ast.AST) -> None:
        """Visits what may go over sets itself, and what stands in it, which may not."""
        for each in ast.iter_child_nodes(node):
            (self.generic_visit if isinstance(each, ast.comprehension) else self.visit)(each)

    def visit_Set(self, node: ast.Set) -> None:
        for each in node.elts:
            self.generic_visit(each)

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in UNORDERED:
            for each in [node.func, *node.args, *node.keywords]:
                if isinstance(each, ast.GeneratorExp):
                    self._unheld(each)
                else:
                    (self.generic_visit if isinstance(each, ast.Starred) else self.visit)(each)
            return
        if name in ORDERED:
            for each in node.args:
                self._hold(each)
        if name == "pop" and not node.args and isinstance(node.func, ast.Attribute):
            self._hold(node.func.value)
        if name == "TopologicalSorter":  # whose order, and whose circle, follow the order of each node's
            for each in node.args:
                if isinstance(each, ast.DictComp):
                    self._hold(each.value)
        self.generic_visit(node)

    def _hold(self, node: ast.AST) -> None:
        if self._unordered(node):
            self.found.append(node.lineno)  # type: ignore[attr-defined]


def _files() -> Iterator[Path]:
    for room in ("archspec", "compiler"):
        yield from sorted(path for path in (ROOT / room).rglob("*.py"))


def test_no_line_goes_over_a_set() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in _files() for line in Loops(ast.parse(path.read_text(encoding="utf-8"))).found
    ]  # fmt: skip
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "for x in {1, 2}: pass", "for x in set(a) | b: pass", "y = [x for x in a - b.keys()]", "y = list({a, b})",
        "s = set(a)\n    y = [*s]", "s: set[str] = set()\n    y = ', '.join(s)", "y = {a, b}.pop()",
        "y = dict.fromkeys(frozenset(a), 2)", "y = TopologicalSorter({x: {y} for x in a})",
        "s, t = 1, {2}\n    y = tuple(t)",
    ],
)  # fmt: skip
def test_a_line_that_does_is_found(line: str) -> None:
    assert Loops(ast.parse(f"def f(a, b):\n    {line}\n")).found


@pytest.mark.parametrize(
    "line",
    [
        "for x in sorted({1, 2}): pass", "y = {x for x in set(a)}", "y = any(x for x in {a, b})", "y = len({a})",
        "y = a in {1, 2}", "for x in dict.fromkeys(a): pass", "y = {*set(a), *set(b)}", "y = sorted(x for x in {a})",
    ],
)  # fmt: skip
def test_what_has_no_order_may(line: str) -> None:
    assert not Loops(ast.parse(f"def f(a, b):\n    {line}\n")).found
