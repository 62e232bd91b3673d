"""Modules written by hand: how they are found, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import archspec
from archspec.bench.rival import RivalError, compare, load_rival

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


def refused(reference: str, spec: str = "tiny.yaml") -> str:
    with pytest.raises(RivalError) as caught:
        compare(load_rival(reference), archspec.expand(spec), CPU)
    return str(caught.value)


@pytest.mark.usefixtures("folder")
def test_the_same_network_is_accepted() -> None:
    rival = load_rival("hand.py:Tiny")
    compare(rival, archspec.expand("tiny.yaml"), CPU)
    assert rival.name == "hand.py:Tiny"
    assert {p.dtype for p in rival.make(CPU, torch.float64).parameters()} == {torch.float64}


@pytest.mark.usefixtures("folder")
def test_another_network_is_told_with_both_figures() -> None:
    assert refused("hand.py:wide") == "hand.py:wide has 1,205 parameters, tiny 589"
    assert refused("hand.py:flat") == "hand.py:flat gives 1x5x1, tiny 1x5"
    assert refused("hand.py:pair") == "hand.py:pair gives 1x5, 1x3x8x8, tiny 1x5"
    several = refused("hand.py:Tiny", "several.yaml")
    assert several.startswith("hand.py:Tiny has 589 parameters, several ")


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_made_is_told() -> None:
    assert refused("hand.py") == "'hand.py' is not of the form FILE.py:Class"
    assert refused("hand.py:") == "'hand.py:' is not of the form FILE.py:Class"
    assert refused("nowhere.py:Tiny") == "there is no file nowhere.py"
    assert refused("hand.py:Tinny") == "hand.py has no class 'Tinny'; did you mean 'Tiny'?"
    assert "hand.py:needs() failed: TypeError: needs() missing 1 required" in refused("hand.py:needs")
    assert refused("hand.py:nothing") == "hand.py:nothing() gives a int, not a torch.nn.Module"
    Path("broken.py").write_text("def broken(:\n")
    assert refused("broken.py:x").startswith("broken.py cannot be imported: SyntaxError: ")
    Path("exits.py").write_text("import nowhere_to_be_found\n")
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in refused("exits.py:x")


def test_a_file_of_a_package_is_imported_as_such(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = folder / "elsewhere" / "kit" / "inner"
    inner.mkdir(parents=True)
    for package in (inner.parent, inner):
        (package / "__init__.py").write_text("")
    (inner / "parts.py").write_text("from torch import nn\nPart = nn.Identity\n")
    (inner / "net.py").write_text("from kit.inner.parts import Part\nfrom .parts import Part as Same\n")
    assert isinstance(load_rival("elsewhere/kit/inner/net.py:Same").make(CPU, torch.float32), nn.Identity)


@pytest.mark.usefixtures("folder")
def test_the_reference_networks_are_the_specs() -> None:
    reference = str(ROOT / "tests/reference/iresnet.py")
    compare(load_rival(f"{reference}:CifarIResNet164"), archspec.expand("cifar_iresnet164"), CPU)
