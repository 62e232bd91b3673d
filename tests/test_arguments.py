"""What Python callers give as numbers, names and networks is taken as meant, or refused in one sentence."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

import archspec
from archspec.compiler.lower import Network
from archspec.research import Space, sweep

SPEC = """
archspec: 1
name: tiny
input: {channels: 3, size: [8, 8]}
stem: [conv: {out: 4, kernel: 3}, bn, relu]
stages: {repeat: [2], width: [4], blocks: block}
blocks: {block: {branch: [conv: {out: width, kernel: 3}, bn], shortcut: B, after: [relu]}}
head: [global_avg_pool, linear: {out: 2}]
"""
BAD: list[Any] = [math.nan, math.inf, 1.5, "8", True, None, [3]]


def network(**options: Any) -> Network:
    torch.manual_seed(0)
    return archspec.build(archspec.loads(SPEC), **options)


def step(**options: Any) -> Any:
    layer = nn.Linear(2, 2)
    return archspec.TrainingStep(layer, torch.optim.SGD(layer.parameters(), 0.1), **options)


def space() -> Space:
    return Space("cifar_resnet20", {"depth": [20, 26]})


NUMBERS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "batch": (lambda value: archspec.probe(archspec.loads(SPEC), batch=value), [0, -1, *BAD]),
    "seed": (lambda value: archspec.probe(archspec.loads(SPEC), seed=value), BAD),
    "size": (
        lambda value: archspec.probe(archspec.loads(SPEC), size=value),
        [3, "88", 1.5, [0, 8], [8.5, 8], [math.nan, 8]],
    ),
    "memory": (
        lambda value: archspec.compile(network(device="meta"), "eager", checkpoint="auto", batch=1, memory=value),
        [0, -1, *(value for value in BAD if value is not None)],
    ),
    "batch ": (
        lambda value: archspec.compile(network(device="meta"), "eager", checkpoint="auto", batch=value),
        [0, -1, *(value for value in BAD if value is not None)],
    ),
    "channels_last": (lambda value: archspec.compile(network(device="meta"), "eager", channels_last=value), [1, "yes"]),
    "dynamic": (lambda value: archspec.compile(network(device="meta"), "eager", dynamic=value), [1, "yes"]),
    "cuda_graphs": (lambda value: archspec.compile(network(device="meta"), "eager", cuda_graphs=value), [1, None]),
    "options": (lambda value: archspec.compile(network(device="meta"), options=value), [3, "max_autotune"]),
    "warmup": (lambda value: step(warmup=value), [0, -1, *BAD]),
    "loss": (lambda value: step(loss=value), [None, 3]),
    "autocast": (lambda value: step(autocast=value), ["float16", torch.float64]),
    "timeout": (
        lambda value: archspec.render(archspec.loads(SPEC), "x.svg", timeout=value),
        [0, -1, math.nan, "8", None],
    ),
    "n": (lambda value: sweep(space(), value, "never"), [-1, *BAD]),
    "jobs": (lambda value: sweep(space(), 1, "never", jobs=value), [0, -1, *BAD]),
    "n ": (lambda value: next(space().search(value)), [-1, *BAD]),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_is_refused_by_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    work, values = NUMBERS[name]
    for value in values:
        with pytest.raises(ValueError, match=rf"\b{name.strip()} is .*, not ") as caught:
            work(value)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_count() -> None:
    found = archspec.probe(archspec.loads(SPEC), batch=numpy.int64(2), size=numpy.array([8, 16]))  # type: ignore[arg-type]
    assert found.blocks == archspec.probe(archspec.loads(SPEC), batch=2, size=(8, 16)).blocks


@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16", "float16"])
def test_number_types_go_by_name(name: str) -> None:
    for given in (name, f"torch.{name}", getattr(torch, name)):
        for build in (archspec.build, lambda spec, **options: archspec.compile(spec, "eager", **options)):
            made = build(archspec.loads(SPEC), dtype=given, device="meta")
            assert {p.dtype for p in made.parameters()} == {getattr(torch, name)}


@pytest.mark.parametrize(
    ("given", "advice"),
    [("bf16", "did you mean 'bfloat16'"), ("floot32", "float32"), ("half", "'float16'"), (torch.int8, "not torch.int8"),
     (torch.complex64, "not torch.complex64"), (8, "not 8"), ("", "not ''"), (["float32"], "not \\['float32'")],
)  # fmt: skip
def test_other_number_types_are_told_with_what_is_legal(given: Any, advice: str) -> None:
    for verb in (archspec.build, archspec.compile):
        with pytest.raises(ValueError, match=f"dtype is float32, float64, bfloat16, float16, not .*{advice}|{advice}"):
            verb(archspec.loads(SPEC), dtype=given)


@pytest.mark.parametrize("given", ["gpu", "", "cudaa", 3.5, [1], "cpu:x", "nvidia:0"])
def test_other_devices_are_told_with_what_is_legal(given: Any) -> None:
    for verb in (archspec.build, archspec.compile, archspec.probe):
        with pytest.raises(
            ValueError, match="cannot be used: it is cpu, cuda, cuda:1, mps, xpu, meta, or auto"
        ) as caught:
            verb(archspec.loads(SPEC), device=given)
        assert ("did you mean 'cuda'" in str(caught.value)) == (given in ("gpu", "nvidia:0"))
    with pytest.raises(ValueError, match="'cuda:99' cannot be used: "):
        archspec.build(archspec.loads(SPEC), device="cuda:99")


def test_a_device_goes_by_name_or_as_torch_has_it() -> None:
    for given in ("cpu", torch.device("cpu"), "meta", torch.device("meta")):
        assert {p.device for p in network(device=given).parameters()} == {torch.device(given)}
    with torch.device("meta"):
        assert {p.device.type for p in network().parameters()} == {"meta"}
    assert {p.device for p in network(device="auto").parameters()} <= {torch.device("cpu"), torch.device("cuda")}


def test_a_built_network_is_not_built_again() -> None:
    built = network()
    with pytest.raises(TypeError, match=r"build\(network\.architecture\) builds another .* copy\.deepcopy\(network\)"):
        archspec.build(built)  # type: ignore[arg-type]
    assert archspec.build(built.architecture).architecture is built.architecture


@pytest.mark.parametrize("granularity", ["block", "op"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_probe_of_a_network_measures_that_network(granularity: Any, dtype: str) -> None:
    """As trained, against hooks on a copy; what was given stays as it was."""
    built = network(granularity=granularity, dtype=dtype)
    with torch.no_grad():
        built.get_submodule("stem.conv").weight.mul_(3)
        built.get_submodule("stem.bn").weight.fill_(5)
    built.requires_grad_(False).eval()
    state = copy.deepcopy(built.state_dict())
    found = archspec.probe(built, batch=4, seed=2)
    assert all(torch.equal(value, state[name]) for name, value in built.state_dict().items())
    assert not built.training
    assert not any(p.requires_grad or p.grad is not None for p in built.parameters())
    torch.manual_seed(2)
    x = torch.randn(4, 3, 8, 8, dtype=getattr(torch, dtype))
    seen: list[torch.Tensor] = []
    twin = copy.deepcopy(built).train()
    twin.get_submodule("stem.bn").register_forward_hook(lambda module, given, output: seen.append(output.clone()))
    twin(x)
    expected = seen[0].relu()
    assert found.blocks[0].variance == pytest.approx(expected.var().item(), rel=1e-4)
    assert found.blocks[0].variance > 4 * archspec.probe(built.architecture, batch=4, seed=2).blocks[0].variance
    assert all(block.gradient for block in found.blocks)


def test_a_probe_of_a_network_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(ValueError, match="the meta device holds no numbers"):
        archspec.probe(network(device="meta"))
    with pytest.raises(ValueError, match="the meta device holds no numbers"):
        archspec.probe(archspec.loads(SPEC), device="meta")
    edited = network()
    edited.get_submodule("stem.conv").stride = (2, 2)  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"stem\.conv: stride is \(2, 2\)"):
        archspec.probe(edited)
    with pytest.raises(ValueError, match="has an input size"):
        archspec.probe(network(), size=[16, 16])
