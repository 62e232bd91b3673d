"""Random specs with stages: columns, blocks by position, levels, skips, stochastic depth, outputs."""

from __future__ import annotations

import random

from generator.blocks import INNER, block
from generator.drawn import Draw, Drawn
from generator.operators import SMOOTH, weighted

CHANNELS = (2, 4, 6, 8)
ENTERS = ("shrink", "widen", "nothing")
RULES = {
    "every": "rule: every, step: 2", "dense": "rule: dense", "random": "rule: random, probability: 0.4, seed: 3",
}  # fmt: skip
Skips = tuple[list[str], list[tuple[str, str]], list[tuple[str, str]]]


def staged(rng: random.Random, whole: bool = False) -> Drawn:
    """A random spec with stages, of few channels; with `whole` also what `Drawn` does not tell of."""
    draw = Draw(rng)
    draw.features.add("staged")
    rank = draw.pick([2, 2, 3, 1])
    draw.features.add(f"{rank}-D")
    size = tuple(draw.number(5, 16 if rank < 3 else 8) for _ in range(rank))
    repeat = tuple(draw.number(1, 4) for _ in range(draw.number(1, 3)))
    stem, *width = (draw.pick(CHANNELS) for _ in range(len(repeat) + 1))
    growing = draw.one_in(2)
    if growing:
        stem, *width = sorted([stem, *width])
    names = [f"block{i}" for i in range(draw.number(1, 3))]
    dropping = draw.one_in(4)
    definitions = {name: block(draw, growing, whole, dropping) for name in names}
    if whole and draw.one_in(4, "block extends"):
        definitions["more"] = (f" {{extends: block0, after: [{draw.pick(SMOOTH)}]}}", definitions["block0"][1])
        names.append("more")
    positions, used = _positions(draw, names, len(repeat))
    plain = frozenset(name for name, (_, joined) in definitions.items() if not joined)
    droppable = not plain.issuperset(used)
    strides: list[object] = [1, 2] if rank < 3 else [1, 2, [1, 2, 2]]
    lines = [
        "archspec: 1",
        "name: drawn",
        f"input: {{channels: {draw.number(1, 3)}, size: {list(size)}}}",
        f"stem: [conv: {{out: {stem}, kernel: 3}}{_rest(draw, whole)}]",
        "stages:",
        f"  repeat: {list(repeat)}",
        f"  width: {_width(draw, width) if whole else width}",
        f"  stride: {[draw.pick(strides) for _ in repeat]}",
        f"  enter: [{', '.join(draw.pick([*ENTERS, 'null'] if whole else ENTERS) for _ in repeat)}]",
        f"  blocks: {positions}",
        "blocks:",
        *(f"  {name}:{text}" for name, (text, _) in definitions.items()),
    ]
    written_out = "".join(text for text, _ in definitions.values())
    lines += INNER if "block:" in written_out else ()
    inner = any("inner" in definitions[name][0] for name in used)
    if inner:  # a column of its own, which must be read
        lines.insert(lines.index("blocks:"), "  inner: width // 2 + 1")
    lines = [line if inner else line.replace("inner", "width // 2") for line in lines]
    lines += _paths(draw, rank)
    if "convolved" in written_out:
        lines.append("  convolved: [conv: {out: w, kernel: k, stride: stride}, bn: {when: here > 2}]")
    levels, section = _levels(draw, repeat)
    lines += section
    blocks = [f"stage{s}.{b}" for s, count in enumerate(repeat, start=1) for b in range(count)]
    written, adds, concats = _skips(draw, blocks, growing, whole)
    if written:
        lines += ["skips:", *written]
    dropping = dropping and droppable
    if dropping:
        unit, rescale = draw.pick(["batch", "sample"]), draw.pick(["true", "false"])
        decay = draw.pick([", decay: linear", ", decay: constant", ""])
        survival = "0.5"
        if not decay:
            survival = draw.pick([f"[{', '.join(['0.7'] * len(repeat))}]", "1 - 0.5 * number / total"])
            draw.features.add("survival of its own")
        draw.features.update(("drop_path", f"drop_path by {unit}"))
        lines.append(f"drop_path: {{survival: {survival}, unit: {unit}, rescale: {rescale}{decay}}}")
    lines.append(f"head: {_head(draw, whole)}")
    outputs: tuple[str, ...] = ("output",)
    if draw.one_in(4, "several outputs"):
        outputs = ("y", "inner")
        lines.append(f"outputs: {{y: head, inner: {draw.pick(blocks)}}}")
    if whole:
        lines += [f"params: {{k: 2, classes: 5, widths: {width}}}", *_settings(draw)]
    return Drawn(
        "\n".join(lines) + "\n", frozenset(draw.features), size, repeat, levels, tuple(adds), tuple(concats), outputs,
        dropping, plain, droppable,
    )  # fmt: skip


def _rest(draw: Draw, whole: bool) -> str:
    """The stem after its convolution."""
    if not whole:
        return draw.pick(["", ", bn, relu"])
    return "".join(f", {item}" for item in draw.some(SMOOTH, 3))


def _width(draw: Draw, width: list[int]) -> str:
    """The column of widths, as numbers or as an expression."""
    if draw.one_in(3, "params"):
        return "'widths if k > 1 else [k]'"
    return str(width)


def _positions(draw: Draw, names: list[str], stages: int) -> tuple[str, list[str]]:
    """The column `blocks`, and the definitions that are used for certain."""
    if draw.one_in(2, "blocks by position"):
        start, middle, end = (draw.pick(names) for _ in range(3))
        return f"{{start: {start}, middle: {middle}, end: {end}, only: {start}}}", [start]
    if draw.one_in(4, "blocks in turn"):
        first, *others = (draw.pick(names) for _ in range(3))
        return f"{{cycle: [{', '.join([first, *others])}], only: {first}}}", [first]
    chosen = [draw.pick(names) for _ in range(stages)]
    return f"[{', '.join(chosen)}]", chosen


def _paths(draw: Draw, rank: int) -> list[str]:
    pool = draw.pick(["avg_pool", "max_pool"]) if rank < 3 else "max_pool"  # torch's 3-D mean is stricter
    return [
        "paths:",
        "  activation: [bn, relu]",
        "  joint: [add]",
        "  bounded: [use: B, tanh]",
        "  pooling:",
        f"    - {pool}: {{kernel: 3, stride: stride, when: downsampled}}",
        "    - conv: {out: out, kernel: 1, when: channels != out}",
        "  shrunk: [max_pool: {kernel: 3, stride: stride, when: downsampled}]",
        "  shrink: [conv: {out: width, kernel: 1}, max_pool: {kernel: 3, stride: 2}]",
        "  widen: [conv: {out: width, kernel: 1}]",
        "  nothing: []",
    ]


def fitting_levels(repeat: tuple[int, ...]) -> list[tuple[str, ...]]:
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


def _levels(draw: Draw, repeat: tuple[int, ...]) -> tuple[tuple[str, ...], list[str]]:
    """Names of the levels' spans, and the section."""
    fitting = fitting_levels(repeat)
    levels = draw.pick(fitting)
    if not levels and draw.one_in(2):
        return levels, []
    draw.features.add(f"levels {fitting.index(levels) + 1}")
    m, path = fitting.index(levels) + 1, draw.pick(["C", "C", "B", "pooling"])
    return levels, [f"levels: {{m: {m}{f', path: {path}{_edge(draw)}' if m > 1 else ''}}}"]


def _skips(draw: Draw, blocks: list[str], growing: bool, whole: bool) -> Skips:
    points = ["stem", *blocks]
    pairs = [(points[i], points[j]) for i in range(len(points)) for j in range(i + 1, len(points))]
    lines, adds, concats = [], [], []
    for source, target in draw.some(pairs, 3):
        if growing or draw.one_in(2):
            lines.append(f"  - {{from: {source}, to: {target}, path: {draw.pick(['B', 'C', 'pooling'])}}}")
            adds.append((source, target))
            draw.features.add("skip that adds")
        else:
            lines.append(f"  - {{from: {source}, to: {target}, join: concat, path: shrunk}}")
            concats.append((source, target))
            draw.features.add("skip that widens")
    if whole and draw.one_in(3):
        rule = draw.named("rule", RULES)
        within = draw.pick(["network", "stage"])
        lines.append(f"  - {{{rule}, within: {within}, path: {draw.pick(['B', 'C'])}{_edge(draw)}}}")
    if whole and draw.one_in(3, "skips at input or output"):
        place, join = draw.pick(["input", "output"]), draw.pick(["add", "multiply", *(["concat"] * (not growing))])
        draw.features.add(f"{join} at {place}")
        weights = weighted(draw).partition("add: ")[2].strip("{}") if join == "add" else ""
        more = f", {weights}}}" if weights else f", order: {draw.pick(['first', 'last'])}" if join == "concat" else ""
        path = draw.pick(["B", "C"]) if join != "multiply" else "bounded"  # products of products leave all numbers
        lines.append(f"  - {{rule: dense, shortest: 1, path: {path}, at: {place}, join: {join}{more}{_edge(draw)}}}")
    return lines, adds, concats


def _edge(draw: Draw) -> str:
    """The weight of a level or skip, or none."""
    if not draw.one_in(3, "weight"):
        return ""
    init, per = draw.pick(["0.5", "-1", "1 / channels"]), draw.pick(["tensor", "channel"])
    return f", weight: {{init: {init}, per: {per}}}"


def _head(draw: Draw, whole: bool) -> str:
    heads = ["[global_avg_pool, linear: {out: 3}]", "[bn, relu, global_avg_pool]", "[]"]
    if whole:
        heads += [
            "[flatten, linear: {out: 4, bias: false}, softmax]", "[global_avg_pool, layer_norm, dropout: {p: 0.2}]",
            "[global_avg_pool, prelu, linear: {out: classes, name: fc}]", "[conv: {out: 2, kernel: 1}, flatten]",
        ]  # fmt: skip
    return draw.pick(heads)


def _settings(draw: Draw) -> list[str]:
    """Sections that change how weights start, or what is asked of the spec."""
    lines = []
    if draw.one_in(4, "init"):
        methods = ["he_normal", "he_uniform", "xavier_normal", "xavier_uniform", "default", "normal, std: 0.2"]
        lines.append(f"init: {{conv: {{method: {draw.pick(methods)}}}, linear: {{method: {draw.pick(methods)}}}}}")
    if draw.one_in(4, "require"):
        lines.append("require: [{that: k > 1, else: two at least}]")
    return lines
