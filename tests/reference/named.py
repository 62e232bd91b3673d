"""ResNets with the names of torchvision's: conv1, bn1, layer1.0.conv1, layer1.0.downsample.0, fc; written by hand.

`dilate` is torchvision's `replace_stride_with_dilation`: for each of the last three stages, whether it dilates instead
of striding. `stride_first` puts the stride of bottlenecks on the 1x1, as the first paper and some libraries do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class NamedBasic(nn.Module):
    """3x3, 3x3."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, dilations: tuple[int, int], first: bool = False) -> None:
        super().__init__()
        before, inside = dilations
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=before, dilation=before, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=inside, dilation=inside, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class NamedBottleneck(nn.Module):
    """1x1, 3x3, 1x1."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, dilations: tuple[int, int], first: bool = False) -> None:
        super().__init__()
        early, late = (stride, 1) if first else (1, stride)
        self.conv1 = nn.Conv2d(inputs, width, 1, early, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, late, padding=dilations[0], dilation=dilations[0], bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if inputs == outputs and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class NamedResNet(nn.Module):
    """The network; `reordered` registers the shortcut's modules before the branch's, as some libraries do."""

    def __init__(
        self, counts: Sequence[int], classes: int = 1000, *, basic: bool = False, channels: int = 3,
        dilate: tuple[bool, bool, bool] = (False, False, False), stride_first: bool = False, reordered: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        block = NamedBasic if basic else NamedBottleneck
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs, dilation = 64, 1
        for stage, (count, width) in enumerate(zip(counts, (64, 128, 256, 512), strict=True)):
            stride, before = (1 if stage == 0 else 2), dilation
            if stage and dilate[stage - 1]:
                dilation, stride = dilation * stride, 1
            blocks = []
            for index in range(count):
                dilations = (before if index == 0 else dilation, dilation)
                blocks.append(block(inputs, width, stride if index == 0 else 1, dilations, stride_first))
                if reordered and blocks[-1].downsample is not None:
                    blocks[-1]._modules = dict(reversed(blocks[-1]._modules.items()))
                inputs = width * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """A network whose batch norms are not those of an untrained one: scales, shifts and statistics drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                for tensor, low in ((module.weight, 0.5), (module.bias, -0.5), (module.running_mean, -0.5)):
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) + low)
                module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
    return model
