"""Networks of signals: ResNet-18 in one dimension."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """A basic block of ResNet over time."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm1d(width)
        changes = stride > 1 or inputs != width
        self.project = nn.Conv1d(inputs, width, 1, stride, bias=False) if changes else None
        self.norm = nn.BatchNorm1d(width) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = x if self.project is None or self.norm is None else self.norm(self.project(x))
        output: Tensor = F.relu(y + shortcut)
        return output


def resnet1d_18() -> nn.Module:
    layers: list[nn.Module] = [
        nn.Conv1d(12, 64, 7, 2, 3, bias=False), nn.BatchNorm1d(64), nn.ReLU(), nn.MaxPool1d(3, 2, 1),
    ]  # fmt: skip
    inputs = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Residual(inputs, width, stride), Residual(width, width, 1)]
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(512, 5))
