"""Modules that are traced compute what they computed: written at random, written by hand, and the ways people write."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
import torch
from reference import iresnet, resnet, wrn
from torch import Tensor, nn
from traced import TOLERANCE, largest_difference, retold, scrambled
from written import module

import archspec
from archspec.compiler.trace import TraceError, moved, trace

SAMPLE = (3, 16, 16)
SEEDS = range(25)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_modules_compute_the_same(seed: int) -> None:
    torch.manual_seed(seed)
    assert largest_difference(module(seed), SAMPLE) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(len(SEEDS), 200))
def test_more_random_modules_compute_the_same(seed: int) -> None:
    torch.manual_seed(seed)
    assert largest_difference(module(seed), SAMPLE) < TOLERANCE


HAND_WRITTEN: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "iresnet": (lambda: iresnet.IResNet([2, 2, 2, 2], 10), (3, 64, 64)),
    "basic_iresnet": (lambda: iresnet.BasicIResNet([2, 2, 2, 2], 10), (3, 64, 64)),
    "resstage": (lambda: iresnet.ResStage([2, 2, 2, 2], 10), (3, 64, 64)),
    "cifar_iresnet": (lambda: iresnet.CifarIResNet([3, 3, 3]), (3, 16, 16)),
    "resnet": (lambda: resnet.ResNet([2, 1, 1, 1], 10), (3, 64, 64)),
    "wrn": (lambda: wrn.WRN(10, 1), (3, 16, 16)),
    "resnet3d": (lambda: resnet.ResNet([1, 1, 1, 1], 5, block=lambda i, w, s: resnet.Bottleneck(i, w, s, _VIDEO),
                                       dim=3), (3, 4, 32, 32)),
}  # fmt: skip
_VIDEO = iresnet.Bottle(dim=3)


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_hand_written_networks_compute_the_same(name: str) -> None:
    make, sample = HAND_WRITTEN[name]
    assert largest_difference(make(), sample, batch=2) < TOLERANCE


def test_a_hand_written_network_is_the_spec_of_its_paper() -> None:
    graph = trace(iresnet.IResNet50(), torch.empty(1, 3, 224, 224))
    spec = archspec.expand("iresnet50")
    assert archspec.signature(graph) == archspec.signature(spec)
    assert {n.unit for n in graph} == {n.unit for n in spec}
    assert not graph.notes


class Aliased(nn.Module):
    """A block of iResNet as its authors released it: the ReLU writes to what the shortcut reads."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=inplace)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = x * 1.5
        identity = x
        return self.conv(self.relu(x)) + identity


def test_what_is_written_in_place_is_what_later_readers_read() -> None:
    written, kept = (trace(Aliased(inplace), torch.empty(1, 3, 8, 8)) for inplace in (True, False))
    assert written["add"].inputs == ("conv", "relu")
    assert kept["add"].inputs == ("conv", "scale")
    for inplace in (True, False):
        assert largest_difference(Aliased(inplace), (3, 8, 8)) < TOLERANCE


class Parts(nn.Module):
    """Writes to a part of the channels, through a view of them, and to the whole after a part was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        first, rest = x[:, :2], x[:, 2:]
        first.mul_(0.5)
        rest.flatten(2).add_(rest.flatten(2) * 2)
        x = x + 0 * x
        second = x[:, 2:4]
        x.mul_(3)
        return torch.cat([x, second, first], 1)


def test_parts_of_a_tensor_are_its_memory() -> None:
    assert largest_difference(Parts(), (3, 8, 8)) < TOLERANCE


def test_everything_that_works_on_graphs_works_on_traced_ones() -> None:
    made = scrambled(iresnet.CifarIResNet([3, 3, 3])).eval()
    graph, network = retold(made, (3, 32, 32))
    assert graph.kinds.keys() == {f"stage{s}.{i}" for s in (1, 2, 3) for i in range(3)}
    assert archspec.summarize(graph).params == sum(p.numel() for p in made.parameters())
    assert archspec.analyze(graph)
    assert archspec.diff(graph, archspec.load("cifar_iresnet164", counts=[3, 3, 3])).equal
    assert pickle.loads(pickle.dumps(graph)) == graph
    assert archspec.loads(graph.to_spec_text()).name == "CifarIResNet"
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    expected = made(x)
    names: dict[str, object] = {}
    exec(archspec.emit(graph), names)
    emitted = names["Network"]().double().eval()  # type: ignore[operator]
    emitted.load_state_dict(moved(graph, made))
    folded = archspec.optimize(network.eval())
    for each in (network.eval(), emitted, folded):
        assert torch.allclose(each(x), expected, rtol=1e-8, atol=1e-8)
    for detail in ("stage", "block", "blocks", "op"):
        assert archspec.render(graph, detail=detail).text.startswith("digraph")  # type: ignore[arg-type]


class Foreign(nn.Module):
    """With what the vocabulary has no word for, a parameter and a constant among it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.position = nn.Parameter(torch.randn(1, 4, 8, 8))
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x) + self.position
        x = x * torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1).to(x)
        return torch.einsum("nchw,cd->ndhw", x, self.weight).relu().mean((2, 3))


def test_what_the_vocabulary_lacks_is_one_operator_with_torchs_own_costs() -> None:
    graph, network = retold(scrambled(Foreign()), (3, 8, 8))
    (own,) = (node for node in graph if node.op.key == "aten")
    assert (own.shape, own.params, own.macs) == ((4, 8, 8), 4 * 64 + 16, 4 * 4 * 64)
    assert [note.where for note in graph.notes] == [own.name]
    assert sorted(graph.weights[own.name].values()) == ["position", "weight"]
    assert largest_difference(Foreign(), (3, 8, 8)) < TOLERANCE
    names: dict[str, object] = {}
    exec(archspec.emit(graph), names)
    emitted = names["Network"]().double()  # type: ignore[operator]
    emitted.load_state_dict(network.state_dict())
    x = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(emitted(x), network(x))
    assert torch.equal(pickle.loads(pickle.dumps(network))(x), network(x))
    compiled = archspec.compile(network, backend="eager", mode="whole")
    assert torch.allclose(compiled(x), emitted(x))


class Said(nn.Module):
    def __init__(self, forward: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.say = forward

    def forward(self, x: Tensor) -> object:
        return self.say(x)


class Two(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


WRONG: dict[str, tuple[nn.Module, object, str]] = {
    "decides": (Said(lambda x: x if x.sum() > 0 else -x), torch.empty(1, 3, 8, 8), "decides by numbers that it"),
    "no tensor": (Said(lambda x: "text"), torch.empty(1, 3, 8, 8), "gives what is no tensor"),
    "shape": (nn.Conv2d(4, 4, 3), torch.empty(1, 3, 8, 8), "fails for samples of 3x8x8"),
    "several": (Two(), (torch.empty(1, 3), torch.empty(1, 3)), "a graph has one input, and the example has 2"),
    "one of two": (Two(), torch.empty(1, 3), "cannot be called with one tensor"),
    "number": (nn.ReLU(), torch.empty(3), "a batch of samples"),
    "no module": (len, torch.empty(1, 3), "a torch.nn.Module can be traced"),  # type: ignore[dict-item]
    "mixes": (Said(lambda x: x.mean(0)), torch.empty(1, 3, 8, 8), "mixes the samples of a batch"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_traced_is_told_in_one_message(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    made, example, message = WRONG[name]
    with pytest.raises(TraceError, match=message):
        trace(made, example)
    assert capfd.readouterr() == ("", "")


def test_shared_weights_are_told() -> None:
    shared = nn.Linear(4, 4)
    graph = trace(nn.Sequential(shared, nn.ReLU(), shared), torch.empty(1, 4))
    assert any("copy" in note.message for note in graph.notes)


def test_several_outputs_keep_their_names() -> None:
    graph = trace(Said(lambda x: {"a": x.relu(), "b": x.mean((2, 3))}), torch.empty(1, 3, 8, 8))
    assert graph.output_shapes() == {"a": (3, 8, 8), "b": (3,)}
