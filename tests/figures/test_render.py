"""DOT text and files: golden text per level of detail, equal bytes, themes, sizes, limits, engines."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from figure_specs import RESIDUAL, SPECS
from networks import graph_of

import archspec
from archspec.cli import main
from archspec.compiler.figures import EngineError, FigureError, Options, engine, figure, rendered, write_figure
from archspec.compiler.figures.metrics import text_width
from archspec.compiler.figures.options import Detail
from archspec.compiler.figures.splines import spline
from archspec.compiler.figures.themes import THEMES

SVG = "{http://www.w3.org/2000/svg}"
GOLDEN: dict[str, tuple[str, Detail]] = {
    "stage": ("levels2", "stage"), "block": ("levels4", "block"), "blocks": ("gated", "blocks"), "op": ("gated", "op"),
    "layered": ("flat", "op"),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_dot_text(name: str, golden: Callable[[str, str], None]) -> None:
    spec, detail = GOLDEN[name]
    golden(f"figure_{name}.dot", figure([graph_of(SPECS[spec])], Options(detail=detail)).text)


def test_several_side_by_side(golden: Callable[[str, str], None]) -> None:
    graphs = [graph_of(SPECS[name]) for name in ("plain", "residual")]
    golden("figure_compared.dot", figure(graphs, Options(detail="block", collapse=True)).text)


@pytest.mark.parametrize("detail", ["stage", "block", "blocks", "op"])
@pytest.mark.parametrize("name", ["iresnet404", "ror3_110", "cifar_resnet110_exclusive", "resnet3d50", "vgg19"])
def test_svg_parses_and_has_every_box(name: str, detail: Detail) -> None:
    finished = figure([archspec.expand(name)], Options(detail=detail))
    data, messages = rendered(finished, "svg")
    assert messages == ()
    root = ElementTree.fromstring(data)
    titles = {title.text for title in root.iter(f"{SVG}title")}
    named = {line.split('"')[1] for line in finished.text.splitlines() if line.startswith(' "') and " -> " not in line}
    assert named - titles == {name for name in named if name.startswith(("_corner", "_back"))}
    width = float(root.attrib["width"].removesuffix("pt"))
    assert width == pytest.approx(finished.width, abs=2)


def test_every_block_of_a_deep_network_is_in_the_svg() -> None:
    graph = archspec.expand("iresnet404")
    data, _ = rendered(figure([graph], Options(detail="block", expand=frozenset({"all"}))), "svg")
    titles = {title.text for title in ElementTree.fromstring(data).iter(f"{SVG}title")}
    assert {unit for unit in graph.units() if unit.startswith("stage")} <= titles


@pytest.mark.parametrize("form", ["svg", "pdf", "png", "dot"])
def test_equal_figures_have_equal_bytes(form: str) -> None:
    first, second = (rendered(figure([graph_of(SPECS["levels4"])], Options()), form)[0] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("theme", THEMES)
def test_themes_have_all_colours(theme: str) -> None:
    assert THEMES[theme].colours.keys() == THEMES["light"].colours.keys()
    text = figure([graph_of(SPECS["levels4"])], Options(theme=theme)).text
    assert THEMES[theme].colour("background") in text


@pytest.mark.parametrize("width", [234.0, 486.0])
def test_width_is_what_was_asked(width: float) -> None:
    for name in ("iresnet50", "ror3_110", "wrn28_10"):
        finished = figure([archspec.expand(name)], Options(detail="block", width=width))
        assert finished.width == pytest.approx(width, abs=0.5)
        assert finished.messages == ()


def test_text_too_small_to_read_is_told() -> None:
    finished = figure([archspec.expand("resnet50")], Options(detail="block", width=80))
    assert finished.messages[0].startswith("at this width the smallest text is")


def test_png_and_pdf_stay_within_what_viewers_open() -> None:
    graph = archspec.expand("cifar_iresnet1001")
    everything = Options(detail="op", expand=frozenset({"all"}), columns=1)
    finished = figure([graph], everything, "pdf")
    assert max(finished.width, finished.height) <= 14_400
    assert "a PDF page has at most 14,400 pt" in finished.messages[0]
    data, messages = rendered(figure([graph], everything), "png")
    assert "at most 32,767 pixels a side" in messages[0]
    assert max(int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) <= 32_767


def test_pdf_embeds_its_fonts() -> None:
    data, _ = rendered(figure([graph_of(RESIDUAL)], Options()), "pdf")
    assert b"/FontFile" in data


def test_without_an_engine_the_dot_file_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"install pygraphviz .*DOT text is in .*figure\.dot"):
        write_figure([graph_of(RESIDUAL)], tmp_path / "figure.svg", Options())
    assert (tmp_path / "figure.dot").read_text().startswith("digraph")
    assert not (tmp_path / "figure.svg").exists()


def test_a_slow_engine_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_command", lambda form, program: [sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(EngineError, match=r"did not finish within 0.5 s"):
        rendered(figure([graph_of(RESIDUAL)], Options()), "svg", timeout=0.5)


def test_a_crashing_engine_takes_nothing_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_command", lambda form, program: [sys.executable, "-c", "import os; os.abort()"])
    with pytest.raises(EngineError, match="Graphviz failed: status -6"):
        rendered(figure([graph_of(RESIDUAL)], Options()), "svg")


MISSING = {
    "libgobject-2.0.so.0": "ImportError: libgobject-2.0.so.0: cannot open shared object file: No such file",
    "libX11.so.6": "ImportError: libX11.so.6: cannot open shared object file: No such file or directory",
    "libgvc.so.6": "neato: error while loading shared libraries: libgvc.so.6: cannot open shared object file: No such",
    "libglib-2.0.0.dylib": "ImportError: dlopen(_graphviz.so, 0x2): Library not loaded: /opt/lib/libglib-2.0.0.dylib",
}


@pytest.mark.parametrize("library", MISSING)
def test_a_library_that_the_system_lacks_is_told_with_the_fix(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a child of Python's ends where the engine cannot be loaded."""
    said = f'Traceback (most recent call last):\n  File "<string>", line 3, in <module>\n{MISSING[library]}\n'
    program = f"import sys; sys.stderr.write({said!r}); sys.exit(1)"
    monkeypatch.setattr(engine, "_command", lambda form, program_: [sys.executable, "-c", program])
    done = CliRunner().invoke(main, ["render", "cifar_resnet20", "-o", str(tmp_path / "figure.svg")])
    assert done.exit_code == 1
    assert f"lacks a library that it links ({library}). Install it: on Debian and Ubuntu, `apt-get" in done.output
    assert "glib2 libX11" in done.output
    assert "`neato` is on PATH" in done.output
    assert "Traceback" not in done.output
    assert (tmp_path / "figure.dot").exists()


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FigureError, match=r"ends in .svg, .pdf, .png or .dot"):
        write_figure([graph_of(RESIDUAL)], tmp_path / "figure.jpeg", Options())


def test_drawing_needs_neither_torch_nor_an_engine() -> None:
    code = (
        "import sys, archspec; from archspec.compiler.figures import Options, figure;"
        "figure([archspec.expand('iresnet50')], Options());"
        "print([name for name in ('torch', 'pygraphviz', 'graphviz') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_widths_are_helvetica_s() -> None:
    digits, rest = 5 * 556, 584 + 500 + 556 + 556 + 500 + 3 * 278  # 3 3 6 4 o, then × c n v , and two spaces
    assert text_width("3×3 conv, 64", 10) == pytest.approx((digits + rest - 556) / 100)
    assert text_width("*W", 10) > text_width("W", 10)


def test_splines_have_3n_plus_1_points_and_keep_their_ends() -> None:
    points = [(0.0, 0.0), (10.0, 0.0), (10.0, 30.0), (50.0, 30.0)]
    control = spline(points, 8)
    assert len(control) % 3 == 1
    assert (control[0], control[-1]) == (points[0], points[-1])


def test_notebooks_show_the_figure() -> None:
    spec = archspec.load("wrn16_4")
    for shown in (spec, archspec.expand(spec)):
        bundle = shown._repr_mimebundle_()
        assert bundle["text/plain"]
        ElementTree.fromstring(bundle["image/svg+xml"])


def test_boxes_of_a_figure_have_names_no_node_can_have() -> None:
    graph = graph_of(
        "archspec: 1\nname: o\ninput: {channels: 3, size: [8, 8]}\ngraph:\n  output.c3: {from: input, ops: [relu]}\n"
        "  title: {from: output.c3, ops: [relu]}\n  b: {from: title, ops: [sigmoid]}\noutputs: {c3: b, d: title}\n"
    )
    for detail in ("op", "block"):
        text = figure([graph], Options(detail=detail, title="T")).text
        names = re.findall(r'^ "([^"]*)" \[', text, re.MULTILINE)
        assert {"title", "output.c3"} <= set(names)
        assert len(set(names)) == len(names)
