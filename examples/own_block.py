"""Builds the network of own_block.yaml and trains it for a few steps on synthetic data."""

from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

import archspec

spec = archspec.load(Path(__file__).with_name("own_block.yaml"), squeeze=8)
summary = archspec.summarize(spec)  # before a single weight exists
print(f"{summary.name}: {summary.params:,} parameters, {summary.macs:,} MACs, {summary.layers} layers deep")

torch.manual_seed(0)
network = archspec.build(spec)
print("the blocks:", ", ".join(node.target for node in network.graph.nodes if node.op == "call_module"))
print("the gate of one of them:", [name for name in network.state_dict() if name.startswith("stage2.0.gate")])

# Four kinds of images that differ in one channel's brightness: something to learn.
labels = torch.arange(64) % 4
images = torch.randn(64, 3, 32, 32)
images[:, 0] += labels[:, None, None]

optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
for step in range(5):
    loss = cross_entropy(network(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}: loss {loss.item():.2f}")
