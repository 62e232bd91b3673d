"""The flat form: any graph as wires, several outputs, and the canonical text that loads to the same graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from networks import assert_sound, drawn, graph_of, problem_of, problems_of, reload, text_of

from archspec.graph import Graph
from archspec.ops import OPERATORS

HEAD = "archspec: 1\ninput: {channels: 4, size: [8, 8]}\n"


def flat(wires: str, rest: str = "") -> str:
    indented = "".join(f"  {line.strip()}\n" for line in wires.strip().splitlines())
    return f"{HEAD}{rest}\ngraph:\n{indented}"


def test_a_wire_of_one_operator_gives_it_its_name() -> None:
    graph = graph_of(
        flat("""
        stem.conv: [conv: {out: 8, kernel: 3}]
        stem.bn: {from: stem.conv, ops: [bn]}
        body: {from: stem.bn, ops: [relu, conv: {out: 8, kernel: 1}, relu]}
        own: {from: body, ops: [bn: {name: scale_it}]}
        used: {from: own, ops: act}
        idle: {from: used, ops: [tanh: {when: 1 > 2}]}
        sum: {from: [idle, stem.bn], ops: [add]}
        output: sum
        """)
        + "paths: {act: [relu]}\n"
    )
    assert drawn(graph) == text_of("""
        stem.conv = conv(out=8, kernel=3) <- input
        stem.bn = bn <- stem.conv
        body.relu1 = relu <- stem.bn
        body.conv = conv(out=8, kernel=1) <- body.relu1
        body.relu2 = relu <- body.conv
        own.scale_it = bn <- body.relu2
        used.relu = relu <- own.scale_it
        sum = add <- used.relu, stem.bn
    """)
    assert graph.outputs == {"output": "sum"}
    assert reload(graph) == graph


def test_operators_on_the_output_have_names_of_their_own() -> None:
    graph = graph_of(flat("a: [relu]\noutput: {from: [a, input], ops: [add, bn, conv: {out: 2, kernel: 1}, bn]}"))
    assert drawn(graph) == text_of("""
        a = relu <- input
        add = add <- a, input
        bn1 = bn <- add
        conv = conv(out=2, kernel=1) <- bn1
        bn2 = bn <- conv
    """)
    assert reload(graph) == graph
    single = graph_of(flat("output: [relu]"))
    assert list(single.nodes) == ["input", "relu"]
    assert reload(single) == single


def test_the_input_may_be_an_output() -> None:
    graph = graph_of(flat("a: [relu]", "outputs: {raw: input, a: a}"))
    assert graph.outputs == {"raw": "input", "a": "a"}
    assert reload(graph) == graph


def test_wires_are_put_in_order_but_keep_it_where_it_is_right() -> None:
    graph = graph_of(
        flat("""
        output: {from: [d, c], ops: [add]}
        d: {from: b, ops: [relu]}
        c: {from: a, ops: [tanh]}
        b: [bn]
        a: [elu]
        """)
    )
    assert list(graph.nodes)[1:] == ["b", "d", "a", "c", "add"]
    assert_sound(graph)


def test_the_same_signal_may_be_read_twice() -> None:
    graph = graph_of(flat("a: [relu]\ntwice: {from: [a, a], ops: [add]}\noutput: twice"))
    assert graph["twice"].inputs == ("a", "a")
    assert reload(graph) == graph


SEVERAL = """
a: [conv: {out: 4, kernel: 3, stride: 2}]
b: {from: a, ops: [bn]}
left: {from: b, ops: [global_avg_pool, linear: {out: 3}]}
right: {from: b, ops: [relu]}
"""


def test_several_outputs() -> None:
    graph = graph_of(flat(SEVERAL, "outputs: {left: left, right: right, inner: a}"))
    assert graph.outputs == {"left": "left.linear", "right": "right", "inner": "a"}
    assert graph.output_shapes() == {"left": (3,), "right": (4, 4, 4), "inner": (4, 4, 4)}
    assert list(graph.output_shapes()) == ["left", "right", "inner"]
    assert_sound(graph)
    assert reload(graph) == graph
    assert reload(graph).to_spec_text() == graph.to_spec_text()


def test_an_output_by_the_beginning_of_a_name() -> None:
    wires = "head.a: [relu]\nhead.b: {from: head.a, ops: [tanh]}"
    assert graph_of(flat(wires, "outputs: {y: head}")).outputs == {"y": "head.b"}
    problem = problem_of(flat("head.a: [relu]\nhead.b: [tanh]", "outputs: {y: head}"))
    assert problem.message == "no output needs head (1 operators lead nowhere)"


def test_one_output_of_another_name() -> None:
    graph = graph_of(flat("a: [relu]", "outputs: {logits: a}"))
    assert graph.outputs == {"logits": "a"}
    assert reload(graph) == graph


def test_what_no_output_needs_is_an_error() -> None:
    assert problem_of(flat(SEVERAL, "outputs: {left: left}")).message == "nothing reads the wire 'right'"
    message = problem_of(flat(SEVERAL + "output: left", "outputs: {right: right}")).message
    assert message == "no output needs left (2 operators lead nowhere)"
    messages = {problem.message for problem in problems_of(flat(SEVERAL))}
    assert messages == {
        "a graph needs the wire 'output'", "nothing reads the wire 'left'", "nothing reads the wire 'right'"
    }  # fmt: skip


@pytest.mark.parametrize("word", ["null", "no", "y", "true", "On", "OFF", "N"])
def test_words_that_yaml_takes_for_something_else(word: str) -> None:
    graph = graph_of(
        flat(
            f'"{word}": [relu]\nlast: {{from: ["{word}", input], ops: [add]}}\nother: {{from: "{word}", ops: [bn]}}',
            f'outputs: {{"{word}": "{word}", a: last, b: other}}\nname: "{word}"',
        )
    )
    assert word in graph.nodes
    assert reload(graph) == graph
    assert reload(graph).name == graph.name == word


@pytest.mark.parametrize("name", ["404", "1.70", "007", "1e5", "null", "wrn-28-10", "a.b", "_", "0x10", "1_000", "no"])
def test_names_of_networks(name: str) -> None:
    graph = graph_of(flat("output: [relu]", f'name: "{name}"'))
    assert graph.name == name
    assert reload(graph).name == name


@pytest.mark.parametrize(
    ("wires", "message"),
    [
        ("a: [bn]\na.b: {from: a, ops: [relu]}\noutput: a.b", "'a' is an operator, and also the beginning of 'a.b'"),
        ("a.b: [bn]\na: {from: a.b, ops: [relu]}\noutput: a", "'a' is an operator, and also the beginning of"),
        ("a: [bn, relu]\na.bn: {from: a, ops: [relu]}\noutput: a.bn", "two operators are called 'a.bn'"),
        ("add: [bn]\noutput: {from: [add, input], ops: [add]}", "two operators are called 'add'"),
        ("output: [relu: {name: output}]", "an operator of the whole network cannot be called 'output'"),
        ("output: [relu: {name: input}]", "two operators are called 'input'"),
        ("input: [relu]\noutput: input", "'input' is what the graph is given"),
        ("a: {from: output, ops: [relu]}\noutput: a", "there is no wire 'output'"),
        ("a b: [relu]\noutput: a b", "'a b' is not an address: names and numbers joined by dots"),
        ("train: [relu]\noutput: train", "'train' is an attribute of every torch module and cannot be a name"),
        ("a.lambda: [relu]\noutput: a.lambda", "'lambda' is a word of Python's and cannot be a name"),
        ("a: [relu]\nb: [relu]\noutput: a", "nothing reads the wire 'b'"),
        ("a: {from: b, ops: [relu]}\nb: {from: a, ops: [relu]}\noutput: b", "wires read each other in a circle"),
        ("a: {from: [input, input], ops: [relu]}\noutput: a", "relu has several inputs"),
    ],
)
def test_graphs_that_cannot_be(wires: str, message: str) -> None:
    assert any(problem.message.startswith(message) for problem in problems_of(flat(wires)))


@pytest.mark.parametrize("section", ["stem: [bn]", "head: [bn]", "levels: {m: 2}", "until: stage1", "skips: []"])
def test_flat_and_staged_do_not_mix(section: str) -> None:
    name = section.partition(":")[0]
    assert problem_of(flat("output: [relu]", section)).message == f"a spec has `graph` or `{name}`, not both"


EVERY_OPERATOR = """
a.conv: [conv: {out: 8, kernel: [3, 1], stride: [2, 1], groups: 2, dilation: [2, 1], padding: [1, 0]}]
a.conv2: {from: a.conv, ops: [conv: {out: 8, kernel: 1, bias: true, bias_init: -0.1}]}
a.bn: {from: a.conv2, ops: [bn: {eps: 0.001, momentum: 0.01, scale_init: 0}]}
a.bn2: {from: a.bn, ops: [bn: {affine: false}]}
a.frozen: {from: a.bn2, ops: [bn: {frozen: true}]}
a.weights: {from: a.frozen, ops: [conv: {out: 8, kernel: 3, padding_mode: reflect, standardize: true}]}
a.rms: {from: a.weights, ops: [rms_norm: {eps: 0.01, affine: false}]}
a.lrn: {from: a.rms, ops: [local_response_norm: {size: 3, alpha: 0.01, beta: 0.5, k: 2}]}
a.up: {from: a.lrn, ops: [conv_transpose: {out: 8, kernel: 2, stride: 2, groups: 2, padding: 0, bias: true}]}
a.blur: {from: a.up, ops: [blur_pool: {kernel: 2, stride: [2, 1]}]}
a.back: {from: a.blur, ops: [subsample: {stride: [1, 2]}]}
a.gn: {from: a.back, ops: [group_norm: {groups: 2, eps: 1.0e-6, affine: false}]}
a.ln: {from: a.gn, ops: [layer_norm: {eps: 1.0e-07, affine: false}]}
b.relu: {from: a.ln, ops: [relu]}
b.leaky: {from: b.relu, ops: [leaky_relu: {slope: 0.3}]}
b.prelu: {from: b.leaky, ops: [prelu: {per_channel: false, slope: 0.123456789012345678}]}
b.elu: {from: b.prelu, ops: [elu: {alpha: 2}]}
b.silu: {from: b.elu, ops: [silu]}
b.gelu: {from: b.silu, ops: [gelu: {approximate: tanh}]}
b.relu6: {from: b.gelu, ops: [relu6]}
b.hardswish: {from: b.relu6, ops: [hardswish]}
b.hardsigmoid: {from: b.hardswish, ops: [hardsigmoid]}
b.mish: {from: b.hardsigmoid, ops: [mish]}
b.sigmoid: {from: b.mish, ops: [sigmoid]}
b.tanh: {from: b.sigmoid, ops: [tanh]}
b.softmax: {from: b.tanh, ops: [softmax]}
c.max: {from: b.softmax, ops: [max_pool: {kernel: 3, stride: 1, padding: 1, ceil_mode: true}]}
c.avg: {from: c.max, ops: [avg_pool: {kernel: [3, 1], stride: 1, padding: [1, 0], ceil_mode: true}]}
c.avg2: {from: c.avg, ops: [avg_pool: {kernel: 3, stride: 1, count_padding: false}]}
c.module: {from: c.avg2, ops: [module: {type: Upsample, args: {scale_factor: 2}, words: {mode: bilinear}}]}
c.window: {from: c.module, ops: [module: {type: AvgPool2d, args: {kernel_size: [2, 2], count_include_pad: true}}]}
d.pad: {from: c.window, ops: [pad_channels: {out: 12}]}
d.sub: {from: d.pad, ops: [subsample: {stride: [1, 2]}]}
d.id: {from: d.sub, ops: [identity]}
d.scale: {from: d.id, ops: [scale: {by: -0.5}]}
d.alpha: {from: d.scale, ops: [scale: {by: 1.0e-06, learned: true, per: channel}]}
d.shuffle: {from: d.alpha, ops: [channel_shuffle: {groups: 3}]}
d.up: {from: d.shuffle, ops: [upsample: {factor: 3, mode: linear}]}
d.down: {from: d.up, ops: [subsample: {stride: 3}]}
d.slice: {from: d.down, ops: [slice: {start: 1, stop: 11}]}
d.wide: {from: d.slice, ops: [pad_channels: {out: 12}]}
d.minus: {from: d.wide, ops: [one_minus]}
d.drop: {from: d.minus, ops: [dropout: {p: 0.1}]}
d.path: {from: d.drop, ops: [drop_path: {survival: 0.3333333333333333, unit: sample, rescale: true}]}
e.add: {from: [d.path, d.id, d.id], ops: [add: {weights: {init: 0.5, learned: false, normalize: sum}}]}
e.pool: {from: e.add, ops: [global_avg_pool]}
e.max: {from: e.add, ops: [global_max_pool]}
e.mean: {from: e.add, ops: [channel_mean]}
e.most: {from: e.add, ops: [channel_max]}
e.near: {from: [e.mean, e.most], ops: [concat, global_avg_pool, pad_channels: {out: 12}]}
e.both: {from: [e.pool, e.max, e.near], ops: [add: {weights: {init: [0, 1, 2], per: channel, normalize: softmax}}]}
e.gate: {from: [e.both, e.add], ops: [multiply]}
e.chosen: {from: [e.gate, e.add, e.both, e.pool], ops: [select]}
e.cat: {from: [e.chosen, e.add], ops: [concat]}
f.flatten: {from: e.cat, ops: [flatten]}
f.linear: {from: f.flatten, ops: [linear: {out: 5, bias: false}]}
output: f.linear
"""


def test_every_operator_with_every_field_survives_its_text() -> None:
    graph = graph_of(flat(EVERY_OPERATOR))
    written: dict[str, set[str]] = {}
    for node in list(graph)[1:]:
        written.setdefault(node.op.key, set()).update(node.op.written())
    assert written == {operator.key: set(operator.model_fields) for operator in OPERATORS}
    again = reload(graph)
    assert again == graph
    assert [node.op for node in again] == [node.op for node in graph]
    assert [(node.shape, node.params, node.macs, node.reduction) for node in again] == [
        (node.shape, node.params, node.macs, node.reduction) for node in graph
    ]
    assert again.to_spec_text() == graph.to_spec_text()


def test_equality_sees_every_field() -> None:
    # Else the round trips above would prove nothing.
    text = flat(EVERY_OPERATOR)
    graph = graph_of(text)
    for before, after in [
        ("eps: 0.001", "eps: 0.002"), ("unit: sample", "unit: batch"), ("bias_init: -0.1", "bias_init: 0.1"),
        ("approximate: tanh", "approximate: none"), ("[d.path, d.id, d.id]", "[d.path, d.id]"),
        ("from: d.scale", "from: d.id"), ("f.linear", "f.lin"), ("mode: bilinear", "mode: bicubic"),
    ]:  # fmt: skip
        assert before in text
        changed = text.replace(before, after)
        if before == "from: d.scale":
            changed = changed.replace("d.scale: {from: d.id, ops: [scale: {by: -0.5}]}", "").replace("\n  \n", "\n")
        assert graph_of(changed) != graph, after


def test_order_of_operands_counts() -> None:
    one = graph_of(flat("a: [relu]\noutput: {from: [a, input], ops: [concat]}"))
    other = graph_of(flat("a: [relu]\noutput: {from: [input, a], ops: [concat]}"))
    assert one != other
    assert "from: [a, input]" in one.to_spec_text()


@pytest.mark.parametrize(
    "init",
    [
        "{conv: {method: xavier_uniform}}",
        "{conv: {fan: in}, linear: {method: normal, std: 0.02}}",
        "{linear: {method: he_uniform, fan: in}}",
    ],
)
def test_initialisation_survives(init: str) -> None:
    graph = graph_of(flat("output: [relu]", f"init: {init}"))
    assert reload(graph) == graph
    assert reload(graph).init.model_dump() == graph.init.model_dump()
    assert graph != graph_of(flat("output: [relu]"))


def test_initialisation_as_it_is_anyway_is_not_written() -> None:
    graph = graph_of(flat("output: [relu]", "init: {conv: {method: he_normal}}"))
    assert graph == graph_of(flat("output: [relu]"))
    assert "init" not in graph.to_spec_text()


def test_equality_ignores_provenance() -> None:
    graph = graph_of(flat("a: [relu]\noutput: a"))
    moved = graph_of(flat("a:   [relu]\noutput: a", "\n\n"))
    assert graph["a"].span != moved["a"].span
    assert graph == moved
    bare = Graph("other", [replace(node, span=None) for node in graph], graph.outputs)
    assert graph == bare


SPECS = {
    "ror": """
        archspec: 1
        name: ror
        input: {channels: 3, size: [15, 16]}
        stem: [conv: {out: 4, kernel: 3}, bn, relu]
        stages: {repeat: [3, 2], width: [4, 8], stride: [1, 2], blocks: basic}
        blocks:
          basic:
            branch: [conv: {out: width, kernel: 3, stride: stride}, bn, relu, conv: {out: width, kernel: 3}, bn]
            shortcut: A
            after: [relu]
        levels: {m: 4}
        drop_path: {survival: 0.5}
        head: [global_avg_pool, linear: {out: 10}]
        """,
    "gated": """
        archspec: 1
        name: gated
        input: {channels: 3, size: [16, 16]}
        stem: [conv: {out: 4, kernel: 3}]
        stages: {repeat: [1, 2], width: [4, 8], stride: [1, 2], blocks: highway}
        blocks:
          highway:
            out: width
            graph:
              carry: [use: A]
              f: [conv: {out: width, kernel: 3, stride: stride}, bn]
              gate: [conv: {out: width, kernel: 1, stride: stride, bias: true, bias_init: -6}, sigmoid]
              closed: {from: gate, ops: [one_minus]}
              kept: {from: [carry, closed], ops: [multiply]}
              passed: {from: [f, gate], ops: [multiply]}
              output: {from: [kept, passed], ops: [add]}
            after: [relu]
        levels: {m: 2}
        """,
    "video": """
        archspec: 1
        name: video
        input: {channels: 3, size: [4, 9, 9]}
        stem: [conv: {out: 4, kernel: [3, 7, 7], stride: [1, 2, 2]}, max_pool: {kernel: [1, 3, 3], stride: [1, 2, 2]}]
        stages: {repeat: 2, width: [4, 8], stride: [[1, 2, 2], 2], blocks: {start: start, middle: middle, only: start}}
        blocks:
          start: {branch: [conv: {out: width, kernel: 3, stride: stride}, bn], shortcut: projection}
          middle: {pre: [bn, relu], branch: [conv: {out: width, kernel: 3}], shared: true}
        paths:
          projection:
            - max_pool: {kernel: 3, stride: stride, when: downsampled}
            - conv: {out: out, kernel: 1, when: channels != out}
        levels: {m: 3, path: [conv: {out: out, kernel: 1, stride: stride}]}
        head: [bn, relu, global_avg_pool, dropout, linear: {out: 4}]
        """,
    "dense": """
        archspec: 1
        name: dense
        input: {channels: 3, size: [16, 16]}
        stem: [conv: {out: 4, kernel: 3}]
        stages: {repeat: [3, 3], width: 4, enter: [null, transition], blocks: layer}
        blocks: {layer: {branch: [bn, relu, conv: {out: width, kernel: 3}], shortcut: none}}
        paths:
          transition: [conv: {out: 6, kernel: 1}, avg_pool: {kernel: 2}]
          pool: [max_pool: {kernel: 3, stride: stride, when: downsampled}]
        skips: [{rule: dense, within: stage, join: concat, path: pool}]
        head: [global_avg_pool, linear: {out: 2}]
        """,
    "skips": """
        archspec: 1
        name: skips
        input: {channels: 3, size: [16, 16]}
        stem: [conv: {out: 4, kernel: 3}]
        stages: {repeat: [3, 3], width: [4, 8], stride: [1, 2], blocks: basic}
        blocks: {basic: {branch: [conv: {out: width, kernel: 3, stride: stride}, bn], shortcut: B, after: [relu]}}
        skips:
          - {rule: random, probability: 0.4, seed: 3, path: B}
          - {from: stem, to: stage2.2, path: C, join: add}
          - {from: stage1.0, to: stage1.2, join: concat}
        """,
    "outputs": """
        archspec: 1
        name: "1.0"
        input: {channels: 3, size: [16, 16]}
        init: {conv: {method: xavier_normal}, linear: {method: normal, std: 0.05}}
        stem: [conv: {out: 4, kernel: 3, stride: 2}, module: {type: Hardswish}]
        stages: {repeat: 1, width: [4, 8], blocks: basic}
        blocks:
          basic:
            branch: [each: {of: [3, 1], as: k, at: i, do: [bn: {when: i > 0}, conv: {out: width, kernel: k}]}]
            shortcut: [use: A, scale: {by: 0.5}]
            after: [prelu]
        head: [global_avg_pool, linear: {out: 10}]
        outputs: {logits: head, c1: stage1, inner: stage2.0.branch}
        """,
}


@pytest.mark.parametrize("name", SPECS)
def test_canonical_text(name: str, golden: Callable[[str, str], None]) -> None:
    graph = graph_of(SPECS[name])
    text = graph.to_spec_text()
    golden(f"{name}.txt", text)
    assert_sound(graph)
    again = reload(graph)
    assert again == graph
    assert again.to_spec_text() == text


def test_the_end_of_an_address() -> None:
    graph = graph_of(SPECS["outputs"])
    assert graph.outputs == {
        "logits": "head.linear", "c1": "stage1.0.after.prelu", "inner": "stage2.0.branch.conv2"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ("{logits: haed}", "outputs: there is nothing at 'haed'"),
        ("{logits: head, c: stage3}", "outputs: there is nothing at 'stage3'"),
        ("{c: stage1}", "no output needs stage2.0"),
        ("{forward: head}", "outputs: 'forward' is an attribute of every torch module and cannot be a name"),
    ],
)
def test_outputs_that_cannot_be(outputs: str, message: str) -> None:
    text = SPECS["outputs"].replace("{logits: head, c1: stage1, inner: stage2.0.branch}", outputs)
    assert problem_of(text).message.startswith(message)
