"""ResNet with bottlenecks (arXiv 1512.03385), the stride on the 3x3."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from reference.layers import WIDTHS, Stages, classifier, conv1, conv3


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, each with a batch norm; a projection where the shape changes."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1, self.bn1 = conv1(inputs, width), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv3(width, width, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv1(width, outputs), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.projection = None
        if stride != 1 or inputs != outputs:
            self.projection = nn.Sequential(conv1(inputs, outputs, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.projection is None else self.projection(x)
        return self.relu(out)


class ResNet(Stages):
    """An image ResNet: `counts` blocks by stage."""

    def __init__(self, counts: Sequence[int], classes: int = 1000) -> None:
        stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        stages, channels = [], 64
        for stage, (count, width) in enumerate(zip(counts, WIDTHS, strict=True)):
            blocks = []
            for index in range(count):
                blocks.append(Bottleneck(channels, width, 2 if stage > 0 and index == 0 else 1))
                channels = 4 * width
            stages.append(nn.Sequential(*blocks))
        super().__init__(stem, stages, classifier(channels, classes))
