"""What cannot be compiled is told in torch's own words, with advice that fits."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.exc import ObservedException, Unsupported

import archspec
from archspec.compiler.lower import Network
from archspec.execution import compiled
from archspec.execution.compiled import CompileError, Compiling

SPEC = """
archspec: 1
input: {channels: 3, size: [8, 8]}
stages: {repeat: [2], width: [4], blocks: block}
blocks: {block: {branch: [conv: {out: width, kernel: 3}, bn], shortcut: B, after: [relu]}}
head: [global_avg_pool, linear: {out: 2}]
"""


def network(mode: Any = "regional", **options: Any) -> Network:
    torch.compiler.reset()
    return archspec.compile(archspec.loads(SPEC), mode, **{"backend": "eager", **options}).eval()


INPUTS: dict[str, tuple[Callable[[], Tensor], str, str]] = {
    "channels": (lambda: torch.randn(2, 4, 8, 8), "to have 3 channels, but got 4 channels", "2x4x8x8 in float32"),
    "type": (
        lambda: torch.randn(2, 3, 8, 8).double(), "should be the same|expected scalar type", "2x3x8x8 in float64",
    ),
    "rank": (lambda: torch.randn(2, 3, 8), "to have 3 channels, but got 2", "2x3x8 in float32"),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["regional", "whole"])
@pytest.mark.parametrize("case", INPUTS)
def test_a_bad_input_is_told_by_torchs_sentence(mode: str, case: str) -> None:
    x, sentence, given = INPUTS[case]
    with pytest.raises(CompileError) as caught, torch.no_grad():
        network(mode)(x())
    told = str(caught.value)
    assert re.search(sentence, told)
    assert f"it was given {given}; the network reads batches of 3x8x8" in told
    assert "mode='eager'" not in told, "which fails as well"
    with pytest.raises(RuntimeError), torch.no_grad():
        archspec.build(archspec.loads(SPEC)).eval()(x())


def _fails(message: str) -> Callable[..., Any]:
    def backend(graph: Any, inputs: Any) -> Any:
        raise ValueError(message)

    return backend


@pytest.mark.parametrize(("message", "told"), [("of two\nlines", "ValueError: of two\n"), ("", "it gives no reason")])
def test_a_backend_that_fails_is_quoted(message: str, told: str) -> None:
    with pytest.raises(CompileError) as caught, torch.no_grad():
        network(backend=_fails(message))(torch.randn(2, 3, 8, 8))
    assert f"the backend raised ValueError: {told.removeprefix('ValueError: ')}" in str(caught.value)
    assert "another backend=, other options=" in str(caught.value)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Raising(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("mine")


def test_code_that_dynamo_refuses_is_explained() -> None:
    built = network()
    built.get_submodule("stage1.0.branch")._modules["bn"] = Branching()
    with pytest.raises(CompileError, match=r"(?s)branching: Detected data-dependent.*mode='eager'\) runs") as caught:
        built(torch.randn(2, 3, 8, 8))
    assert "input" not in str(caught.value).splitlines()[-1]


def test_a_module_that_raises_is_quoted() -> None:
    built = network()
    built.get_submodule("stage1.0.branch")._modules["bn"] = Raising()
    with pytest.raises(CompileError, match=r"compiled or not: ValueError(\('mine'\))?\n"):
        built(torch.randn(2, 3, 8, 8))


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("ValueError('mine')", "ValueError('mine')"),
        ("ExceptionVariable(<class 'ValueError'>)", "ValueError"),
        ("ExceptionVariable(<class 'torch.nn.Odd'>, [])", "Odd"),
    ],
)  # fmt: skip
def test_an_exception_is_quoted_however_torch_shows_it(shown: str, told: str) -> None:
    """As torch 2.11 and 2.13 do."""

    def compiled_code(x: Tensor) -> Tensor:
        try:
            raise ObservedException(f"raised exception {shown}")
        except ObservedException as error:
            raise Unsupported(f"Observed exception\n  Developer debug context: {error}\n") from error

    with pytest.raises(CompileError) as caught:
        compiled._call(compiled_code, "stem", (3, 8, 8), torch.randn(2, 3, 8, 8))
    assert str(caught.value).splitlines() == [
        f"'stem' cannot run on its input, compiled or not: {told}",
        "it was given 2x3x8x8 in float32; the network reads batches of 3x8x8, in the type of its weights or under "
        "autocast",
    ]


def test_two_types_of_numbers_are_told_where_torch_compiles_them() -> None:
    """As torch 2.11 does: the kernel refuses. Whatever else fails in running stays as it is."""

    def fails(error: Exception) -> Callable[..., Any]:
        def run(graph: Any, inputs: Any) -> Any:
            def never(*given: Any) -> Any:
                raise error

            return never

        return run

    for mode in ("regional", "whole"):
        built = network(mode, backend=fails(RuntimeError("expected scalar type Double but found Float")))
        with pytest.raises(CompileError, match=r"compiled or not: expected scalar type Double but found Float\nit was"):
            built(torch.randn(2, 3, 8, 8))
    with pytest.raises(torch.OutOfMemoryError, match="too little"):
        network(backend=fails(torch.OutOfMemoryError("too little")))(torch.randn(2, 3, 8, 8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "no_such_backend"}, "Invalid backend: 'no_such_backend'"),
        ({"backend": "inductor", "options": {"max_autotun": True}}, "'max_autotun': did you mean 'max_autotune'"),
        ({"backend": "inductor", "options": {"use_aoti": True}}, "no option 'use_aoti'"),
    ],
)  # fmt: skip
def test_settings_that_torch_does_not_have_are_told_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(**options)


def test_torch_compiles_own_options_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def keep(guards: Any) -> list[bool]:
        seen.extend(guards)
        return [True for _ in guards]

    made: list[dict[str, Any]] = []
    monkeypatch.setattr(compiled, "_inductors", {})
    monkeypatch.setattr(
        compiled, "_made_inductor", lambda budget, options: made.append(options) or (lambda graph, x: graph)
    )
    options = {"guard_filter_fn": keep, "triton.cudagraphs": False, "max-autotune": [1]}
    torch.compiler.reset()
    double = Compiling("inductor", options=options)(lambda x: 2 * x)
    assert double(torch.ones(2)).tolist() == [2, 2]
    assert seen
    assert made == [{"max_autotune": [1], "triton.cudagraphs": False}]
    assert list(options) == ["guard_filter_fn", "triton.cudagraphs", "max-autotune"], "the caller's own"
