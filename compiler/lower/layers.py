"""The few layers that torch does not have. Generated models use them beside torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn


def identity(x: Tensor) -> Tensor:
    """The signal itself."""
    return x


def gate(a: Tensor, b: Tensor) -> Tensor:
    """A map (N, C, *S) times a vector (N, C), channel by channel; in either order."""
    signal, factor = (a, b) if a.ndim >= b.ndim else (b, a)
    return signal * factor.reshape(factor.shape + (1,) * (signal.ndim - factor.ndim))


def overwriting_relu(x: Tensor, read: Tensor) -> Tensor:
    """max(x, 0) in the memory of x, unless x is `read`, which others read too: where a layer that gave x has been
    replaced by one that passes its input on, as nn.Identity does."""
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        return torch.nn.functional.relu(x)
    return torch.nn.functional.relu(x, inplace=x is not read)


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels at each position: (N, C, *S) -> (N, C, *S)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., arXiv 1603.09382): drops its input in training, shape unchanged.

    `unit`: one draw for the mini-batch, or one per sample. Without `rescale`, a survivor passes as it is and
    evaluation multiplies by the survival probability; with it, a survivor is divided by that and evaluation passes.
    The probability is a tensor of the instance, so that compiled code is shared by blocks that differ in it alone. It
    is no weight and in no state dict: a module made on the meta device gets it with its memory.
    """

    survival: Tensor
    kept: bool | None = None
    """Whether the mini-batch keeps the branch, where the network has drawn that; None: drawn here, on the device."""

    def __init__(
        self, unit: Literal["batch", "sample"] = "batch", rescale: bool = False, survival: float = 1.0
    ) -> None:
        super().__init__()
        self.unit, self.rescale = unit, rescale
        self.register_buffer("survival", torch.tensor(survival), persistent=False)
        self._chosen = survival

    @property
    def probability(self) -> float:
        """The survival probability as the host knows it: as given to the constructor or `set_survival`."""
        return self._chosen

    @property
    def dropped(self) -> bool:
        """Whether this step drops the branch of the whole mini-batch, which then need not be computed."""
        return self.training and self.kept is False

    def set_survival(self, survival: float) -> None:
        """Another survival probability."""
        self._chosen = survival
        self.survival.fill_(survival)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> DropPath:
        empty = self.survival.is_meta
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if empty and not self.survival.is_meta:
            self.survival.fill_(self._chosen)
        return self

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x if self.rescale else x * self.survival.to(x.dtype)
        if self.kept is None:
            count = 1 if self.unit == "batch" else x.shape[0]
            keep = (torch.rand(count, device=x.device) < self.survival).to(x.dtype)
            x = x * keep.reshape(-1, *(1,) * (x.ndim - 1))
        elif not self.kept:
            return torch.zeros_like(x)
        return x / self.survival.clamp(min=torch.finfo(x.dtype).tiny).to(x.dtype) if self.rescale else x

    def extra_repr(self) -> str:
        survival = f"{self._chosen if self.survival.is_meta else self.survival.item():.3g}"
        return f"survival={survival}, unit={self.unit}, rescale={self.rescale}"
