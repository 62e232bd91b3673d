"""What follows the stages: graphs and heads that read any part of the network, against the same by hand."""

from __future__ import annotations

import torch
from networks import graph_of, reload
from torch import Tensor
from torch.nn import functional as F

import archspec

PYRAMID = """
archspec: 1
extends: cifar_resnet20
head: null
graph:
  inner3: {from: stage3, ops: lateral}
  inner2: {from: [up3, lateral2], ops: [add]}
  lateral2: {from: stage2, ops: lateral}
  up3: {from: inner3, ops: [upsample]}
  p3: {from: inner3, ops: smooth}
  p2: {from: inner2, ops: smooth}
paths:
  lateral: [conv: {out: 8, kernel: 1, bias: true}]
  smooth: [conv: {out: 8, kernel: 3, bias: true}]
outputs: {p2: p2, p3: p3}
"""
HEADS = """
archspec: 1
extends: cifar_resnet20
heads:
  aux: {from: stage2, ops: [global_avg_pool, linear: {out: 5}]}
  inner: {from: stage3.1.branch.conv1, ops: [global_avg_pool]}
"""


def by_name(value: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    return value if isinstance(value, dict) else {"output": value}


def test_a_feature_pyramid_is_what_it_is_by_hand() -> None:
    torch.manual_seed(0)
    network = archspec.build(archspec.loads(PYRAMID), dtype=torch.float64)
    trunk = archspec.build(
        archspec.load("cifar_resnet20", head=None, outputs={"c2": "stage2", "c3": "stage3"}), dtype=torch.float64
    )
    state = network.state_dict()
    trunk.load_state_dict({name: state[name] for name in trunk.state_dict()})
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)

    def conv(name: str, value: Tensor) -> Tensor:
        weight = state[f"{name}.conv.weight" if f"{name}.conv.weight" in state else f"{name}.weight"]
        return F.conv2d(value, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)

    for training in (True, False):
        found, features = network.train(training)(x), trunk.train(training)(x)
        inner3 = conv("inner3.conv", features["c3"])
        inner2 = F.interpolate(inner3, scale_factor=2) + conv("lateral2.conv", features["c2"])
        torch.testing.assert_close(found, {"p2": conv("p2.conv", inner2), "p3": conv("p3.conv", inner3)})
        assert list(found) == ["p2", "p3"]


def test_heads_are_outputs_beside_the_head() -> None:
    graph = archspec.expand(archspec.loads(HEADS))
    assert graph.outputs == {
        "output": "head.linear", "aux": "heads.aux.linear", "inner": "heads.inner",
    }  # fmt: skip
    assert graph["heads.inner"].inputs == ("stage3.1.branch.conv1",)
    assert graph["heads.aux.linear"].unit == "heads.aux"
    assert reload(graph) == graph
    network = archspec.build(graph)
    flat = archspec.build(graph, granularity="op")
    flat.load_state_dict(network.state_dict())
    x = torch.randn(2, 3, 32, 32)
    ours, theirs = network.eval()(x), flat.eval()(x)
    assert {name: tuple(value.shape) for name, value in ours.items()} == {
        "output": (2, 10), "aux": (2, 5), "inner": (2, 64),
    }  # fmt: skip
    torch.testing.assert_close(ours, theirs)


def test_without_a_head_only_the_heads_are_outputs() -> None:
    only = archspec.loads(HEADS + "  last: {from: stage3, ops: [global_avg_pool]}\nhead: null\n")
    assert list(archspec.expand(only).outputs) == ["aux", "inner", "last"]
    named = archspec.loads(HEADS + "outputs: {logits: head}\n")
    assert list(archspec.expand(named).outputs) == ["logits", "aux", "inner"]


def test_a_graph_may_end_the_network() -> None:
    ended = archspec.loads(PYRAMID.partition("  p3:")[0] + """
  output: {from: [inner2, lateral2], ops: [concat, global_avg_pool, linear: {out: 3}]}
paths: {lateral: [conv: {out: 8, kernel: 1}]}
""")  # fmt: skip
    graph = archspec.expand(ended)
    assert graph.outputs == {"output": "linear"}
    assert graph.output_shapes() == {"output": (3,)}
    assert reload(graph) == graph


def test_until_cuts_off_what_follows() -> None:
    assert archspec.expand(archspec.loads(HEADS + "until: stage2\n")).outputs == {"output": "stage2.2.after.relu"}


def test_outputs_read_wires_that_nothing_else_reads() -> None:
    graph = graph_of("""
        archspec: 1
        input: {channels: 3, size: [8, 8]}
        stages: {repeat: 1, width: [4, 4], blocks: [plain, split]}
        blocks:
          plain: {branch: [conv: {out: width, kernel: 3}], shortcut: none}
          split:
            graph:
              branch: [conv: {out: width, kernel: 3}]
              side: {from: branch, ops: [relu]}
              output: branch
        outputs: {last: stage2.0.branch, side: stage2.0.side}
        """)
    assert graph.outputs == {"last": "stage2.0.branch.conv", "side": "stage2.0.side.relu"}
