"""Random small specs: every one is valid, most use several features at once.

`specs()` gives a `Drawn`: the text, and what must be found in its graph. Channels and sizes stay at most 16, so that a
built network runs in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

CHANNELS = (2, 4, 6, 8)

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

AFTERS = ("[]", "[relu]", "[bn, relu]", "[leaky_relu: {slope: 0.2}]", "activation")

GRAPHS = {
    "exclusive": """
      carry: [use: A]
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      gate: [conv: {out: width, kernel: 1, stride: stride, bias: true, bias_init: -1}, sigmoid]
      closed: {from: gate, ops: [one_minus]}
      kept: {from: [carry, closed], ops: [multiply]}
      passed: {from: [branch, gate], ops: [multiply]}
      output: {from: [kept, passed], ops: [add]}""",
    "squeeze": """
      carry: [use: B]
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      gate: {from: branch, ops: [global_avg_pool, linear: {out: 2}, relu, linear: {out: width}, sigmoid]}
      scaled: {from: [branch, gate], ops: [multiply]}
      output: {from: [scaled, carry], ops: [add]}""",
    "parallel": """
      carry: [use: C]
      branch: [conv: {out: width, kernel: 1, stride: stride}]
      wide: [conv: {out: width, kernel: 3, stride: stride}, relu]
      both: {from: [branch, wide], ops: [concat, conv: {out: width, kernel: 1}, bn]}
      output: {from: [both, carry], ops: [use: joint]}""",
    "multiplied": """
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      other: [conv: {out: width, kernel: 1, stride: stride}, sigmoid]
      output: {from: [branch, other], ops: [multiply]}""",
}

ENTERS = ("shrink", "widen", "nothing")


@dataclass(frozen=True)
class Drawn:
    """A spec's text, and what its graph must show."""

    text: str
    repeat: tuple[int, ...]
    levels: tuple[str, ...]
    """Names of the levels' spans: `root`, `stage1`."""
    adds: tuple[tuple[str, str], ...]
    """Skips that join an addition."""
    concats: tuple[tuple[str, str], ...]
    """Skips that widen an input."""
    outputs: tuple[str, ...]
    drop_path: bool
    plain: frozenset[str]
    """Definitions of blocks without an addition, which `drop_path` leaves alone."""
    droppable: bool
    """Whether some block has one, without which `drop_path` is refused."""
    size: tuple[int, ...]

    @property
    def blocks(self) -> list[str]:
        return [f"stage{s}.{b}" for s, count in enumerate(self.repeat, start=1) for b in range(count)]


def _fitting_levels(repeat: tuple[int, ...]) -> list[tuple[str, ...]]:
    """Names of the spans for m = 1, 2, 3, 4 as far as every level has one of several blocks."""
    found: list[tuple[str, ...]] = [()]
    levels = [["root"] if sum(repeat) > 1 else [], [f"stage{i}" for i, n in enumerate(repeat, start=1) if n > 1]]
    halves = []
    for i, count in enumerate(repeat, start=1):
        halves += [f"stage{i}_{half}" for half, size in ((1, count - count // 2), (2, count // 2)) if size > 1]
    for level in [*levels, halves]:
        if not level:
            break
        found.append((*found[-1], *level))
    return found


@st.composite
def _block(draw: st.DrawFn, growing: bool) -> str:
    after = draw(st.sampled_from(AFTERS))
    pad = "A" if growing else "B"  # option A cannot narrow a signal
    if draw(st.integers(0, 3)) == 0:
        wires = GRAPHS[draw(st.sampled_from(sorted(GRAPHS)))].replace("use: A", f"use: {pad}")
        return f"\n    out: width\n    after: {after}\n    graph:{wires}"
    branch = BRANCHES[draw(st.sampled_from(sorted(BRANCHES)))]
    shortcut = draw(st.sampled_from([pad, "B", "C", f"[use: {pad}, scale: {{by: 0.5}}]", "pooling"]))
    pre = draw(st.sampled_from(["", "\n    pre: activation", "\n    pre: activation\n    shared: changed"]))
    return f"{pre}\n    branch: {branch}\n    shortcut: {shortcut}\n    after: {after}"


@st.composite
def _skips(
    draw: st.DrawFn, blocks: list[str], paths: tuple[str, ...], growing: bool
) -> tuple[list[str], list[tuple[str, str]], list[tuple[str, str]]]:
    points = ["stem", *blocks]
    pairs = [(points[i], points[j]) for i in range(len(points)) for j in range(i + 1, len(points))]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=3, unique=True))
    lines, adds, concats = [], [], []
    for source, target in chosen:
        if growing or draw(st.booleans()):
            lines.append(f"  - {{from: {source}, to: {target}, path: {draw(st.sampled_from(paths))}}}")
            adds.append((source, target))
        else:
            lines.append(f"  - {{from: {source}, to: {target}, join: concat, path: shrunk}}")
            concats.append((source, target))
    return lines, adds, concats


@st.composite
def specs(draw: st.DrawFn) -> Drawn:
    """A random spec that is valid."""
    rank = draw(st.sampled_from([2, 2, 3]))
    size = tuple(draw(st.integers(5, 16 if rank == 2 else 8)) for _ in range(rank))
    repeat = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    stages = len(repeat)
    stem, *width = (draw(st.sampled_from(CHANNELS)) for _ in range(stages + 1))
    growing = draw(st.booleans())
    if growing:
        stem, *width = sorted([stem, *width])
    strides: list[object] = [1, 2] if rank == 2 else [1, 2, [1, 2, 2]]
    stride = [draw(st.sampled_from(strides)) for _ in repeat]
    enter = [draw(st.sampled_from(ENTERS)) for _ in repeat]
    names = [f"block{i}" for i in range(draw(st.integers(1, 3)))]
    definitions = [draw(_block(growing)) for _ in names]
    lines = [
        "archspec: 1",
        "name: drawn",
        f"input: {{channels: {draw(st.integers(1, 3))}, size: {list(size)}}}",
        f"stem: [conv: {{out: {stem}, kernel: 3}}{draw(st.sampled_from(['', ', bn, relu']))}]",
        "stages:",
        f"  repeat: {list(repeat)}",
        f"  width: {width}",
        f"  stride: {stride}",
        f"  enter: [{', '.join(enter)}]",
    ]
    if draw(st.booleans()):
        start, middle, end = (draw(st.sampled_from(names)) for _ in range(3))
        lines.append(f"  blocks: {{start: {start}, middle: {middle}, end: {end}, only: {start}}}")
        used = {start}
    else:
        chosen = [draw(st.sampled_from(names)) for _ in range(stages)]
        lines.append(f"  blocks: [{', '.join(chosen)}]")
        used = set(chosen)
    plain = frozenset(
        name for name, definition in zip(names, definitions, strict=True) if GRAPHS["multiplied"] in definition
    )
    droppable = not plain.issuperset(used)
    lines.append("blocks:")
    pool = draw(st.sampled_from(["avg_pool", "max_pool"])) if rank == 2 else "max_pool"  # torch's 3-D mean is stricter
    lines += [f"  {name}:{block}" for name, block in zip(names, definitions, strict=True)]
    lines += [
        "paths:",
        "  activation: [bn, relu]",
        "  joint: [add]",
        "  pooling:",
        f"    - {pool}: {{kernel: 3, stride: stride, when: downsampled}}",
        "    - conv: {out: out, kernel: 1, when: channels != out}",
        "  shrunk: [max_pool: {kernel: 3, stride: stride, when: downsampled}]",
        "  shrink: [conv: {out: width, kernel: 1}, max_pool: {kernel: 3, stride: 2}]",
        "  widen: [conv: {out: width, kernel: 1}]",
        "  nothing: []",
    ]
    fitting = _fitting_levels(repeat)
    levels = draw(st.sampled_from(fitting))
    if levels or draw(st.booleans()):
        path = draw(st.sampled_from(["C", "C", "B", "pooling"]))
        lines.append(f"levels: {{m: {fitting.index(levels) + 1}, path: {path}}}")
    blocks = [f"stage{s}.{b}" for s, count in enumerate(repeat, start=1) for b in range(count)]
    written, adds, concats = draw(_skips(blocks, ("B", "C", "pooling"), growing))
    if written:
        lines += ["skips:", *written]
    drop_path = droppable and draw(st.integers(0, 3)) == 0
    if drop_path:
        unit, rescale = draw(st.sampled_from(["batch", "sample"])), draw(st.sampled_from(["true", "false"]))
        decay = draw(st.sampled_from(["linear", "constant"]))
        lines.append(f"drop_path: {{survival: 0.5, unit: {unit}, rescale: {rescale}, decay: {decay}}}")
    head = draw(st.sampled_from(["[global_avg_pool, linear: {out: 3}]", "[bn, relu, global_avg_pool]", "[]"]))
    lines.append(f"head: {head}")
    outputs: tuple[str, ...] = ("output",)
    if draw(st.integers(0, 3)) == 0:
        middle_block = draw(st.sampled_from(blocks))
        outputs = ("y", "inner")
        lines.append(f"outputs: {{y: head, inner: {middle_block}}}")
    return Drawn(
        "\n".join(lines) + "\n", repeat, levels, tuple(adds), tuple(concats), outputs, drop_path, plain,
        droppable, size,
    )  # fmt: skip
