"""From a sketch to a training step: a topology drawn by hand, its figure, and a few steps on made-up data."""

import torch

import archspec
from archspec import define, op
from archspec.topologies import edge, rule

sketch = define(
    "sketch",
    input={"channels": 3, "size": [32, 32]},
    stem=[op.conv(out=16, kernel=3), op.bn, op.relu],
    stages={"repeat": 4, "width": [16, 32, 64], "stride": [1, 2, 2], "blocks": "basic"},
    blocks={
        "basic": {
            "branch": [
                op.conv(out="width", kernel=3, stride="stride"), op.bn, op.relu, op.conv(out="width", kernel=3), op.bn,
            ],
            "shortcut": "B",
            "after": [op.relu],
        },
    },
    skips=[
        edge("stem", "stage2.1", path="C"), edge("stage1.1", "stage3.3", path="C"),
        rule("fractal", within="stage", path="B"),
    ],
    head=[op.global_avg_pool, op.linear(out=10)],
)  # fmt: skip
print(sketch.to_yaml())

analysis = archspec.analyze(sketch)
print(f"{analysis.graph.params:,} parameters, {analysis.graph.macs:,} MACs, {analysis.paths:,} paths")
print(f"{analysis.levels} shortcuts one over another, {analysis.layers.shortest} weight layers on the shortest path\n")

archspec.render(sketch, "sketch.svg")
print("drawn in sketch.svg\n")

torch.manual_seed(0)
model = archspec.build(sketch)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
images, labels = torch.randn(16, 3, 32, 32), torch.randint(10, (16,))
for step in range(4):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    print(f"step {step}: loss {loss.item():.3f}")
