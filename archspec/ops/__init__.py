"""The vocabulary: every operator a spec can name, each declared in one class."""

from __future__ import annotations

from archspec.ops.activation import (
    ELU,
    GELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from archspec.ops.aten import Aten
from archspec.ops.base import (
    Call,
    FunctionCall,
    Kept,
    ModuleCall,
    Operand,
    Operator,
    Shape,
    ShapeError,
    Shapes,
    show_shape,
)
from archspec.ops.joins import Add, Concat, Multiply, Select
from archspec.ops.module import Module
from archspec.ops.normalization import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm
from archspec.ops.pooling import AvgPool, BlurPool, ChannelMax, ChannelMean, GlobalAvgPool, GlobalMaxPool, MaxPool
from archspec.ops.regularization import Dropout, DropPath
from archspec.ops.reshape import (
    ChannelShuffle,
    Flatten,
    Identity,
    OneMinus,
    PadChannels,
    Scale,
    Slice,
    Subsample,
    Upsample,
)
from archspec.ops.weights import Conv, ConvTranspose, Linear

OPERATORS: tuple[type[Operator], ...] = (
    Conv, ConvTranspose, Linear,
    BatchNorm, GroupNorm, LayerNorm, RMSNorm, LocalResponseNorm,
    ReLU, ReLU6, LeakyReLU, PReLU, ELU, SiLU, HardSwish, GELU, Mish, Sigmoid, HardSigmoid, Tanh, Softmax,
    MaxPool, AvgPool, BlurPool, GlobalAvgPool, GlobalMaxPool, ChannelMean, ChannelMax,
    Add, Multiply, Concat, Select,
    Flatten, Scale, OneMinus, Slice, ChannelShuffle, PadChannels, Subsample, Upsample, Identity,
    Dropout, DropPath,
    Module,
)  # fmt: skip

BY_KEY: dict[str, type[Operator]] = {operator.key: operator for operator in OPERATORS}

__all__ = [
    "BY_KEY", "OPERATORS", "Add", "Aten", "Call", "Conv", "DropPath", "FunctionCall", "Identity", "Kept", "Linear",
    "Module", "ModuleCall", "Operand", "Operator", "Scale", "Shape", "ShapeError", "Shapes", "show_shape",
]  # fmt: skip
