"""Every operator against torch: shapes, costs, numbers, gradients."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from archspec.compiler.analysis.outline import Plan, Step
from archspec.compiler.lower import Network
from archspec.compiler.lower.codegen import Block, assemble, block_class
from archspec.compiler.lower.modules import Factory
from archspec.language.schema import Init
from archspec.ops import BY_KEY, OPERATORS, ModuleCall, Operator, ShapeError
from archspec.ops.activation import ReLU
from archspec.syntax.names import MODULE_ATTRIBUTES, unusable

Shape = tuple[int, ...]
MAP, VIDEO, VECTOR, SIGNAL = (8, 9, 7), (8, 5, 6, 7), (12,), (8, 11)


@dataclass(frozen=True)
class Case:
    """An operator with some settings, and the shapes of its inputs (without the batch)."""

    key: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Shape, ...] = (MAP,)

    @property
    def op(self) -> Operator:
        return BY_KEY[self.key](**self.fields)

    def __str__(self) -> str:
        fields = ",".join(f"{name}={value}" for name, value in self.fields.items())
        return f"{self.key}({fields})-" + "-".join("x".join(map(str, shape)) for shape in self.inputs)


def pointwise(key: str, **fields: Any) -> list[Case]:
    return [Case(key, fields, (shape,)) for shape in (MAP, VIDEO, VECTOR, SIGNAL)]


CASES = [
    Case("conv", {"out": 6, "kernel": 1}),
    Case("conv", {"out": 6, "kernel": 3, "stride": 2}),
    Case("conv", {"out": 4, "kernel": 2}),
    Case("conv", {"out": 4, "kernel": 4, "stride": 3, "dilation": 2, "padding": 5}),
    Case("conv", {"out": 4, "kernel": [3, 5], "stride": [1, 2], "dilation": [2, 1]}),
    Case("conv", {"out": 4, "kernel": 3, "padding": 0, "bias": True}),
    Case("conv", {"out": 4, "kernel": 3, "padding": [0, 2], "bias": True, "bias_init": -6}),
    Case("conv", {"out": 12, "kernel": 3, "groups": 4}),
    Case("conv", {"out": 8, "kernel": 3, "groups": 8, "bias": True}),
    Case("conv", {"out": 6, "kernel": 3, "stride": [1, 2, 2]}, (VIDEO,)),
    Case("conv", {"out": 6, "kernel": [3, 1, 2], "groups": 2, "padding": [0, 1, 2], "dilation": [1, 2, 3]}, (VIDEO,)),
    Case("conv", {"out": 4, "kernel": 3, "padding_mode": "reflect"}),
    Case("conv", {"out": 4, "kernel": [3, 1], "stride": 2, "padding_mode": "circular", "bias": True}),
    Case("conv", {"out": 4, "kernel": 3, "padding_mode": "replicate"}, (VIDEO,)),
    Case("conv", {"out": 4, "kernel": 3, "standardize": True}),
    Case("conv", {"out": 4, "kernel": [1, 3, 3], "groups": 2, "bias": True, "standardize": True}, (VIDEO,)),
    Case("conv", {"out": 6, "kernel": 3, "stride": 2, "groups": 2, "bias": True}, (SIGNAL,)),
    Case("conv", {"out": 6, "kernel": [4], "stride": [3], "dilation": [2], "padding": [5]}, (SIGNAL,)),
    Case("conv", {"out": 4, "kernel": 3, "padding_mode": "reflect", "standardize": True}, (SIGNAL,)),
    Case("conv_transpose", {"out": 4, "kernel": 3, "stride": 2, "bias": True}, (SIGNAL,)),
    Case("max_pool", {"kernel": 3, "stride": [2], "ceil_mode": True}, (SIGNAL,)),
    Case("avg_pool", {"kernel": 3, "stride": 2, "count_padding": False}, (SIGNAL,)),
    *(Case("blur_pool", {"kernel": kernel}, (SIGNAL,)) for kernel in (2, 3, 4)),
    *(Case(key, inputs=(SIGNAL,)) for key in ("global_max_pool", "global_avg_pool", "channel_mean", "channel_max")),
    *(Case(key, inputs=(SIGNAL,)) for key in ("local_response_norm", "flatten", "upsample")),
    Case("upsample", {"factor": 3, "mode": "linear"}, (SIGNAL,)),
    Case("channel_shuffle", {"groups": 4}, (SIGNAL,)),
    Case("subsample", {"stride": 3}, (SIGNAL,)),
    *(Case(key, inputs=(SIGNAL, SIGNAL)) for key in ("add", "multiply", "concat")),
    *(Case("multiply", inputs=(SIGNAL, shape)) for shape in ((8,), (1, 11))),
    Case("module", {"type": "Conv1d", "args": {"in_channels": 8, "out_channels": 5, "kernel_size": 3}}, (SIGNAL,)),
    Case("conv_transpose", {"out": 4, "kernel": 2, "stride": 2}),
    Case("conv_transpose", {"out": 4, "kernel": 3, "stride": 2, "bias": True}),
    Case("conv_transpose", {"out": 4, "kernel": [4, 3], "stride": [2, 1], "groups": 2}),
    Case("conv_transpose", {"out": 4, "kernel": 3, "stride": 2, "padding": 0}),
    Case("conv_transpose", {"out": 4, "kernel": [1, 2, 2], "stride": [1, 2, 2]}, (VIDEO,)),
    Case("linear", {"out": 5}, (VECTOR,)),
    Case("linear", {"out": 5, "bias": False}, (VECTOR,)),
    *pointwise("bn"),
    *pointwise("bn", affine=False, eps=1e-3),
    *pointwise("bn", momentum=0.3, scale_init=0),
    *pointwise("bn", frozen=True, eps=1e-3),
    *pointwise("rms_norm"),
    *pointwise("rms_norm", affine=False, eps=1e-2),
    Case("local_response_norm"),
    Case("local_response_norm", {"size": 3, "alpha": 0.5, "beta": 0.5, "k": 2}, (VIDEO,)),
    *pointwise("group_norm", groups=4),
    *pointwise("group_norm", groups=2, affine=False, eps=1e-2),
    *pointwise("layer_norm"),
    *pointwise("layer_norm", affine=False, eps=1e-2),
    *pointwise("relu"),
    *pointwise("relu6"),
    *pointwise("hardswish"),
    *pointwise("hardsigmoid"),
    *pointwise("mish"),
    *pointwise("leaky_relu"),
    *pointwise("leaky_relu", slope=0.3),
    *pointwise("prelu"),
    *pointwise("prelu", per_channel=False, slope=0.1),
    *pointwise("elu"),
    *pointwise("elu", alpha=0.5),
    *pointwise("silu"),
    *pointwise("gelu"),
    *pointwise("gelu", approximate="tanh"),
    *pointwise("sigmoid"),
    *pointwise("tanh"),
    *pointwise("softmax"),
    *[
        Case(key, fields, (shape,))
        for key in ("max_pool", "avg_pool")
        for fields, shape in (
            ({"kernel": 2}, MAP),
            ({"kernel": 3, "stride": 2}, MAP),
            ({"kernel": 3, "stride": 2, "ceil_mode": True, "padding": 0}, (8, 8, 6)),
            ({"kernel": 2, "stride": 2, "ceil_mode": True, "padding": 1}, (8, 5, 4)),
            ({"kernel": 4, "stride": 3, "ceil_mode": True}, (8, 3, 10)),
            ({"kernel": [3, 2], "stride": [1, 2], "padding": [0, 1]}, MAP),
            ({"kernel": 3, "stride": [1, 2, 2]}, VIDEO),
            ({"kernel": [1, 3, 3], "padding": [0, 1, 0], "ceil_mode": True}, VIDEO),
        )
    ],
    Case("avg_pool", {"kernel": 3, "stride": 1, "count_padding": False}),
    Case("avg_pool", {"kernel": 3, "stride": 2, "count_padding": False, "ceil_mode": True}, (VIDEO,)),
    Case("blur_pool"),
    Case("blur_pool", {"kernel": 4, "stride": [1, 2]}),
    Case("blur_pool", {"kernel": 2, "stride": 2}, (VIDEO,)),
    Case("global_max_pool"),
    Case("global_max_pool", inputs=(VIDEO,)),
    Case("global_avg_pool"),
    Case("global_avg_pool", inputs=(VIDEO,)),
    Case("global_avg_pool", inputs=((8, 1, 1),)),
    *pointwise("channel_mean"),
    *pointwise("channel_max"),
    *[Case(key, inputs=(shape,) * 2) for key in ("add", "multiply") for shape in (MAP, VIDEO, VECTOR)],
    *[Case(key, inputs=(MAP,) * 4) for key in ("add", "multiply")],
    *[
        Case("add", {"weights": weights}, (shape,) * count)
        for weights in (
            {}, {"init": 0.5, "per": "channel"}, {"normalize": "softmax"}, {"normalize": "softmax", "per": "channel"},
            {"normalize": "sum"}, {"normalize": "sum", "per": "channel"},
        )
        for shape, count in ((MAP, 2), (VIDEO, 3), (VECTOR, 4))
    ],
    Case("add", {"weights": {"init": [1, 0, -2], "per": "channel"}}, (MAP,) * 3),
    Case("add", {"weights": {"init": [1, 0], "normalize": "softmax"}}, (MAP,) * 2),
    Case("add", {"weights": {"init": [0.5, -2, 3], "learned": False}}, (MAP,) * 3),
    Case("add", {"weights": {"init": [1, 2], "normalize": "softmax", "learned": False}}, (VECTOR,) * 2),
    Case("add", {"weights": {"init": [1, -2, 3], "normalize": "sum", "learned": False}}, (VIDEO,) * 3),
    Case("multiply", inputs=(MAP, (8,))),
    Case("multiply", inputs=((8,), VIDEO)),
    Case("multiply", inputs=((8,), (8,), MAP, MAP)),
    Case("multiply", inputs=(MAP, (1, 9, 7))),
    Case("multiply", inputs=((1, 5, 6, 7), VIDEO)),
    Case("multiply", inputs=((8,), (1, 9, 7), MAP, (8,))),
    Case("concat", inputs=(MAP, (3, 9, 7), (1, 9, 7))),
    Case("concat", inputs=(VIDEO, VIDEO)),
    Case("concat", inputs=(VECTOR, (3,))),
    Case("select", inputs=(MAP, MAP, (8,), (8,))),
    Case("select", inputs=(VIDEO,) * 3 + ((8,),) * 3),
    Case("select", inputs=(MAP,) * 3 + ((1,),) * 3),
    Case("select", inputs=(VECTOR,) * 4),
    *pointwise("flatten"),
    *pointwise("scale", by=0.5),
    *pointwise("scale", by=0),
    *pointwise("scale", by=0.5, learned=True),
    *pointwise("scale", by=1e-6, learned=True, per="channel"),
    *pointwise("slice", start=2, stop=5),
    *pointwise("slice", start=3),
    Case("channel_shuffle", {"groups": 4}),
    Case("channel_shuffle", {"groups": 2}, (VIDEO,)),
    Case("upsample"),
    Case("upsample", {"factor": 3, "mode": "linear"}),
    Case("upsample", {"mode": "linear"}, (VIDEO,)),
    *pointwise("one_minus"),
    *pointwise("pad_channels", out=17),
    *[Case("pad_channels", {"out": shape[0]}, (shape,)) for shape in (MAP, VIDEO, VECTOR)],
    Case("subsample", {"stride": 2}),
    Case("subsample", {"stride": 1}),
    Case("subsample", {"stride": [3, 2]}),
    Case("subsample", {"stride": [1, 2, 3]}, (VIDEO,)),
    *pointwise("identity"),
    *pointwise("dropout"),
    *pointwise("dropout", p=0.1),
    *pointwise("drop_path", survival=0.5),
    *pointwise("drop_path", survival=0.9, unit="sample", rescale=True),
    Case("module", {"type": "Conv2d", "args": {"in_channels": 8, "out_channels": 5, "kernel_size": [3, 1]}}),
    Case("module", {"type": "Upsample", "args": {"scale_factor": 2}, "words": {"mode": "bilinear"}}),
    Case("module", {"type": "Linear", "args": {"in_features": 12, "out_features": 3, "bias": False}}, (VECTOR,)),
    Case("module", {"type": "Hardswish"}, (VIDEO,)),
]  # fmt: skip
each_case = pytest.mark.parametrize("case", CASES, ids=str)


def block_of(
    op: Operator,
    inputs: tuple[Shape, ...],
    *,
    then_relu: str = "",
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Block:
    """An operator as the compiler builds it: a block of one step, or of two if a ReLU follows ("plain", "inplace")."""
    factory = Factory(Init(), torch.device(device), dtype)
    steps = [Step("op", op.call(inputs), tuple(range(len(inputs))))]
    if then_relu:
        steps.append(Step("relu", ReLU().call((op.shape(inputs),), inplace=then_relu == "inplace"), ("op",)))
    modules = {}
    if isinstance(steps[0].call, ModuleCall):
        modules["op"] = factory.make(steps[0].call)
        with torch.no_grad():
            factory.fill(modules["op"], steps[0].call, steps[0].call.values)
    return assemble(block_class(Plan(tuple(steps), len(inputs), (steps[-1].name,))), modules)


def module_of(key: str, shape: Shape, **fields: Any) -> nn.Module:
    """The module behind an operator of one input, in float64."""
    module = block_of(BY_KEY[key](**fields), (shape,)).op
    assert isinstance(module, nn.Module)
    return module


def run(key: str, *tensors: Tensor, train: bool = False, **fields: Any) -> Tensor:
    """An operator applied to tensors."""
    block = block_of(BY_KEY[key](**fields), tuple(tuple(tensor.shape[1:]) for tensor in tensors))
    return block.train(train)(*tensors)


def tensors_of(inputs: tuple[Shape, ...], batch: int = 3) -> list[Tensor]:
    return [torch.randn(batch, *shape, dtype=torch.float64) for shape in inputs]


# --- one proof for all ------------------------------------------------------------------------------------------------


@each_case
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_shape_parameters_and_macs_are_those_of_the_torch_call(case: Case, train: bool) -> None:
    op = case.op
    block = block_of(op, case.inputs, device="meta", dtype=torch.float32).train(train)
    with FlopCounterMode(display=False) as counter:
        output = block(*(torch.empty(2, *shape, device="meta") for shape in case.inputs))
    assert output.shape == (2, *op.shape(case.inputs))
    assert sum(parameter.numel() for parameter in block.parameters()) == op.params(case.inputs)
    assert counter.get_total_flops() == 2 * 2 * op.macs(case.inputs)
    assert (op.macs(case.inputs) > 0) == (
        op.role == "weight" or case.fields.get("type") in ("Conv1d", "Conv2d", "Linear")
    )


@each_case
def test_what_an_operator_writes_reads_back(case: Case) -> None:
    op = case.op
    assert BY_KEY[case.key](**op.written()) == op
    assert hash(BY_KEY[case.key](**op.written())) == hash(op)
    assert op.label().strip()


@pytest.mark.parametrize("case", [case for case in CASES if len(case.inputs[0]) > 1 and not case.op.joins], ids=str)
def test_the_reduction_is_the_ratio_of_sizes(case: Case) -> None:
    """At a size that everything divides, with an odd window and the padding that keeps the size."""
    same = {"kernel": 3, "padding": None, "ceil_mode": False}
    op = case.op.model_copy(update={name: same[name] for name in same if name in type(case.op).model_fields})
    rank = len(case.inputs[0]) - 1
    assert len(op.reduction(rank)) == rank
    shape = op.shape(((case.inputs[0][0], *(36,) * rank),))
    if len(shape) > 1 and case.key != "module":
        sizes = zip(op.reduction(rank), op.expansion(rank), strict=True)
        assert shape[1:] == tuple(36 * up // down for down, up in sizes)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.key)
def test_every_field_of_every_operator_is_tried_away_from_its_default(operator: type[Operator]) -> None:
    cases = [case for case in CASES if case.key == operator.key]
    assert cases
    tried = {name for case in cases for name in case.op.written()}
    assert tried == set(operator.model_fields)


def _tried(operator: type[Operator]) -> list[tuple[Case, str, Any]]:
    """Each case of an operator with an optional field as it is in another, away from its default."""
    cases = [case for case in CASES if case.key == operator.key]
    optional = [name for name, info in operator.model_fields.items() if not info.is_required()]
    values = {name: [case.fields[name] for case in cases if name in case.fields] for name in optional}
    return [(case, name, value) for case in cases for name in optional for value in values[name]]


def _computes(case: Case) -> Any:
    """All that becomes of an operator; None if it takes neither these shapes nor these fields."""
    try:
        op = case.op
        return op.shape(case.inputs), op.params(case.inputs), op.call(case.inputs)
    except (ShapeError, ValidationError):
        return None


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.key)
def test_a_field_changes_something_or_is_known_to_be_idle(operator: type[Operator]) -> None:
    met = set()
    for case, name, value in _tried(operator):
        without = {other: entry for other, entry in case.fields.items() if other != name}
        given = Case(case.key, {**without, name: value}, case.inputs)
        base, changed = _computes(Case(case.key, without, case.inputs)), _computes(given)
        if base is None or changed is None or getattr(given.op, name) == operator.model_fields[name].default:
            continue
        if base == changed:
            # What is computed where it is not given (a padding, a stride) may be given as it would be.
            assert name in given.op.idle() or operator.model_fields[name].default is None, str(given)
        if name in given.op.idle():
            assert base[:2] == changed[:2]
            met.add(name)
    assert met <= operator.needs.keys()
    assert set(IDLE.get(operator.key, ())) <= met


IDLE = {"conv": ("padding_mode", "dilation"), "avg_pool": ("count_padding",), "bn": ("momentum",)}


def test_an_idle_field_computes_nothing() -> None:
    for key, fields, idle in [
        ("conv", {"out": 4, "kernel": 1, "padding_mode": "reflect", "dilation": 3}, {"padding_mode", "dilation"}),
        ("conv", {"out": 4, "kernel": [1, 3], "padding": 0, "padding_mode": "circular", "dilation": [5, 1]},
         {"padding_mode", "dilation"}),
        ("conv", {"out": 4, "kernel": 2, "padding_mode": "replicate"}, {"padding_mode"}),
        ("conv", {"out": 4, "kernel": 3, "padding_mode": "replicate", "dilation": [1, 2]}, set()),
        ("avg_pool", {"kernel": 2, "stride": 3, "ceil_mode": True, "count_padding": False}, {"count_padding"}),
        ("avg_pool", {"kernel": 3, "count_padding": False}, set()),
        ("bn", {"frozen": True, "momentum": 0.5}, {"momentum"}), ("bn", {"momentum": 0.5}, set()),
    ]:  # fmt: skip
        op = BY_KEY[key](**fields)
        assert set(op.idle()) == idle, op
        assert op.needs.keys() >= idle
        bare = BY_KEY[key](**{name: value for name, value in fields.items() if name not in idle})
        for train in (True, False):
            torch.manual_seed(0)
            one, other = block_of(op, (MAP,)).train(train), block_of(bare, (MAP,)).train(train)
            other.load_state_dict(one.state_dict())
            x = torch.randn(2, *MAP, dtype=torch.float64)
            assert torch.equal(one(x), other(x))
            assert all(torch.equal(one.state_dict()[name], value) for name, value in other.state_dict().items())


def test_keys_are_unique_and_documented() -> None:
    assert len(BY_KEY) == len(OPERATORS)
    for operator in OPERATORS:
        assert operator.__doc__
        assert operator.role in ("weight", "norm", "activation", "pool", "join", "reshape", "regularizer", "other")


# --- what may be overwritten ------------------------------------------------------------------------------------------

OVERWRITABLE = [case for case in CASES if case.op.overwritable]


@pytest.mark.parametrize("case", OVERWRITABLE, ids=str)
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_an_activation_may_overwrite_an_overwritable_output(case: Case, train: bool) -> None:
    """The inputs are read by others too, so that overwriting a view of one would show."""
    torch.manual_seed(0)
    plain = block_of(case.op, case.inputs, then_relu="plain").train(train)
    reused = block_of(case.op, case.inputs, then_relu="inplace").train(train)
    assert type(plain) is not type(reused)
    reused.load_state_dict(plain.state_dict())
    results = []
    inputs = tensors_of(case.inputs)
    for block in (plain, reused):
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        signals = [leaf * 1.0 for leaf in leaves]
        output = block(*signals)
        weight = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).reshape(output.shape)
        loss = (output * weight).sum() + sum((signal**2).sum() for signal in signals)
        loss.backward()
        assert all(torch.equal(signal, leaf) for signal, leaf in zip(signals, leaves, strict=True))
        results.append([output, *(leaf.grad for leaf in leaves), *(p.grad for p in block.parameters())])
    for expected, actual in zip(*results, strict=True):
        assert expected is not None
        assert torch.equal(expected, actual)


def test_what_passes_its_input_on_or_keeps_its_output_is_not_overwritable() -> None:
    for key in ("identity", "flatten", "dropout", "drop_path", "module", "relu", "sigmoid", "tanh", "softmax", "elu"):
        assert not BY_KEY[key].overwritable
    for key in ("conv", "bn", "add", "linear", "max_pool"):
        assert BY_KEY[key].overwritable
    assert len({case.key for case in OVERWRITABLE}) == sum(operator.overwritable for operator in OPERATORS)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_conv_is_torchs_with_the_padding_that_keeps_the_size() -> None:
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    conv = module_of("conv", (4, 9, 8), out=6, kernel=[3, 5], stride=[1, 2], dilation=[2, 1], groups=2, bias=True)
    expected = F.conv2d(x, conv.weight, conv.bias, stride=(1, 2), padding=(2, 2), dilation=(2, 1), groups=2)
    assert torch.equal(conv(x), expected)
    assert conv.weight.shape == (6, 2, 3, 5)
    video = torch.randn(1, 4, 5, 9, 8, dtype=torch.float64)
    conv = module_of("conv", (4, 5, 9, 8), out=6, kernel=3, stride=[1, 2, 2])
    assert torch.equal(conv(video), F.conv3d(video, conv.weight, stride=(1, 2, 2), padding=1))
    assert conv.bias is None


def test_conv_bias_starts_from_what_is_asked() -> None:
    assert module_of("conv", MAP, out=3, kernel=1, bias=True, bias_init=-6).bias.tolist() == [-6.0] * 3
    assert module_of("conv", MAP, out=3, kernel=1, bias=True).bias.tolist() == [0.0] * 3


def test_batch_norm_is_torchs_in_training_and_evaluation() -> None:
    for shape, layer in ((MAP, nn.BatchNorm2d), (VIDEO, nn.BatchNorm3d), (VECTOR, nn.BatchNorm1d)):
        ours = module_of("bn", shape, eps=1e-2, momentum=0.3, scale_init=0.5)
        theirs = layer(shape[0], eps=1e-2, momentum=0.3, dtype=torch.float64)
        nn.init.constant_(theirs.weight, 0.5)
        (x,) = tensors_of((shape,))
        for train in (True, False):
            assert torch.equal(ours.train(train)(x), theirs.train(train)(x))
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        assert torch.equal(ours.running_var, theirs.running_var)
    assert module_of("bn", MAP, affine=False).weight is None


def test_group_norm_is_torchs() -> None:
    (x,) = tensors_of((MAP,))
    grouped = x.reshape(3, 4, -1)
    expected = (grouped - grouped.mean(2, keepdim=True)) / (grouped.var(2, keepdim=True, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(run("group_norm", x, groups=4), expected.reshape(x.shape))


@pytest.mark.parametrize("shape", [MAP, VIDEO, VECTOR], ids=["map", "video", "vector"])
def test_layer_norm_normalises_the_channels_of_each_position(shape: Shape) -> None:
    (x,) = tensors_of((shape,))
    ours, theirs = module_of("layer_norm", shape, eps=1e-3), nn.LayerNorm(shape[0], eps=1e-3, dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict())
    for module in (ours, theirs):
        with torch.no_grad():
            module.weight.copy_(torch.arange(shape[0]))
            module.bias.fill_(0.25)
    last = [0, *range(2, x.ndim), 1]
    first = [0, x.ndim - 1, *range(1, x.ndim - 1)]
    torch.testing.assert_close(ours(x), theirs(x.permute(last)).permute(first))


@pytest.mark.parametrize("shape", [MAP, VIDEO, VECTOR], ids=["map", "video", "vector"])
def test_rms_norm_divides_by_the_root_mean_square_of_each_position(shape: Shape) -> None:
    (x,) = tensors_of((shape,))
    module = module_of("rms_norm", shape, eps=1e-2)
    with torch.no_grad():
        module.weight.copy_(torch.arange(shape[0]))
    weight = torch.arange(shape[0]).reshape(-1, *(1,) * (len(shape) - 1))
    torch.testing.assert_close(module(x), x / (x.square().mean(1, keepdim=True) + 1e-2).sqrt() * weight)


def test_local_response_norm_divides_by_neighbouring_channels() -> None:
    (x,) = tensors_of((MAP,))
    expected = torch.empty_like(x)
    for channel in range(MAP[0]):
        around = x[:, max(0, channel - 1) : channel + 2].square().sum(1) / 3
        expected[:, channel] = x[:, channel] / (2 + 0.5 * around) ** 0.75
    torch.testing.assert_close(run("local_response_norm", x, size=3, alpha=0.5, k=2), expected)


def test_a_frozen_norm_is_a_batch_norm_in_evaluation_that_learns_nothing() -> None:
    for shape, layer in ((MAP, nn.BatchNorm2d), (VIDEO, nn.BatchNorm3d), (VECTOR, nn.BatchNorm1d)):
        ours, theirs = module_of("bn", shape, frozen=True, eps=1e-3), layer(shape[0], eps=1e-3, dtype=torch.float64)
        with torch.no_grad():
            for name, value in theirs.state_dict().items():
                if value.is_floating_point():
                    value.copy_(torch.rand(shape[0]) + 0.5)
                    ours.state_dict()[name].copy_(value)
        (x,) = tensors_of((shape,))
        torch.testing.assert_close(ours.train()(x), theirs.eval()(x))
        assert list(ours.parameters()) == []
        assert ours.state_dict().keys() == theirs.state_dict().keys() - {"num_batches_tracked"}


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_conv_pads_by_what_is_asked(mode: str) -> None:
    (x,) = tensors_of((MAP,))
    conv = module_of("conv", MAP, out=3, kernel=[3, 5], padding_mode=mode)
    torch.testing.assert_close(conv(x), F.conv2d(F.pad(x, (2, 2, 1, 1), mode=mode), conv.weight))


@pytest.mark.parametrize("shape", [MAP, VIDEO], ids=["map", "video"])
def test_standardised_weights_have_mean_0_and_variance_1(shape: Shape) -> None:
    (x,) = tensors_of((shape,))
    conv = module_of("conv", shape, out=6, kernel=3, groups=2, bias=True, standardize=True)
    weight = torch.stack([
        (kernel - kernel.mean()) / (kernel.var(correction=0) + 1e-5).sqrt() for kernel in conv.weight
    ])  # fmt: skip
    convolve = F.conv2d if len(shape) == 3 else F.conv3d
    torch.testing.assert_close(conv(x), convolve(x, weight, conv.bias, padding=1, groups=2))


def test_a_transposed_convolution_is_the_gradient_of_the_convolution() -> None:
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    for kernel in (2, 3, 4):
        layer = module_of("conv_transpose", (4, 5, 6), out=3, kernel=kernel, stride=2)
        output = layer(x)
        assert output.shape == (2, 3, 10, 12)
        wide = torch.zeros_like(output, requires_grad=True)
        padding = layer.padding[0]
        (F.conv2d(wide, layer.weight, stride=2, padding=padding)[..., :5, :6] * x).sum().backward()
        torch.testing.assert_close(output, wide.grad)


@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
def test_blur_pool_is_a_binomial_filter_over_a_mirrored_border(kernel: int) -> None:
    from math import comb

    (x,) = tensors_of((MAP,))
    row = torch.tensor([comb(kernel - 1, i) for i in range(kernel)], dtype=torch.float64) / 2 ** (kernel - 1)
    before, after = (kernel - 1) // 2, kernel // 2
    weight = (row[:, None] * row).expand(MAP[0], 1, kernel, kernel)
    padded = F.pad(x, (before, after, before, after), mode="reflect")
    expected = F.conv2d(padded, weight, stride=(2, 1), groups=MAP[0])
    torch.testing.assert_close(run("blur_pool", x, kernel=kernel, stride=[2, 1]), expected)


def test_channels_are_cut_and_dealt_out() -> None:
    (x,) = tensors_of((MAP,))
    assert torch.equal(run("slice", x, start=2, stop=5), x[:, 2:5])
    assert torch.equal(run("slice", x, start=3), x[:, 3:])
    assert torch.equal(run("channel_shuffle", x, groups=2), x[:, [0, 4, 1, 5, 2, 6, 3, 7]])
    assert torch.equal(run("global_max_pool", x), x.flatten(2).max(2).values)
    assert torch.equal(run("channel_max", x), x.max(1).values.unsqueeze(1))
    torch.testing.assert_close(run("channel_mean", x), x.sum(1).unsqueeze(1) / 8)


def test_upsampling_repeats_or_goes_between() -> None:
    (x,) = tensors_of((MAP,))
    assert torch.equal(run("upsample", x, factor=3), x.repeat_interleave(3, 2).repeat_interleave(3, 3))
    line = torch.tensor([0.0, 4.0], dtype=torch.float64).reshape(1, 1, 1, 2).expand(1, 1, 2, 2)
    assert run("upsample", line, mode="linear")[0, 0, 0].tolist() == [0.0, 1.0, 3.0, 4.0]


@pytest.mark.parametrize("per", ["tensor", "channel"])
def test_a_learned_scale_starts_where_it_is_told(per: str) -> None:
    for shape in (MAP, VIDEO, VECTOR):
        (x,) = tensors_of((shape,))
        module = module_of("scale", shape, by=0.25, learned=True, per=per)
        assert module.weight.tolist() == [0.25] * (shape[0] if per == "channel" else 1)
        with torch.no_grad():
            module.weight.copy_(torch.arange(len(module.weight)) + 1)
        factor = module.weight.reshape(-1, *(1,) * (len(shape) - 1))
        torch.testing.assert_close(module(x), x * factor)


def test_activations_are_their_formulas() -> None:
    x = torch.linspace(-3, 3, 24, dtype=torch.float64).reshape(1, 4, 3, 2)
    e = torch.exp
    formulas = {
        "relu": ({}, x.clamp(min=0)),
        "leaky_relu": ({"slope": 0.3}, torch.where(x > 0, x, 0.3 * x)),
        "prelu": ({"slope": 0.1}, torch.where(x > 0, x, 0.1 * x)),
        "elu": ({"alpha": 0.5}, torch.where(x > 0, x, 0.5 * (e(x) - 1))),
        "relu6": ({}, x.clamp(0, 6)),
        "hardswish": ({}, x * (x + 3).clamp(0, 6) / 6),
        "hardsigmoid": ({}, (x + 3).clamp(0, 6) / 6),
        "mish": ({}, x * torch.tanh(torch.log(1 + e(x)))),
        "silu": ({}, x / (1 + e(-x))),
        "gelu": ({}, x * (1 + torch.erf(x / 2**0.5)) / 2),
        "sigmoid": ({}, 1 / (1 + e(-x))),
        "tanh": ({}, (e(2 * x) - 1) / (e(2 * x) + 1)),
        "softmax": ({}, e(x) / e(x).sum(1, keepdim=True)),
        "scale": ({"by": -0.5}, -x / 2),
        "one_minus": ({}, 1 - x),
        "identity": ({}, x),
    }
    for key, (fields, expected) in formulas.items():
        torch.testing.assert_close(run(key, x, **fields), expected, msg=lambda text, key=key: f"{key}: {text}")
    assert set(formulas) >= {operator.key for operator in OPERATORS if operator.role == "activation"}
    tanh = x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2
    torch.testing.assert_close(run("gelu", x, approximate="tanh"), tanh)
    assert module_of("prelu", MAP, per_channel=False, slope=0.1).weight.tolist() == [0.1]


def test_pools_by_hand() -> None:
    x = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]], dtype=torch.float64)
    assert run("max_pool", x, kernel=2, stride=1, padding=0).tolist() == [[[[5, 6], [8, 9]]]]
    assert run("max_pool", -x, kernel=3, stride=2).tolist() == [[[[-1, -2], [-4, -5]]]]
    assert run("avg_pool", x, kernel=2, padding=0).tolist() == [[[[3]]]]
    assert run("avg_pool", x, kernel=2, padding=0, ceil_mode=True).tolist() == [[[[3, 4.5], [7.5, 9]]]]
    assert run("avg_pool", x, kernel=3, stride=2).flatten().tolist() == pytest.approx([12 / 9, 16 / 9, 24 / 9, 28 / 9])
    assert run("avg_pool", x, kernel=3, stride=2, count_padding=False).flatten().tolist() == [3, 4, 6, 7]
    assert run("global_avg_pool", x).tolist() == [[5]]


@pytest.mark.parametrize("shape", [MAP, (3, 8, 8), (2, 1, 5), VIDEO])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_subsample_takes_every_strideth_position(shape: Shape, stride: int) -> None:
    (x,) = tensors_of((shape,))
    step = slice(None, None, stride)
    expected = x[(slice(None), slice(None), *(step,) * (len(shape) - 1))]
    assert torch.equal(run("subsample", x, stride=stride), expected)


def test_pad_channels_appends_zeros() -> None:
    for shape in (MAP, VIDEO, VECTOR):
        (x,) = tensors_of((shape,))
        padded = run("pad_channels", x, out=shape[0] + 3)
        assert torch.equal(padded[:, : shape[0]], x)
        assert padded.shape[1] == shape[0] + 3
        assert not padded[:, shape[0] :].any()


def test_joins() -> None:
    a, b, c = tensors_of((MAP, MAP, MAP))
    assert torch.equal(run("add", a, b, c), a + b + c)
    assert torch.equal(run("multiply", a, b, c), a * b * c)
    assert torch.equal(run("concat", a, b[:, :2]), torch.cat([a, b[:, :2]], 1))
    assert torch.equal(run("flatten", a), a.reshape(3, -1))


@pytest.mark.parametrize("shape", [MAP, VIDEO], ids=["map", "video"])
def test_a_vector_gates_a_map_channel_by_channel(shape: Shape) -> None:
    gate, signal = tensors_of((shape[:1], shape))
    expected = torch.stack(
        [signal[:, channel] * gate[:, channel].reshape(-1, *(1,) * (len(shape) - 1)) for channel in range(8)], 1
    )
    assert torch.equal(run("multiply", gate, signal), expected)
    assert torch.equal(run("multiply", signal, gate), expected)
    mask = signal[:, :1]
    masked = torch.stack([signal[:, channel] * mask[:, 0] for channel in range(8)], 1)
    assert torch.equal(run("multiply", mask, signal), masked)
    assert torch.equal(run("multiply", signal, mask), masked)
    squared = expected * gate.reshape(3, 8, *(1,) * (len(shape) - 1))
    torch.testing.assert_close(run("multiply", gate, gate, signal), squared)


def test_dropout_is_torchs() -> None:
    x = torch.ones(2, 4, 50, 50, dtype=torch.float64)
    torch.manual_seed(3)
    dropped = run("dropout", x, train=True, p=0.3)
    torch.manual_seed(3)
    assert torch.equal(dropped, F.dropout(x, 0.3))
    assert torch.equal(run("dropout", x, p=0.3), x)


# --- stochastic depth -------------------------------------------------------------------------------------------------


def test_drop_path_as_defined_passes_whole_batches_and_scales_in_evaluation() -> None:
    drop = module_of("drop_path", MAP, survival=0.7)
    x = torch.randn(4, *MAP, dtype=torch.float64)
    torch.manual_seed(0)
    kept = 0
    for _ in range(2000):
        y = drop(x)
        if y.any():
            assert torch.equal(y, x)
            kept += 1
    assert kept / 2000 == pytest.approx(0.7, abs=0.04)
    torch.testing.assert_close(drop.eval()(x), 0.7 * x)


def test_drop_path_per_sample_rescales_in_training_and_passes_in_evaluation() -> None:
    drop = module_of("drop_path", VECTOR, survival=0.8, unit="sample", rescale=True)
    x = torch.ones(5000, *VECTOR, dtype=torch.float64)
    torch.manual_seed(0)
    y = drop(x)
    kept = y[:, 0] != 0
    assert 0 < kept.sum() < 5000
    torch.testing.assert_close(y, torch.where(kept, 1.25, 0.0)[:, None].to(y.dtype).expand_as(y))
    assert kept.double().mean().item() == pytest.approx(0.8, abs=0.03)
    assert y.mean().item() == pytest.approx(1, abs=0.04)
    assert drop.eval()(x) is x


def test_drop_path_units_and_rescaling_are_independent_choices() -> None:
    x = torch.ones(64, *VECTOR, dtype=torch.float64)
    torch.manual_seed(1)
    whole = [module_of("drop_path", VECTOR, survival=0.5, rescale=True)(x).unique().tolist() for _ in range(30)]
    assert sorted(set(map(tuple, whole))) == [(0.0,), (2.0,)]
    single = module_of("drop_path", VECTOR, survival=0.5, unit="sample")
    assert single(x).unique().tolist() == [0.0, 1.0]
    assert single.eval()(x).unique().tolist() == [0.5]


@pytest.mark.parametrize("rescale", [True, False])
def test_drop_path_gradient_follows_its_signal(rescale: bool) -> None:
    drop = module_of("drop_path", VECTOR, survival=0.5, unit="sample", rescale=rescale)
    x = torch.randn(40, *VECTOR, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(2)
    y = drop(x)
    y.sum().backward()
    factor = (y / x).detach()
    torch.testing.assert_close(x.grad, factor)
    assert factor.round(decimals=9).unique().tolist() == [0.0, 2.0 if rescale else 1.0]


@pytest.mark.parametrize("rescale", [True, False])
def test_drop_path_at_its_limits(rescale: bool) -> None:
    x = torch.randn(6, *VECTOR, dtype=torch.float64)
    for train in (True, False):
        assert torch.equal(module_of("drop_path", VECTOR, survival=1, rescale=rescale).train(train)(x), x)
    if rescale:  # a branch that never survives cannot be divided by how often it does
        with pytest.raises(ValueError, match="survival must be between 1e-06 and 1"):
            module_of("drop_path", VECTOR, survival=0, rescale=True)
    else:
        assert not module_of("drop_path", VECTOR, survival=0)(x).any()


def test_drop_path_tells_its_settings() -> None:
    assert repr(module_of("drop_path", MAP, survival=0.25)) == "DropPath(survival=0.25, unit=batch, rescale=False)"


# --- what cannot be ---------------------------------------------------------------------------------------------------

REFUSED = [
    (Case("conv", {"out": 4, "kernel": 3}, (VECTOR,)), "conv needs a feature map, and gets a vector of 12"),
    (Case("conv", {"out": 4, "kernel": [3, 3, 1]}), "kernel [3, 3, 1] has 3 sizes for 2"),
    (Case("conv", {"out": 4, "kernel": 3, "stride": [1, 2]}, (VIDEO,)), "stride [1, 2] has 2 sizes for 3"),
    (Case("conv", {"out": 4, "kernel": 3, "dilation": [1, 2, 1]}), "dilation [1, 2, 1] has 3 sizes for 2"),
    (Case("conv", {"out": 4, "kernel": 3, "padding": [1, 2, 1]}), "padding [1, 2, 1] has 3 sizes for 2"),
    (Case("conv", {"out": 4, "kernel": 3, "groups": 3}), "8 input channels do not divide into 3 groups"),
    (Case("conv", {"out": 6, "kernel": 3, "groups": 4}), "6 output channels do not divide into 4 groups"),
    (Case("conv", {"out": 4, "kernel": 3, "bias_init": 1}), "the convolution has no bias"),
    (Case("conv", {"out": 4, "kernel": 8, "padding": 0}), "the feature map vanishes: a window of 8x8 does not fit 9x7"),
    (Case("conv", {"out": 4, "kernel": 3, "dilation": 4, "padding": 0}), "the feature map vanishes"),
    (Case("linear", {"out": 4}), "linear needs a vector, and gets a map of 8x9x7"),
    (Case("bn", {"affine": False, "scale_init": 1}), "not affine"),
    (Case("group_norm", {}), "8 channels do not divide into 32 groups"),
    (Case("max_pool", {"kernel": 3}, (VECTOR,)), "max_pool needs a feature map"),
    (Case("avg_pool", {"kernel": 3}, (VECTOR,)), "avg_pool needs a feature map"),
    (Case("max_pool", {"kernel": 3, "padding": 2}), "padding 2x2 is more than half of the window 3x3"),
    (Case("avg_pool", {"kernel": [4, 2], "padding": [2, 2]}), "padding 2x2 is more than half of the window 4x2"),
    (Case("max_pool", {"kernel": 9, "padding": 0}), "the feature map vanishes"),
    (Case("avg_pool", {"kernel": [6, 3, 3]}, (VIDEO,)), "a window of 6x3x3 does not fit 5x6x7"),
    (Case("global_avg_pool", {}, (VECTOR,)), "global_avg_pool needs a feature map"),
    (Case("add", {}, (MAP, (8, 9, 6))), "an addition joins 8x9x7 with 8x9x6"),
    (Case("add", {}, (MAP, MAP, (4, 9, 7))), "an addition joins 8x9x7 with 4x9x7"),
    (Case("multiply", {}, (MAP, (4,))), "a product joins 8x9x7 with 4"),
    (Case("multiply", {}, (MAP, (2, 9, 7))), "a product joins 8x9x7 with 2x9x7"),
    (Case("multiply", {}, ((1, 9, 7), (8,))), "a product joins 1x9x7 with 8"),
    (Case("concat", {}, (MAP, (8, 9, 6))), "a concatenation joins 8x9x7 with 8x9x6"),
    (Case("concat", {}, (MAP, (8,))), "a concatenation joins 8x9x7 with 8"),
    (Case("pad_channels", {"out": 7}), "pad_channels cannot reach 7 channels from 8"),
    (Case("subsample", {"stride": 2}, (VECTOR,)), "subsample needs a feature map"),
    (Case("subsample", {"stride": [1, 2, 2]}), "stride [1, 2, 2] has 3 sizes for 2"),
    (Case("module", {"type": "Linear", "args": {"in_features": 3, "out_features": 3}}, (VECTOR,)), "Linear("),
    (Case("module", {"type": "Conv2d", "args": {"kernel": 3}}), "Conv2d(kernel=3) fails"),
]


@pytest.mark.parametrize(("case", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_shapes_that_do_not_fit_are_refused(case: Case, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        case.op.shape(case.inputs)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("conv", {"out": 0, "kernel": 3}),
        ("conv", {"out": True, "kernel": 3}),
        ("conv", {"out": 1.5, "kernel": 3}),
        ("conv", {"out": 4, "kernel": 3, "padding": -1}),
        ("conv", {"out": 4, "kernel": []}),
        ("conv", {"out": 4, "kernel": 3, "bias": 1}),
        ("conv", {"out": 4}),
        ("conv", {"out": 4, "kernel": 3, "kernal": 3}),
        ("bn", {"eps": "small"}),
        ("bn", {"eps": float("nan")}),
        ("dropout", {"p": 1.5}),
        ("drop_path", {"survival": -0.1}),
        ("drop_path", {"survival": 0.5, "unit": "pixel"}),
        ("scale", {"by": float("inf")}),
    ],
)
def test_values_that_mean_nothing_are_refused(key: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BY_KEY[key](**fields)


def test_whole_floats_and_equal_sizes_are_the_same_operator() -> None:
    conv = BY_KEY["conv"]
    assert conv(out=96.0, kernel=[3, 3], stride=(2, 2)) == conv(out=96, kernel=3, stride=2)


@pytest.mark.parametrize("copied", [lambda op: op, copy.deepcopy, lambda op: pickle.loads(pickle.dumps(op))])
def test_equal_sizes_are_one_number_for_as_many_dimensions_as_are_written(copied: Callable[[Any], Any]) -> None:
    listed, single = copied(BY_KEY["conv"](out=4, kernel=[3, 3], stride=[1, 1])), BY_KEY["conv"](out=4, kernel=3)
    assert listed.written() == single.written()
    assert (hash(listed), repr(listed), listed.label()) == (hash(single), repr(single), single.label())
    assert listed.shape(((3, 8, 8),)) == (4, 8, 8)
    assert listed.call(((3, 8, 8),)) == single.call(((3, 8, 8),))
    with pytest.raises(ShapeError, match=r"kernel \[3, 3\] has 2 sizes for 3 spatial dimensions"):
        listed.shape(((3, 8, 8, 8),))


# --- windows ----------------------------------------------------------------------------------------------------------

sizes = st.integers(1, 12)


@st.composite
def windows(draw: st.DrawFn) -> tuple[Shape, dict[str, Any]]:
    """Sizes of a map, and a window: any kernel, stride, and padding, given or not."""
    rank = draw(st.integers(2, 3))

    def per_dimension(values: st.SearchStrategy[int]) -> Any:
        return draw(values | st.lists(values, min_size=rank, max_size=rank))

    shape = tuple(draw(st.lists(sizes, min_size=rank, max_size=rank)))
    fields = {"kernel": per_dimension(st.integers(1, 5)), "stride": per_dimension(st.integers(1, 4))}
    if draw(st.booleans()):
        fields["padding"] = per_dimension(st.integers(0, 3))
    return shape, fields


def assert_as_torch(op: Operator, spatial: Shape) -> None:
    """The shape rule gives what torch gives, and refuses what torch refuses."""
    inputs = ((2, *spatial),)
    try:
        expected: Shape | None = op.shape(inputs)
    except ShapeError:
        expected = None
    try:
        # Not on the meta device, whose shape functions accept some windows that the kernels refuse.
        actual = tuple(block_of(op, inputs)(torch.zeros(1, *inputs[0], dtype=torch.float64)).shape[1:])
    except (RuntimeError, ValueError):
        actual = None
    assert expected == actual


@given(windows(), st.integers(1, 3))
def test_the_window_arithmetic_of_convolutions_is_torchs(window: tuple[Shape, dict[str, Any]], dilation: int) -> None:
    spatial, fields = window
    assert_as_torch(BY_KEY["conv"](out=2, dilation=dilation, **fields), spatial)


@given(windows(), st.booleans(), st.sampled_from(["max_pool", "avg_pool"]))
def test_the_window_arithmetic_of_pools_is_torchs(
    window: tuple[Shape, dict[str, Any]], ceil_mode: bool, key: str
) -> None:
    spatial, fields = window
    assert_as_torch(BY_KEY[key](ceil_mode=ceil_mode, **fields), spatial)


# --- names ------------------------------------------------------------------------------------------------------------


def test_no_name_may_hide_an_attribute_of_a_module() -> None:
    """Names become attributes of networks and blocks: each public one of theirs must be refused."""
    instances = (Network(nn.Module(), torch.fx.Graph()), assemble(block_class(Plan((), 1, (0,))), {}))
    attributes = {name for instance in instances for name in dir(instance) if not name.startswith("_")}
    assert "training" in attributes
    assert attributes - MODULE_ATTRIBUTES == set()
    assert {name for name in attributes if unusable(name) is None} == set()
