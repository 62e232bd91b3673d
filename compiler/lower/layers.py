"""The few layers that torch does not have. Generated models use them beside torch's own."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.overrides import handle_torch_function, has_torch_function_variadic


def identity(x: Tensor) -> Tensor:
    """The signal itself."""
    return x


def gate(a: Tensor, b: Tensor) -> Tensor:
    """A map (N, C, *S) times a vector (N, C), channel by channel; in either order."""
    if has_torch_function_variadic(a, b):  # what traces a network sees one call
        return handle_torch_function(gate, (a, b), a, b)
    while a.ndim < b.ndim:
        a = a.unsqueeze(-1)
    while b.ndim < a.ndim:
        b = b.unsqueeze(-1)
    return a * b


def overwriting_relu(x: Tensor, read: Tensor) -> Tensor:
    """max(x, 0) in the memory of x, unless x is `read`, which others read too: where a layer that gave x has been
    replaced by one that passes its input on, as nn.Identity does."""
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        return torch.nn.functional.relu(x)
    return torch.nn.functional.relu(x, inplace=x is not read)


def blur_pool2d(x: Tensor, kernel_size: int, stride: list[int]) -> Tensor:
    """A binomial filter with stride over images: kernel_size - 1 means of two neighbours, over a mirrored border."""
    before, after = (kernel_size - 1) // 2, kernel_size // 2
    x = nn.functional.pad(x, [before, after, before, after], mode="reflect")
    for _ in range(kernel_size - 2):
        x = nn.functional.avg_pool2d(x, 2, 1)
    return nn.functional.avg_pool2d(x, 2, stride)


def blur_pool3d(x: Tensor, kernel_size: int, stride: list[int]) -> Tensor:
    """The same over video."""
    before, after = (kernel_size - 1) // 2, kernel_size // 2
    x = nn.functional.pad(x, [before, after, before, after, before, after], mode="reflect")
    for _ in range(kernel_size - 2):
        x = nn.functional.avg_pool3d(x, 2, 1)
    return nn.functional.avg_pool3d(x, 2, stride)


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels at each position: (N, C, *S) -> (N, C, *S)."""

    def forward(self, x: Tensor) -> Tensor:
        last = x.movedim(1, -1)
        return nn.functional.layer_norm(last, self.normalized_shape, self.weight, self.bias, self.eps).movedim(-1, 1)


class ChannelRMSNorm(nn.RMSNorm):
    """Root-mean-square normalisation over the channels at each position: (N, C, *S) -> (N, C, *S)."""

    def forward(self, x: Tensor) -> Tensor:
        last = x.movedim(1, -1)
        return nn.functional.rms_norm(last, self.normalized_shape, self.weight, self.eps).movedim(-1, 1)


class FrozenBatchNorm(nn.Module):
    """Batch normalisation by given statistics, scale and shift, none of them learned: (N, C, *S) -> (N, C, *S)."""

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight: Tensor
        self.bias: Tensor
        self.running_mean: Tensor
        self.running_var: Tensor
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.empty(num_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Has it pass its input on, but for eps."""
        for one, zero in ((self.weight, self.bias), (self.running_var, self.running_mean)):
            nn.init.ones_(one)
            nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
        )

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}"


class Scale(nn.Module):
    """A learned factor, one in all or one per channel: (N, C, *S) -> (N, C, *S)."""

    def __init__(self, num_parameters: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_parameters))

    def forward(self, x: Tensor) -> Tensor:
        return (x.movedim(1, -1) * self.weight).movedim(-1, 1)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}"


def select(operands: list[Tensor]) -> Tensor:
    """Maps (N, C, *S), then as many vectors (N, C) or (N, 1): the maps weighted by the vectors' softmax, added."""
    count = len(operands) // 2
    shares = torch.softmax(torch.stack(operands[count:], 1), 1)
    total = gate(operands[0], shares[:, 0])
    for i in range(1, count):
        total = total + gate(operands[i], shares[:, i])
    return total


def weighted_sum(operands: list[Tensor], weights: list[float]) -> Tensor:
    """Tensors of one shape, each times a number, added."""
    total = operands[0] * weights[0]
    for i in range(1, len(operands)):
        total = total + operands[i] * weights[i]
    return total


class WeightedSum(nn.Module):
    """Tensors (N, C, *S), each times a learned weight, one for all of it or one per channel, added. `normalize`: the
    weights as they are; their softmax over the operands; or those above 0, divided by their sum."""

    def __init__(
        self, num_operands: int, num_channels: int | None = None, normalize: Literal["none", "softmax", "sum"] = "none"
    ) -> None:
        super().__init__()
        self.normalize = normalize
        self.weight = nn.Parameter(torch.ones(num_operands, *([] if num_channels is None else [num_channels])))

    def forward(self, operands: list[Tensor]) -> Tensor:
        weight: Tensor = self.weight
        if self.normalize == "softmax":
            weight = torch.softmax(weight, 0)
        elif self.normalize == "sum":
            weight = nn.functional.relu(weight)
            weight = weight / (weight.sum(0) + 1e-4)
        total = (operands[0].movedim(1, -1) * weight[0]).movedim(-1, 1)
        for i in range(1, len(operands)):
            total = total + (operands[i].movedim(1, -1) * weight[i]).movedim(-1, 1)
        return total

    def extra_repr(self) -> str:
        return f"{', '.join(map(str, self.weight.shape))}, normalize={self.normalize}"


def standardized(weight: Tensor) -> Tensor:
    """A convolution's weights with mean 0 and variance 1 for each output channel (Qiao et al., arXiv 1903.10520)."""
    flat = weight.flatten(1)
    flat = (flat - flat.mean(1, keepdim=True)) * (flat.var(1, correction=0, keepdim=True) + 1e-5).rsqrt()
    return flat.reshape(weight.shape)


class StandardizedConv2d(nn.Conv2d):
    """A convolution of images with standardised weights."""

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self._conv_forward(input, standardized(self.weight), self.bias)
        return output


class StandardizedConv3d(nn.Conv3d):
    """A convolution of video with standardised weights."""

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self._conv_forward(input, standardized(self.weight), self.bias)
        return output


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., arXiv 1603.09382): drops its input in training, shape unchanged.

    `unit`: one draw for the mini-batch, or one per sample. Without `rescale`, a survivor passes as it is and
    evaluation multiplies by the survival probability; with it, a survivor is divided by that and evaluation passes.
    Each draw is used once: a network that draws for all of its blocks at once gives them theirs, else a block draws.
    What a checkpoint runs again in backward sees the draw of its own pass, of several that wait for one backward.
    """

    __jit_unused_properties__ = ("survival",)
    __jit_ignored_attributes__ = ("skips", "kept", "given", "passes")
    skips: bool = True
    """Whether a dropped branch is left out; else it is computed, and the draw made on the device, after it."""
    kept: bool | None = None
    """The mini-batch's draw, until it is used."""
    given: bool | None = None
    """The draw last used, where a network had made it."""
    passes: dict[Any, bool | None]
    """Draws by what tells a pass from others, of the last 64; None where the gate had drawn for itself."""

    def __init__(
        self, unit: Literal["batch", "sample"] = "batch", rescale: bool = False, survival: float = 1.0
    ) -> None:
        super().__init__()
        self.unit, self.rescale, self.survival = unit, rescale, survival
        self.passes = {}

    @property
    def survival(self) -> float:
        """The survival probability: a number, which no cast, move or allocation of the network changes."""
        return self._survival

    @survival.setter
    def survival(self, survival: float) -> None:
        if not 0 <= survival <= 1:
            raise ValueError(f"a survival probability is between 0 and 1, not {survival}")
        self._survival = float(survival)
        self._divisor = self._survival or 1.0  # of 0, nothing survives to be divided
        # No buffers; for compiled code, which would be made anew for each block if it held their numbers.
        self._survival_read = torch.tensor(self._survival, dtype=torch.float64, device="cpu")
        self._divisor_read = torch.tensor(self._divisor, dtype=torch.float64, device="cpu")

    def give(self, kept: bool) -> None:
        """A draw for the next mini-batch."""
        self.kept = self.given = kept

    @staticmethod
    def recorded(x: Any) -> bool:
        """Whether what is done with x is traced, compiled or captured: a draw made on the host would be fixed in it."""
        if isinstance(x, fx.Proxy) or torch.compiler.is_compiling() or torch._C._get_tracing_state():
            return True
        modes = torch._C._TorchDispatchModeKey
        if any(torch._C._get_dispatch_mode(mode) is not None for mode in (modes.PROXY, modes.FAKE)):
            return True
        return bool(x.is_cuda) and torch.cuda.is_current_stream_capturing()

    def drops(self, x: Tensor) -> bool:
        """Whether the branch is dropped for the mini-batch x and need not be computed. If nothing has been drawn for
        it, that is done here, from torch's CPU generator."""
        if not self.training or self.unit == "sample" or not self.skips or self.recorded(x):
            return False
        self.repeat(x)
        self.note(x, self.kept)
        if self.kept is None:
            self.kept, self.given = torch.rand((), device="cpu").item() < self._survival, None
        if not self.kept:
            self.kept = None
            return True
        return False

    def note(self, x: Tensor, draw: bool | None) -> None:
        """Remembers the draw of a pass over x if that may be run again: checkpoints run without gradients, or with
        hooks on what is saved. They restore the generator's state, and give x, or another computed anew."""
        if torch.is_grad_enabled() and torch._C._autograd._top_saved_tensors_default_hooks(False) is None:
            return
        for key in self._keys(x):
            self.passes.pop(key, None)
            self.passes[key] = draw
        while len(self.passes) > 128:  # of 64 passes
            del self.passes[next(iter(self.passes))]

    def repeat(self, x: Tensor) -> None:
        """Has a draw count again where a checkpoint runs, in backward, the pass over x that it was for."""
        if self.kept is None and torch._C._current_graph_task_id() != -1:
            self.kept = next((self.passes[key] for key in self._keys(x) if key in self.passes), self.given)

    @staticmethod
    def _keys(x: Tensor) -> tuple[Any, Any]:
        state = hash(bytes(torch.get_rng_state().tolist()))  # needs no NumPy
        return (state, x.untyped_storage()._cdata), state

    def forward(self, x: Tensor) -> Tensor:
        survival, divisor = self._survival, self._divisor  # comparing them would compile every block anew
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            if isinstance(x, fx.Proxy):  # type: ignore[unreachable]
                # One call, for what traces a network: it draws and knows its mode when it runs.
                return x.tracer.create_proxy("call_module", x.tracer.path_of_module(self), (x,), {})  # type: ignore[unreachable]
            if torch.compiler.is_compiling():
                survival, divisor = self._survival_read, self._divisor_read  # type: ignore[assignment]
            elif self.training and self.unit == "batch" and not self.recorded(x):
                self.repeat(x)
                self.note(x, self.kept)
        if not self.training:
            return x if self.rescale else x * survival
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            if self.kept is not None:
                kept, self.kept = self.kept, None
                if not kept:
                    return torch.zeros_like(x)
                return x / divisor if self.rescale else x
            if not torch.compiler.is_compiling():
                self.given = None
        count = 1 if self.unit == "batch" else x.shape[0]
        keep = (torch.rand([count], device=x.device) < survival).to(x.dtype)
        if self.rescale:
            keep = keep / divisor
        return x * keep.reshape([-1] + [1] * (x.ndim - 1))

    def extra_repr(self) -> str:
        return f"survival={self.survival:.3g}, unit={self.unit}, rescale={self.rescale}"
