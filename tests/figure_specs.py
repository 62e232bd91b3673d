"""Small networks of every kind the language can say, as texts, for the tests of figures."""

from __future__ import annotations

HEAD = """\
archspec: 1
input: {channels: 3, size: [32, 32]}
stem: [conv: {out: 16, kernel: 3}, bn, relu]
"""
TAIL = "head: [global_avg_pool, linear: {out: 10}]\n"
STAGES = "stages: {repeat: [5, 4, 3], width: [16, 32, 64], stride: [1, 2, 2], blocks: basic}\n"
BASIC = """\
blocks:
  basic:
    branch:
      - conv: {out: width, kernel: 3, stride: stride}
      - bn
      - relu
      - conv: {out: width, kernel: 3}
      - bn
    shortcut: B
    after: [relu]
"""
RESIDUAL = HEAD + STAGES + BASIC + TAIL

SPECS = {
    "residual": RESIDUAL,
    "levels2": RESIDUAL + "levels: {m: 2, path: C}\n",
    "levels4": RESIDUAL.replace("[5, 4, 3]", "[9, 8, 7]") + "levels: {m: 4, path: C}\n",
    "levels_identity": RESIDUAL + "levels: {m: 3, path: B}\n",
    "skip_across": RESIDUAL + "skips: [{from: stage1.1, to: stage3.1, path: C}, {from: stem, to: stage2.2, path: C}]\n",
    "skip_concat": RESIDUAL + "skips: [{from: stage1.1, to: stage1.3, join: concat}]\n",
    "begins_with_a_join": HEAD
    + """\
stages: {repeat: [3, 3], width: [16, 32], stride: [1, 2], blocks: {middle: basic, end: merging}}
skips: [{from: stage1.0, to: stage1.2, join: concat}, {from: stage2.0, to: stage2.2, join: concat}]
"""
    + BASIC
    + "  merging: {branch: [conv: {out: width // 2, kernel: 1}], shortcut: none}\n"
    + TAIL,
    "read_after_the_stages": RESIDUAL.replace(TAIL, "")
    + """\
graph:
  up:     {from: stage3, ops: [conv_transpose: {out: 32, kernel: 2, stride: 2}]}
  output: {from: [stage2, up], ops: [concat, conv: {out: 8, kernel: 1}]}
""",
    "random": RESIDUAL.replace("[5, 4, 3]", "[9, 9, 9]")
    + "skips: [{rule: random, probability: 0.08, seed: 7, path: B}]\n",
    "dense_skips": RESIDUAL + "skips: [{rule: dense, within: stage, path: B}]\n",
    "levels_and_skips": RESIDUAL + "levels: {m: 3, path: C}\nskips: [{from: stage1.1, to: stage3.2, path: C}]\n",
    "plain": HEAD + STAGES + BASIC.replace("shortcut: B", "shortcut: none") + TAIL,
    "outputs": RESIDUAL + "outputs: {logits: head, c2: stage2, c1: stage1.1}\n",
    "truncated": RESIDUAL + "until: stage2\n",
    "one_block": RESIDUAL.replace("[5, 4, 3]", "[1, 1, 1]"),
    "headless": HEAD + STAGES + BASIC,
    "video": RESIDUAL.replace("[32, 32]", "[8, 32, 32]"),
    "scaled": RESIDUAL + "drop_path: {survival: 0.5}\n",
    "dense_blocks": HEAD
    + """\
stages: {repeat: [4, 4], enter: [identity, narrow], blocks: dense}
blocks:
  dense:
    graph:
      new: [bn, relu, conv: {out: 48, kernel: 1}, bn, relu, conv: {out: 12, kernel: 3}]
      output: {from: [input, new], ops: [concat]}
paths:
  narrow: [bn, relu, conv: {out: channels // 2, kernel: 1}, avg_pool: {kernel: 2, stride: 2}]
"""
    + TAIL,
    "gated": HEAD
    + """\
stages: {repeat: [3], width: [16], blocks: gated}
blocks:
  gated:
    graph:
      f: [conv: {out: width, kernel: 3}, bn]
      gate: [conv: {out: width, kernel: 1, bias: true}, sigmoid]
      closed: {from: gate, ops: [one_minus]}
      kept: {from: [input, closed], ops: [multiply]}
      passed: {from: [f, gate], ops: [multiply]}
      output: {from: [kept, passed], ops: [add]}
    after: [relu]
"""
    + TAIL,
    "excited": HEAD
    + """\
stages: {repeat: [2], width: [16], blocks: se}
blocks:
  se:
    graph:
      f: [conv: {out: width, kernel: 3}, bn]
      gate: {from: f, ops: [global_avg_pool, linear: {out: 4}, relu, linear: {out: 16}, sigmoid]}
      excited: {from: [f, gate], ops: [multiply]}
      output: {from: [input, excited], ops: [add]}
    after: [relu]
"""
    + TAIL,
    "inception": HEAD
    + """\
stages: {repeat: [2], blocks: inception}
blocks:
  inception:
    graph:
      a: [conv: {out: 8, kernel: 1}]
      b: [conv: {out: 8, kernel: 1}, relu, conv: {out: 8, kernel: 3}]
      c: [conv: {out: 8, kernel: 1}, relu, conv: {out: 8, kernel: 3}, relu, conv: {out: 8, kernel: 3}]
      p: [max_pool: {kernel: 3, stride: 1}, conv: {out: 8, kernel: 1}]
      output: {from: [a, b, c, p], ops: [concat]}
"""
    + TAIL,
    "tangled": HEAD
    + """\
stages: {repeat: [2], blocks: tangled}
blocks:
  tangled:
    graph:
      a: [conv: {out: 16, kernel: 1}, relu]
      b: [conv: {out: 16, kernel: 3}, relu]
      c: {from: [a, b], ops: [add, relu]}
      d: {from: [a, c], ops: [multiply]}
      e: {from: [c, input], ops: [add, conv: {out: 16, kernel: 3}]}
      output: {from: [d, e, input], ops: [add]}
"""
    + TAIL,
    "flat_chain": """\
archspec: 1
input: {channels: 3, size: [32, 32]}
graph:
  first: [conv: {out: 16, kernel: 3}, bn, relu]
  second: {from: first, ops: [conv: {out: 16, kernel: 3}, relu]}
  output: {from: second, ops: [global_avg_pool, linear: {out: 10}]}
""",
    "flat": """\
archspec: 1
input: {channels: 3, size: [32, 32]}
graph:
  a: [conv: {out: 16, kernel: 3}, bn, relu]
  b: {from: a, ops: [conv: {out: 16, kernel: 3}, relu]}
  c: {from: a, ops: [conv: {out: 16, kernel: 1}, relu]}
  d: {from: a, ops: [conv: {out: 16, kernel: 5}, relu]}
  e: {from: [b, c], ops: [add]}
  f: {from: [c, d], ops: [concat, conv: {out: 16, kernel: 1}]}
  g: {from: [e, f], ops: [multiply]}
  h: {from: [g, a], ops: [add, relu]}
  output: {from: h, ops: [global_avg_pool, linear: {out: 10}]}
""",
}
