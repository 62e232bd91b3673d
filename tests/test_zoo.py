"""Every network of the zoo against figures typed from the papers, and every family at parameters no paper printed.

The figures stand here a second time, apart from the specs' own `expect`, and are compared by code of this file.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from networks import zoo_graph

import archspec
from archspec.compiler.expand import expand
from archspec.graph import Graph, Node
from archspec.language import zoo
from archspec.language.spec import Spec, load
from archspec.syntax.errors import SpecError

SPECS = Path(zoo.ROOT)
BASES = sorted(path.stem for path in (SPECS / "bases").glob("*.yaml"))

NAMES = """
    plain18 plain34 resnet18 resnet34 resnet34_a resnet34_c resnet50 resnet101 resnet152 resnet200 vgg19 resnext50_32x4d
    cifar_plain20 cifar_plain56 cifar_plain110 cifar_resnet20 cifar_resnet32 cifar_resnet44 cifar_resnet56
    cifar_resnet56_b cifar_resnet110 cifar_resnet1202 cifar_resnet164 cifar_resnet1001
    preresnet50 preresnet101 preresnet152 preresnet200 cifar_preresnet110 cifar_preresnet164 cifar_preresnet1001
    cifar_resnet110_scale cifar_resnet110_scale_both cifar_resnet110_exclusive cifar_resnet110_gated
    cifar_resnet110_conv cifar_resnet110_dropout cifar_resnet110_1layer
    cifar_resnet110_bn_after_add cifar_resnet110_relu_before_add cifar_resnet110_relu_only
    cifar_resnet164_bn_after_add cifar_resnet164_relu_before_add cifar_resnet164_relu_only
    wrn16_4 wrn16_8 wrn16_10 wrn22_8 wrn22_10 wrn28_10 wrn28_12 wrn40_1 wrn40_2 wrn40_4 wrn40_8 wrn52_1 wrn58_4
    wrn28_10_dropout wrn40_2_b131 wrn40_2_b31 wrn40_2_b13 wrn40_2_b311 wrn28_2_b33 wrn22_2_b313
    wrn40_2_b3 wrn40_2_b333 wrn40_2_b3333 wrn18_15 wrn18_2 wrn18_3 wrn34_15 wrn34_2 wrn50_2
    ror3_110 ror3_164 ror3_182 ror3_218 ror2_110 ror4_164 ror5_110 ror3_164_b333 ror4_164_b333
    preror3_110 preror3_164 preror3_218 preror3_1202 ror3_wrn40_2 ror3_wrn40_4 ror3_wrn58_2 ror3_wrn58_4
    ror3_image18 ror3_image34 ror3_image101 ror3_image152 ror3_110_sd ror3_164_sd preror3_164_sd ror3_wrn58_4_sd
    resstage50 resstage101 resstage152 resstage200
    iresnet18 iresnet34 iresnet50 iresnet101 iresnet152 iresnet200 iresnet302 iresnet404 resmax50
    resgroup50 resgroup101 resgroup152 resgroupfix50 resgroupfix101 resgroupfix152
    iresgroup50 iresgroup101 iresgroup152 iresgroupfix50 iresgroupfix101 iresgroupfix152
    cifar_iresnet164 cifar_iresnet1001 cifar_iresnet2000 cifar_iresnet3002 resnet3d50 iresnet3d50
    ssd_resnet50_backbone ssd_iresnet50_backbone ssd_iresgroup50_backbone ssd_resnet101_backbone
""".split()

PAPERS = {"1512.03385", "1603.05027", "1605.07146", "1608.02908", "2004.04989"}
BEYOND = sorted(set(zoo.names()) - set(NAMES))

# Parameters and MACs: exact where they are known exactly, else as the paper rounds them.
FIGURES = {
    "resnet18": "11689512 1.814G", "resnet34": "21797672 3.664G", "resnet34_a": "21623848 3.644G",
    "resnet34_c": "22716840 3.831G", "plain18": "11515688 1.795G", "plain34": "21623848 3.644G",
    "resnet50": "25557032 4.089G", "resnet101": "44549160 7.801G", "resnet152": "60192808 11.514G",
    "resnet200": "64673832 15.007G", "vgg19": "143667240 19.6G", "resnext50_32x4d": "25.03M",
    "cifar_resnet20": "0.27M", "cifar_resnet32": "0.46M", "cifar_resnet44": "0.66M", "cifar_resnet56": "0.85M",
    "cifar_resnet110": "1.7M", "cifar_resnet1202": "19.4M", "cifar_plain20": "0.27M", "cifar_plain56": "0.85M",
    "cifar_plain110": "1.7M", "cifar_resnet164": "1704154 0.248G", "cifar_resnet1001": "10328602 1.491G",
    "preresnet50": "25549352", "cifar_preresnet110": "1730522", "cifar_preresnet164": "1703258",
    "cifar_preresnet1001": "10327706",
    "wrn40_1": "0.6M", "wrn40_2": "2.2M", "wrn40_4": "8.9M", "wrn40_8": "35.7M", "wrn28_10": "36479194",
    "wrn28_12": "52.5M", "wrn22_8": "17.2M", "wrn22_10": "26.8M", "wrn16_8": "11.0M", "wrn16_10": "17.1M",
    "wrn40_2_b131": "1.4M", "wrn40_2_b31": "1.2M", "wrn40_2_b13": "1.3M", "wrn40_2_b311": "1.3M",
    "wrn28_2_b33": "1.5M", "wrn22_2_b313": "1.1M", "wrn40_2_b3": "2.2M", "wrn40_2_b333": "2.2M",
    "wrn40_2_b3333": "2.2M", "wrn18_15": "25.9M", "wrn18_2": "45.6M", "wrn18_3": "101.8M", "wrn34_15": "48.6M",
    "wrn34_2": "86.0M", "wrn50_2": "68883240",
    "ror3_110": "1734906", "ror3_164": "2609850", "preror3_1202": "19.4M", "ror3_wrn40_2": "2.2M",
    "ror3_wrn58_4": "13.6M",
    "resstage50": "25557032 4.089G", "resstage101": "44549160 7.801G", "resstage152": "60192808 11.514G",
    "resstage200": "64673832 15.007G",
    "iresnet50": "25557032 4.128G", "iresnet101": "44549160 7.840G", "iresnet152": "60192808 11.552G",
    "iresnet200": "64673832 15.046G", "iresnet302": "96585512 22.470G", "iresnet404": "124524328 29.895G",
    "resmax50": "25557032 4.128G",
    "resgroup50": "24887080 5.357G", "resgroup101": "47813416 9.833G", "resgroup152": "66993960 14.541G",
    "resgroupfix50": "23366440 4.229G", "resgroupfix101": "43786024 8.215G", "resgroupfix152": "60607272 12.200G",
    "iresgroup50": "24887080 5.511G", "iresgroup101": "47813416", "iresgroup152": "66993960",
    "iresgroupfix50": "23366440", "iresgroupfix101": "43786024", "iresgroupfix152": "60607272",
    "cifar_iresnet164": "1.70M", "cifar_iresnet1001": "10.33M", "cifar_iresnet2000": "20.62M",
    "cifar_iresnet3002": "30.93M", "resnet3d50": "47.00M", "iresnet3d50": "47.00M",
}  # fmt: skip

# The iResNet paper's GFLOPs (MACs, with normalisation, activations and pooling on top), its tables 2, 3, 4, 5 and 6.
GFLOPS = {
    "resnet50": 4.14, "resnet101": 7.88, "resnet152": 11.62, "resnet200": 15.16, "preresnet50": 4.14,
    "preresnet101": 7.88, "preresnet152": 11.62, "preresnet200": 15.16, "resnext50_32x4d": 4.30,
    "iresnet50": 4.18, "iresnet101": 7.92, "iresnet152": 11.65, "iresnet200": 15.19, "iresnet302": 22.67,
    "iresnet404": 30.15, "resgroup50": 5.43, "resgroup101": 9.94, "resgroup152": 14.70, "resgroupfix50": 4.30,
    "resgroupfix101": 8.33, "resgroupfix152": 12.35, "iresgroup50": 5.60, "iresgroup101": 10.11, "iresgroup152": 14.87,
    "iresgroupfix50": 4.47, "iresgroupfix101": 8.49, "iresgroupfix152": 12.53, "resnet3d50": 93.26,
    "iresnet3d50": 93.93, "cifar_iresnet164": 0.26, "cifar_iresnet1001": 1.59, "cifar_iresnet2000": 3.17,
    "cifar_iresnet3002": 4.75,
}  # fmt: skip


def agrees(count: int, figure: str) -> bool:
    """Whether a count rounds to a figure such as 25557032, 1.70M or 4.089G."""
    unit = {"k": 10**3, "M": 10**6, "G": 10**9}.get(figure[-1])
    if unit is None:
        return count == int(figure)
    number = Decimal(figure[:-1])
    digits = -int(number.as_tuple().exponent)
    return abs(Decimal(count) / unit - number) <= Decimal(5).scaleb(-digits - 1)


@cache
def spec(name: str) -> Spec:
    return load(SPECS / f"{name}.yaml")


graph = zoo_graph


def paper(name: str) -> str:
    """The arXiv number of the paper that a network is from."""
    document = spec(name).document
    return (document.paper.arxiv if document.paper else None) or ""


def varied(name: str, **overrides: Any) -> Graph:
    return expand(archspec.load(name, **{key.replace("__", "."): value for key, value in overrides.items()}))


def stem_conv(network: Graph) -> Node:
    return next(node for node in network if node.op.key == "conv")


def multiset(network: Graph) -> Counter[Any]:
    """Every operator with its fields and channels."""
    return Counter((node.op.key, str(node.op.written()), node.shape[0]) for node in network if node.op.key != "input")


# What is there, and how it is written.


def test_every_architecture_of_the_papers_is_there() -> None:
    assert sorted(NAMES) == sorted(name for name in zoo.names() if paper(name) in PAPERS)


def test_every_other_network_says_which_paper_it_is_from_and_claims_exact_counts() -> None:
    for name in BEYOND:
        expect = spec(name).document.expect
        assert spec(name).document.paper is None or re.fullmatch(r"\d{4}\.\d{4,5}", paper(name)), name
        assert expect is not None
        claims = [expect.params, expect.macs, expect.layers]
        assert claims == [str(count) for count in (graph(name).params, graph(name).macs, graph(name).layers)], name


@pytest.mark.parametrize("name", [*NAMES, *BEYOND, *(f"bases/{base}" for base in BASES)])
def test_text(name: str) -> None:
    lines = (SPECS / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "archspec: 1"
    assert not any(line.startswith("name:") for line in lines)
    assert max(map(len, lines)) < 120
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_metadata(name: str) -> None:
    document = spec(name).document
    assert document.paper is not None
    assert document.paper.arxiv in PAPERS
    assert all(0 < float(error) < 50 for error in document.paper.error.values())
    assert set(document.paper.error) <= {"cifar10", "cifar100", "svhn", "imagenet", "kinetics400"}


# Every figure.


@pytest.mark.parametrize("name", NAMES)
def test_expect(name: str) -> None:
    expect, network = spec(name).document.expect, graph(name)
    assert expect is not None
    assert agrees(network.params, expect.params or "0")
    assert agrees(network.macs, expect.macs or "0")
    assert expect.layers == str(network.layers)
    if expect.output is not None:
        assert expect.output == network.output_shapes()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_the_papers(name: str) -> None:
    params, *macs = FIGURES[name].split()
    assert agrees(graph(name).params, params)
    assert all(agrees(graph(name).macs, figure) for figure in macs)


@pytest.mark.parametrize("name", GFLOPS)
def test_flops_of_the_papers(name: str) -> None:
    least = 0.93 if name.startswith("cifar") else 0.97
    assert least < graph(name).macs / 1e9 / GFLOPS[name] <= 1


@pytest.mark.parametrize("name", NAMES)
def test_depth(name: str) -> None:
    """A name's depth is its layers; a wide net's counts three projections and not the linear layer."""
    numbers = re.findall("[0-9]+", name.replace("3d", ""))
    depth = int(numbers[1 if name.startswith(("ror", "preror")) else 0])
    if "wrn" in name and not name.startswith(("wrn18", "wrn34", "wrn50")):
        kernels, per_block = (spec(name).params[key] for key in ("kernels", "per_block"))
        depth = 2 + (depth - 4) // per_block * len(kernels)
    if name.startswith("ssd"):
        depth -= 1 + 3 * 3
    assert graph(name).layers == depth


@pytest.mark.parametrize(("name", "shape"), [
    ("ssd_resnet50_backbone", (1024, 38, 38)), ("ssd_iresnet50_backbone", (1024, 38, 38)),
    ("ssd_iresgroup50_backbone", (512, 38, 38)), ("ssd_resnet101_backbone", (1024, 38, 38)),
    ("resnet50", (1000,)), ("cifar_iresnet3002", (10,)), ("resnet3d50", (400,)), ("iresnet3d50", (400,)),
])  # fmt: skip
def test_output(name: str, shape: tuple[int, ...]) -> None:
    assert graph(name).output_shapes() == {"output": shape}


# Other classes, sizes, channels.

VARIED = [
    pytest.param(name, marks=pytest.mark.slow if re.search("1001|1202|2000|3002", name) else []) for name in NAMES
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_classes_can_be_set(name: str) -> None:
    known = graph(name).output_shapes()  # a backbone has no classes, and takes the param all the same
    assert varied(name, classes=100).output_shapes() == (known if name.startswith("ssd") else {"output": (100,)})


@pytest.mark.parametrize("name", VARIED)
def test_the_size_can_be_set(name: str) -> None:
    known = graph(name)
    size = [8, 65, 70] if len(known.input.shape) == 4 else [65, 70]
    network = varied(name, input__size=size)
    assert network.input.shape == (3, *size)
    assert len(network) == len(known)
    assert name == "vgg19" or network.params == known.params


@pytest.mark.parametrize("name", VARIED)
def test_the_channels_can_be_set(name: str) -> None:
    known, network = graph(name), varied(name, input__channels=1)
    first = stem_conv(known)
    assert network.input.shape == (1, *known.input.shape[1:])
    bias = first.shape[0] if name == "vgg19" else 0
    assert known.params - network.params == (first.params - bias) * 2 // 3


# Parameters that no paper printed.


def wide(depth: int, k: int) -> int:
    """Parameters of WRN-depth-k on ten classes, from its description."""
    blocks, channels = (depth - 4) // 6, 16
    total = 3 * 16 * 9
    for width in (16 * k, 32 * k, 64 * k):
        for index in range(blocks):
            entering = channels if index == 0 else width
            total += 2 * entering + 9 * entering * width + 2 * width + 9 * width * width
        total += channels * width if width > 16 else 0
        channels = width
    return total + 2 * channels + 10 * (channels + 1)


@pytest.mark.parametrize(("depth", "k"), [(34, 6), (10, 1), (28, 10), (46, 3), (100, 2)])
def test_wide_nets_of_any_depth_and_width(depth: int, k: int) -> None:
    assert varied("bases/wrn", depth=depth, k=k).params == wide(depth, k)


@pytest.mark.parametrize("base", BASES)
def test_bases_expand(base: str) -> None:
    assert graph(f"bases/{base}").params > 0


UNPRINTED: list[tuple[str, dict[str, Any], int]] = [
    ("resnet", {"counts": [1, 2, 3, 1]}, 23), ("preresnet", {"counts": [2, 1, 1, 2]}, 20),
    ("resstage", {"counts": [5, 5, 5, 5]}, 62), ("iresnet", {"counts": [1, 2, 3, 1]}, 23),
    ("resgroup", {"counts": [1, 1, 1, 1]}, 14), ("iresgroup", {"counts": [2, 1, 3, 1]}, 23),
    ("wrn_image", {"counts": [1, 1, 2, 1], "k": 1.25}, 12), ("cifar_resnet", {"depth": 50}, 50),
    ("cifar_resnet", {"depth": 8}, 8), ("cifar_resnet_bottleneck", {"depth": 29}, 29),
    ("cifar_preresnet", {"depth": 26}, 26), ("cifar_iresnet", {"depth": 35}, 35), ("wrn", {"depth": 34, "k": 6}, 32),
    ("wrn", {"depth": 22, "k": 1.5, "dropout": 0.1, "kernels": [1, 3, 1]}, 29),
    ("ror", {"depth": 50, "m": 4}, 50), ("ror_wrn", {"depth": 22, "k": 3, "m": 2}, 20),
    ("preror", {"depth": 38, "m": 4}, 38),
]  # fmt: skip


@pytest.mark.parametrize(("base", "overrides", "layers"), UNPRINTED)
def test_parameters_no_paper_printed(base: str, overrides: dict[str, Any], layers: int) -> None:
    assert varied(f"bases/{base}", **overrides).layers == layers


def test_every_base_is_tried() -> None:
    assert {base for base, _, _ in UNPRINTED} == set(BASES)


RESNET = "depth must be 6n+2 (with one convolution a block 3n+2, with three 9n+2)"
WRN = "depth must be 6N+4 (3lN+4 with the deepening factor l)"


@pytest.mark.parametrize(("name", "overrides", "words"), [
    ("bases/cifar_resnet", {"depth": 111}, RESNET), ("bases/cifar_resnet", {"depth": 2}, RESNET),
    ("bases/cifar_resnet", {"depth": -4}, RESNET), ("bases/cifar_resnet", {"depth": 20.5}, RESNET),
    ("bases/cifar_resnet_bottleneck", {"depth": 50}, RESNET), ("cifar_resnet110_1layer", {"depth": 111}, RESNET),
    ("cifar_preresnet1001", {"depth": 1000}, RESNET), ("bases/ror", {"depth": 109}, RESNET),
    ("ror3_164_b333", {"depth": 116}, RESNET), ("bases/preror", {"depth": 40}, "depth must be 6n+2"),
    ("bases/wrn", {"depth": 30}, WRN), ("bases/wrn", {"depth": 4}, WRN), ("wrn40_2_b333", {"depth": 34}, WRN),
    ("bases/ror_wrn", {"depth": 56}, WRN),
    ("cifar_iresnet3002", {"depth": 3000}, "depth must be 3n+2, and at least 11"),
    ("cifar_iresnet3002", {"depth": 8}, "depth must be 3n+2, and at least 11"),
])  # fmt: skip
def test_an_impossible_depth_is_refused_in_the_authors_words(name: str, overrides: Any, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        varied(name, **overrides)
    assert words in [problem.message for problem in caught.value.problems]


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.startswith("ror") and "wrn" not in name and "image" not in name]
)
def test_the_final_level_of_ror_follows_the_classes_unless_set(name: str) -> None:
    def projections(network: Graph) -> int:
        return sum(node.path == "shortcut" and node.op.key == "conv" for node in network)

    assert projections(graph(name)) == 2
    assert projections(varied(name, classes=100)) == 0
    assert projections(varied(name, classes=100, final_b=True)) == 2
    assert projections(varied(name, final_b=False)) == 0


@pytest.mark.parametrize(("name", "levels"), [
    ("ror2_110", 1), ("ror3_110", 1 + 3), ("ror4_164", 1 + 3 + 6), ("ror5_110", 1 + 3 + 6 + 12), ("preror3_164", 4),
    ("ror3_wrn58_4", 4), ("ror3_image101", 1 + 4), ("ror4_164_b333", 10),
])  # fmt: skip
def test_shortcuts_above_the_blocks(name: str, levels: int) -> None:
    assert len({node.unit for node in graph(name) if node.level}) == levels
    bare = name.startswith("pre") or "wrn" in name
    assert {node.op.key for node in graph(name) if node.level} == ({"conv"} if bare else {"conv", "bn"})


def test_stochastic_depth() -> None:
    """Survival falls linearly to 0.5 over 54 blocks, one draw per mini-batch, no rescaling in training."""
    drops = [node.op.model_dump() for node in graph("ror3_110_sd") if node.op.key == "drop_path"]
    assert [drop["survival"] for drop in drops] == pytest.approx([1 - block / 54 / 2 for block in range(1, 55)])
    assert {(drop["unit"], drop["rescale"]) for drop in drops} == {("batch", False)}


# What the papers claim about structure, as far as counting shows it.


@pytest.mark.parametrize("depth", [50, 101, 152, 200])
def test_resstage_reorders_resnet(depth: int) -> None:
    """The same operators at the same widths; pre-activation lacks only the BNs of its four projections."""
    resnet = multiset(graph(f"resnet{depth}"))
    assert multiset(graph(f"resstage{depth}")) == resnet
    lacking = Counter({("bn", "{}", channels): 1 for channels in (256, 512, 1024, 2048)})
    assert resnet - multiset(graph(f"preresnet{depth}")) == lacking
    assert multiset(graph(f"preresnet{depth}")) - resnet == Counter()


def test_resstage_164_reorders_resnet_164() -> None:
    resnet = multiset(graph("cifar_resnet164"))
    assert multiset(varied("cifar_iresnet164", paths__projection="C")) == resnet
    lacking = Counter({("bn", "{}", channels): 1 for channels in (64, 128, 256)})
    assert resnet - multiset(graph("cifar_preresnet164")) == lacking


@pytest.mark.parametrize("depth", [110, 164])
@pytest.mark.parametrize("name", ["bn_after_add", "relu_before_add", "relu_only"])
def test_activation_orders_reorder_resnet(depth: int, name: str) -> None:
    variant, original = (
        Counter(node.op.key for node in graph(f"cifar_resnet{depth}{suffix}")) for suffix in (f"_{name}", "")
    )
    extra = Counter({"relu": 1}) if name == "relu_only" else Counter()
    assert variant - original == extra
    assert original - variant == Counter()


def on_the_main_path(network: Graph) -> Counter[str]:
    """Operators from the last block back to the stem, by way of every block's shortcut."""
    node = next(node for node in reversed(list(network)) if node.block is not None)
    found: Counter[str] = Counter()
    while node.block is not None:
        found[node.op.key] += 1
        node = network[node.inputs[1 if node.op.key == "add" else 0]]
    return found


@pytest.mark.parametrize("name", ["resstage50", "resstage200", "iresnet50", "iresnet101", "iresnet404", "iresgroup50"])
def test_four_relus_at_any_depth(name: str) -> None:
    assert on_the_main_path(graph(name))["relu"] == 4


@pytest.mark.parametrize(
    ("name", "blocks"), [("resnet50", 16), ("resnet152", 50), ("cifar_resnet110", 54), ("resnet18", 8)]
)
def test_the_relus_of_resnet_grow_with_depth(name: str, blocks: int) -> None:
    assert on_the_main_path(graph(name))["relu"] == on_the_main_path(graph(name))["add"] == blocks
