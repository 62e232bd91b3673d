"""Wide ResNet (arXiv 1605.07146) of B(3,3) blocks."""

from __future__ import annotations

from torch import Tensor, nn

from reference.layers import CIFAR_WIDTHS, Stages, classifier, conv1, conv3


class Wide(nn.Module):
    """Pre-activated 3x3, 3x3; where the shape changes, a bare projection of the activated input."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv3(inputs, width, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), conv3(width, width)
        self.projection = conv1(inputs, width, stride) if stride != 1 or inputs != width else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        activated = self.relu(self.bn1(x))
        out = self.conv2(self.relu(self.bn2(self.conv1(activated))))
        out += x if self.projection is None else self.projection(activated)
        return out


class WRN(Stages):
    """WRN-n-k, n = 6N + 4."""

    def __init__(self, n: int, k: int, classes: int = 10) -> None:
        stages, channels = [], 16
        for stage, width in enumerate(CIFAR_WIDTHS):
            blocks = []
            for index in range((n - 4) // 6):
                blocks.append(Wide(channels, k * width, 2 if stage > 0 and index == 0 else 1))
                channels = k * width
            stages.append(nn.Sequential(*blocks))
        head = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True), classifier(channels, classes))
        super().__init__(conv3(3, 16), stages, head)
