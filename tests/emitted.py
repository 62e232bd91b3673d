"""Networks that tests of emission share, and emitted files as modules."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from networks import graph_of
from torch import Tensor

import archspec
from archspec.compiler.emit import emit
from archspec.graph import Graph

ZOO: dict[str, dict[str, Any]] = {
    "resnet18": {"input.size": [32, 32]},
    "iresnet50": {"input.size": [64, 64]},
    "ssd_iresnet50_backbone": {"input.size": [48, 48]},
    "resnet34_a": {"input.size": [32, 32]},
    "iresnet3d50": {"input.size": [4, 32, 32]},
    "wrn28_10_dropout": {"depth": 16, "k": 1, "input.size": [16, 16]},
    "ror3_110_sd": {"depth": 32, "input.size": [16, 16]},
    "ror4_164_b333": {"input.size": [8, 8]},
    "cifar_resnet110_exclusive": {"depth": 20, "input.size": [16, 16]},
    "cifar_resnet110_scale_both": {"depth": 20, "input.size": [16, 16]},
}

DENSE = """
archspec: 1
name: dense
input: {channels: 3, size: [16, 16]}
stem: [conv: {out: 8, kernel: 3}]
stages: {repeat: [4, 2], enter: [identity, transition], blocks: dense}
blocks:
  dense:
    graph:
      new:    [bn, relu, conv: {out: 4, kernel: 3}]
      output: {from: [input, new], ops: [concat]}
paths:
  transition: [bn, relu, conv: {out: channels // 2, kernel: 1}, avg_pool: {kernel: 2, stride: 2}]
head: [bn, relu, global_avg_pool, linear: {out: 3}]
"""
GATED = """
archspec: 1
name: gated
input: {channels: 3, size: [8, 8]}
stem: [conv: {out: 4, kernel: 3, bias: true, bias_init: 0.5}, prelu, group_norm: {groups: 2}]
stages: {repeat: [2, 1], width: [4, 8], enter: [identity, down], blocks: squeeze}
blocks:
  squeeze:
    graph:
      pre:    [conv: {out: width, kernel: 3}, bn: {scale_init: 0.1}]
      gate:   {from: pre, ops: [global_avg_pool, linear: {out: width}, layer_norm, sigmoid]}
      values: {from: pre, ops: [elu, leaky_relu: {slope: 0.2}, scale: {by: 2}, conv: {out: width, kernel: 1},
                                one_minus, conv: {out: width, kernel: 1}]}
      both:   {from: [gate, pre, values], ops: [multiply]}
      output: {from: [input, both], ops: [concat]}
    after: [conv: {out: width, kernel: 1, bias: true}, layer_norm, gelu: {approximate: tanh}]
paths:
  down: [module: {type: Upsample, args: {scale_factor: 2}, words: {mode: nearest}}, max_pool: {kernel: 3, stride: 2}]
head: [flatten, linear: {out: 3}, softmax]
"""
OUTPUTS = """
archspec: 1
name: outputs
input: {channels: 3, size: [16, 16]}
stem: [conv: {out: 4, kernel: 3}, bn, relu]
stages: {repeat: [2, 3, 2], width: [4, 8, 8], stride: [1, 2, 1], blocks: basic}
blocks:
  basic: {branch: [conv: {out: width, kernel: 3, stride: stride}, bn], shortcut: B, after: [relu]}
skips:
  - {from: stage1.0, to: stage2.1, path: C}
  - {from: stem, to: stage3.0, path: [conv: {out: 4, kernel: 1, stride: stride}], join: concat}
  - {rule: every, step: 2, within: stage, path: B}
head: [global_avg_pool, linear: {out: 5}]
outputs: {logits: head, c2: stage2, first: stem}
"""
FLAT = """
archspec: 1
name: flat
input: {channels: 3, size: [8, 8]}
graph:
  torch.0.conv: [conv: {out: 4, kernel: 3}]
  torch.keys:   {from: torch.0.conv, ops: [bn]}
  p.conv:       {from: torch.keys, ops: [conv: {out: 4, kernel: 3}]}
  q.conv:       {from: p.conv, ops: [conv: {out: 4, kernel: 3}]}
  p.update:     {from: q.conv, ops: [bn]}
  q.bn:         {from: p.update, ops: [bn]}
  stage1.0:     {from: q.bn, ops: [conv: {out: 4, kernel: 3}]}
  stage1.2:     {from: stage1.0, ops: [bn, relu, dropout: {p: 0.3}]}
  left:         {from: stage1.2, ops: [relu, conv: {out: 4, kernel: 1}]}
  F:            {from: stage1.2, ops: [scale: {by: 0.5}]}
  x:            {from: input, ops: [conv: {out: 4, kernel: 1, bias: true, bias_init: 2}, sigmoid]}
  output:       {from: [left, x, F, p.conv], ops: [add, tanh, identity]}
"""
WORDLESS = """
archspec: 1
name: wordless
input: {channels: 4, size: [8, 8]}
graph: {a: {from: input, ops: [relu]}, b: {from: a, ops: [identity]}, output: {from: [b, input, a], ops: [multiply]}}
"""
DROPPED = """
archspec: 1
name: dropped
input: {channels: 3, size: [8, 8]}
stem: [conv: {out: 4, kernel: 3}, bn]
stages: {repeat: [2, 2, 12, 1, 2, 1], width: 4, blocks: [overwriting, concat, plain, twice, squeeze, module]}
blocks:
  overwriting:
    graph:
      branch: [conv: {out: width, kernel: 3}, bn, dropout: {p: 0.2}]
      joined: {from: [branch, input], ops: [add, relu, conv: {out: width, kernel: 1}, bn]}
      output: {from: [joined, input], ops: [add]}
  concat:
    graph:
      branch: [conv: {out: width, kernel: 3}, bn]
      both:   {from: [branch, input], ops: [concat, conv: {out: width, kernel: 1}]}
      output: {from: [both, input], ops: [add]}
  plain: {branch: [conv: {out: width, kernel: 3}, bn], shortcut: B, after: [relu]}
  twice: {branch: [bn, conv: {out: width, kernel: 3}], shortcut: [bn, relu, drop_path: {survival: 0.5}]}
  squeeze:
    graph:
      branch: [bn, relu, conv: {out: width, kernel: 3}]
      gate:   {from: branch, ops: [global_avg_pool, linear: {out: width}, sigmoid]}
      other:  {from: input, ops: [max_pool: {kernel: 3, stride: 1}, conv: {out: width, kernel: 1}, sigmoid]}
      scaled: {from: [branch, gate], ops: [multiply, scale: {by: 3}]}
      output: {from: [scaled, input, other], ops: [add]}
    after: [bn, relu]
  module:
    branch: [module: {type: ReLU, args: {inplace: false}}, conv: {out: width, kernel: 1}]
    shortcut: B
    after: [module: {type: ReLU}]
levels: {m: 2, path: [conv: {out: out, kernel: 1}, bn, drop_path: {survival: 0.6, rescale: true}]}
drop_path: {survival: 0.5, decay: constant, rescale: true}
head: [global_avg_pool, linear: {out: 3}]
outputs: {logits: head, inner: stage3.4}
"""
FOREIGN = """
archspec: 1
name: foreign
input: {channels: 3, size: [8, 8]}
stem:
  - module: {type: torch.nn.modules.activation.Mish}
  - module: {type: halves_of_one.Layer}
  - conv: {out: 3, kernel: 1}
"""
VARIED = """
archspec: 1
name: varied
input: {channels: 3, size: [16, 16]}
stem: [conv: {out: 8, kernel: 3, padding_mode: reflect}, bn: {frozen: true}, hardswish]
stages: {repeat: [2, 2], width: [8, 16], stride: [1, 2], blocks: block}
blocks:
  block:
    branch:
      - conv: {out: width, kernel: 3, standardize: true}
      - group_norm: {groups: 4}
      - relu6
      - blur_pool: {stride: stride, when: downsampled}
      - channel_shuffle: {groups: 4}
      - conv: {out: width, kernel: 1, bias: true}
      - rms_norm
      - mish
      - local_response_norm
      - scale: {by: 0.5, learned: true, per: channel}
    shortcut: B
    after: [hardsigmoid]
head:
  - conv_transpose: {out: 12, kernel: 3, stride: 2, bias: true}
  - scale: {by: 2, learned: true}
  - upsample: {factor: 2, mode: linear}
  - slice: {start: 4, stop: 10}
  - global_max_pool
  - linear: {out: 5}
"""
POSITIONS = """
archspec: 1
name: positions
input: {channels: 3, size: [8, 8]}
stem: [conv: {out: 4, kernel: 3}]
stages: {repeat: 2, width: [4, 8], blocks: attended}
blocks:
  attended:
    graph:
      maps:   [conv: {out: width, kernel: 3}, bn]
      means:  {from: maps, ops: [channel_mean]}
      peaks:  {from: maps, ops: [channel_max]}
      where:  {from: [peaks, means], ops: [concat, conv: {out: 1, kernel: 3}, sigmoid]}
      what:   {from: maps, ops: [global_avg_pool, sigmoid]}
      output: {from: [where, what, maps], ops: [multiply]}
    after: [relu]
head: [global_avg_pool, linear: {out: 3}]
"""
TEXTS = {
    "positions": POSITIONS,
    "varied": VARIED,
    "dense": DENSE,
    "gated": GATED,
    "outputs": OUTPUTS,
    "flat": FLAT,
    "wordless": WORDLESS,
    "dropped": DROPPED,
}
CASES = [*ZOO, *TEXTS]


def graph_for(name: str) -> Graph:
    return graph_of(TEXTS[name]) if name in TEXTS else archspec.expand(archspec.load(name, **ZOO[name]))


def imported(text: str, folder: Path) -> ModuleType:
    """The module a text is, from a file."""
    name = f"emitted_{abs(hash(text))}"
    path = folder / f"{name}.py"  # a name of its own: Python may know a file by its size and second alone
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def packages(text: str) -> set[str]:
    """What a text imports."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def named(outputs: Any) -> dict[str, Tensor]:
    return outputs if isinstance(outputs, dict) else {"output": outputs}


def assert_same(graph: Graph, folder: Path) -> None:
    """Same state-dict keys; with the same weights the same outputs and running statistics, in both modes."""
    text = emit(graph)
    built, emitted = archspec.build(graph), imported(text, folder).Network()
    assert set(emitted.state_dict()) == set(built.state_dict())
    emitted.load_state_dict(built.state_dict(), strict=True)
    x = torch.randn(3, *graph.input.shape)
    for seed in range(5, 12 if "draw_gates" in text else 7):
        training = seed > 5
        results = []
        for network in (built.train(training), emitted.train(training)):
            torch.manual_seed(seed)
            results.append(named(network(x.clone())))
        theirs, ours = results
        assert list(theirs) == list(ours)
        for label, value in theirs.items():
            assert torch.equal(value, ours[label]), (label, seed)
    for key, value in built.state_dict().items():  # running statistics went the same way
        assert torch.equal(value, emitted.state_dict()[key]), key
