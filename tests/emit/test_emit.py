"""Emitted files: they need torch alone, compute exactly what the built network does, and read well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from emitted import CASES, DENSE, FOREIGN, GATED, assert_same, graph_for, imported, named, packages
from hypothesis import given, settings
from networks import graph_of, reload
from strategies import Drawn, specs
from torch import nn

import archspec
from archspec.cli import main
from archspec.compiler.emit import emit
from archspec.compiler.emit.blocks import CONTAINER_ATTRIBUTES
from archspec.compiler.emit.calls import layer_sources
from archspec.compiler.emit.dropped import DRAW_GATES
from archspec.syntax.names import unusable


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", CASES)
def test_an_emitted_network_is_the_built_one(name: str, tmp_path: Path) -> None:
    assert_same(graph_for(name), tmp_path)


@settings(max_examples=25)
@given(drawn=specs())
def test_so_is_that_of_any_spec_and_of_its_flat_form(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> None:
    graph = graph_of(drawn.text)
    assert_same(graph, tmp_path_factory.mktemp("staged"))
    assert_same(reload(graph), tmp_path_factory.mktemp("flat"))


def test_long_names_and_many_operands_fit_the_line(tmp_path: Path) -> None:
    names = [f"a_rather_long_name_for_a_wire_that_somebody_may_choose_{i}" for i in range(9)]
    wires = "".join(f"  stage1.0.{name}.conv: [conv: {{out: 3, kernel: 1}}]\n" for name in names)
    read = ", ".join(f"stage1.0.{name}.conv" for name in names)
    graph = graph_of(
        "archspec: 1\nname: long\ninput: {channels: 3, size: [4, 4]}\n"
        f"graph:\n{wires}  sum: {{from: [{read}], ops: [add]}}\n  cat: {{from: [{read}, sum], ops: [concat]}}\n"
        f"outputs: {{sum: sum, cat: cat, {', '.join(f'{name}: stage1.0.{name}.conv' for name in names)}}}\n"
    )
    assert max(map(len, emit(graph).splitlines())) <= 120
    assert_same(graph, tmp_path)


@pytest.mark.parametrize("name", ["ror3_110_sd", "dropped"])
def test_gradients_are_the_same(name: str, tmp_path: Path) -> None:
    graph = graph_for(name)
    built, emitted = archspec.build(graph), imported(emit(graph), tmp_path).Network()
    emitted.load_state_dict(built.state_dict())
    x = torch.randn(3, *graph.input.shape)
    gradients = []
    for network in (built, emitted):
        torch.manual_seed(6)
        sum(value.square().sum() for value in named(network(x)).values()).backward()
        gradients.append({name: weight.grad for name, weight in network.named_parameters()})
    theirs, ours = gradients
    assert theirs.keys() == ours.keys()
    reached = {name for name, gradient in theirs.items() if gradient is not None}
    assert len(theirs) // 2 < len(reached) < len(theirs)  # some blocks were dropped
    assert reached == {name for name, gradient in ours.items() if gradient is not None}
    for name in reached:
        assert torch.equal(theirs[name], ours[name]), name


def test_compiled_as_a_whole_gates_draw_in_the_graph(tmp_path: Path) -> None:
    graph = graph_for("dropped")
    network = imported(emit(graph), tmp_path).Network()
    x = torch.randn(3, *graph.input.shape)
    network(x)
    gates = [module for name, module in network.named_modules() if name.endswith("drop_path")]
    assert {gate.given for gate in gates} == {True, False}
    assert {gate.kept for gate in gates} == {None}
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    for _ in range(2):
        named(compiled(x))["logits"].sum().backward()
        assert {gate.kept for gate in gates} == {None}
    assert not any(parameter.grad is None for parameter in network.parameters())  # dropped branches are multiplied by 0


@pytest.mark.parametrize("name", ["resnet18", "wrn28_10_dropout", "cifar_resnet110_exclusive", "dense", "gated"])
def test_one_seed_gives_the_weights_of_the_built_network(name: str, tmp_path: Path) -> None:
    graph = graph_for(name)
    torch.manual_seed(7)
    built = archspec.build(graph)
    module = imported(emit(graph), tmp_path)
    emitted = module.Network()
    torch.manual_seed(7)
    module.init_weights(emitted)
    for key, value in built.state_dict().items():
        assert torch.equal(value, emitted.state_dict()[key]), key


@pytest.mark.parametrize("method", ["he_normal", "he_uniform", "xavier_normal", "xavier_uniform", "normal", "default"])
def test_every_way_to_start_is_told(method: str, tmp_path: Path) -> None:
    fan, std = ", fan: in" if method.startswith("he") else "", ", std: 0.2" if method == "normal" else ""
    text = GATED + f"init: {{conv: {{method: {method}{fan}}}, linear: {{method: {method}{std}}}}}\n"
    graph = graph_of(text)
    torch.manual_seed(8)
    built = archspec.build(graph).state_dict()
    module = imported(emit(graph), tmp_path)
    emitted = module.Network()
    for weight in emitted.parameters():
        nn.init.constant_(weight, 0.7)
    torch.manual_seed(8)
    module.init_weights(emitted)
    filled = [key for key, value in emitted.state_dict().items() if (value != 0.7).any()]
    assert {"stage1.0.pre.conv.weight", "stage1.0.pre.bn.weight", "stem.conv.bias", "head.linear.weight"} <= set(filled)
    assert all(torch.equal(built[key], emitted.state_dict()[key]) for key in filled)


def test_levels_start_from_the_same_distributions(tmp_path: Path) -> None:
    """With levels or skips the layers are filled in another order, and get other draws from one seed."""
    graph = archspec.expand(archspec.load("ror3_110", depth=32))
    built, emitted = archspec.build(graph), imported(emit(graph), tmp_path).Network()
    theirs = dict(built.named_parameters())
    for name, weight in emitted.named_parameters():
        if name.endswith("conv.weight") and weight.numel() > 1000:
            assert weight.std().item() == pytest.approx(theirs[name].std().item(), rel=0.1)
    assert "levels.root.conv.weight" in theirs


@pytest.mark.parametrize("name", CASES)
def test_the_text_stands_alone_fits_and_is_always_the_same(name: str) -> None:
    text = emit(graph_for(name))
    assert packages(text) <= {"torch", *sys.stdlib_module_names}
    assert max(map(len, text.splitlines())) <= 120
    for helper in (*layer_sources().values(), DRAW_GATES):
        text = text.replace(helper, "")
    assert "None" not in text.replace("-> None:", "").replace("is not None:", "")
    assert emit(graph_for(name)) == emit(graph_for(name))


def test_every_text_passes_the_linter(tmp_path: Path) -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    for name in CASES:
        (tmp_path / f"{name}.py").write_text(emit(graph_for(name)), encoding="utf-8")
    rules = ["--isolated", "--no-cache", "--line-length", "120", "--select", "E,F,W,I,UP"]
    done = subprocess.run([ruff, "check", *rules, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_it_runs_where_archspec_is_not(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(emit(graph_for("ror3_110_sd")), encoding="utf-8")
    code = (
        "import sys; sys.modules['archspec'] = None; sys.path.insert(0, sys.argv[1])\n"
        "import torch, model\n"
        "print(tuple(model.Network()(torch.zeros(2, 3, 16, 16)).shape))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 10)", done.stderr


def test_a_trusted_class_is_imported_and_fills_itself(tmp_path: Path) -> None:
    (tmp_path / "halves_of_one.py").write_text(
        "import torch\n\n"
        "class Layer(torch.nn.Conv2d):\n"
        "    def __init__(self):\n"
        "        super().__init__(3, 3, 1)\n"
        "        torch.nn.init.constant_(self.weight, 0.5)\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        graph = graph_of(FOREIGN, trust=True)
        source = emit(graph)
        network = imported(source, tmp_path).Network()
    finally:
        sys.path.remove(str(tmp_path))
    assert "from halves_of_one import Layer\n" in source
    assert "from torch.nn.modules.activation import Mish\n" in source
    assert (network.stem.module2.weight == 0.5).all()
    assert (network.stem.conv.weight != 0.5).all()
    assert set(network.state_dict()) == set(archspec.build(graph).state_dict())


@pytest.mark.parametrize("name", ["iresnet50", "ror3_110_sd", "dense", "dropped"])
def test_the_text(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"emit_{name}.txt", emit(graph_for(name)))


def test_a_thousand_blocks_take_few_lines() -> None:
    text = emit(archspec.expand("cifar_iresnet3002"))
    assert "for _ in range(330)" in text
    assert len(text.splitlines()) < 250


def test_container_attributes_are_those_of_torch() -> None:
    own = {name for kind in (nn.ModuleDict, nn.Sequential) for name in dir(kind) if not name.startswith("_")}
    assert {name for name in own if not unusable(name)} == CONTAINER_ATTRIBUTES


def test_the_command_line_prints_and_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dense.yaml").write_text(DENSE)
    shown = CliRunner().invoke(main, ["show", "dense.yaml", "--python"], catch_exceptions=False)
    assert shown.output == emit(graph_of(DENSE))
    CliRunner().invoke(main, ["build", "dense.yaml", "--device", "meta"], catch_exceptions=False)
    assert (tmp_path / "build" / "dense" / "model.py").read_text() == shown.output


def test_printing_imports_no_torch() -> None:
    code = (
        "import sys\nfrom archspec.cli import main\n"
        "main(['show', 'ror3_110_sd', '--python'], standalone_mode=False)\n"
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "False"
    assert "class Network(nn.Module):" in done.stdout
