"""Probes against torch's own hooks on the same weights and input."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import archspec
from archspec import Probe, probe
from archspec.cli import main
from archspec.execution.probe import BlockSignal, closing


def test_figures_are_those_of_hooks() -> None:
    """The same weights and input through the network of blocks, whose outputs forward hooks see."""
    graph = archspec.expand(archspec.load("cifar_resnet20"))
    found = {block.block: block for block in probe(graph, batch=4, seed=3).blocks}
    torch.manual_seed(3)
    network = archspec.build(graph, granularity="op").train()
    images, classes = torch.randn(4, 3, 32, 32), torch.randint(10, (4,))
    blocks = archspec.build(graph).train()
    blocks.load_state_dict(network.state_dict())
    outputs: dict[str, torch.Tensor] = {}
    for name, module in blocks.named_modules():
        if name in found:
            module.register_forward_hook(lambda _, __, output, name=name: outputs.setdefault(name, output))
    logits = blocks(images)
    for output in outputs.values():
        output.retain_grad()
    torch.nn.functional.cross_entropy(logits, classes).backward()
    assert set(outputs) == set(found) == {"stem", *(f"stage{s}.{b}" for s in (1, 2, 3) for b in range(3))}
    for name, output in outputs.items():
        assert found[name].mean == pytest.approx(output.mean().item(), rel=1e-3, abs=1e-4)
        assert found[name].variance == pytest.approx(output.var().item(), rel=1e-3)
        assert output.grad is not None
        assert found[name].gradient == pytest.approx(output.grad.norm().item(), rel=1e-2)


def test_branch_against_shortcut() -> None:
    """After a batch normalisation a branch has variance 1; the scaling net halves its shortcut and its branch."""
    spec = archspec.load("cifar_resnet20").with_block("residual", after=[])
    first = probe(spec, batch=8).blocks[1]
    stem = probe(spec, batch=8).blocks[0]
    assert stem.variance is not None
    assert first.ratio == pytest.approx(1 / stem.variance, rel=0.02)


def test_operands_are_told_apart() -> None:
    found = closing(archspec.expand(archspec.load("ror3_110")))
    assert found["stage1.17"] == ("stage1.17.branch.bn2", "stage1.16.after.relu")
    assert closing(archspec.expand(archspec.load("cifar_plain20"))) == {}


def test_the_same_seed_gives_the_same_and_leaves_the_generator_alone() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    one, other = (probe("cifar_resnet20", batch=2, seed=5) for _ in range(2))
    assert one.blocks == other.blocks != probe("cifar_resnet20", batch=2, seed=6).blocks
    assert torch.equal(torch.get_rng_state(), before)


def test_resstage_keeps_signals_where_post_activation_does_not() -> None:
    """The claim of Duta et al.: the variance of a ResNet grows along the network; an iResNet's is reset at every stage
    by its closing normalisation."""
    resnet, iresnet = (probe(f"cifar_{kind}164", batch=2, size=(16, 16)) for kind in ("resnet", "iresnet"))
    assert (resnet.blocks[-1].variance or math.inf) > 5 * (iresnet.blocks[-1].variance or math.inf)


def test_a_deep_plain_network_loses_its_gradient() -> None:
    plain, residual = (probe(f"cifar_{kind}56", batch=2, size=(16, 16)) for kind in ("plain", "resnet"))
    assert plain.gradient_span > residual.gradient_span + 1


def test_what_is_not_finite_is_said_to_be() -> None:
    signals = (BlockSignal("stem", 0.0, 1.0, None, 1.0), BlockSignal("stage1.0", None, None, None, None))
    assert Probe("net", "", signals, None, 2, 0, 0.0).gradient_span == math.inf
    assert Probe("net", "", signals[:1], None, 2, 0, 0.0).gradient_span == 0


def test_maps_and_several_outputs_are_probed_too() -> None:
    spec = archspec.load("cifar_resnet20").with_changes(until="stage2")
    assert len(probe(spec, batch=2).blocks) == 7
    several = archspec.load("cifar_resnet20").with_changes(outputs={"middle": "stage2", "logits": "head"})
    assert all(block.gradient for block in probe(several, batch=2).blocks)
    assert (
        len(probe(archspec.loads(archspec.expand(archspec.load("cifar_resnet20")).to_spec_text()), batch=2).blocks)
        == 10
    )


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "plots" / "probe.svg"
    run = CliRunner().invoke(main, ["probe", "cifar_resnet20", "cifar_plain20", "--batch", "2", "--out", str(out)])
    assert run.exit_code == 0, run.output
    text = out.read_text()
    assert "cifar_resnet20" in text
    assert "cifar_plain20" in text
    run = CliRunner().invoke(main, ["probe", "cifar_resnet20", "--batch", "2", "--json"])
    (data,) = json.loads(run.output)
    assert len(data["blocks"]) == 10
    for arguments, message in (
        (["--out", str(tmp_path / "x.gif")], "a plot is a .svg"),
        (["--device", "nowhere"], "cannot be used"),
    ):
        run = CliRunner().invoke(main, ["probe", "cifar_resnet20", "--batch", "2", *arguments])
        assert run.exit_code == 1
        assert message in run.output


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archspec.research.plots.plotting_available", lambda: False)
    run = CliRunner().invoke(main, ["probe", "cifar_resnet20", "--batch", "2", "--out", str(tmp_path / "p.svg")])
    assert run.exit_code == 1
    assert "pip install 'archspec-nn[plot]'" in run.output
