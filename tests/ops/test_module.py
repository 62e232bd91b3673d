"""What a `module:` may be: every class of the allow-list, with every kind of argument, is refused at its place or is a
layer: it maps each sample on its own to one of the shape told, and leaves its input as it is."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from networks import graph_of, problem_of
from pydantic import ValidationError
from torch import nn

from archspec.execution.allocated import peak_allocated
from archspec.ops import Module, ModuleCall, ShapeError
from archspec.ops.measured import measured, saved
from archspec.ops.module import ALLOWED, REFUSED

SAMPLES = ((16,), (16, 6), (16, 8, 6), (16, 4, 8, 6))
"""A vector, a signal, an image, a video."""
NEEDED: dict[str, Any] = {
    "output_size": 2, "kernel_size": 2, "norm_type": 2, "num_features": 16, "in_channels": 16, "out_channels": 4,
    "groups": 4, "num_groups": 4, "num_channels": 16, "size": 3, "in_features": 6, "out_features": 5, "padding": 1,
    "upscale_factor": 2, "downscale_factor": 2, "threshold": 0.1, "value": 0.5, "num_parameters": 16,
}  # fmt: skip
"""Arguments that some class cannot be made without, as they fit the samples."""
VARIED: dict[str, tuple[Any, ...]] = {
    "dim": tuple(range(-6, 6)), "start_dim": tuple(range(-4, 5)), "end_dim": tuple(range(-4, 5)), "stride": (1, 3),
    "padding": (0, 2), "dilation": (2,), "ceil_mode": (True,), "affine": (False, True),
    "track_running_stats": (False, True), "in_features": (16,), "in_channels": (1, 2, 3, 4),
    "num_features": (2, 3, 4), "output_size": (0, [1, 1], [None, 1]), "inplace": (True, False),
    "return_indices": (True, False), "device": ("cpu", "meta"), "dtype": ("float64",), "num_parameters": (1,),
    "scale_factor": (2, 0.1), "size": ([2, 2], [2, 2, 2]),
}  # fmt: skip


def arguments(name: str) -> list[str]:
    """The arguments that a class of torch.nn names."""
    kinds = inspect.signature(getattr(nn, name)).parameters.values()
    return [kind.name for kind in kinds if kind.kind.name not in ("VAR_POSITIONAL", "VAR_KEYWORD")]


def needed(name: str) -> dict[str, Any]:
    kinds = inspect.signature(getattr(nn, name)).parameters
    given = {
        kind: NEEDED[kind] for kind in arguments(name)
        if kinds[kind].default is inspect.Parameter.empty or (kind == "size" and name.startswith("Up"))
    }  # fmt: skip
    return {**given, "num_parameters": 16} if name == "PReLU" else given


def variations(name: str) -> Iterator[dict[str, Any]]:
    base = needed(name)
    yield base
    for argument in arguments(name):
        yield from ({**base, argument: value} for value in VARIED.get(argument, ()))


def made(fields: Mapping[str, Any]) -> Module | None:
    """The operator, unless its own fields refuse the arguments."""
    try:
        return Module(**fields)
    except ValidationError:
        return None


def judged(op: Module, sample: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape told, or None for what is refused."""
    try:
        return op.shape((sample,))
    except ShapeError:
        return None


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_what_passes_is_a_layer(name: str) -> None:
    accepted = 0
    for given in variations(name):
        op = made({"type": name, "args": given})
        if op is None:
            assert any(given.get(argument, False) for argument in REFUSED)
            continue
        assert not any(given.get(argument, False) for argument in REFUSED)
        for sample in SAMPLES:
            shape = judged(op, sample)
            if shape is not None:
                accepted += 1
                assert_is_a_layer(op.call((sample,)), sample, shape)
    assert accepted, "every class has an input that it takes"


def assert_is_a_layer(call: ModuleCall, sample: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """By running it on the CPU, in batches of one, two and five."""
    told = f"{call} on {sample}"
    torch.manual_seed(0)
    layer = getattr(nn, call.target.rpartition(".")[2])(**dict(call.arguments))
    assert min(shape) > 0, told
    assert len(shape) in (1, len(sample)), told
    assert sum(parameter.numel() for parameter in layer.parameters()) == measured(call, (sample,))[1]
    x = torch.rand(5, *sample) + 0.5
    other = torch.cat([torch.rand(1, *sample) - 2, x[1:]])
    for training in (False, True):
        layer.train(training)
        results = []
        norm = isinstance(layer, nn.modules.batchnorm._BatchNorm)
        batched = norm and (training or layer.running_mean is None)  # which is what such a layer is for
        for batch in (x, other, x[:2], x[:1]):
            if len(batch) == 1 and batched:
                continue  # for vectors it needs two
            before = batch.clone()
            torch.manual_seed(1)
            with torch.no_grad():
                results.append(layer(batch))
            assert results[-1].shape == (len(batch), *shape), told
            assert torch.equal(batch, before), f"{told} overwrites its input"
        if not batched:
            assert torch.equal(results[0][1:], results[1][1:]), f"{told} mixes the batch"
    if isinstance(layer, nn.Dropout2d | nn.Dropout3d | nn.Dropout):
        survivors = layer(torch.ones(200, *sample)).flatten(1).any(1)
        assert survivors.all(), f"{told} drops whole samples"


HOSTILE = (
    [[1, 2], [3]], [], {"a": 1}, [{}], None, -1, 10**9, 10**15, float("nan"), float("inf"), "word", [10**9] * 3,
    [1] * 1000,
)  # fmt: skip


def test_arguments_of_any_kind_end_in_a_problem_or_a_shape_and_in_no_memory() -> None:
    """Every argument of every class, with values of every kind: no other error, nothing allocated, in short time."""
    slowest: tuple[float, str] = (0.0, "")

    def ask() -> None:
        nonlocal slowest
        for name in sorted(ALLOWED):
            for argument in [*arguments(name), "no_such_argument"]:
                for value in HOSTILE:
                    start = time.process_time()
                    op = made({"type": name, "args": {**needed(name), argument: value}})
                    if op is not None:
                        hash(op)
                        judged(op, SAMPLES[1])
                        assert Module(**op.written()) == op or value != value
                    slowest = max(slowest, (time.process_time() - start, f"{name}({argument}={value!r})"))

    assert peak_allocated(ask) < 1 << 20
    assert slowest[0] < 1, slowest


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("{type: Flatten, args: {start_dim: 2}}", "makes 16x48 of 16x8x6"),
        ("{type: Conv3d, args: {in_channels: 1, out_channels: 1, kernel_size: 1}}", "is for 3 spatial dimensions"),
        ("{type: Dropout3d}", "is for 3 spatial dimensions"),
        ("{type: Softmax, args: {dim: 0}}", "runs over the samples"),
        ("{type: Softmax, args: {dim: -4}}", "runs over the samples"),
        ("{type: AdaptiveAvgPool2d, args: {output_size: 0}}", "gives nothing: 16x8x6 becomes 16x0x0"),
        ("{type: ReLU, args: {inplace: true}}", "'inplace' would overwrite"),
        ("{type: ReLU, words: {inplace: always}}", "'inplace' would overwrite"),
        ("{type: Conv2d, args: {in_channels: 16, out_channels: 5000000, kernel_size: 8}, words: {device: cpu}}",
         "'device' is the network's own"),
        ("{type: Conv2d, args: {in_channels: 16, out_channels: 1, kernel_size: 1}, words: {dtype: float16}}",
         "'dtype' is the network's own"),
        ("{type: MaxPool2d, args: {kernel_size: 2, return_indices: true}}", "'return_indices' gives two"),
        ("{type: Identity, args: {nothing: 3}}", "unexpected keyword argument 'nothing'; it takes none"),
        ("{type: Upsample, args: {size: {a: 1}}}", "'size' must be a number"),
        ("{type: Upsample, args: {mode: 1}, words: {mode: nearest}}", "'mode' is given twice"),
        ("{type: Upsample, args: [1, 2]}", "must be arguments by name"),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_at_its_place(module: str, message: str) -> None:
    problem = problem_of(f"archspec: 1\ninput: {{channels: 16, size: [8, 6]}}\nstem: [module: {module}]\n")
    assert message in problem.message
    assert problem.span is not None
    assert problem.span.line == 3


class Overwriting(nn.Module):
    """In place by nature."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mul_(2)


class OverwritingInTraining(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).add_(1).reshape(x.shape) if self.training else x + 1


class Centred(nn.Module):
    """Takes away the mean of the batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0)


class Ragged(nn.Module):
    """As many channels as samples."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, : x.shape[0]]


class Noisy(nn.Module):
    """Random in evaluation too, which is its own affair."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Overwriting, "overwrites its input"), (OverwritingInTraining, "overwrites its input"),
        (Centred, "mixes the samples"), (Ragged, "a batch of 3 gives 3x3x8x6"),
    ],
)  # fmt: skip
def test_classes_of_other_packages_are_held_to_it_too(cls: type[nn.Module], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Module(type=f"{__name__}.{cls.__name__}").shape(((16, 8, 6),))


def test_a_trusted_class_may_be_anything_else() -> None:
    before = torch.get_rng_state()
    assert Module(type=f"{__name__}.Noisy").shape(((16, 8, 6),)) == (16, 8, 6)
    assert torch.equal(torch.get_rng_state(), before), "checking draws nothing"
    dotted = Module(type="torch.nn.Softmax", args={"dim": 0})
    with pytest.raises(ShapeError, match="runs over the samples"):
        dotted.shape(((16, 8, 6),))


def test_costs_are_those_of_one_sample() -> None:
    graph = graph_of(
        "archspec: 1\ninput: {channels: 3, size: [8, 8]}\n"
        "stem: [module: {type: Conv2d, args: {in_channels: 3, out_channels: 5, kernel_size: 3, bias: false}}]\n"
    )
    assert (graph.params, graph.macs) == (135, 135 * 36)
    assert saved(graph["stem.module"].op.call(((3, 8, 8),)), ((3, 8, 8),)).inputs == (0,)
