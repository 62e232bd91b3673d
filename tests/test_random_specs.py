"""What holds of every network, seen on random specs."""

from __future__ import annotations

from math import prod

from hypothesis import given, settings
from networks import assert_sound, graph_of, reload
from strategies import Drawn, specs

from archspec.graph import Graph


def output_of(graph: Graph, address: str) -> str:
    """The node that carries the output of a block, or of the stem."""
    return [name for name in graph.nodes if name.startswith(f"{address}.")][-1]


@settings(max_examples=100)
@given(specs())
def test_random_specs(drawn: Drawn) -> None:
    graph = graph_of(drawn.text)
    assert_sound(graph)
    assert [unit for unit in graph.units() if unit in drawn.blocks] == drawn.blocks
    assert tuple(graph.outputs) == drawn.outputs
    assert sum(node.op.key == "drop_path" for node in graph) == drawn.drop_path * sum(
        kind not in drawn.plain for kind in graph.kinds.values()
    )
    assert reload(graph) == graph
    assert reload(graph).to_spec_text() == graph.to_spec_text()
    assert graph.params == sum(n.params for n in graph)


@settings(max_examples=100)
@given(specs())
def test_shapes_follow_reductions(drawn: Drawn) -> None:
    # All windows are odd and padded by half, so every size is that of the input over the strides so far, rounded up.
    graph = graph_of(drawn.text)
    for node in graph:
        if node.reduction is not None:
            expected = tuple(-(-size // reduced) for size, reduced in zip(drawn.size, node.reduction, strict=True))
            assert node.shape[1:] == expected, node
        assert node.size == prod(node.shape)


@settings(max_examples=100)
@given(specs())
def test_every_shortcut_reaches_its_addition(drawn: Drawn) -> None:
    graph = graph_of(drawn.text)
    blocks = drawn.blocks
    first = {f"stage{s}": f"stage{s}.0" for s in range(1, len(drawn.repeat) + 1)}
    for name in drawn.levels:
        stage, _, half = name.partition("_")
        if name == "root":
            start, end = blocks[0], blocks[-1]
        else:
            count = drawn.repeat[int(stage.removeprefix("stage")) - 1]
            cut = count - count // 2
            start, end = {
                "": (first[stage], f"{stage}.{count - 1}"),
                "1": (first[stage], f"{stage}.{cut - 1}"),
                "2": (f"{stage}.{cut}", f"{stage}.{count - 1}"),
            }[half]
        assert graph[f"{end}.add"].op.key == "add"
        own = [node for node in graph if node.unit == f"levels.{name}"]
        where = own[0].inputs[0] if own else span_input(graph, start)
        assert where == span_input(graph, start)
        assert (own[-1].name if own else where) in graph[f"{end}.add"].inputs
    for joined, operator in ((drawn.adds, "add"), (drawn.concats, "concat")):
        for source, target in joined:
            unit = f"skips.{source.replace('.', '_')}_to_{target.replace('.', '_')}"
            own = [node for node in graph if node.unit == unit]
            assert not own or own[0].inputs[0] == output_of(graph, source)
            assert (own[-1].name if own else output_of(graph, source)) in graph[f"{target}.{operator}"].inputs


def span_input(graph: Graph, block: str) -> str:
    """What a block is given: what enters its stage, or the output before; not what widens it."""
    stage, _, index = block.partition(".")
    if index != "0":
        return output_of(graph, f"{stage}.{int(index) - 1}")
    entering = [name for name in graph.nodes if name.startswith(f"{stage}.enter.")]
    if entering:
        return entering[-1]
    number = int(stage.removeprefix("stage"))
    if number == 1:
        return output_of(graph, "stem")
    last = max(node.block for node in graph if node.stage == number - 1 and node.block is not None)
    return output_of(graph, f"stage{number - 1}.{last}")


@settings(max_examples=100)
@given(specs())
def test_what_is_added_is_all_there_is(drawn: Drawn) -> None:
    """Levels and skips aside, additions have the operands that their blocks give them."""
    graph = graph_of(drawn.text)
    bare = "".join(
        line
        for line in drawn.text.splitlines(keepends=True)
        if not line.startswith(("levels:", "skips:", "  - {from:"))
    )
    base = graph_of(bare)
    joining = sum(len(node.inputs) for node in graph if node.op.key == "add")
    own = sum(len(node.inputs) for node in base if node.op.key == "add")
    # A block without an addition gets one where something joins it: one operand more than what joins.
    new = sum(name not in base.nodes for name, node in graph.nodes.items() if node.op.key == "add")
    assert joining == own + len(drawn.levels) + len(drawn.adds) + new
    widened = [node for node in graph if node.name.endswith(".concat") and node.path == ""]
    assert sum(len(node.inputs) - 1 for node in widened) == len(drawn.concats)
