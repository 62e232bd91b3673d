"""Signals: maps of one dimension, through every way of running a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from emitted import assert_same
from interpreter import interpret
from networks import graph_of, problem_of, reload

import archspec

TEXT = """
archspec: 1
name: signals
input: {channels: 4, size: [50]}
stem: [conv: {out: 8, kernel: 7, stride: 2}, bn, relu, blur_pool, dropout: {p: 0.1}]
stages: {repeat: 2, width: [8, 12], stride: [1, 2], blocks: {start: excited, middle: plain, only: plain}}
blocks:
  plain:
    branch: [conv: {out: width, kernel: [3], stride: stride}, group_norm: {groups: 2}]
    shortcut: A
    after: [relu]
  excited:
    out: width
    graph:
      branch: [conv: {out: width, kernel: 3, stride: stride, standardize: true}, bn]
      gate:   {from: branch, ops: [global_avg_pool, linear: {out: width}, sigmoid]}
      near:   {from: branch, ops: [channel_mean, sigmoid]}
      gated:  {from: [branch, gate], ops: [multiply]}
      seen:   {from: [gated, near], ops: [multiply]}
      other:  B
      output: {from: [seen, other], ops: [add]}
levels: {m: 2, path: C}
head: [upsample: {mode: linear}, max_pool: {kernel: 3, stride: 2}, global_avg_pool, linear: {out: 3}]
"""


def test_every_way_of_running_a_signal_gives_the_same(tmp_path: Path) -> None:
    graph = graph_of(TEXT)
    assert reload(graph) == graph
    assert graph["stage2.1.add"].shape == (12, 7)
    torch.manual_seed(0)
    network = archspec.build(graph, dtype=torch.float64).eval()
    x = torch.randn(2, 4, 50, dtype=torch.float64)
    wanted = interpret(graph, network.state_dict(), x).outputs["output"]
    by_operator = archspec.build(graph, granularity="op", dtype=torch.float64).eval()
    by_operator.load_state_dict(network.state_dict())
    optimized = archspec.optimize(network)
    for found in (network(x), by_operator(x), optimized(x)):
        assert torch.allclose(found, wanted, atol=1e-12, rtol=0)
    assert_same(graph, tmp_path)


def test_a_window_over_a_signal_is_one_number_in_tables_and_figures() -> None:
    graph = graph_of(TEXT)
    assert graph["stem.conv"].label == "7 conv, 8, /2"
    assert graph["head.max_pool"].label == "3 max pool, /2"
    assert "7 conv, 8, /2" in str(archspec.summarize(graph))
    figure = archspec.render(graph, detail="op")._repr_svg_() or ""
    assert "8×13" in figure
    assert "3×3" not in figure


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("conv: {out: 4, kernel: [3, 3]}", "kernel [3, 3] has 2 sizes for 1 spatial dimensions"),
        ("module: {type: Conv2d, args: {in_channels: 4, out_channels: 4, kernel_size: 1}}",
         "is for 2 spatial dimensions"),
        ("module: {type: Softmax2d}", "is for 2 spatial dimensions"),
    ],
)  # fmt: skip
def test_what_is_of_another_dimension(item: str, message: str) -> None:
    assert message in problem_of(f"archspec: 1\ninput: {{channels: 4, size: [9]}}\nstem: [{item}]\n").message
