"""The face: every verb takes a network in every form, and what it gives prints as the command line prints it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import archspec
from archspec.cli import main
from archspec.report.fact import Fact


def _shapes(network: archspec.Network) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


VERBS: dict[str, Callable[..., Any]] = {
    "expand": archspec.expand,
    "summarize": archspec.summarize,
    "check": archspec.check,
    "analyze": archspec.analyze,
    "signature": archspec.signature,
    "table": archspec.table,
    "emit": archspec.emit,
    "render": archspec.render,
    "optimize": archspec.optimize,
    "diff": lambda model, **given: archspec.diff(model, model, **given),
    "probe": lambda model, **given: archspec.probe(model, batch=2, **given).blocks,
    "build": lambda model, **given: _shapes(archspec.build(model, device="meta", **given)),
    "compile": lambda model, **given: _shapes(archspec.compile(model, "eager", device="meta", **given)),
}
NAME = "cifar_resnet20"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("specs") / f"{NAME}.yaml"
    path.write_text(f"archspec: 1\nextends: {NAME}\n")
    return path


def test_the_names_are_what_a_user_needs() -> None:
    verbs = {*VERBS, "load", "loads", "define", "op", "fold", "trace", "export", "features", "load_weights"}
    types = {
        "Analysis", "Architectures", "CompileError", "Difference", "EngineError", "ExportError", "Exported", "Feature",
        "Figure", "FigureError", "Graph", "Network", "Node", "Probe", "Problem", "Report", "Span", "Spec", "SpecError",
        "Summary", "TraceError", "TrainingStep", "Transfer", "WeightsError",
    }  # fmt: skip
    assert set(archspec.__all__) == verbs | types | {"__version__"}
    assert all(getattr(archspec, name).__doc__ for name in archspec.__all__ if name not in ("op", "__version__"))


def test_type_checkers_and_the_import_know_the_same_names() -> None:
    """`archspec/__init__.py` has the names for type checkers, for `*`, and for loading them later."""
    tree = ast.parse(Path(archspec.__file__).read_text(encoding="utf-8"))
    guard = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    told = {name.name: node.module for node in guard.body if isinstance(node, ast.ImportFrom) for name in node.names}
    later = {name: home for home, names in archspec._HOMES.items() for name in names}
    assert told == later
    assert sorted([*later, "__version__"]) == archspec.__all__
    assert set(archspec.__all__) <= set(dir(archspec))
    for name, home in later.items():
        assert getattr(archspec, name) is getattr(import_module(home), name)


@pytest.mark.parametrize("given", [None, 3, []])
def test_what_is_no_network_is_called_what_it_is(given: Any) -> None:
    kind = "None" if given is None else f"a {type(given).__name__}"
    with pytest.raises(TypeError, match=f"this is no spec, graph, name, file or built network, but {kind}"):
        archspec.expand(given)
    with pytest.raises(TypeError, match="the text of a spec is a str"):
        archspec.loads(given)


@pytest.mark.parametrize("given", [float("nan"), [3, float("nan")], {1: float("nan")}])
def test_nan_is_no_number_of_a_spec(given: Any) -> None:
    with pytest.raises(archspec.SpecError, match="nan is not a number that a spec can use"):
        archspec.load(NAME, depth=given)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_a_name_a_file_a_spec_and_a_graph(verb: str, file: Path) -> None:
    work = VERBS[verb]
    found = [work(given) for given in (NAME, file, str(file), archspec.load(NAME), archspec.expand(NAME))]
    if verb == "diff":  # two graphs have no language to compare, and these have none that differs
        assert all(each.equal and not each.language for each in found)
    elif verb == "check":  # a graph claims nothing, and a spec does not inherit claims
        assert [len(each.claims) for each in found] == [3, 0, 0, 3, 0]
    elif verb != "render":  # its text names the line that each operator comes from
        assert all(each == found[0] for each in found)


@pytest.mark.parametrize("verb", VERBS)
def test_overrides_go_with_a_name_and_not_with_what_is_loaded(verb: str) -> None:
    work = VERBS[verb]
    changed = work(NAME, classes=7)
    assert changed == work(archspec.load(NAME, classes=7)) or verb == "diff"
    if verb not in ("diff", "check"):
        assert changed != work(NAME)
    for given in (archspec.load(NAME), archspec.expand(NAME)):
        with pytest.raises(TypeError, match=r"takes no 'classes': give a name or a file"):
            work(given, classes=7)


def test_a_network_takes_no_overrides() -> None:
    network = archspec.build(NAME, device="meta")
    with pytest.raises(TypeError, match="a network takes no 'classes'"):
        archspec.compile(network, "eager", classes=7)
    with pytest.raises(TypeError, match="a network takes no 'classes'"):
        archspec.optimize(network, classes=7)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("command", "fact"),
    [
        (["summary", NAME], lambda: archspec.summarize(NAME)),
        (["analyze", NAME], lambda: archspec.analyze(NAME)),
        (["diff", NAME, "cifar_resnet32"], lambda: archspec.diff(NAME, "cifar_resnet32")),
    ],
)
def test_results_print_as_the_command_line_prints(command: list[str], fact: Callable[[], Fact]) -> None:
    printed = CliRunner().invoke(main, command, env={"COLUMNS": "120"}).stdout
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    assert [line.rstrip() for line in str(fact()).splitlines() if line.strip()] == lines


def test_a_report_prints_its_claims() -> None:
    assert str(archspec.check("iresnet404")).split()[:3] == ["ok", "iresnet404", "params"]
    wrong = archspec.loads("archspec: 1\nextends: cifar_resnet20\nexpect: {params: 7}\n")
    assert "the spec expects 7 parameters, and the graph has 269,722" in str(archspec.check(wrong))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.cells += tag == "td"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("fact", [archspec.summarize, archspec.analyze, archspec.table, archspec.check])
def test_a_notebook_shows_results_as_html(fact: Callable[[str], Fact]) -> None:
    tags = _Tags()
    tags.feed(fact(NAME)._repr_html_())
    assert tags.open == []
    assert (tags.cells > 0) is (fact is not archspec.check)


@pytest.mark.parametrize("value", [archspec.load(NAME), archspec.expand(NAME)], ids=["spec", "graph"])
def test_a_notebook_shows_specs_and_graphs_as_figures(value: Any) -> None:
    bundle = value._repr_mimebundle_()
    assert "<svg" in bundle["image/svg+xml"]
    assert NAME in bundle["text/plain"]


def test_a_notebook_shows_what_is_wrong_with_a_spec() -> None:
    wrong = archspec.loads("archspec: 1\ninput: {size: [8, 8]}\nhead: [linear: {out: 3}]\n")
    assert "linear needs a vector" in wrong._repr_mimebundle_()["text/plain"]


def test_render_writes_and_shows(tmp_path: Path) -> None:
    figure = archspec.render([NAME, "cifar_plain20"], tmp_path / "two.svg", detail="stage", width="6.75in")
    assert (tmp_path / "two.svg").read_text().startswith("<?xml")
    assert str(figure).startswith("a figure of 486 x ")
    assert (archspec.render(NAME)._repr_svg_() or "").count("<svg") == 1
    with pytest.raises(ValueError, match="is no width"):
        archspec.render(NAME, width="wide")
    with pytest.raises(archspec.FigureError, match=r"cannot write a figure as 'a\.jpeg'"):
        archspec.render(NAME, tmp_path / "a.jpeg")


def test_probing_at_another_size_needs_the_spec() -> None:
    assert archspec.probe(NAME, batch=2, size=(16, 16)).blocks
    with pytest.raises(ValueError, match="a graph has an input size"):
        archspec.probe(archspec.expand(NAME), size=(16, 16))
