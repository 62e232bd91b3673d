"""`weights`, `export`, and `diff` with values: what is told, what is written, and nothing where anything is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from reference.named import NamedResNet, lively
from safetensors import safe_open

import archspec
from archspec.cli import main

SPEC = ("resnet18", "--set", "counts=[1,1,1,1]", "--set", "input.size=[32,32]", "--set", "classes=10")
MODULE = """\
from reference.named import NamedResNet
from torch import nn


def net():
    return NamedResNet([1, 1, 1, 1], 10, basic=True)


class Wide(NamedResNet):
    def __init__(self):
        super().__init__([1, 1, 1, 2], 10, basic=True)


class Failing(nn.Module):
    def __init__(self):
        raise RuntimeError("no such weights")


numbers = [1, 2]
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "their_nets.py").write_text(MODULE)
    return tmp_path


@pytest.fixture
def theirs(here: Path) -> NamedResNet:
    torch.manual_seed(0)
    module = lively(NamedResNet([1, 1, 1, 1], 10, basic=True)).eval()
    torch.save(module.state_dict(), here / "theirs.pth")
    return module  # type: ignore[return-value]


def test_weights_from_a_file_with_a_probe_and_out_again(theirs: NamedResNet, here: Path) -> None:
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.save({"input": x, "output": theirs(x)}, here / "probe.pt")
    result = run("weights", *SPEC, "--from", "theirs.pth", "-o", "ours.safetensors")
    assert result.exit_code == 0
    assert "by the names of torchvision" in result.output
    assert "verified   no:" in result.output
    result = run("weights", *SPEC, "--from", "theirs.pth", "--probe", "probe.pt", "-o", "ours.safetensors", "--json")
    assert "by the probe" in json.loads(result.stdout)["verified"]
    with safe_open("ours.safetensors", framework="pt") as file:
        assert file.metadata()["source"] == "theirs.pth"
        assert torch.equal(file.get_tensor("stage2.0.shortcut.conv.weight"), theirs.layer2[0].downsample[0].weight)
    assert run("export", *SPEC, "--weights", "ours.safetensors", "-o", "net.py").exit_code == 0
    assert sorted(os.listdir()) == ["net.py", "ours.safetensors", "probe.pt", "their_nets.py", "theirs.pth"]


def test_weights_from_python_only_if_trusted(here: Path) -> None:
    arguments = ("weights", *SPEC, "-o", "ours.safetensors", "--from")
    refused = run(*arguments, "py:their_nets:net")
    assert refused.exit_code == 1
    assert "add --trust" in refused.output
    assert run(*arguments, "py:their_nets:net", "--trust").exit_code == 0
    os.unlink("ours.safetensors")
    for reference, told in (
        ("py:their_nets:Wide", "not"), ("py:their_nets:Failing", "RuntimeError: no such weights"),
        ("py:their_nets:numbers", "their_nets:numbers"), ("py:their_nets:gone", "no function 'gone'"),
        ("py:nowhere:net", "'nowhere'"), ("py:their_nets", "names no module"),
    ):  # fmt: skip
        result = run(*arguments, reference, "--trust")
        assert result.exit_code in (1, 2)
        assert told in result.output
    assert not (here / "ours.safetensors").exists()


def test_bad_checkpoints_write_nothing(theirs: NamedResNet, here: Path) -> None:
    (here / "text.pt").write_text("hello")
    (here / "cut.pth").write_bytes((here / "theirs.pth").read_bytes()[:5000])
    archspec_file = here / "cut.safetensors"
    run("weights", *SPEC, "--from", "theirs.pth", "-o", str(archspec_file))
    archspec_file.write_bytes(archspec_file.read_bytes()[:-7])
    torch.save(archspec.build("cifar_resnet20").state_dict(), "other.pth")
    before = sorted(os.listdir())
    cases = {"text.pt": "this is no checkpoint", "cut.pth": "cut off", "cut.safetensors": "cut off or damaged",
             "other.pth": "these are not the weights of 'resnet18': ours has stem.conv (weight 64x3x7x7), where "
                          "theirs has stem.conv (weight 16x3x3x3)"}  # fmt: skip
    for name, told in cases.items():
        result = run("weights", *SPEC, "--from", name, "-o", "ours.safetensors")
        assert result.exit_code == 1
        assert told in result.output
        assert result.output.count(name) == 1
        assert len(result.output.splitlines()) == 1
    assert sorted(os.listdir()) == before
    assert run("weights", *SPEC, "--from", "theirs.pth", "-o", "nowhere/ours.safetensors").exit_code == 2


def test_another_head_is_asked_for(theirs: NamedResNet) -> None:
    seven = (*SPEC[:-1], "classes=7")
    refused = run("weights", *seven, "--from", "theirs.pth", "-o", "ours.safetensors")
    assert refused.exit_code == 1
    taken = run("weights", *seven, "--from", "theirs.pth", "--head", "new", "-o", "ours.safetensors")
    assert "kept       2: head.linear.weight, head.linear.bias" in taken.output


def test_export_tells_the_difference(here: Path) -> None:
    result = run("export", *SPEC, "-o", "net.pt2")
    assert result.exit_code == 0
    assert "verified   by torch.export.load with batches of 1 and 3: largest difference 0" in result.output
    assert json.loads(run("export", *SPEC, "-o", "net.safetensors", "--json").stdout)["difference"] == 0
    refused = run("export", *SPEC, "-o", "net.xyz")
    assert refused.exit_code == 1
    assert "the format is one of onnx, pt2" in refused.output
    assert run("export", *SPEC, "-o", "nowhere/net.pt2").exit_code == 2
    assert sorted(os.listdir()) == ["net.pt2", "net.safetensors", "their_nets.py"]


def test_diff_with_values(here: Path) -> None:
    result = run("diff", "iresnet50", "iresnet50 released=true")
    assert result.output.startswith("--- iresnet50\n+++ iresnet50 released=true\n")
    assert "stage1.1, stage2.1, stage3.1, stage4.1" in result.output
    assert "did you mean 'released'" in run("diff", "iresnet50", "iresnet50 releasd=true").output
    assert run("diff", "iresnet50", " ").exit_code == 2
    (here / "my net.yaml").write_text("archspec: 1\nname: mine\nextends: cifar_resnet20\n")
    assert "one network" in run("diff", "cifar_resnet20", "my net.yaml").output
