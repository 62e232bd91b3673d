"""Texts that ask for too much, by name: each a function of a scale, 1 for full size (8 to 31 MB where size matters)."""

from __future__ import annotations

from collections.abc import Callable

HEAD = "archspec: 1\ninput: {size: [8, 8]}\n"
SMALL = HEAD + "stem: [relu]\n"
MB = 10**6


def staged(repeat: int, branch: str, more: str = "", columns: str = "") -> str:
    """A spec of so many blocks with a branch."""
    return (
        f"{HEAD}stem: [conv: {{out: 8, kernel: 3}}]\n"
        f"stages: {{repeat: {repeat}, blocks: b{columns}}}\nblocks: {{b: {{branch: {branch}}}}}\n{more}"
    )


def filled(size: float, entry: str) -> str:
    """An entry (`{i}` is its number) again and again, up to a size in bytes."""
    return "".join(entry.replace("{i}", str(i)) for i in range(int(size / len(entry))))


def _rows(count: float, entry: str) -> str:
    return "".join(entry.replace("{i}", str(i)).replace("{j}", str(i + 1)) for i in range(int(count)))


Maker = Callable[[float], str]
CASES: dict[str, Maker] = {
    # from the list of what took too long
    "switched-off items": lambda k: staged(
        int(20_000 * k), "p", f"paths: {{p: [relu, {'relu: {when: index < 0}, ' * int(5_000 * k)}relu]}}\n"
    ),
    "params that copy a list": lambda k: SMALL + "params:\n  a: '[0] * 9999'\n" + _rows(40_000 * k, "  b{i}: a + []\n"),
    "random rules": lambda k: staged(
        int(5_000 * k**0.5), "[relu]", f"skips: [{'{rule: random, probability: 0, seed: 1}, ' * 20}]\n"
    ),
    "errors on one line": lambda k: f"{HEAD}stem: [{'rela, ' * int(5 * MB * k)}]\n",
    "bad expressions on one line": lambda k: f"{HEAD}stem: [{'conv: {out: 1 +, kernel: 3}, ' * int(MB * k)}]\n",
    "bad params on one line": lambda k: SMALL + "params: {" + _rows(1.5 * MB * k, "a{i}: b +, ") + "}\n",
    "a whole number of many digits": lambda k: SMALL + f"params: {{a: {'9' * int(30 * MB * k)}}}\n",
    "a quoted number of many digits": lambda k: SMALL + f"params: {{a: '{'9' * int(30 * MB * k)}'}}\n",
    "a claim of many digits": lambda k: SMALL + f"expect: {{params: {'9' * int(30 * MB * k)}}}\n",
    "a claim of many quoted digits": lambda k: SMALL + f"expect: {{params: '{'9' * int(30 * MB * k)}'}}\n",
    "a block of many digits": lambda k: staged(2, "[relu]", f"until: stage1.{'9' * int(30 * MB * k)}\n"),
    "an output of many digits": lambda k: SMALL + f"expect: {{output: [{'9' * int(30 * MB * k)}]}}\n",
    "a long chain of blocks": lambda k: SMALL + "blocks:\n  a0: {graph: {a0: [relu], output: a0}}\n" + _rows(
        3_000 * k, "  a{j}: {extends: a{i}, graph: {a{j}: {from: a{i}, ops: [relu]}, output: a{j}}}\n"
    ),
    "sums": lambda k: SMALL + "params:\n" + filled(31 * MB * k, "  a{i}: " + "1+" * 240 + "1\n"),
    "nested sums": lambda k: SMALL + "params:\n" + filled(31 * MB * k, "  a{i}: " + "(1+" * 35 + "1" + ")" * 35 + "\n"),
    "written skips": lambda k: staged(
        1_000, "[relu]", "skips:\n" + _rows(250_000 * k, "  - {from: stage1.1, to: stage1.{i}}\n")
    ),
    "wires": lambda k: HEAD + "graph:\n  n0: [relu]\n" + _rows(
        199_000 * k, "  n{j}: {from: n{i}, ops: [relu]}\n"
    ) + "  output: n0\n",
    # of my own: the text
    "empty lines": lambda k: SMALL + "\n" * int(31 * MB * k) + "x: 1\n",
    "carriage returns": lambda k: SMALL + "\r" * int(31 * MB * k) + "x: 1\n",
    "comments": lambda k: SMALL + "# a\n" * int(7 * MB * k) + "x: 1\n",
    "a long comment": lambda k: SMALL + "x: 1  #" + "y" * int(31 * MB * k) + "\n",
    "wide characters": lambda k: SMALL + "x: [" + "\N{GRINNING FACE}, " * int(5 * MB * k) + "]\n",
    "tag directives": lambda k: filled(20 * MB * k, "%TAG !a{i}! b\n") + "---\n" + SMALL,
    "tags": lambda k: SMALL + "params:\n" + _rows(MB * k, "  a{i}: !x 1\n"),
    "opening brackets": lambda k: SMALL + "x: " + "[" * int(31 * MB * k),
    "opening braces": lambda k: SMALL + "x: " + "{" * int(31 * MB * k),
    "dashes": lambda k: SMALL + "x:\n  " + "- " * int(15 * MB * k),
    "question marks": lambda k: SMALL + "? " * int(15 * MB * k),
    "colons": lambda k: SMALL + "a: " * int(10 * MB * k) + "\n",
    "spaces and words": lambda k: SMALL + "a b " * int(7 * MB * k) + "[\n",
    "tabs": lambda k: SMALL + "\t" * int(31 * MB * k) + "x: 1\n",
    "a quote that is never closed": lambda k: SMALL + "x: '" + "y " * int(15 * MB * k),
    "escapes": lambda k: SMALL + 'x: "' + "\\x41" * int(7 * MB * k) + '"\n',
    "a folded scalar": lambda k: SMALL + "name: >\n" + "  a\n" * int(7 * MB * k),
    "a literal scalar": lambda k: SMALL + "name: |\n" + "  a\n\n" * int(6 * MB * k),
    "a long key": lambda k: SMALL + "y" * int(31 * MB * k) + ": 1\n",
    "a long quoted key": lambda k: SMALL + "'" + "y" * 900 + "': 1\n" + "? " + "y" * int(20 * MB * k) + "\n: 1\n",
    "a long name": lambda k: SMALL + "name: " + "y" * int(31 * MB * k) + "\n",
    "a long operator": lambda k: f"{HEAD}stem: [{'y' * int(31 * MB * k)}]\n",
    "a long expression": lambda k: f"{SMALL}params: {{a: {'y' * int(31 * MB * k)}}}\n",
    "a long path": lambda k: f"{HEAD}stem: {'y' * int(31 * MB * k)}\n",
    "a long extends": lambda k: f"archspec: 1\nextends: {'y' * int(31 * MB * k)}\n",
    "an extends of 300 characters": lambda k: f"archspec: 1\nextends: {'y' * 300}\n",
    "an extends of slashes": lambda k: f"archspec: 1\nextends: {'y/' * 400}z.yaml\n",
    "anchors": lambda k: SMALL + "x: [" + _rows(2 * MB * k, "&a{i} 1, ") + "]\n",
    "aliases": lambda k: SMALL + "x: [&a 1, " + "*a, " * int(7 * MB * k) + "]\n",
    "aliases of lists": lambda k: SMALL + f"x: [&a [{'1, ' * 9_000}], {'*a, ' * int(7 * MB * k)}]\n",
    "aliases of aliases": lambda k: SMALL + "params:\n  a0: &a0 [1, 1]\n" + _rows(40, "  a{j}: &a{j} [*a{i}, *a{i}]\n"),
    "the same key": lambda k: SMALL + "a: 1\n" * int(6 * MB * k),
    "numbers": lambda k: SMALL + f"params: {{a: [{'1, ' * int(10 * MB * k)}]}}\n",
    "words": lambda k: SMALL + "params:\n" + _rows(1.5 * MB * k, "  a{i}: [b, b, b]\n"),
    "nothings": lambda k: SMALL + f"x: [{',' * 0}{'~,' * int(15 * MB * k)}]\n",
    # the schema
    "unknown fields": lambda k: SMALL + _rows(2 * MB * k, "a{i}: 1\n"),
    "unknown fields of blocks": lambda k: SMALL + "blocks:\n" + _rows(MB * k, "  a{i}: {x: 1}\n"),
    "empty blocks": lambda k: SMALL + "blocks:\n" + _rows(1.5 * MB * k, "  a{i}: {}\n"),
    "bad requirements": lambda k: SMALL + "require:\n" + _rows(MB * k, "- {that: 1}\n"),
    "requirements": lambda k: SMALL + "params: {a: 1}\nrequire:\n" + _rows(
        0.8 * MB * k, "- {that: a > 2 or a < 3, else: b}\n"
    ),
    "unknown references": lambda k: SMALL + "paths:\n" + _rows(MB * k, "  a{i}: [use: b{i}]\n"),
    "paths that are words": lambda k: SMALL + "paths:\n" + _rows(2 * MB * k, "  a{i}: b\n"),
    "a circle of params": lambda k: SMALL + "params:\n" + _rows(60_000 * k, "  " + "a" * 80 + "{i}: "
        + "a" * 80 + "{j}\n") + f"  {'a' * 80}{int(60_000 * k)}: {'a' * 80}0\n",
    "a circle of wires": lambda k: HEAD + "graph:\n" + _rows(40_000 * k, "  a{i}: {from: a{j}, ops: [relu]}\n")
        + f"  a{int(40_000 * k)}: {{from: a0, ops: [relu]}}\n  output: a0\n",
    "a circle of paths": lambda k: SMALL + "paths:\n" + _rows(60_000 * k, "  a{i}: [use: a{j}]\n")
        + f"  a{int(60_000 * k)}: [use: a0]\n",
    "unknown wires": lambda k: HEAD + "graph:\n" + _rows(60_000 * k, "  a{i}: {from: b{j}, ops: [relu]}\n"),
    "unknown params in many": lambda k: SMALL + "params:\n" + _rows(60_000 * k, "  alpha{i}: alpho{i}\n"),
    "wires that nothing reads": lambda k: HEAD + "graph:\n" + _rows(60_000 * k, "  a{i}: [relu]\n") + "  output: a0\n",
    "many outputs": lambda k: HEAD + "stem: [relu]\noutputs:\n" + _rows(200_000 * k, "  a{i}: stem\n"),
    "outputs that are not": lambda k: HEAD + "stem: [relu]\noutputs:\n" + _rows(200_000 * k, "  a{i}: b\n"),
    "figures": lambda k: SMALL + "paper:\n  error:\n" + _rows(MB * k, "    a{i}: 1.0\n"),
    "a claimed shape": lambda k: SMALL + f"expect: {{output: [{'1, ' * int(9 * MB * k)}]}}\n",
    "many stages": lambda k: staged(1, "[relu]").replace("blocks: b}", f"blocks: [{'b, ' * int(MB * k)}]}}"),
    "columns": lambda k: staged(1, "[relu]", columns=", repeat2: [" + "1, " * 999 + "1], "
        + _rows(100_000 * k, "a{i}: stage, ")),
    "columns that differ": lambda k: staged(1, "[relu]", columns=", " + _rows(60_000 * k, "a{i}: [1, 2], b{i}: [1], ")),
    "initial skips": lambda k: staged(2, "[relu]", "skips:\n" + _rows(300_000 * k, "  - {x: 1}\n")),
    # the network
    "many blocks, each a path of many": lambda k: staged(int(150_000 * k), f"[{'relu, ' * 1_000}]"),
    "a scope of many params": lambda k: staged(
        int(100_000 * k), "[relu]", "params:\n" + _rows(100_000 * k, "  a{i}: 1\n")
    ),
    "an unknown name in many blocks": lambda k: staged(
        int(150_000 * k), "[conv: {out: widht, kernel: 3}]", "params:\n" + _rows(490, "  width{i}: 1\n")
    ),
    "a bad operator in many blocks": lambda k: staged(int(150_000 * k), "[conv: {out: -1 - index, kernel: 3}]"),
    "a shape that fails in many blocks": lambda k: staged(int(150_000 * k), "[conv: {out: 9 + index, kernel: 3}]"),
    "a new operator in every block": lambda k: staged(
        int(150_000 * k), "[conv: {out: 8 + index, kernel: 3}, conv: {out: 8, kernel: 3}]"
    ),
    "loops in many blocks": lambda k: staged(
        int(20_000 * k), "[relu, each: {of: a, as: x, do: [relu: {when: x > 0}]}]", "params: {a: '[0] * 9999'}\n"
    ),
    "empty loops in loops": lambda k: HEAD + "params: {a: '[0] * 9999'}\nstem: [each: {of: a, as: x, do: "
        "[each: {of: a, as: y, do: []}]}]\n",
    "paths that double": lambda k: HEAD + "stem: p0\npaths:\n" + _rows(
        30, "  p{i}: [use: {path: p{j}, when: 1 > 2}, use: {path: p{j}, when: 2 > 3}]\n"
    ) + "  p30: [relu]\n",
    "many conditions deep": lambda k: staged(int(50_000 * k), "p0", "paths:\n" + _rows(
        30, "  p{i}: [relu, use: {path: p{j}, when: index > 2 and index < 9 and index != 7}]\n"
    ) + "  p30: [relu]\n"),
    "a long wire in many blocks": lambda k: staged(int(100_000 * k), "[relu]").partition("blocks: {")[0]
        + "blocks:\n  b:\n    graph:\n      ? " + "w" * int(MB * k) + "\n      : [relu]\n      output: "
        + "w" * int(MB * k) + "\n",
    "addresses of many parts": lambda k: HEAD
    + "graph:\n"
    + _rows(40_000 * k, "  n{i}" + ".a" * 140 + ": [relu]\n")
    + "  output: {from: ["
    + _rows(40_000 * k, "n{i}" + ".a" * 140 + ", ")
    + "], ops: [add]}\n",
    "an address of many parts": lambda k: HEAD
        + f"outputs: {{a: a}}\ngraph:\n  ? a{'.a' * int(10 * MB * k)}\n  : [relu]\n",
    "a sum of many": lambda k: HEAD + "graph:\n  a: [relu]\n  output: {from: [" + "a, " * int(9 * MB * k)
        + "], ops: [add]}\n",
    "dense": lambda k: staged(int(5_000 * k**0.5), "[relu]", "skips: [{rule: dense}]\n"),
    "dense, again and again": lambda k: staged(
        int(600 * k**0.5), "[relu]", f"skips: [{'{rule: dense}, ' * int(3_000 * k)}]\n"
    ),
    "a draw of all pairs": lambda k: staged(
        1, "[relu]", f"skips: [{'{rule: cross_stage, count: 9}, ' * 20}]\n"
    ).replace("repeat: 1", f"repeat: [{int(40_000 * k)}, {int(40_000 * k)}]"),
    "random over many": lambda k: staged(
        int(190_000 * k), "[relu]", "skips: [{rule: random, probability: 0}]\n"
    ),
    "levels": lambda k: staged(int(190_000 * k), "[relu]", "levels: {m: 17, path: identity}\n"),
    "levels as rules": lambda k: staged(
        int(20_000 * k), "[relu]", f"skips: [{'{rule: ror, m: 12}, ' * int(3_000 * k)}]\n"
    ),
    "drop path": lambda k: staged(int(199_000 * k), "[relu]", "drop_path: {survival: 0.5}\n"),
    # values
    "lists that compare": lambda k: SMALL + "params:\n  a: '[0] * 9999'\n  b: '[0] * 9999'\n"
        + _rows(60_000 * k, "  c{i}: " + "a == b and " * 40 + "a == b\n"),
    "sums of lists": lambda k: SMALL + "params:\n  a: '[0] * 9999'\n"
        + _rows(60_000 * k, "  c{i}: " + "sum(a) + " * 50 + "1\n"),
    "lists of lists": lambda k: SMALL + "params:\n  a: '[0] * 9999'\n"
        + _rows(60_000 * k, "  c{i}: len([" + "a, " * 100 + "a])\n"),
    "lists that double": lambda k: SMALL + "params:\n  a0: '[1]'\n" + _rows(30_000 * k, "  a{j}: a{i} + a{i}\n"),
    "empty entries times": lambda k: SMALL + "params:\n" + _rows(60_000 * k, "  a{i}: '" + "[[]] * 9999 == " * 25
        + "[1]'\n"),
    "tables": lambda k: SMALL + "params:\n  t: {" + _rows(9_999, "{i}: {i}, ") + "}\n"
        + _rows(100_000 * k, "  c{i}: t[-1]\n"),
    "powers": lambda k: SMALL + "params:\n" + _rows(300_000 * k, "  c{i}: 9**9**9**9\n"),
}  # fmt: skip
