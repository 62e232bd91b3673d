"""No text of a spec is obeyed: whatever field it stands in, wherever it comes out."""

from __future__ import annotations

import ast
import re
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
import yaml
from click.testing import CliRunner
from emitted import graph_for, imported, packages
from hostile_texts import MARK, TEXTS
from networks import graph_of

import archspec
from archspec.cli import main
from archspec.cli.artifacts import resolved_text
from archspec.compiler.analysis.summary import operator_table
from archspec.compiler.emit import emit
from archspec.compiler.figures import engine
from archspec.compiler.figures.figure import Options, figure, rendered
from archspec.graph import Graph
from archspec.language.spec import from_source
from archspec.ops import ModuleCall
from archspec.report.table import Table
from archspec.syntax.errors import Problem, Source, Span, SpecError
from archspec.syntax.escape import dot, latex, markdown, quoted, remark, terminal, terminal_lines, xml

SPEC = """
archspec: 1
name: {name}
paper: {{title: {title}, note: {note}}}
input: {{channels: 3, size: [8, 8]}}
params: {{{param}: 2, classes: 3}}
require: [{{that: {required}, else: {otherwise}}}]
stem:
  - conv: {{out: 4, kernel: 3, name: {operator}}}
  - module: {{type: {type}, args: {{{argument}: 1}}, words: {{mode: {word}}}}}
stages: {{repeat: [2, 1], width: {wide}, {column}: 1, blocks: {used}, enter: [identity, {enter}]}}
blocks:
  {block}:
    graph:
      {wire}: [use: {path}, conv: {{out: width, kernel: 3}}]
      output: {{from: [{read}, input], ops: [add]}}
  two: {{branch: [conv: {{out: width, kernel: {value}}}], shortcut: {shortcut}}}
paths: {{{defined}: [bn, relu]}}
skips: [{{from: {source}, to: stage2.0}}]
head: [global_avg_pool, linear: {{out: classes}}]
outputs: {{{label}: {address}}}
"""
PLAIN = {
    "name": "n", "title": "t", "note": "n", "param": "p", "required": "classes == 3", "otherwise": "o",
    "operator": "first", "type": "Upsample", "argument": "scale_factor", "word": "nearest", "column": "own",
    "used": "one", "enter": "identity", "block": "one", "wire": "a", "path": "way", "read": "a", "value": "3",
    "shortcut": "B", "defined": "way", "source": "stage1.0", "label": "l", "address": "head",
}  # fmt: skip
MORE = {
    "rule": "skips: [{{rule: {}}}]", "until": "until: {}", "method": "init: {{conv: {{method: {}}}}}",
    "extends": "extends: {}", "key": "{}: 1",
}  # fmt: skip
USES = {"block": "used", "wire": "read", "defined": "path"}
"""Where a name that a field gives is used: there the text stands too."""


def text_with(field: str, text: str) -> str:
    """A spec with a text in one field."""
    if field in MORE:
        plain = SPEC.format(**PLAIN, wide="4 * own").splitlines()
        lines = [line for line in plain if field != "rule" or "skips" not in line]
        return "\n".join([*lines, MORE[field].format(quoted(text)), ""])
    written = PLAIN | dict.fromkeys({field, USES.get(field, field)}, quoted(text))
    written |= {"required": "classes == 4"} if field == "otherwise" else {}
    return SPEC.format(**written, wide="4 * own" if field != "column" or text == "own" else 4)


def assert_printable(text: str) -> None:
    odd = {c for c in text if not c.isprintable() and c != "\n"}
    assert not odd


def assert_outputs(graph: Graph) -> None:
    """Every output of a graph but the figure's file is what it says, and nothing else."""
    tree = ast.parse(emit(graph)).body
    assert isinstance(tree[0], ast.Expr)
    assert {type(part) for part in tree[1:]} <= {ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef}
    assert packages(emit(graph)) <= {"torch", *sys.stdlib_module_names}
    summary = archspec.summarize(graph)
    facts = (summary, archspec.analyze(graph), archspec.table(graph, graph))
    for fact in facts:
        assert_printable(str(fact))
        tags, _ = parsed(fact._repr_html_())
        assert tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "pre"}
    for table in (summary.table(), operator_table(graph), archspec.table(graph).table()):
        assert_table(table)
    for text in (figure([graph], Options(legend=False)).text, emit(graph), graph.to_spec_text()):
        assert_printable(text)


def assert_table(table: Table) -> None:
    """As many rows and cells as the table has, in every format; in HTML the very texts."""
    lines = table.markdown().splitlines()
    assert len(lines) == len(table.lines) + 2
    assert {line.count("|") for line in lines} == {len(table.header) + 1}
    rows = [line for line in table.latex().splitlines() if line.endswith(r" \\")]
    assert len(rows) == len(table.lines) + 1
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(table.header) - 1}
    _, data = parsed(table.html())
    assert data == [
        terminal(cell) for cell in (table.title, *table.header, *(c for row in table.lines for c in row)) if cell
    ]
    assert_printable(table.text())


def parsed(text: str) -> tuple[set[str], list[str]]:
    """The tags of an HTML text, and its data."""
    tags: set[str] = set()
    data: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)
            assert {name for name, _ in attrs} <= {"style"}

        def handle_data(self, text: str) -> None:
            data.append(text)

    parser = Parser()
    parser.feed(text)
    parser.close()
    return tags, data


@pytest.mark.parametrize("field", [*PLAIN, *MORE])
def test_a_text_in_any_field_is_told_or_is_harmless(field: str) -> None:
    accepted = 0
    for text in TEXTS:
        try:
            spec = from_source(Source("test.yaml", text_with(field, text)))
            graph = archspec.expand(spec)
        except SpecError as error:
            assert_printable(str(error))
            continue
        accepted += 1
        if accepted <= 3 or (field == "name" and accepted % 3 == 0):
            assert_outputs(graph)
            shown = resolved_text(spec)
            assert_printable(shown)
            again = from_source(Source("test.yaml", shown))
            assert (again.name, archspec.expand(again)) == (spec.name, graph)
    assert field not in ("title", "note") or accepted > len(TEXTS) // 2
    if field in PLAIN and field != "otherwise":
        graph_of(text_with(field, PLAIN[field]))  # it is the text that is refused


def hostile_graph(texts: tuple[str, ...]) -> Graph:
    """A graph made by hand, with texts as the names of itself, its blocks and its outputs."""
    made = graph_for("outputs")
    kinds = {address: texts[i % len(texts)] for i, address in enumerate(made.kinds)}
    outputs = {text: list(made.outputs.values())[i % 3] for i, text in enumerate(texts)}
    return Graph(texts[0], made, outputs, made.init, kinds)


PARTS = [TEXTS[i : i + 7] for i in range(0, len(TEXTS), 7)]


@pytest.mark.parametrize("texts", PARTS, ids=range(len(PARTS)))
def test_names_of_a_graph_made_by_hand(texts: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    graph = hostile_graph(texts)
    assert set(texts) <= {*graph.kinds.values()}
    given = imported(emit(graph), tmp_path).Network()(torch.rand(1, *graph.input.shape))
    assert list(given) == list(graph.outputs)
    assert_outputs(graph)
    assert_printable(str(archspec.diff(graph, hostile_graph(("x",)))))
    assert not (tmp_path / MARK).exists()


@pytest.mark.skipif(not engine.available(), reason="there is no Graphviz here")
@pytest.mark.parametrize("texts", PARTS[::2], ids=range(len(PARTS[::2])))
def test_a_figure_is_xml_and_shows_the_texts(texts: tuple[str, ...]) -> None:
    graph = hostile_graph(texts)
    finished = figure([graph], Options(title=texts[0], detail="block"))
    root = ElementTree.fromstring(rendered(finished, "svg")[0])
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "g", "title", "polygon", "path", "polyline", "ellipse", "text", "a", "tspan"}
    shown = {"".join(element.itertext()) for element in root.iter() if element.tag.endswith("}text")}
    for text in texts:
        if terminal(text).strip() and len(text) < 40:
            assert any(terminal(text).strip() in line for line in shown), (text, shown)


@pytest.mark.parametrize("text", [text for text in TEXTS if MARK not in text][::6])
def test_the_command_line_prints_no_orders(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(text_with("name", text))
    (tmp_path / "b.yaml").write_text(text_with("block", text))
    (tmp_path / "c.yaml").write_text("archspec: 1\nname: [\x1b]0;a\x07\u202e\n", errors="surrogatepass")
    commands = [
        ["show"], ["show", "--graph"], ["show", "--python"], ["show", "--params"], ["show", "--json"], ["summary"],
        ["summary", "--markdown"], ["summary", "--latex"], ["summary", "--depth", "op"], ["analyze"], ["check"],
        ["table"], ["table", "--format", "latex"], ["diff", "a.yaml"], ["render", "-o", f"{text[:9]!r}.dot"],
    ]  # fmt: skip
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        for command in commands if name == "a.yaml" else commands[5:10]:
            done = CliRunner().invoke(main, [*command, name])
            assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
            assert_printable(done.output)
            assert done.output


def test_only_one_function_of_the_command_line_prints() -> None:
    folder = Path(archspec.__file__).parent / "cli"
    for path in folder.glob("*.py"):
        text = path.read_text()
        assert text.count("click.echo(") + text.count("click.secho(") == (path.name == "shared.py"), path
        assert not re.search(r"(?<![.\w])print\(", text), path


def test_a_constant_word_keeps_its_quotes() -> None:
    from archspec.compiler.emit.calls import Globals, constructor

    for text in TEXTS:
        call = ModuleCall("torch.nn.Upsample", (("mode", text), ("class", 3)), opaque=True)
        tree = ast.parse(constructor(call, {}, Globals()), mode="eval").body
        assert isinstance(tree, ast.Call)
        assert [ast.literal_eval(keyword.value) for keyword in tree.keywords] == [text, {"class": 3}]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_each_place_reads_a_text_back_as_it_was(text: str) -> None:
    assert ast.literal_eval(quoted(text)) == text
    if "\ud800" not in text:
        assert yaml.safe_load(quoted(text)) == text
    (element,) = ElementTree.fromstring(f'<a><b c="{xml(text)}">{xml(text)}</b></a>')
    assert element.text in (terminal(text), None)
    assert element.get("c") == terminal(text)
    for written in (remark(text), terminal(text), dot(text), latex(text), markdown(text)):
        assert_printable(written)
        assert "\n" not in written
    assert len(terminal(text)) == len(text)
    assert ast.parse(f'x = 1  # {remark(text)}\n"""{remark(text)}."""\n').body[1:]
    assert not re.search(r'(?<!\\)(\\\\)*"', dot(text))
    assert terminal_lines(text).count("\n") == text.count("\n")
    assert markdown(text).count("|") == markdown(text).count("<") == 0
    problem = Problem(text, Span(Source(text, text), 1, 1), text, text)
    assert_printable(problem.render())
