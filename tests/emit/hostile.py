"""Random flat graphs with names that are legal and hostile: words of the emitted file, addresses, clashes."""

from __future__ import annotations

from random import Random

_WORDS = """
    x x1 x2 x_ self torch nn F Tensor OrderedDict Network init_weights keep_init draw_gates stage block blocks i network
    module modules_ gates names number enter DropPath Block Block2 Level Skip Stem Head layer kept marked
    super range isinstance getattr hasattr len print int str object operator math match case in_ class_ lambda_ None_
    True_ is_ return_ def_
    keys items values pop update append extend insert clear flatten flatten_ args kwargs data key
    stem head stage1 stage2 stage01 levels skips root branch shortcut conv bn relu add a b c n1 e5 E1 j
    a_b a_b_c stage1_0 a2 a__b long_name_of_more_than_thirty_letters_1 long_name_of_more_than_thirty_letters_2
"""
WORDS = tuple(_WORDS.split())
"""What the emitted file calls things; builtins, and words of Python but for an underscore; attributes of containers;
parts of addresses; and what is one once dots are underscores, cut, or numbered."""
NUMBERS = ("0", "1", "2", "00", "10")
PREFIXES = (
    "", "", "", "stage1.0.", "stage1.1.", "stage1.2.", "stage1.enter.", "stage2.0.", "stage01.0.", "stage1.a.",
    "stage1.0.a.", "levels.root.", "levels.stage1_1.", "skips.a.", "a.", "a.0.", "a.b.", "torch.", "x.", "a.b.0.1.",
)  # fmt: skip
JOINS = ("add", "multiply", "concat")
ALONE = ("relu", "sigmoid", "bn", "prelu", "conv: {out: 4, kernel: 3}", "conv: {out: 4, kernel: 1, bias: true}",
         "dropout: {p: 0.5}", "scale: {by: 2}", "tanh", "one_minus", "identity")  # fmt: skip


def hostile_spec(seed: int) -> str:
    """The text of a valid flat spec: 4 to 14 wires over maps of 4 channels and 4 x 4, all of them used, some of them
    given as outputs."""
    random = Random(seed)
    names: list[str] = []
    while len(names) < random.randint(4, 14):
        last = random.choice(NUMBERS) if random.random() < 0.15 else random.choice(WORDS)
        name = random.choice(PREFIXES) + last
        meets = (f"{name}.".startswith(f"{other}.") or f"{other}.".startswith(f"{name}.") for other in names)
        if not any(meets) and not name[0].isdigit():
            names.append(name)
    wires, unused = [], ["input"]
    for i, name in enumerate(names):
        some = [random.choice(unused)]
        if random.random() < 0.4:
            some += random.sample([*names[:i], "input"], min(i + 1, random.randint(1, 2)))
        sources = list(dict.fromkeys(some))
        unused = [source for source in unused if source not in sources] + [name]
        if not unused[:-1] and random.random() < 0.4:
            unused.append(random.choice([*names[:i], "input"]))
        wires.append((name, _wire(random, sources)))
    last = [name for name in unused if name != "input"]
    if "input" in unused and all("input" not in wire for _, wire in wires):
        last.append("input")
    given = {name: name for name in last}
    lines = [f"  {name}: {wire}" for name, wire in wires]
    head = f"archspec: 1\nname: h{seed}\ninput: {{channels: 4, size: [4, 4]}}\n"
    if random.random() < 0.5 or len(last) == 1:
        join = "add: {name: total}" if len(last) > 1 else "tanh"
        lines.append(f"  output: {{from: [{', '.join(last)}], ops: [{join}]}}")
        return f"{head}graph:\n" + "\n".join(lines) + "\n"
    labels = random.sample(WORDS, len(last))
    told = ", ".join(f"{label}: {name}" for label, name in zip(labels, given, strict=True))
    return f"{head}graph:\n" + "\n".join(lines) + f"\noutputs: {{{told}}}\n"


def _wire(random: Random, sources: list[str]) -> str:
    ops = [random.choice(ALONE) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    if len(sources) > 1:
        join = random.choice(JOINS)
        ops = [join, *(["conv: {out: 4, kernel: 1}"] if join == "concat" else []), *ops[1:]]
    return f"{{from: [{', '.join(sources)}], ops: [{', '.join(ops)}]}}"


def hostile_blocks(seed: int) -> str:
    """The text of a valid spec in stages, whose blocks and their wires are called by such words; some are dropped."""
    random = Random(seed)
    names = random.sample(WORDS, 3)
    dropping = random.random() < 0.5
    blocks = ""
    for name in names:
        wires = random.sample([word for word in WORDS if word not in ("branch", "add")], 3)
        lines = [("branch", "[conv: {out: width, kernel: 3}, bn]")]
        for i, wire in enumerate(wires):
            source = random.choice(["input", *([] if dropping else ["branch"]), *wires[:i]])
            ops = ", ".join(random.choice(ALONE[:7]) for _ in range(random.randint(1, 2)))
            lines.append((wire, f"{{from: {source}, ops: [{ops}, conv: {{out: width, kernel: 1}}]}}"))
        read = ["branch", *wires, *(["input"] if dropping or random.random() < 0.5 else [])]
        own = "".join(f"      {wire}: {text}\n" for wire, text in lines)
        inner = f"      output: {{from: [{', '.join(read)}], ops: [add: {{name: total}}]}}\n"
        if "input" in read:
            inner = inner.replace("input", "carry")
            own += "      carry: [conv: {out: width, kernel: 1}]\n"
        blocks += f"  {name}:\n    graph:\n{own}{inner}"
    dropped = "drop_path: {survival: 0.5}\n" if dropping else ""
    return (
        f"archspec: 1\nname: b{seed}\ninput: {{channels: 4, size: [4, 4]}}\n{dropped}"
        f"stages: {{repeat: [2, 1, 2, 2], width: [4, 6, 4, 6], blocks: [{', '.join(names)}, {names[0]}]}}\n"
        f"blocks:\n{blocks}head: [global_avg_pool, linear: {{out: 3}}]\n"
    )
