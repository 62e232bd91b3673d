"""What each operator says that backward keeps, against the storages autograd saves of its real torch call."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archspec.compiler.lower.layers import DropPath
from archspec.ops import OPERATORS, Operator
from tests.ops.test_operators import CASES, MAP, VECTOR, VIDEO, Case, block_of

MODULES = [
    Case("module", {"type": name, "args": args}, (shape,))
    for name, args, shape in (
        ("Identity", {}, MAP), ("Flatten", {}, MAP), ("ReLU", {}, MAP), ("SELU", {}, MAP), ("Mish", {}, VECTOR),
        ("Softplus", {}, MAP), ("Hardtanh", {}, MAP), ("BatchNorm2d", {"num_features": 8}, MAP),
        ("BatchNorm1d", {"num_features": 12}, VECTOR), ("GroupNorm", {"num_groups": 2, "num_channels": 8}, VIDEO),
        ("AdaptiveAvgPool2d", {"output_size": 1}, MAP), ("MaxPool3d", {"kernel_size": 2}, VIDEO),
        ("ZeroPad2d", {"padding": 1}, MAP), ("PixelShuffle", {"upscale_factor": 2}, MAP),
        ("ConvTranspose2d", {"in_channels": 8, "out_channels": 3, "kernel_size": 2}, MAP),
    )
]  # fmt: skip
EDGES = [
    Case("dropout", {"p": 0.0}), Case("dropout", {"p": 1.0}), Case("drop_path", {"survival": 0.5, "rescale": True}),
    Case("drop_path", {"survival": 0.5, "unit": "sample"}),
]  # fmt: skip


def saved_of(case: Case, batch: int) -> tuple[list[Tensor], Tensor, dict[int, Tensor]]:
    """Inputs, output, and what autograd saved by address, of the call in training; parameters and buffers left out."""
    block = block_of(case.op, case.inputs, dtype=torch.float32).train()
    for module in block.modules():
        if isinstance(module, DropPath) and module.unit == "batch":
            module.kept = True  # as a network's draw leaves it
    inputs = [torch.randn(batch, *shape).requires_grad_() for shape in case.inputs]
    saved: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = block(*inputs)
    for own in (*block.parameters(), *block.buffers()):
        saved.pop(own.untyped_storage().data_ptr(), None)
    return inputs, output, saved


def address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@pytest.mark.parametrize("batch", [2, 5])
@pytest.mark.parametrize("case", [*CASES, *EDGES, *MODULES], ids=str)
def test_an_operator_keeps_what_autograd_saves(case: Case, batch: int) -> None:
    said = case.op.kept(case.inputs)
    inputs, output, saved = saved_of(case, batch)
    places = [address(tensor) for tensor in inputs]
    assert said.view == (address(output) == places[0])
    assert {places[i] for i in said.inputs} == saved.keys() & set(places)
    assert said.output == (address(output) in saved and address(output) not in places)
    others = [tensor for place, tensor in saved.items() if place not in (*places, address(output))]
    sizes = [tensor.untyped_storage().nbytes() for tensor in others]
    held = sum(size for size, tensor in zip(sizes, others, strict=True) if size > tensor.itemsize or batch == 1)
    assert said.extra(batch) == held  # a single number, such as a factor, counts as none


def test_every_operator_is_tried() -> None:
    assert {case.key for case in CASES} == {operator.key for operator in OPERATORS}


def test_a_module_that_cannot_run_without_memory_is_taken_to_keep_both_ends() -> None:
    class Odd(Operator):
        key = "odd"

    assert Odd().kept((MAP,)) == Odd().keeps  # nothing, unless said
    op = Case("module", {"type": "archspec.compiler.lower.layers.ChannelLayerNorm", "args": {"normalized_shape": 9}}).op
    kept = op.kept((MAP,))  # 9 channels are asked for, and 8 there
    assert kept.inputs == (0,)
    assert kept.output


def test_extra_bytes_are_of_numbers_indices_and_statistics() -> None:
    pool = Case("max_pool", {"kernel": 2}).op.kept((MAP,))
    assert pool.extra(3, item_bytes=2) == 3 * 8 * 4 * 3 * 8  # int64, whatever the numbers are
    norm = Case("bn").op.kept((MAP,))
    assert norm.extra(100) == norm.extra(1) == 2 * 8 * 4
    assert Case("dropout").op.kept((MAP,)).extra(3, item_bytes=2) == 3 * 8 * 9 * 7 * 2
