"""Exports: what is written, what it is called, what it computes; and nothing where that is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
import torch
from reference.named import lively
from reference.renamed import small
from safetensors import safe_open

import archspec
from archspec.deployment import export as exporting
from archspec.deployment import plain, verify
from archspec.deployment.exported import ExportError

COUNTS = [1, 2, 1, 1]
X = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def network() -> archspec.Network:
    """A small network with two outputs, one of them from its middle."""
    torch.manual_seed(0)
    outputs = {"middle": "stage2", "classes": "head"}
    spec = small("resnet18", **{"input.size": [32, 32], "stages.width": [8, 12, 16, 20], "outputs": outputs})
    return lively(archspec.build(spec))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def expected(network: archspec.Network) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return dict(network.eval()(X))


@pytest.fixture(scope="module")
def exported(network: archspec.Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    network.train()
    done = archspec.export(network, path)
    assert network.training
    assert done.relative < 1e-5
    assert done.outputs == ("middle", "classes")
    return path


def test_onnx(exported: Path, expected: Any) -> None:
    session = onnxruntime.InferenceSession(str(exported))
    assert [value.name for value in session.get_inputs()] == ["input"]
    assert session.get_inputs()[0].shape == ["batch", 3, 32, 32]
    assert [value.name for value in session.get_outputs()] == ["middle", "classes"]
    found = session.run(["classes", "middle"], {"input": X.numpy()})  # a batch that it was not traced with
    for name, value in zip(("classes", "middle"), found, strict=True):
        numpy.testing.assert_allclose(value, expected[name].numpy(), rtol=1e-4, atol=1e-5)


def test_onnx_says_where_every_node_comes_from(exported: Path, network: archspec.Network) -> None:
    model = onnx.load(exported)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["network"] == "resnet18"
    assert about["signature"] == archspec.signature(network)
    graph = network.architecture
    told: dict[str, str] = {}
    for node in model.graph.node:
        given = {entry.key: entry.value for entry in node.metadata_props}
        if "archspec.address" in given:
            told[given["archspec.address"]] = node.op_type
            assert given["archspec.source"].split(":")[0] in ("resnet.yaml", "resnet18.yaml", "standard.yaml")
        assert set(given) <= {"archspec.address", "archspec.source"}
    assert set(told) <= set(graph.nodes)
    assert told["stage1.0.add"] == "Add"
    assert told["stage2.0.branch.relu"] == "Relu"
    assert told["head.linear"] == "Gemm"
    assert {value.name for value in model.graph.initializer} >= {"head.linear.weight", "stage1.0.branch.conv1.weight"}


def test_optimised_with_a_single_output(tmp_path: Path) -> None:
    spec = small("resnet18", **{"input.size": [32, 32], "stages.width": [8, 8, 8, 8], "counts": [1, 1, 1, 1]})
    done = archspec.export(lively(archspec.build(spec)), tmp_path / "net.onnx", optimize=True)
    assert done.relative < 1e-5
    assert done.optimized
    assert [value.name for value in onnx.load(tmp_path / "net.onnx").graph.output] == ["output"]


def test_pt2(network: archspec.Network, expected: Any, tmp_path: Path) -> None:
    done = archspec.export(network, tmp_path / "net.pt2")
    assert done.difference == 0
    extra = {"archspec.json": ""}
    program = torch.export.load(tmp_path / "net.pt2", extra_files=extra)
    assert json.loads(extra["archspec.json"])["signature"] == archspec.signature(network)
    with torch.no_grad():
        found = program.module()(X)
    assert list(found) == ["middle", "classes"]
    torch.testing.assert_close(found, expected)
    assert program.state_dict.keys() == network.state_dict().keys()
    stacks = [str(node.meta.get("nn_module_stack")) for node in program.graph.nodes]
    assert any("stage1.0.branch.conv1" in stack for stack in stacks)


def test_safetensors_and_python(network: archspec.Network, expected: Any, tmp_path: Path) -> None:
    archspec.export(network, tmp_path / "net.safetensors")
    done = archspec.export(network, tmp_path / "net.py")
    assert (done.format, done.difference) == ("model.py", 0)
    with safe_open(tmp_path / "net.safetensors", framework="pt") as file:
        assert file.metadata()["network"] == "resnet18"
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    scope: dict[str, Any] = {"__name__": "net"}
    exec((tmp_path / "net.py").read_text(), scope)  # without archspec: with torch alone
    model = scope["Network"]()
    model.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(X), expected)


@pytest.mark.slow
def test_aoti(network: archspec.Network, expected: Any, tmp_path: Path) -> None:
    done = archspec.export(network, tmp_path / "net.bin.pt2", "aoti")
    assert done.relative < 1e-4
    with torch.no_grad():
        found = torch._inductor.aoti_load_package(str(tmp_path / "net.bin.pt2"))(X)
    torch.testing.assert_close(dict(found), expected, rtol=1e-4, atol=1e-5)


def test_what_computes_something_else_is_not_written(
    network: archspec.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer with a slip: silu for relu, which has the same weights."""
    (tmp_path / "net.py").write_text("before")
    honest = plain.emit
    monkeypatch.setattr(plain, "emit", lambda graph: honest(graph).replace("F.relu", "F.silu"))
    with pytest.raises(ExportError, match="computes something else: 'middle' differs by"):
        archspec.export(network, tmp_path / "net.py")
    assert (tmp_path / "net.py").read_text() == "before"
    assert os.listdir(tmp_path) == ["net.py"]


def test_other_names_and_shapes_of_outputs_are_told(network: archspec.Network) -> None:
    runs = network.eval()
    with pytest.raises(ExportError, match="gives classes, not middle, classes"):
        verify.verified(runs, lambda x: {"classes": runs(x)["classes"]})
    with pytest.raises(ExportError, match=r"'middle' as \(1, 12, 4\), not \(1, 12, 4, 4\)"):
        verify.verified(runs, lambda x: {"middle": runs(x)["middle"][..., 0], "classes": runs(x)["classes"]})
    with pytest.raises(ExportError, match="differs by nan"):
        verify.verified(runs, lambda x: {name: value * float("nan") for name, value in runs(x).items()})


def test_formats_by_name_and_by_ending(network: archspec.Network, tmp_path: Path) -> None:
    for path, format in (("net.xyz", None), ("net", None), ("net.onnx", "pickle")):
        with pytest.raises(ExportError, match="one of onnx, pt2, aoti"):
            archspec.export(network, tmp_path / path, format)  # type: ignore[arg-type]
    archspec.export(network, tmp_path / "net.anything", "model.py")
    assert os.listdir(tmp_path) == ["net.anything"]
    with pytest.raises(TypeError, match="takes no 'classes'"):
        archspec.export(network, tmp_path / "net.py", classes=3)


def test_edited_networks_leave_as_they_are_and_not_as_python(tmp_path: Path) -> None:
    spec = small("resnet18", **{"input.size": [32, 32], "stages.width": [8, 8, 8, 8]})
    network = archspec.build(spec)
    network.head.linear = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Tanh())  # type: ignore[union-attr]
    assert archspec.export(network, tmp_path / "net.pt2").difference == 0
    with pytest.raises(ValueError, match=r"head\.linear"):
        archspec.export(network, tmp_path / "net.py")


@pytest.mark.slow
def test_video_and_stochastic_depth(tmp_path: Path) -> None:
    video = archspec.features("iresnet3d50", [1], **{"input.size": [4, 32, 32], "counts": [2, 1, 1, 1]})
    assert archspec.export(video, tmp_path / "video.onnx").relative < 1e-5
    dropping = archspec.load("ror3_110_sd", **{"depth": 14, "input.size": [16, 16]})
    assert archspec.export(dropping, tmp_path / "drop.onnx", optimize=True).relative < 1e-5


def test_without_the_packages(network: archspec.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "onnxruntime":
            raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ExportError, match=r"pip install 'archspec-nn\[onnx\]'"):
        exporting.export(network, tmp_path / "net.onnx", None, False)
