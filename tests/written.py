"""Random modules as people write them: a generator of Python classes, and the modules that the text makes."""

from __future__ import annotations

import linecache
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

HEADER = """import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
"""


@dataclass
class Writer:
    """Text in the making."""

    rng: random.Random
    classes: list[str] = field(default_factory=list)

    def pick(self, *options: Any) -> Any:
        return self.rng.choice(options)

    def often(self, share: float = 0.5) -> bool:
        return self.rng.random() < share

    def define(self, init: list[str], forward: list[str], arguments: str = "") -> str:
        """A class with these lines, and its name."""
        name = f"{self.pick('Block', 'Unit', 'Layer', 'Module')}{len(self.classes)}"
        lines = [f"class {name}(nn.Module):", f"    def __init__(self{arguments}):", "        super().__init__()"]
        lines += [f"        {line}" for line in init]
        lines += ["", "    def forward(self, x):", *(f"        {line}" for line in forward)]
        self.classes.append("\n".join(lines))
        return name

    def norm(self, channels: int) -> str:
        """A normalisation of maps."""
        groups = 2 if channels % 4 else self.pick(1, 2, 4)
        return str(
            self.pick(
                *[f"nn.BatchNorm2d({channels})"] * 5, f"nn.BatchNorm2d({channels}, eps=1e-3, momentum=0.01)",
                f"nn.GroupNorm({groups}, {channels})", f"nn.InstanceNorm2d({channels}, affine=True)",
                f"nn.BatchNorm2d({channels}, affine=False)", f"nn.BatchNorm2d({channels}, track_running_stats=False)",
            )
        )  # fmt: skip

    def activation(self, init: list[str], inplace: bool) -> Callable[[str], str]:
        """How an expression is activated; a fresh tensor may be written to."""
        layer = self.pick(
            "nn.ReLU(inplace=True)" if inplace else "nn.ReLU()", "nn.ReLU()", "nn.SiLU()", "nn.GELU()", "nn.ELU(0.5)",
            "nn.LeakyReLU(0.1)", "nn.Hardswish()", "nn.ReLU6()", "nn.Mish()", "nn.PReLU()", "nn.Softplus()",
            "nn.SELU()", "nn.Tanh()", "nn.CELU(0.7)", "nn.Hardtanh(-2, 2)", "nn.GELU(approximate='tanh')",
        )  # fmt: skip
        forms = [
            "F.relu({})",
            "torch.relu({})",
            "({}).relu()",
            "F.silu({})",
            "F.leaky_relu({}, 0.2)",
            "F.elu({})",
            "({}).clamp(min=0)",
            "F.relu6({} + 3.0) / 6.0",
            "F.gelu({})",
            "torch.tanh({})",
            "F.hardtanh({}, 0., 6.)",
        ]
        if inplace:
            forms += ["F.relu({}, inplace=True)", "F.relu_({})", "({}).relu_()"] * 2
        if self.often():
            init.append(f"self.act = {layer}")
            return lambda text: f"self.act({text})"
        form = self.pick(*forms)
        return lambda text: form.format(text)


def conv(w: Writer, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> str:
    """A convolution that keeps the size, or divides it by its stride."""
    options = [f"nn.Conv2d({inputs}, {outputs}, {kernel}, {stride}, {kernel // 2}, bias=False)"] * 3
    options.append(f"nn.Conv2d({inputs}, {outputs}, kernel_size={kernel}, stride={stride}, padding={kernel // 2})")
    if kernel == 3:
        mode = w.pick("reflect", "replicate", "circular")
        groups = 2 if inputs % 4 or outputs % 4 else w.pick(2, 4)
        options += [
            f"nn.Conv2d({inputs}, {outputs}, 3, {stride}, padding=2, dilation=2)",
            f"nn.Conv2d({inputs}, {outputs}, 3, {stride}, 1, padding_mode='{mode}')",
            f"nn.Conv2d({inputs}, {outputs}, 3, {stride}, 1, groups={groups}, bias=False)",
        ]
        if stride == 1:
            options += [
                f"nn.Conv2d({inputs}, {outputs}, 3, padding='same', bias=False)",
                f"nn.Sequential(nn.Conv2d({inputs}, {outputs}, (1, 3), padding=(0, 1)), "
                f"nn.Conv2d({outputs}, {outputs}, (3, 1), padding=(1, 0)))",
                f"nn.Sequential(nn.Conv2d({inputs}, {inputs}, 3, 1, 1, groups={inputs}), "
                f"nn.Conv2d({inputs}, {outputs}, 1))",
                f"nn.utils.parametrizations.weight_norm(nn.Conv2d({inputs}, {outputs}, 3, 1, 1))",
            ]
    return str(w.pick(*options))


def shortcut(w: Writer, init: list[str], inputs: int, outputs: int, stride: int) -> str:
    """An expression of x in the block's output shape."""
    if inputs == outputs and stride == 1:
        return "x"
    kind = w.pick("B", "B", "pooled", "A", "A2")
    if kind == "A" and outputs > inputs:
        text = "x" if stride == 1 else f"x[:, :, ::{stride}, ::{stride}]"
        return f"F.pad({text}, (0, 0, 0, 0, 0, {outputs - inputs}))"
    if kind == "A2" and outputs > inputs and stride > 1:
        init.append(f"self.extra = {outputs - inputs}")
        pooled = f"F.avg_pool2d(x, 1, {stride})"
        return f"torch.cat([{pooled}, x.new_zeros(x.shape[0], self.extra, *{pooled}.shape[2:])], 1)"
    if kind == "pooled":
        pool = w.pick(f"nn.AvgPool2d({stride}, {stride}, ceil_mode=True, count_include_pad=False)",
                      f"nn.MaxPool2d(3, {stride}, 1)")  # fmt: skip
        init.append(f"self.down = nn.Sequential({pool}, nn.Conv2d({inputs}, {outputs}, 1, bias=False))")
    else:
        init.append(
            f"self.down = nn.Sequential(nn.Conv2d({inputs}, {outputs}, 1, {stride}, bias=False), "
            f"nn.BatchNorm2d({outputs}))"
        )
    return "self.down(x)"


def residual(w: Writer, inputs: int, outputs: int, stride: int) -> str:
    """conv, norm, activation, conv, norm, plus x; a bottleneck, or with three operands."""
    init: list[str] = []
    act = w.activation(init, inplace=True)
    inner = w.pick(outputs, outputs // 2)
    init += [f"self.conv1 = {conv(w, inputs, inner, w.pick(1, 3))}", f"self.bn1 = {w.norm(inner)}",
             f"self.conv2 = {conv(w, inner, outputs, 3, stride)}", f"self.bn2 = {w.norm(outputs)}"]  # fmt: skip
    identity = shortcut(w, init, inputs, outputs, stride)
    forward = [f"out = {act('self.bn1(self.conv1(x))')}"]
    if w.often(0.2):
        init.append("self.p = 0.3")
        forward.append(
            w.pick("out = F.dropout(out, 0.3, self.training)", "out = F.dropout(out, self.p, training=self.training)")
        )
    forward.append("out = self.bn2(self.conv2(out))")
    if w.often(0.3):
        forward.append(squeeze(w, init, outputs))
    if w.often(0.2):
        init.append(f"self.extra_conv = nn.Conv2d({inputs}, {outputs}, 1, {stride})")
        forward.append(f"out = out + {identity} + self.extra_conv(x)")
    else:
        forward.append(w.pick(f"out = out + {identity}", f"out += {identity}", f"out = torch.add(out, {identity})",
                              f"out = out * 0.5 + {identity}", f"out = out.add({identity}, alpha=0.7)",
                              f"out = {identity} - out"))  # fmt: skip
    forward.append(f"return {act('out')}" if w.often(0.8) else "return out")
    return w.define(init, forward)


def squeeze(w: Writer, init: list[str], channels: int) -> str:
    """A line that gates `out`."""
    inner = max(2, channels // 2)
    kind = w.pick("conv", "linear", "positions", "hard")
    if kind == "linear":
        init.append(f"self.fc1, self.fc2 = nn.Linear({channels}, {inner}), nn.Linear({inner}, {channels})")
        pooled = w.pick("out.mean((2, 3))", "F.adaptive_avg_pool2d(out, 1).flatten(1)", "out.mean([-2, -1])",
                        "F.adaptive_avg_pool2d(out, 1).view(out.size(0), -1)")  # fmt: skip
        shape = w.pick(".view(out.size(0), -1, 1, 1)", "[:, :, None, None]", ".unsqueeze(-1).unsqueeze(-1)")
        return f"out = out * torch.sigmoid(self.fc2(F.relu(self.fc1({pooled})))){shape}"
    if kind == "positions":
        init.append("self.gate = nn.Conv2d(2, 1, 3, padding=1)")
        both = "torch.cat([out.mean(1, keepdim=True), out.amax(1, keepdim=True)], 1)"
        return f"out = out * self.gate({both}).sigmoid()"
    last = "nn.Hardsigmoid()" if kind == "hard" else "nn.Sigmoid()"
    init.append(
        f"self.se = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d({channels}, {inner}, 1), "
        f"nn.ReLU(inplace=True), nn.Conv2d({inner}, {channels}, 1), {last})"
    )
    return str(w.pick("out = out * self.se(out)", "out *= self.se(out)", "out = out * self.se(out).expand_as(out)"))


def preactivated(w: Writer, inputs: int, outputs: int, stride: int) -> str:
    """norm, activation, conv, twice, plus x, which may be the activated one; or is, because it was written to."""
    init: list[str] = [f"self.bn1, self.bn2 = {w.norm(inputs)}, {w.norm(outputs)}"]
    init += [f"self.conv1, self.conv2 = {conv(w, inputs, outputs, 3, stride)}, {conv(w, outputs, outputs)}"]
    act = w.activation(init, inplace=False)
    kind = w.pick("plain", "shared", "written")
    forward = []
    identity = shortcut(w, init, inputs, outputs, stride)
    if kind == "written":
        forward = ["identity = x = x.clone()", "out = F.relu(x, inplace=True)"]
        identity = identity.replace("x", "identity") if identity == "x" else identity
    elif kind == "shared":
        forward = [f"x = out = {act('self.bn1(x)')}"]
    else:
        forward = [f"out = {act('self.bn1(x)')}"]
    forward.append(f"out = self.conv2({act('self.bn2(self.conv1(out))')})")
    if w.often(0.3):
        init.append(w.pick(f"self.gamma = nn.Parameter(0.1 * torch.ones({outputs}, 1, 1))",
                           f"self.gamma = nn.Parameter(torch.rand(1, {outputs}, 1, 1))",
                           "self.gamma = nn.Parameter(torch.zeros(1))"))  # fmt: skip
        forward.append(w.pick("out = self.gamma * out", "out = out * self.gamma"))
    forward.append(f"return out + {identity}")
    return w.define(init, forward)


def dense(w: Writer, inputs: int, outputs: int, stride: int) -> str:
    """Branches side by side."""
    half = outputs // 2
    init: list[str] = []
    act = w.activation(init, inplace=True)
    init += [
        f"self.branch1 = {conv(w, inputs, half, 3, stride)}",
        f"self.branch2 = {conv(w, inputs, outputs - half, 3, stride)}",
    ]
    init.append(f"self.bn = {w.norm(outputs)}")
    forward = [
        w.pick(
            "out = torch.cat([self.branch1(x), self.branch2(x)], 1)",
            "out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)",
            "outs = [branch(x) for branch in (self.branch1, self.branch2)]\n        out = torch.cat(outs, 1)",
        )
    ]
    forward.append(f"return {act('self.bn(out)')}")
    return w.define(init, forward)


def shuffled(w: Writer, inputs: int, outputs: int, stride: int) -> str:
    """Half of the channels pass, the rest is computed, all are shuffled."""
    init = [f"self.enter = {conv(w, inputs, outputs, 3, stride)}"]
    act = w.activation(init, inplace=True)
    half = outputs // 2
    init += [f"self.conv = {conv(w, half, half)}", f"self.bn = {w.norm(half)}"]
    split = w.pick("a, b = x.chunk(2, dim=1)", f"a, b = torch.split(x, {half}, 1)",
                   f"a, b = x[:, :{half}], x[:, {half}:]",
                   f"a, b = torch.split(x, [{half}, {outputs - half}], dim=1)")  # fmt: skip
    forward = ["x = self.enter(x)", split, f"b = {act('self.bn(self.conv(b))')}", "out = torch.cat([a, b], 1)"]
    forward += w.pick(
        ["n, c, h, w = out.shape", "out = out.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)"],
        ["n, c, h, w = out.size()", "out = out.reshape(n, 2, c // 2, h, w).permute(0, 2, 1, 3, 4).reshape(n, c, h, w)"],
        ["out = F.channel_shuffle(out, 2)"],
    )
    return w.define(init, [*forward, "return out"])


def convnext(w: Writer, inputs: int, outputs: int, stride: int) -> str:
    """Channels last between two convolutions."""
    inner = 2 * outputs
    init = [f"self.dw = nn.Conv2d({inputs}, {outputs}, 3, {stride}, 1)"]
    init += [f"self.norm = nn.LayerNorm({outputs}, eps=1e-6)", f"self.up, self.down = nn.Linear({outputs}, {inner}), "
             f"nn.Linear({inner}, {outputs})", f"self.gamma = nn.Parameter(1e-2 * torch.ones({outputs}))"]  # fmt: skip
    forward = ["x = self.dw(x)", "y = x.permute(0, 2, 3, 1)", "y = self.down(F.gelu(self.up(self.norm(y))))"]
    if w.often():
        forward.append("y = self.gamma * y")
    return w.define(init, [*forward, "return x + y.permute(0, 3, 1, 2)"])


def highway(w: Writer, inputs: int, outputs: int, stride: int) -> str:
    """A gate between two ways."""
    init = [f"self.enter = {conv(w, inputs, outputs, 3, stride)}", f"self.conv = {conv(w, outputs, outputs)}",
            f"self.gate = nn.Conv2d({outputs}, {outputs}, 1)"]  # fmt: skip
    closed = w.pick("(1 - g)", "(1.0 - g)", "torch.rsub(g, 1)")
    forward = [
        "x = self.enter(x)",
        "g = torch.sigmoid(self.gate(x))",
        f"return g * torch.tanh(self.conv(x)) + {closed} * x",
    ]
    return w.define(init, forward)


def odd(w: Writer, inputs: int, outputs: int, stride: int) -> str:
    """What the vocabulary has no word for."""
    init = [f"self.conv = {conv(w, inputs, outputs, 3, stride)}"]
    lines = w.pick(
        ["return x - x.mean(dim=(2, 3), keepdim=True)"],
        ["u = x.mean(1, keepdim=True)", "s = (x - u).pow(2).mean(1, keepdim=True)",
         "return (x - u) / torch.sqrt(s + 1e-6)"],
        ["q = x.flatten(2)", "a = torch.softmax(q.transpose(1, 2) @ q / math.sqrt(q.shape[1]), dim=-1)",
         "return (q @ a).view_as(x) + x"],
        ["s = torch.stack([x, x.abs(), -x], dim=1)", "return (s * torch.softmax(s, dim=1)).sum(dim=1)"],
        ["return F.normalize(x, dim=1) * self.temperature"],
        ["return torch.where(x > 0, x, 0.3 * x).flip(3)"],
        ["return x + self.position"],
        ["return torch.roll(x, 1, 2).maximum(x)"],
        ["return x + 0.5"],
        ["return F.unfold(x, 3, padding=1).view(x.size(0), x.size(1), 9, *x.shape[2:]).amax(2)"],
        ["b, c, h, w = x.shape", "y = x.view(b * 2, c // 2, h, w)", "y = y * torch.sigmoid(y.mean(1, keepdim=True))",
         "return y.view(b, c, h, w)"],
        ["y = x.permute(2, 3, 0, 1)", "return (y / (1 + y.abs())).permute(2, 3, 0, 1)"],
        ["y = x.clone()", "y[:, 1:] += x[:, :-1]", "return y"] if w.often(0) else ["return x * torch.ones_like(x) * 2"],
    )  # fmt: skip
    if "temperature" in lines[-1]:
        init.append("self.temperature = nn.Parameter(torch.tensor(2.0))")
    if "position" in lines[-1]:
        init.append(f"self.position = nn.Parameter(torch.randn(1, {outputs}, 1, 1))")
    return w.define(init, ["x = self.conv(x)", *lines])


def resampled(w: Writer, inputs: int, outputs: int, stride: int) -> str:
    """Down and up again."""
    init = [f"self.conv = {conv(w, inputs, outputs, 3, stride)}"]
    up = w.pick("nn.Upsample(scale_factor=2)", "nn.Upsample(scale_factor=2, mode='bilinear')",
                "nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True)",
                f"nn.ConvTranspose2d({outputs}, {outputs}, 2, 2)",
                f"nn.ConvTranspose2d({outputs}, {outputs}, 3, 2, 1, 1)",
                f"nn.ConvTranspose2d({outputs}, {outputs}, 4, 2, 1, groups=2, bias=False)",
                f"nn.Sequential(nn.Conv2d({outputs}, {4 * outputs}, 1), nn.PixelShuffle(2))")  # fmt: skip
    down = w.pick("F.max_pool2d(x, 2)", "F.avg_pool2d(x, 2, 2)", "F.max_pool2d(x, 2, 2, ceil_mode=True)",
                  "F.adaptive_avg_pool2d(x, (x.shape[2] // 2, x.shape[3] // 2))", "x[:, :, ::2, ::2]")  # fmt: skip
    init.append(f"self.up = {up}")
    return w.define(init, ["x = self.conv(x)", f"return F.relu(self.up({down}) + x)"])


BLOCKS = (residual, residual, residual, preactivated, preactivated, dense, shuffled, convnext, highway, odd, resampled)


def head(w: Writer, init: list[str], channels: int, size: int, classes: int) -> list[str]:
    """Lines that make the output of x."""
    kind = w.pick("pool", "pool", "pool", "flat", "conv")
    if kind == "conv":
        init.append(f"self.out = nn.Conv2d({channels}, {classes}, 1)")
        return [
            "x = F.adaptive_avg_pool2d(self.out(x), 1)",
            w.pick("return x.view(x.size(0), -1)", "return x.flatten(1)"),
        ]
    init.append(f"self.fc = nn.Linear({channels if kind == 'pool' else channels * size * size}, {classes})")
    if w.often(0.3):
        init.append("self.drop = nn.Dropout(0.4)")
    dropped = "self.drop(x)" if "self.drop" in init[-1] else "x"
    if kind == "flat":
        return [w.pick("x = x.view(x.size(0), -1)", "x = torch.flatten(x, 1)", "x = x.reshape(x.shape[0], -1)"),
                f"return self.fc({dropped})"]  # fmt: skip
    pool = w.pick(
        ["x = x.mean([2, 3])"], ["x = F.adaptive_avg_pool2d(x, (1, 1))", "x = torch.flatten(x, 1)"],
        ["x = F.avg_pool2d(x, x.size()[2:])", "x = x.view(x.size(0), -1)"], ["x = x.flatten(2).mean(2)"],
        ["x = F.avg_pool2d(x, x.shape[-1]).squeeze(-1).squeeze(-1)"], ["x = x.mean(-1).mean(-1)"],
        ["x = torch.mean(x, dim=(2, 3), keepdim=True).view(x.size(0), -1)"], ["x = x.amax((2, 3))"],
        ["x = F.adaptive_max_pool2d(x, 1)[:, :, 0, 0]"],
    )  # fmt: skip
    return [*pool, f"return self.fc({dropped})"]


def source(seed: int) -> str:
    """The text of a module `Net` for samples of 3x16x16."""
    w = Writer(random.Random(seed))
    channels, size = w.pick(8, 12), 16
    init = [
        f"self.stem = nn.Sequential(nn.Conv2d(3, {channels}, 3, padding=1), nn.BatchNorm2d({channels}), nn.ReLU(True))"
    ]
    forward = ["x = self.stem(x)"]
    style = w.pick("sequential", "list", "attributes", "calls")
    stages = w.rng.randint(1, 3)
    for stage in range(1, stages + 1):
        outputs, stride = channels * w.pick(1, 2), w.pick(1, 2) if size > 4 else 1
        made = []
        for i in range(w.rng.randint(1, 3)):
            made.append(f"{w.pick(*BLOCKS)(w, channels, outputs, stride if i == 0 else 1)}()")
            channels = outputs
        size = -(-size // stride)
        name = f"{w.pick('layer', 'stage', 'block')}{stage}"
        if style == "sequential":
            init.append(f"self.{name} = nn.Sequential({', '.join(made)})")
            forward.append(f"x = self.{name}(x)")
        elif style == "list":
            init.append(f"self.{name} = nn.ModuleList([{', '.join(made)}])")
            forward += [f"for block in self.{name}:", "    x = block(x)"]
        else:
            init += [f"self.{name}_{i} = {text}" for i, text in enumerate(made)]
            forward += [f"x = self.{name}_{i}(x)" for i in range(len(made))]
    forward += head(w, init, channels, size, w.pick(5, 10))
    lines = ["class Net(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += [f"        {line}" for line in init]
    lines += ["", "    def forward(self, x):", *(f"        {line}" for line in forward)]
    return "\n\n\n".join([HEADER, *w.classes, "\n".join(lines)]) + "\n"


def module(seed: int) -> nn.Module:
    """The module of a seed."""
    text, file = source(seed), f"<written {seed}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {"__name__": f"written_{seed}"}
    exec(compile(text, file, "exec"), names)
    made: nn.Module = names["Net"]()
    return made
