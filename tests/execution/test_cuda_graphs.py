"""Inference by CUDA graphs against the network as it is: on emulated graphs and, where there is a GPU, on real ones."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import emulated
import pytest
import torch
from small import batches, network

import archspec
from archspec.compiler.lower import Network
from archspec.execution import cuda_graphs, recorder
from archspec.execution.recorder import CaptureError

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
OUTPUTS = "outputs: {logits: head, map: stage1}"


def recorded(graphs: type[emulated.Recorder]) -> int:
    return sum(made.recorded for made in graphs.made)


def plain(of: Network, x: torch.Tensor) -> Any:
    """What a network gives without graphs, in evaluation and without gradients."""
    with torch.no_grad():
        return archspec.compile(deepcopy(of).eval(), "eager")(x)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("extra", ["", "drop_path: {survival: 0.5}"])
def test_replays_give_what_the_network_gives(graphs: type[emulated.Recorder], context: Any, extra: str) -> None:
    net = archspec.compile(network(extra).eval(), "eager", cuda_graphs=True)
    assert net.execution is not None
    assert net.execution.cuda_graphs
    for x, _ in batches(3):
        with context():
            torch.testing.assert_close(net(x), plain(net, x))
    (made,) = graphs.made
    assert (made.warmed, made.recorded, made.replayed) == (cuda_graphs.WARMUP, 1, 3)


def test_outputs_are_the_callers_own(graphs: type[emulated.Recorder]) -> None:
    net = archspec.compile(network(OUTPUTS).eval(), "eager", cuda_graphs=True)
    (first, _), (second, _) = batches(2)
    with torch.no_grad():
        given = net(first)
        kept = {name: value.clone() for name, value in given.items()}
        net(second)["logits"].zero_()
        again = net(first)
    for name, value in kept.items():
        assert torch.equal(given[name], value)
        assert torch.equal(again[name], value)
    torch.testing.assert_close(kept, plain(net, first))


def test_each_kind_of_input_is_captured_once(graphs: type[emulated.Recorder]) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    x = batches(1)[0][0]
    kinds = [x, x[:2], x.to(memory_format=torch.channels_last)]
    with torch.inference_mode():
        for _ in range(2):
            for kind in kinds:
                torch.testing.assert_close(net(kind), plain(net, kind))
        assert recorded(graphs) == 3
        with torch.autocast("cpu", torch.bfloat16):
            assert net(x).dtype == torch.bfloat16
        assert net(x).dtype == torch.float32
        assert recorded(graphs) == 4
        net(x.flip(0)[:, :, ::1, ::2].repeat_interleave(2, dim=-1))  # a shape known
        assert recorded(graphs) == 4
    assert len(graphs.made) == 1  # one pool for all


def test_a_compiled_layout_is_the_layout_of_all_inputs(graphs: type[emulated.Recorder]) -> None:
    net = archspec.compile(network().eval(), "eager", channels_last=True, cuda_graphs=True)
    x = batches(1)[0][0]
    with torch.no_grad():
        torch.testing.assert_close(net(x), net(x.to(memory_format=torch.channels_last)))
    assert recorded(graphs) == 1


def test_kinds_of_input_are_bounded(graphs: type[emulated.Recorder]) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    x = batches(1, size=recorder.LIMIT + 1)[0][0]
    with torch.no_grad():
        for size in range(1, recorder.LIMIT + 1):
            net(x[:size])
        with pytest.raises(RuntimeError, match=r"16 kinds of input are captured already \(\(1, 3.*pad inputs"):
            net(x)
        net(x[:3])
    assert recorded(graphs) == recorder.LIMIT


def test_weights_changed_in_place_count_without_a_capture(graphs: type[emulated.Recorder]) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    x = batches(1)[0][0]
    with torch.no_grad():
        before = net(x)
        net.load_state_dict(network(seed=7).state_dict())
        torch.testing.assert_close(net(x), plain(net, x))
        assert not torch.allclose(net(x), before)
    assert recorded(graphs) == 1


def assign(net: Network) -> None:
    net.load_state_dict(network(seed=7).state_dict(), assign=True)


def move(net: Network) -> None:
    net.to(torch.float64).to(torch.float32)
    for parameter in net.parameters():
        parameter.data = parameter.data * 2


def new_head(net: Network) -> None:
    net.head.linear = torch.nn.Linear(16, 5)  # type: ignore[union-attr]


def buffer(net: Network) -> None:
    norm = next(module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d))
    norm.running_mean = torch.ones(8)


def one_in_training(net: Network) -> None:
    next(module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)).train()


def edited(net: Network) -> None:
    stem = next(node for node in net.graph.nodes if node.op == "call_module")
    with net.graph.inserting_after(stem):
        negated = net.graph.call_function(torch.neg, (stem,))
    stem.replace_all_uses_with(negated, lambda user: user is not negated)
    net.recompile()


@pytest.mark.parametrize("change", [assign, move, new_head, buffer, one_in_training, edited])
def test_what_a_graph_cannot_see_is_captured_again(graphs: type[emulated.Recorder], change: Any) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    x = batches(1)[0][0]
    with torch.no_grad():
        before = net(x)
        change(net)
        after = net(x)
        assert not torch.allclose(after, before)
        torch.testing.assert_close(after, type(net).forward(net, x))
        net(x)
    assert recorded(graphs) == 2


def test_a_new_kind_of_input_after_a_change_drops_the_old_captures(graphs: type[emulated.Recorder]) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    x = batches(1)[0][0]
    with torch.no_grad():
        net(x)
        assign(net)
        torch.testing.assert_close(net(x[:2]), plain(net, x[:2]))
        torch.testing.assert_close(net(x), plain(net, x))
    assert recorded(graphs) == 3


def test_training_runs_as_without_graphs(graphs: type[emulated.Recorder]) -> None:
    net, twin = archspec.compile(network(), "eager", cuda_graphs=True), network()
    x = batches(1)[0][0]
    torch.testing.assert_close(net(x), twin(x))
    net(x).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    assert not graphs.made


def test_evaluation_with_gradients_is_refused(graphs: type[emulated.Recorder]) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    with pytest.raises(RuntimeError, match=r"under torch\.inference_mode\(\) or torch\.no_grad\(\)"):
        net(batches(1)[0][0])


def test_hooks_inside_are_refused_and_the_networks_own_are_called(graphs: type[emulated.Recorder]) -> None:
    net = network().eval()
    handle = net.get_submodule("stage1.0").register_forward_hook(print)
    with pytest.raises(ValueError, match=r"captured code would not call the hooks on stage1\.0"):
        archspec.compile(net, "eager", cuda_graphs=True)
    handle.remove()
    called = []
    archspec.compile(net, "eager", cuda_graphs=True).register_forward_hook(lambda *_: called.append(1))
    with torch.no_grad():
        for x, _ in batches(2):
            net(x)
    assert len(called) == 2
    with pytest.raises(RuntimeError, match="would never be called"):
        net.get_submodule("stage1.0").register_forward_hook(print)
    archspec.compile(net, "eager")
    net.get_submodule("stage1.0").register_forward_hook(print)


def test_what_cannot_be_captured_says_why(graphs: type[emulated.Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    x = batches(1)[0][0]
    monkeypatch.setattr(graphs, "refusal", "operation not permitted when stream is capturing")
    with torch.no_grad(), pytest.raises(CaptureError) as caught:
        net(x)
    assert str(caught.value).startswith(
        "'spec' could not be captured as a CUDA graph, and was not run: operation not permitted when stream is capt"
    )
    assert "`module:` operator" in str(caught.value)
    assert "cuda_graphs=False" in str(caught.value)
    monkeypatch.setattr(graphs, "refusal", None)
    with torch.no_grad():
        torch.testing.assert_close(net(x), plain(net, x))


def test_the_reason_is_of_the_capture_and_not_of_its_caller(
    graphs: type[emulated.Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    monkeypatch.setattr(graphs, "refusal", "operation not permitted")
    try:
        raise RuntimeError("something of the caller's")
    except RuntimeError:
        with torch.no_grad(), pytest.raises(CaptureError, match="not run: operation not permitted"):
            net(batches(1)[0][0])


def test_out_of_memory_stays_what_it_is(graphs: type[emulated.Recorder], monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(self: Any, work: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(graphs, "record", none_left)
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    with torch.no_grad(), pytest.raises(torch.OutOfMemoryError):
        net(batches(1)[0][0])


def test_a_copy_and_another_mode_have_no_graphs(graphs: type[emulated.Recorder]) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    x = batches(1)[0][0]
    with torch.no_grad():
        net(x)
    deepcopy(net)(x)  # with gradients: no graphs
    archspec.compile(net, "eager")(x)
    assert net.execution is not None
    assert not net.execution.cuda_graphs


def test_without_a_gpu_it_is_refused() -> None:
    with pytest.raises(ValueError, match=r"need a GPU, and the network is on cpu: move it by \.to\('cuda'\)"):
        archspec.compile(network(), "eager", cuda_graphs=True)
    net = network()
    net.get_submodule("stage1.0").to("meta")
    with pytest.raises(ValueError, match="whole network on one GPU, not on cpu, meta"):
        archspec.compile(net, cuda_graphs=True)


def test_a_network_moved_off_the_gpu_is_refused(
    graphs: type[emulated.Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True)
    x = batches(1)[0][0]
    with torch.no_grad():
        net(x)
        net.to("meta")
        with pytest.raises(ValueError, match="the network is on meta"):
            net(x)


@on_gpu
@pytest.mark.parametrize("mode", ["eager", "regional", "whole"])
@pytest.mark.parametrize("autocast", [False, True])
def test_on_a_gpu_replays_give_what_the_network_gives(mode: Any, autocast: bool) -> None:
    net = archspec.compile(network(OUTPUTS, device="cuda").eval(), mode, cuda_graphs=True)
    twin = archspec.compile(deepcopy(net).eval(), mode)  # with the same kernels
    for x, _ in batches(3, device="cuda") + batches(2, size=2, device="cuda"):
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=autocast):
            got, expected = net(x), twin(x)
        tolerance = {"atol": 2e-2, "rtol": 2e-2} if autocast else {"atol": 1e-4, "rtol": 1e-4}
        torch.testing.assert_close(got, expected, **tolerance)


@on_gpu
@pytest.mark.parametrize("change", [assign, move, new_head, buffer])
def test_on_a_gpu_stale_weights_are_noticed(change: Any) -> None:
    net = archspec.compile(network(device="cuda").eval(), "eager", cuda_graphs=True)
    x = batches(1, device="cuda")[0][0]
    with torch.no_grad():
        net(x)
        change(net)
        net.to("cuda")
        torch.testing.assert_close(net(x), plain(net, x))


class Waits(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x.mean().item()


class Draws(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


@on_gpu
def test_on_a_gpu_what_waits_for_it_says_so() -> None:
    net = network(device="cuda").eval()
    net.head.linear = torch.nn.Sequential(net.head.linear, Waits())  # type: ignore[union-attr, arg-type]
    archspec.compile(net, "eager", cuda_graphs=True)
    x = batches(1, device="cuda")[0][0]
    with torch.no_grad(), pytest.raises(CaptureError, match="could not be captured"):
        net(x)
    assert plain(net, x).shape == (4, 5)  # the stream is usable


@on_gpu
def test_on_a_gpu_a_capture_that_failed_leaves_all_else_as_it_was() -> None:
    x = batches(1, device="cuda")[0][0]

    def made(inner: torch.nn.Module) -> Network:
        net = network(device="cuda").eval()
        net.head.linear = torch.nn.Sequential(net.head.linear, inner)  # type: ignore[union-attr, arg-type]
        return archspec.compile(net, "eager", cuda_graphs=True)

    with torch.no_grad():
        draws = made(Draws())
        draws(x)
        torch.manual_seed(5)
        known = [draws(x) for _ in range(3)], torch.rand(3, device="cuda")
        for _ in range(2):
            with pytest.raises(CaptureError):
                made(Waits())(x)
        torch.manual_seed(5)
        again = [draws(x) for _ in range(3)], torch.rand(3, device="cuda")
        assert not torch.equal(known[0][1], known[0][2])
        torch.manual_seed(5)
        other = made(Draws())
        other(x)
        torch.manual_seed(5)
        anew = [other(x) for _ in range(3)], torch.rand(3, device="cuda")
    torch.testing.assert_close(again, known)
    torch.testing.assert_close(anew[1], known[1])
    kept = torch.cuda.memory_allocated()
    side = torch.cuda.Stream()
    for _ in range(20):  # memory lent to a second stream comes back
        lent = torch.empty(2**20, device="cuda")
        lent.record_stream(side)
        del lent
    torch.cuda.synchronize()
    torch.empty(2**20, device="cuda")
    assert torch.cuda.memory_allocated() < kept + 2 * 2**22


@on_gpu
def test_on_a_gpu_inputs_may_lie_on_the_host_and_streams_may_change() -> None:
    net = archspec.compile(network(device="cuda").eval(), "eager", cuda_graphs=True)
    for x, _ in batches(3):
        with torch.no_grad(), torch.cuda.stream(torch.cuda.Stream()):
            got = net(x)
            torch.cuda.synchronize()
        torch.testing.assert_close(got, plain(net, x.cuda()), atol=1e-4, rtol=1e-4)


def put_stride(net: Any) -> None:
    net.stem.conv.stride = (2, 2)


def put_padding(net: Any) -> None:
    net.stem.conv.padding_mode = "circular"


def put_epsilon(net: Any) -> None:
    net.stem.bn.eps = 0.5


def put_forward(net: Any) -> None:
    net.head.linear.forward = lambda x: -torch.nn.functional.linear(x, net.head.linear.weight)


def put_layer(net: Any) -> None:
    net.head.linear = torch.nn.Linear(16, 2)


@pytest.mark.parametrize("edit", [put_stride, put_padding, put_epsilon, put_forward, put_layer])
def test_edits_of_layers_are_captured_again(graphs: type[emulated.Recorder], edit: Any) -> None:
    net = archspec.compile(network().eval(), "eager", cuda_graphs=True, channels_last=False)
    ((x, _),) = batches(1)
    with torch.no_grad():
        before = net(x)
        assert recorded(graphs) == 1
        torch.manual_seed(3)
        edit(net)
        after = net(x)
        assert recorded(graphs) == 2
        torch.testing.assert_close(after, type(net).forward(net, x))
        net(x)
        assert recorded(graphs) == 2
    assert after.shape != before.shape or not torch.allclose(after, before)


class Counting(torch.nn.Module):
    """Counts its calls, which Python makes at a capture alone."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x


def test_what_a_module_counts_is_no_edit(graphs: type[emulated.Recorder]) -> None:
    net = network().eval()
    net.set_submodule("stem.bn", Counting())
    archspec.compile(net, "eager", cuda_graphs=True)
    with torch.no_grad():
        for x, _ in batches(3):
            net(x)
    assert recorded(graphs) == 1
