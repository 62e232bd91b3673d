"""A tiny network as a spec, and written by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TINY = """\
archspec: 1
name: tiny
input: {channels: 3, size: [8, 8]}
params: {classes: 5, depth: 3, wide: 4}
stem: [conv: {out: wide, kernel: 3}]
stages: {repeat: [depth], width: wide, blocks: basic}
blocks:
  basic: {branch: [conv: {out: width, kernel: 3}, bn], after: [relu]}
head: [global_avg_pool, linear: {out: classes}]
"""

SEVERAL = """\
archspec: 1
name: several
input: {channels: 3, size: [8, 8]}
params: {classes: 5}
stem: [conv: {out: 4, kernel: 3}]
stages: {repeat: [1], width: 4, blocks: basic}
blocks:
  basic: {branch: [conv: {out: width, kernel: 3}, bn], after: [relu]}
head: [global_avg_pool, linear: {out: classes}]
outputs: {logits: head, features: stage1}
"""

ONE = """\
archspec: 1
name: one
input: {channels: 3, size: [8, 8]}
stages: {repeat: [3], width: 3, blocks: basic}
blocks:
  basic: {branch: [conv: {out: width, kernel: 3}]}
"""
"""Three blocks of one kind, and nothing else: quick to compile."""

HAND = '''\
"""The tiny network by hand, and others that are not it."""
import torch
from torch import nn

import tiny_layers


class Tiny(nn.Module):
    def __init__(self, width=4, classes=5):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(*(tiny_layers.Block(width) for _ in range(3)))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def wide():
    return Tiny(width=6)


def flat():
    """As many parameters, another shape of output."""
    network = Tiny()
    network.head = nn.Sequential(network.head, nn.Unflatten(1, (5, 1)))
    return network


def pair():
    """Two tensors of it in all: a dictionary."""
    network = Tiny()
    network.forward = lambda x: {"a": Tiny.forward(network, x), "b": x}
    return network


class Late(Tiny):
    """Runs for one sample, and for no more."""

    def forward(self, x):
        if len(x) > 1:
            raise IndexError("no more than one\\nat a time")
        return super().forward(x)


def needs(argument):
    return Tiny()


def nothing():
    return 3
'''

LAYERS = """\
from torch import nn, relu


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        return relu(self.bn(self.conv(x)) + x)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the networks in it; what it makes importable goes with it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for module in ("tiny_layers", "kit", "kit.inner", "kit.inner.net", "kit.inner.parts"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    for name, text in {"tiny": TINY, "several": SEVERAL, "one": ONE}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "hand.py").write_text(HAND)
    (tmp_path / "tiny_layers.py").write_text(LAYERS)
    return tmp_path
