"""Whatever a file holds: a graph or a `SpecError`, soon, and nothing of it is executed."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.compiler.expand import expand
from archspec.graph import Graph
from archspec.language.overrides import from_texts
from archspec.language.spec import from_source, load
from archspec.syntax import limits
from archspec.syntax.errors import Source, SpecError
from archspec.syntax.source import Data

RESIDUAL = """\
archspec: 1
input: {channels: 3, size: [32, 32]}
params: {counts: [2, 3], classes: 10, table: {2: 5, 3: 7}, deep: "counts[1] > 2"}
require: [{that: len(counts) == 2, else: two stages}]
stem: [conv: {out: 8, kernel: 3}, bn, relu]
stages:
  repeat: counts
  width: [8, 16]
  outer: 2 * width
  stride: [1, 2]
  blocks: {start: start, middle: middle, end: end}
blocks:
  start:
    pre: opening
    branch:
      - conv: {out: width, kernel: 1}
      - use: {path: activation, when: deep}
      - conv: {out: outer, kernel: 3, stride: stride}
    shortcut: B
    shared: changed
  middle: {extends: start, after: activation}
  end: {extends: middle, pre: null, shared: null}
paths:
  opening: [bn]
  activation: [bn, relu]
levels: {m: 3, path: C, split: 2}
skips:
  - {from: stage1.0, to: stage2.1, path: B}
  - {rule: random, probability: 0.5, seed: 7, path: B}
drop_path: {survival: 0.5}
head: [global_avg_pool, linear: {out: classes}]
outputs: {logits: head, c3: stage1}
expect: {params: 1.0M}
"""
WIRED = """\
archspec: 1
name: wired
input: {channels: 3, size: [8, 16, 16]}
params: {bias: -2, kernels: [1, 3]}
stem: [each: {of: kernels, as: k, at: i, do: [conv: {out: 4 + i, kernel: k}, silu]}]
stages: {repeat: 2, width: [8, 12], stride: [1, [1, 2, 2]], blocks: gated, enter: [null, pool]}
blocks:
  gated:
    out: width
    graph:
      carry: [use: A]
      branch: [conv: {out: width, kernel: 3, stride: stride}, bn]
      gate: [conv: {out: width, kernel: 1, stride: stride, bias: true, bias_init: bias}, sigmoid]
      closed: {from: gate, ops: [one_minus]}
      kept: {from: [carry, closed], ops: [multiply]}
      passed: {from: [branch, gate], ops: [multiply]}
      output: {from: [kept, passed], ops: [add]}
    after: [relu]
paths: {pool: [max_pool: {kernel: [1, 2, 2]}]}
until: stage2.1
init: {conv: {method: normal, std: 0.02}, linear: {method: default}}
"""
FLAT = """\
archspec: 1
input: {channels: 3, size: [16, 16]}
graph:
  stem.conv: [conv: {out: 8, kernel: 3, stride: 2}]
  stem.bn: {from: stem.conv, ops: [bn]}
  left: {from: stem.bn, ops: [relu]}
  right: {from: stem.bn, ops: [group_norm: {groups: 4}, gelu: {approximate: tanh}]}
  joined: {from: [left, right], ops: [concat]}
  head.pool: {from: joined, ops: [global_avg_pool]}
  head.linear: {from: head.pool, ops: [linear: {out: 10}]}
  output: head.linear
"""
KEYS = ["counts", "table.2", "stages.width", "head", "input.size", "levels.m", "skips", "until", "x.y"]
SPECS = [RESIDUAL, WIRED, FLAT]
SECONDS = 2  # of this process: other work on the machine does not count


def fuzz(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


_TOKEN = re.compile(r"[A-Za-z_0-9.]+|[^\sA-Za-z_0-9.]|\s+")
# What a hand, or a hostile one, may leave in a spec.
SLIPS = [
    "", "null", "true", "no", "0", "-1", "0.5", "1e30", "[]", "{}", "[1, 2]", "{a: 1}", "x", "'x'", "input", "output",
    "none", "stage", "*a", "&a", "!!x", "<<", ":", ",", "]", "}", "[", "{", "#", "\t", "\0", "9**9**9", "[0] * 9999",
    "999999999999", "üñ", "\N{ZERO WIDTH SPACE}", "conv", "stages", "out", "1 / 0", "import", "stage1.0", '"', "'",
]  # fmt: skip


def outcome(text: str, overrides: dict[str, Data] | None = None) -> Graph | SpecError:
    """What becomes of a text; it may take no more than its time, and give no other exception."""
    began = time.process_time()
    result: Graph | SpecError
    try:
        result = expand(from_source(Source("fuzz.yaml", text), overrides=overrides))
    except SpecError as error:
        result = error
    told = str(result) if isinstance(result, SpecError) else "a graph"
    assert time.process_time() - began < SECONDS
    assert told
    return result


@pytest.mark.parametrize("text", SPECS, ids=["residual", "wired", "flat"])
def test_the_specs_that_are_mutated_are_valid(text: str) -> None:
    result = outcome(text)
    assert isinstance(result, Graph), str(result)


@fuzz(150)
@given(st.binary(max_size=300))
def test_any_bytes_end_well(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(data)
    with pytest.raises(SpecError):
        load(path)


@fuzz(150)
@given(st.text(max_size=200))
def test_any_text_after_a_good_beginning_ends_well(text: str) -> None:
    outcome("archspec: 1\ninput: {size: [8, 8]}\nstem: [relu]\n" + text)


@fuzz(250)
@given(st.data())
def test_specs_with_lines_changed_end_well(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(SPECS)).splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["delete", "double", "move", "indent"])):
            case "delete" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "move":
                lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case _:
                lines[at] = " " * data.draw(st.integers(0, 4)) + lines[at]
    outcome("\n".join(lines) + "\n")


@fuzz(600)
@given(st.data())
def test_specs_with_words_changed_end_well(data: st.DataObject) -> None:
    tokens = _TOKEN.findall(data.draw(st.sampled_from(SPECS)))
    words = [token for token in tokens if not token.isspace()]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(tokens) - 1))
        match data.draw(st.sampled_from(["delete", "double", "slip", "other"])):
            case "delete":
                tokens[at] = ""
            case "double":
                tokens[at] *= 2
            case "slip":
                tokens[at] = data.draw(st.sampled_from(SLIPS))
            case _:
                tokens[at] = data.draw(st.sampled_from(words))
    outcome("".join(tokens))


@fuzz(150)
@given(st.sampled_from(KEYS), st.one_of(st.sampled_from(SLIPS), st.text(max_size=20)))
def test_any_override_ends_well(key: str, value: str) -> None:
    try:
        overrides = from_texts([f"{key}={value}"])
    except SpecError as error:
        told = str(error)
    else:
        told = str(outcome(RESIDUAL, overrides))
    assert told


SMALL = "archspec: 1\ninput: {size: [8, 8]}\nstem: [relu]\n"
HOSTILE = {
    "nested lists": "archspec: 1\nstem: " + "[" * 5000 + "]" * 5000,
    "nested mappings": "archspec: 1\nstem: " + "{a: " * 5000 + "1" + "}" * 5000,
    "nested blocks": "archspec: 1\nstem:\n" + "".join(" " * i + "- \n" for i in range(1, 200)),
    "nested parentheses": f"archspec: 1\nparams: {{a: {'(' * 200}1{')' * 200}}}\n",
    "many unknown fields": "archspec: 1\ninput: {size: [8, 8]}\n" + "".join(f"a{i}: 1\n" for i in range(5000)),
    "many unknown operators": f"archspec: 1\ninput: {{size: [8, 8]}}\nstem: [{'rela, ' * 5000}]\n",
    "many unknown wires": "archspec: 1\ninput: {size: [8, 8]}\ngraph:\n"
    + "".join(f"  a{i}: {{from: b{i}, ops: [relu]}}\n" for i in range(3000)),
    "many params": SMALL + "params:\n"
    + "".join(f"  a{i}: a{i + 1}\n" for i in range(3000)) + "  a3000: 1\n",
    "many blocks extend": SMALL + "blocks:\n"
    + "".join(f"  a{i}: {{extends: a{i + 1}}}\n" for i in range(3000)) + "  a3000: {branch: [relu]}\n",
    "lists that share": SMALL + "params:\n  a0: [1]\n"
    + "".join(f"  a{i + 1}: a{i} + a{i}\n" for i in range(60)),
    "lists in lists": SMALL + "params:\n  a0: [1]\n"
    + "".join(f"  a{i + 1}: [a{i}, a{i}]\n" for i in range(60)),
    "deep lists": SMALL + "params:\n  a0: [1]\n"
    + "".join(f"  a{i + 1}: [a{i}]\n" for i in range(3000)),
    "lists that compare": SMALL + "params: {a: '[[1] * 9999] * 9999 == [2]'}\n",
    "a loop of loops": "archspec: 1\ninput: {size: [8, 8]}\nparams: {n: '[0] * 5000'}\n"
    "stem: [each: {of: n, as: a, do: [each: {of: n, as: b, do: []}]}]\n",
    "rules over many blocks": RESIDUAL.replace("counts: [2, 3]", "counts: [50000, 50000]").replace("0.5,", "0.0,"),
    "levels of many parts": RESIDUAL.replace("split: 2", "split: 10 ** 14"),
    "a round with many digits": SMALL + "params: {a: 'round(7, -10 ** 12)'}\n",
    "powers of powers": SMALL + "params: {a: 9**9**9**9**9, b: 0.1**-999}\n",
    "an unprintable name": "archspec: 1\ninput: {size: [8, 8]}\nstem: [\"a\\0\\e[31m\"]\n",
    "a file without end": "archspec: 1\nextends: /dev/zero\n",
    "a name with a zero byte": 'archspec: 1\nextends: "a\\0.yaml"\n',
    "a very long name": f"archspec: 1\nextends: {'a' * 5000}.yaml\n",
    "a long file name": f"archspec: 1\nextends: {'a' * 500}.yaml\n",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts_end_soon(text: str) -> None:
    result = outcome(text)
    if isinstance(result, SpecError):
        assert len(result.problems) <= limits.MAX_PROBLEMS + 1
        told = str(result)
        assert "\0" not in told
        assert "\033" not in told


def test_a_file_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_TEXT", 2**20)
    path = tmp_path / "large.yaml"
    path.write_text("archspec: 1\n" + "# filler\n" * 2**17)
    with pytest.raises(SpecError, match=r"large\.yaml is larger than 1 MiB"):
        load(path)


def test_a_file_that_is_not_utf8_is_told_where(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("archspec: 1\npaper: {authors: Müller}\n".encode("latin-1"))
    with pytest.raises(SpecError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert problem.message == "this byte is not UTF-8"
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (2, 19)


UNTRUSTED = [
    "!!python/object/apply:os.system [touch FILE]",
    "!!python/name:os.system",
    "\"__import__('os').system('touch FILE')\"",
    "\"open('FILE', 'w')\"",
    '"(lambda: 1)()"',
    '"().__class__.__bases__[0].__subclasses__()"',
    '"[x for x in [1]]"',
    "\"f'{1}'\"",
]


@pytest.mark.parametrize("value", UNTRUSTED)
def test_nothing_in_a_value_is_executed(value: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    text = f"archspec: 1\ninput: {{size: [8, 8]}}\nstem: [relu]\nparams: {{a: {value.replace('FILE', str(canary))}}}\n"
    assert isinstance(outcome(text), SpecError)
    assert not canary.exists()


def test_a_module_of_ones_own_is_imported_only_for_the_trusting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "canary_module.py").write_text("import torch\nclass Layer(torch.nn.ReLU): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    source = Source("own.yaml", "archspec: 1\ninput: {size: [8, 8]}\nstem: [module: {type: canary_module.Layer}]\n")
    with pytest.raises(SpecError, match="not on the list") as caught:
        expand(from_source(source))
    assert "trust=True" in str(caught.value)
    assert "canary_module" not in sys.modules
    assert expand(from_source(source, trust=True)).params == 0
    assert "canary_module" in sys.modules
    del sys.modules["canary_module"]


@pytest.mark.parametrize("text", SPECS, ids=["residual", "wired", "flat"])
def test_a_spec_without_module_needs_no_torch(text: str) -> None:
    code = (
        "import sys\n"
        "from archspec.compiler.expand import expand\n"
        "from archspec.syntax.errors import Source\n"
        "from archspec.language.spec import from_source\n"
        "graph = expand(from_source(Source('spec.yaml', sys.stdin.read())))\n"
        "print(len(graph) > 5, sorted(name for name in ('torch', 'numpy') if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    assert done.stdout == "True []\n"
