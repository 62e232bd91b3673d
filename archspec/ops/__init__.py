"""The vocabulary: every operator a spec can name, each declared in one class."""

from __future__ import annotations

from archspec.ops.activation import ELU, GELU, LeakyReLU, PReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
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
from archspec.ops.joins import Add, Concat, Multiply
from archspec.ops.module import Module
from archspec.ops.normalization import BatchNorm, GroupNorm, LayerNorm
from archspec.ops.pooling import AvgPool, GlobalAvgPool, MaxPool
from archspec.ops.regularization import Dropout, DropPath
from archspec.ops.reshape import Flatten, Identity, OneMinus, PadChannels, Scale, Subsample
from archspec.ops.weights import Conv, Linear

OPERATORS: tuple[type[Operator], ...] = (
    Conv, Linear,
    BatchNorm, GroupNorm, LayerNorm,
    ReLU, LeakyReLU, PReLU, ELU, SiLU, GELU, Sigmoid, Tanh, Softmax,
    MaxPool, AvgPool, GlobalAvgPool,
    Add, Multiply, Concat,
    Flatten, Scale, OneMinus, PadChannels, Subsample, Identity,
    Dropout, DropPath,
    Module,
)  # fmt: skip

BY_KEY: dict[str, type[Operator]] = {operator.key: operator for operator in OPERATORS}

__all__ = [
    "BY_KEY", "OPERATORS", "Add", "Call", "Conv", "DropPath", "FunctionCall", "Identity", "Kept", "Linear",
    "Module", "ModuleCall", "Operand", "Operator", "Shape", "ShapeError", "Shapes", "show_shape",
]  # fmt: skip
