"""Operators that act only, or differently, in training."""

from math import prod
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from archspec.ops.base import Kept, ModuleCall, Operator, Role, Shapes
from archspec.ops.ranges import DIVISOR, Probability, Switch


def least_divisor(survival: float) -> None:
    """Refuses, by a `ValueError`, a survival probability too small to divide by."""
    try:
        DIVISOR.check(survival)
    except ValueError as error:
        raise ValueError(f"{error}, where rescale divides by it") from None


class Dropout(Operator):
    """Zeroes elements with probability p in training and scales the others by 1 / (1 - p)."""

    key: ClassVar[str] = "dropout"
    role: ClassVar[Role] = "regularizer"
    overwritable: ClassVar[bool] = False  # in evaluation, its input itself

    p: Probability = 0.5
    """Probability of dropping an element."""

    def kept(self, inputs: Shapes) -> Kept:
        """The mask; with p = 0 the input is passed on, with p = 1 nothing is random."""
        return Kept(numbers=prod(inputs[0])) if 0 < self.p < 1 else Kept(view=self.p == 0)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        return ModuleCall("torch.nn.Dropout", (("p", self.p),))

    def label(self, rank: int = 2) -> str:
        return f"dropout {self.p:g}"


class DropPath(Operator):
    """Stochastic depth (Huang et al., arXiv 1603.09382): the whole branch is dropped in training.

    As defined there: for the whole mini-batch, a surviving branch is not rescaled in training and is multiplied by
    its survival probability in evaluation. `unit: sample, rescale: true` is the form common today.
    """

    key: ClassVar[str] = "drop_path"
    text: ClassVar[frozenset[str]] = frozenset({"unit"})
    role: ClassVar[Role] = "regularizer"
    overwritable: ClassVar[bool] = False

    survival: Probability
    """Probability that the branch is kept."""
    unit: Literal["batch", "sample"] = "batch"
    """One draw for the mini-batch, or one per sample."""
    rescale: Switch = False
    """Divide a surviving branch by `survival` in training, instead of multiplying by it in evaluation."""

    @model_validator(mode="after")
    def _rescalable(self) -> Self:
        if self.rescale:
            try:
                least_divisor(self.survival)
            except ValueError as error:
                raise ValueError(f"survival {error}") from None
        return self

    def kept(self, inputs: Shapes) -> Kept:
        """The draw of each sample; a mini-batch that survives as a whole keeps nothing."""
        return Kept(numbers=1) if self.unit == "sample" else Kept(view=not self.rescale)

    def call(self, inputs: Shapes, *, inplace: bool = False) -> ModuleCall:
        return ModuleCall(
            "archspec.compiler.lower.layers.DropPath",
            (("unit", self.unit), ("rescale", self.rescale)),
            values=(("survival", self.survival),),
        )

    def label(self, rank: int = 2) -> str:
        return f"drop path {self.survival:.2g}"
