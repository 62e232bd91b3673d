"""What an operator is: its fields, its shape rule, its costs and the torch call that computes it.

Shapes are tuples without the batch: `(channels, height, width)` for images, `(channels, time, height, width)` for
video, `(features,)` for vectors. Nothing here imports torch: a call is named, and made by the lowering.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = tuple[Shape, ...]
Role: TypeAlias = Literal["weight", "norm", "activation", "pool", "join", "reshape", "regularizer", "other"]


class ShapeError(Exception):
    """An operator that cannot take the shapes it is given; `hint` says what could be done."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def show_shape(shape: Shape) -> str:
    """`(64, 56, 56)` as `64x56x56`."""
    return "x".join(map(str, shape))


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """A submodule: `target(**arguments)`, by the dotted name of its class.

    `init` names the part of the spec's `init` that fills its weight, `fills` the parameters with a constant value, or
    with one for each row.
    `values` are numbers that differ between otherwise equal blocks: they are set on the instance, and the class sees to
    it that `torch.compile` does not compile every block anew for them. An `opaque`
    class is one whose constructor may do anything: it is called for each instance, and fills its own parameters. One
    that `joins` is called with the list of its inputs.
    """

    target: str
    arguments: tuple[tuple[str, Any], ...] = ()
    init: str | None = None
    fills: tuple[tuple[str, float | tuple[float, ...]], ...] = ()
    values: tuple[tuple[str, float], ...] = ()
    opaque: bool = False
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Operand:
    """The place of the i-th input among a function's arguments."""

    index: int


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """`target(*args, **arguments)`, where `Operand`s in `args` stand for the inputs.

    With `fold`, a function of two is applied to any number of inputs from left to right.
    """

    target: str
    args: tuple[Any, ...] = (Operand(0),)
    arguments: tuple[tuple[str, Any], ...] = ()
    fold: bool = False


Call: TypeAlias = ModuleCall | FunctionCall


@dataclass(frozen=True, slots=True)
class Kept:
    """What autograd keeps of an operator in training until its backward, parameters and buffers left out.

    As torch 2.13 does on the CPU in float32. What is saved and already there (an input, the output) costs nothing of
    its own but lives longer; the rest is counted here.
    """

    inputs: tuple[int, ...] = ()
    """Places of the operands that are saved."""
    output: bool = False
    """Whether the output is saved."""
    numbers: int = 0
    """Numbers saved besides, for each sample: a mask, means over a sample."""
    indices: int = 0
    """Indices (int64) saved besides, for each sample."""
    statistics: int = 0
    """Numbers saved besides, once for the whole batch."""
    view: bool = False
    """The output is the first input itself, or a view of its memory."""

    def extra(self, batch: int, item_bytes: int = 4) -> int:
        """Bytes saved besides inputs and output, for `batch` samples of numbers of `item_bytes`."""
        return (batch * self.numbers + self.statistics) * item_bytes + batch * self.indices * 8


@dataclass(frozen=True, slots=True)
class Need:
    """What a field waits for: `without`, in words, is why it does nothing, `given` the fields that decide on it."""

    without: str
    given: tuple[str, ...]


class Fields(BaseModel):
    """Fields with concrete values, which are their YAML."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    text: ClassVar[frozenset[str]] = frozenset()  # fields that are words, not expressions

    def written(self) -> dict[str, Any]:
        """The fields that differ from their defaults, as a spec would write them."""
        values = {
            name: getattr(self, name) for name, field in type(self).model_fields.items()
            if field.is_required() or getattr(self, name) != field.default
        }  # fmt: skip
        return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Fields):
        return value.written()
    return list(value) if isinstance(value, tuple) else value


class Operator(Fields):
    """An operator with concrete values. Subclasses are the vocabulary; their fields are their YAML."""

    key: ClassVar[str]
    role: ClassVar[Role] = "other"
    joins: ClassVar[bool] = False  # takes several inputs
    mappings: ClassVar[Mapping[str, type[Fields]]] = MappingProxyType({})  # fields that are mappings of fields
    overwritable: ClassVar[bool] = True  # a fresh tensor that backward does not need: an activation may reuse it
    keeps: ClassVar[Kept] = Kept()  # where neither shapes nor fields matter; else `kept` says it
    needs: ClassVar[Mapping[str, Need]] = {}  # fields that do something only as others allow: see `idle`

    @property
    def commutes(self) -> bool:
        """Whether the order of its inputs is all one."""
        return False

    def shape(self, inputs: Shapes) -> Shape:
        """The output's shape. Raises `ShapeError`."""
        return inputs[0]

    def idle(self) -> Iterable[str]:
        """Those of `needs` that are given and do nothing here: the operator is the same without them."""
        return ()

    def reduction(self, rank: int) -> Shape:
        """By how much each of `rank` spatial sizes is divided: the stride."""
        return (1,) * rank

    def expansion(self, rank: int) -> Shape:
        """By how much each of `rank` spatial sizes is multiplied."""
        return (1,) * rank

    def params(self, inputs: Shapes) -> int:
        """Learnable parameters."""
        return 0

    def macs(self, inputs: Shapes) -> int:
        """Multiply-accumulates for one sample (FLOPs are twice that)."""
        return 0

    def kept(self, inputs: Shapes) -> Kept:
        """What autograd keeps of it for backward in training."""
        return self.keeps

    def call(self, inputs: Shapes, *, inplace: bool = False) -> Call:
        """How torch computes it. `inplace` allows overwriting the input."""
        raise AssertionError(f"{type(self).__name__} declares no call")

    def label(self, rank: int = 2) -> str:
        """A few words for a box in a figure or a line of a table; maps have `rank` dimensions."""
        return self.key.replace("_", " ")
