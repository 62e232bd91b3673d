"""Random specs in the flat form: any directed acyclic graph, its wires called whatever the language lets them be."""

from __future__ import annotations

import random

from archspec.syntax.names import unusable_address
from generator.drawn import Draw, Drawn
from generator.operators import FIELDS, Shape, item, operator, weighted, written

HOSTILE = """
    self x F torch nn math Tensor input_1 input_ super print len list dict int str object id map fx in_ class_ None_
    lambda_ true_ _x x_1 x1 conv1 conv1_1 branch gate output_1 outputs stage1 stage1.0 stage1.0.n1 stage1.1.n1
    stage1.00 stage2.0.branch.conv stage2.0.add stage2.enter.conv stem.conv stem.0 head.linear head.1.2.3
    levels.root levels.root.bn skips.stage1_0_to_stage1_2.conv keys items.values pop update a.keys Network Block
    Stem Stage1 draw_gates kept weight bias running_mean a.weight a.b_c a_b.c a_b_c l O0 e1 E5 j inf nan true null
    yes on off n é long_name_of_a_wire_that_ends_here typing Any Module Conv2d BatchNorm2d Sequential ModuleList
    functional cat add mul relu getattr setattr torch.nn nn.functional F.relu x.y init forward_ call __init__
    checkpoint training_ Function dtype device shape reshape flatten a.1 a.2.b b.0.0 b.1e5 stage1.0.0x1f c.1_000
    d.0b1 e.1j f.0o7 g.007 scale scaled zero_grad_ type_ train_ h.class_.None_ i.in_ zeros ones
""".split()
"""Names that Python, torch, generated code or addresses use for something else; those that are legal are drawn."""
WORDS_OF_YAML = ("n", "y", "on", "off", "yes", "no", "true", "false", "null")
ENDING = ("identity", "add", "tanh")
"""Operators of the wire `output`, which stand at these addresses themselves."""
LEGAL = [name for name in HOSTILE if unusable_address(name) is None and name not in ("input", "output", *ENDING)]


def names(draw: Draw, count: int) -> list[str]:
    """So many names, none of them an address within another."""
    found: list[str] = []  # as YAML names them: some words need quotes
    while len(found) < count:
        name = draw.pick(LEGAL) if draw.one_in(2, "hostile name") else f"w{len(found)}"
        if not any(name == other or name.startswith(f"{other}.") or other.startswith(f"{name}.") for other in found):
            found.append(name)
    return found


def flat(rng: random.Random) -> Drawn:
    """A random spec in the flat form."""
    draw = Draw(rng)
    draw.features.add("flat")
    rank = draw.pick([2, 2, 3, 1])
    draw.features.add(f"{rank}-D")
    size = tuple(draw.number(3, 12 if rank < 3 else 6) for _ in range(rank))
    shapes: dict[str, Shape] = {"input": (draw.number(1, 4), *size)}
    wires: dict[str, str] = {}
    read: set[str] = set()
    for name in names(draw, draw.number(1, 9)):
        name = f"'{name}'" if name in WORDS_OF_YAML else name
        sources, first, shape = start(draw, shapes)
        ops = [first] if first else []
        for _ in range(draw.number(0 if first else 1, 3)):
            key, fields, shape = operator(draw, shape)
            draw.features.add(key)
            if draw.one_in(8, "name"):
                fields = {**fields, "name": f"named{len(ops)}"}
            ops.append(item(key, fields))
        shapes[name] = shape
        read.update(sources)
        source = sources[0] if len(sources) == 1 else f"[{', '.join(sources)}]"
        wires[name] = f"{{from: {source}, ops: [{', '.join(ops)}]}}"
        if draw.one_in(6, "drop_path"):
            dropped(draw, name, shapes, wires, read)
    left = [name for name in wires if name not in read]
    outputs, last = ending(draw, left, shapes)
    if last:
        wires["output"] = last
    lines = ["archspec: 1", "name: drawn", f"input: {{channels: {shapes['input'][0]}, size: {list(size)}}}", "graph:"]
    lines += [f"  {name}: {text}" for name, text in draw.shuffled(list(wires.items()))]
    if not last:
        lines.append(f"outputs: {{{', '.join(f'{label}: {name}' for label, name in outputs.items())}}}")
    return Drawn("\n".join(lines) + "\n", frozenset(draw.features), size, outputs=tuple(outputs))


def dropped(draw: Draw, name: str, shapes: dict[str, Shape], wires: dict[str, str], read: set[str]) -> None:
    """A branch from a wire that stochastic depth drops, and the addition that goes round it."""
    branch, joined = f"dropped{len(wires)}", f"joined{len(wires)}"
    fields = written(FIELDS["drop_path"](draw, shapes[name]))
    wires[branch] = f"{{from: {name}, ops: [{draw.pick(['identity', 'prelu', 'bn'])}, drop_path: {fields}]}}"
    wires[joined] = f"{{from: [{branch}, {name}], ops: [{weighted(draw)}]}}"
    shapes[joined] = shapes[name]
    read.update((branch, name))


def start(draw: Draw, shapes: dict[str, Shape]) -> tuple[list[str], str | None, Shape]:
    """What a wire reads, the operator that joins it if it reads several, and the shape then."""
    one = draw.pick([*shapes][-4:])
    alike = [name for name in shapes if name != one and shapes[name] == shapes[one]]
    beside = [name for name in shapes if name != one and shapes[name][1:] == shapes[one][1:]]
    gates = [name for name in shapes if shapes[name] == shapes[one][:1] and len(shapes[one]) > 1]
    way = draw.number(0, 5)
    if way == 1 and gates:
        draw.features.add("gate")
        return [one, draw.pick(gates)], "multiply", shapes[one]
    if way == 0 and gates and alike:
        draw.features.add("select")
        return [one, draw.pick(alike), draw.pick(gates), draw.pick(gates)], "select", shapes[one]
    if way == 2 and beside and sum(shapes[name][0] for name in (one, *beside[:2])) <= 32:
        draw.features.add("concat")
        return [one, *beside[:2]], "concat", (sum(shapes[name][0] for name in (one, *beside[:2])), *shapes[one][1:])
    if way >= 3 and alike:
        join = draw.pick(["add", "multiply"])
        draw.features.add(join)
        join = weighted(draw) if join == "add" else join
        return [one, *draw.shuffled(alike)[: draw.number(1, 3)]], join, shapes[one]
    return [one], None, shapes[one]


def ending(draw: Draw, left: list[str], shapes: dict[str, Shape]) -> tuple[dict[str, str], str | None]:
    """The outputs, which read what no wire does; and the wire `output`, if that is the one output."""
    if len(left) == 1:
        if draw.one_in(2, "output: wire"):
            return {"output": "output"}, left[0]
        return {"output": "output"}, f"{{from: {left[0]}, ops: [identity]}}"
    if all(shapes[name] == shapes[left[0]] for name in left) and draw.one_in(2):
        return {"output": "output"}, f"{{from: [{', '.join(left)}], ops: [add, tanh]}}"
    draw.features.add("several outputs")
    return {f"out{i}": name for i, name in enumerate(left)}, None
