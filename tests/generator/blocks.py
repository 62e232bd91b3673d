"""Random blocks, in residual and in graph form: each takes any map, and gives `width` channels at `stride`."""

from __future__ import annotations

import re

from generator.drawn import Draw
from generator.operators import SMOOTH, weighted

BRANCHES = {
    "plain": "[conv: {out: width, kernel: 3, stride: stride}, bn]",
    "basic": "[conv: {out: width, kernel: 3, stride: stride}, bn, relu, conv: {out: width, kernel: 3}, bn]",
    "bottleneck": "[conv: {out: width // 2, kernel: 1}, relu, conv: {out: width, kernel: 3, stride: stride}, bn]",
    "activated": "[bn: {when: index > 0}, relu, conv: {out: width, kernel: 3, stride: stride}]",
    "grouped": "[conv: {out: width, kernel: 1}, silu, conv: {out: width, kernel: 3, stride: stride, groups: 2}, bn]",
    "loop": "[each: {of: [3, 1], as: k, at: i, do: "
    "[bn, relu, conv: {out: width, kernel: k, stride: 'stride if i == 0 else 1'}]}]",
    "pooled": "[max_pool: {kernel: 3, stride: stride, when: downsampled}, conv: {out: width, kernel: 1}, tanh]",
    "dilated": "[conv: {out: width, kernel: 3, dilation: 2, stride: stride, bias: true}, elu]",
}
WHOLE_BRANCHES = {
    "depthwise": "[conv: {out: width, kernel: 1}, relu, conv: {out: width, kernel: 3, stride: stride, groups: width}]",
    "even kernel": "[conv: {out: width, kernel: 2, padding: 1}, "
    "conv: {out: width, kernel: 2, padding: 0, stride: stride}]",
    "padded": "[conv: {out: width, kernel: 3, padding: 2}, bn, "
    "conv: {out: width, kernel: 3, padding: 0, stride: stride}]",
    "ceil_mode": "[avg_pool: {kernel: 1, stride: stride, padding: 0, ceil_mode: true, "
    "when: downsampled}, conv: {out: width, kernel: 1, name: lift}]",
    "counted": "[conv: {out: width, kernel: '1 if last else 3', stride: stride}, relu: {when: not last}, "
    "bn: {when: 'first or count > 2'}, scale: {by: '0.5 * stage / stages'}]",
    "nested loops": "[conv: {out: width, kernel: 1, stride: stride}, each: {of: [1, 2], as: a, do: [each: {of: [1, 3], "
    "as: k, do: [relu: {when: a > 1}, conv: {out: width, kernel: k, groups: a}]}]}]",
    "random": "[conv: {out: width, kernel: 3, stride: stride}, dropout: {p: 0.3}, bn]",
    "dropped sample": "[conv: {out: width, kernel: 3, stride: stride}, drop_path: {survival: 0.6, unit: sample}]",
    "own column": "[conv: {out: inner, kernel: 1}, bn, relu, conv: {out: width, kernel: 3, stride: stride}]",
    "numbered": "[conv: {out: width, kernel: '3 if number < total - 1 else 1', stride: stride}, "
    "conv: {out: 'here + number % 2', kernel: 1}, bn, conv: {out: width, kernel: 1, when: here != width}]",
    "arguments": "[use: {path: convolved, with: {w: width, k: 3, stride: stride}}, tanh, "
    "use: {path: convolved, with: {w: here, k: 1, stride: 1}}, use: {path: C, with: {out: here, stride: 1}}]",
    "inner blocks": "[block: {use: unit, with: {w: width, stride: stride}, repeat: 2, name: pair}, "
    "block: {use: wired, with: {w: here}, when: not last}]",
    "norms": "[layer_norm, conv: {out: width, kernel: 1, stride: stride}, group_norm: {groups: 2}, prelu]",
}
"""Those too that not everything can be told of."""
INNER = """
  unit: {branch: [conv: {out: w, kernel: 3, stride: stride}, bn: {when: first}], shortcut: B, after: [relu]}
  wired:
    graph:
      a: [block: {use: unit, with: {w: w}}]
      b: [conv: {out: w, kernel: 1}]
      output: {from: [a, b, input], ops: [add]}""".strip("\n").splitlines()
"""Blocks that stand in the paths of others."""
AFTERS = ("[]", "[relu]", "[bn, relu]", "[leaky_relu: {slope: 0.2}]", "activation")
GRAPHS = {
    "exclusive": """
      $carry: [use: A]
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      $gate: [conv: {out: width, kernel: 1, stride: stride, bias: true, bias_init: -1}, sigmoid]
      $closed: {from: $gate, ops: [one_minus]}
      $kept: {from: [$carry, $closed], ops: [multiply]}
      $passed: {from: [branch, $gate], ops: [multiply]}
      output: {from: [$kept, $passed], ops: [add]}""",
    "squeeze": """
      $carry: [use: B]
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      $gate: {from: branch, ops: [global_avg_pool, linear: {out: 2}, relu, linear: {out: width}, sigmoid]}
      $scaled: {from: [branch, $gate], ops: [multiply]}
      output: {from: [$scaled, $carry], ops: [add]}""",
    "parallel": """
      $carry: [use: C]
      branch: [conv: {out: width, kernel: 1, stride: stride}]
      $wide: [conv: {out: width, kernel: 3, stride: stride}, relu]
      $both: {from: [branch, $wide], ops: [concat, conv: {out: width, kernel: 1}, bn]}
      output: {from: [$both, $carry], ops: [use: joint]}""",
    "multiplied": """
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      $other: [conv: {out: width, kernel: 1, stride: stride}, sigmoid]
      output: {from: [branch, $other], ops: [multiply]}""",
}
WHOLE_GRAPHS = {
    "dense": """
      branch: [bn, conv: {out: 4, kernel: 3}]
      $joined: {from: [input, branch], ops: [concat, conv: {out: width, kernel: 1, stride: stride}]}
      $carry: [use: C]
      output: {from: [$joined, $carry], ops: [add]}""",
    "alias": """
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      $carry: [use: C]
      $both: {from: [$carry, branch], ops: [add]}
      output: $both""",
    "selected": """
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      $wide: [conv: {out: width, kernel: 1, stride: stride}, relu]
      $carry: [use: C]
      $gate: {from: $carry, ops: [global_avg_pool, linear: {out: width}]}
      $more: {from: branch, ops: [global_avg_pool, linear: {out: width, bias: false}, tanh]}
      $picked: {from: [branch, $wide, $more, $gate], ops: [select]}
      output: {from: [$picked, $carry], ops: [add]}""",
    "three": """
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      $other: [conv: {out: width, kernel: 1, stride: stride}]
      $carry: [use: B]
      output: {from: [$other, branch, $carry], ops: [add]}""",
    "switched": """
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      $carry: {ops: [use: C], when: downsampled or number % 2 == 0}
      $before: {from: $gate, ops: [tanh]}
      $gate: [conv: {out: width, kernel: 1, stride: stride}]
      $more: {from: $before, ops: [relu], when: not last}
      output: {from: [branch, $carry, $more], ops: [add]}""",
    "of blocks": """
      branch: [block: {use: unit, with: {w: width, stride: stride}, repeat: '1 + number % 2'}]
      $carry: [use: {path: B, with: {out: width, stride: stride}}, block: {use: wired, with: {w: here}, name: last_one}]
      output: {from: [branch, $carry], ops: [add]}""",
    "vectors": """
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      $gate: [global_avg_pool, linear: {out: width, bias: false}, softmax]
      $more: {from: $gate, ops: [linear: {out: width}, tanh]}
      $gates: {from: [$gate, $more], ops: [multiply]}
      $scaled: {from: [branch, $gates], ops: [multiply]}
      $carry: [use: C]
      output: {from: [$scaled, $carry], ops: [add]}""",
}
HOSTILE = (
    "self x F torch nn in_ class_ None_ lambda_ items keys conv bn relu n1 x_1 weight super print len add_".split()
)
"""What wires, which are written with a $, may be called instead."""


def block(draw: Draw, growing: bool, whole: bool, dropping: bool) -> tuple[str, bool]:
    """A definition, and whether it has an addition. Option A cannot narrow a signal: it needs `growing` widths."""
    after = draw.pick(AFTERS)
    if whole and draw.one_in(3, "any after"):
        after = f"[{', '.join(draw.some(SMOOTH, 3))}]"
    pad = "A" if growing else "B"
    if draw.one_in(4, "graph form"):
        graphs = GRAPHS | WHOLE_GRAPHS if whole else GRAPHS
        name = draw.pick(sorted(graphs))
        draw.features.add(f"graph {name}")
        text = re.sub(r"ops: \[add\]", lambda _: f"ops: [{weighted(draw)}]", graphs[name]) if whole else graphs[name]
        wires = _named(draw, text.replace("use: A", f"use: {pad}"), whole)
        out = "\n    out: width" if "use: " in graphs[name] else ""
        return f"{out}\n    after: {after}\n    graph:{wires}", name != "multiplied"
    branches = BRANCHES | WHOLE_BRANCHES if whole else dict(BRANCHES)
    if dropping:
        branches.pop("dropped sample", None)  # one drop_path on a branch is enough
    branch = draw.named("branch", branches)
    if whole and draw.one_in(3, "any branch"):
        branch = f"{branch[:-1]}, {', '.join(['bn', *draw.some(SMOOTH, 2)])}]"
    shortcut = draw.pick([pad, "B", "C", f"[use: {pad}, scale: {{by: 0.5}}]", "pooling"])
    if whole and not dropping and "drop_path" not in branch and draw.one_in(6, "shortcut: none"):
        shortcut = "none"
    shared = draw.pick(["", "\n    pre: activation", "\n    pre: activation\n    shared: changed"])
    if shortcut == "none":
        shared = shared.partition("\n    shared")[0]
    closing = weighted(draw).partition("add: ")[2] if whole and shortcut != "none" else ""
    shared += f"\n    add: {closing}" if closing else ""
    return f"{shared}\n    branch: {branch}\n    shortcut: {shortcut}\n    after: {after}", shortcut != "none"


def _named(draw: Draw, wires: str, whole: bool) -> str:
    """Wires by their names; or in another order, and some with other names."""
    if not whole:
        return wires.replace("$", "")
    others = draw.shuffled(HOSTILE)

    def name(match: re.Match[str]) -> str:
        if match[1] not in chosen:
            chosen[match[1]] = others.pop() if draw.one_in(3, "hostile wire") else match[1]
        return chosen[match[1]]

    chosen: dict[str, str] = {}
    text = re.sub(r"\$(\w+)", name, wires)
    return "".join(f"\n{line}" for line in draw.shuffled(text.strip("\n").splitlines()))
