"""The pydantic models of a spec: what may be written where. No behaviour."""
# ruff: noqa: RUF012 - pydantic copies defaults

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from archspec.language.fields import Closing, ExprField, Leaf, PathField, Text, Texts, refuse, word
from archspec.language.items import Path, parse_path
from archspec.language.schema_about import Expect, Lineage, Paper
from archspec.language.schema_shortcuts import Levels, Skip
from archspec.language.section import SPAN, Section, SectionOf, mapping
from archspec.ops.ranges import Range, Switch
from archspec.syntax.errors import Problem
from archspec.syntax.parsing import parse_text
from archspec.syntax.source import Map, Scalar, Seq

BARE = "\0bare"  # a key that no YAML can hold
_NAMES = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": ["string", "null"]}}]}


def _wire(data: Any) -> Any:
    if isinstance(data, Scalar):
        return {BARE: word(data), "ops": data, SPAN: data.span} if data.value is not None else {SPAN: data.span}
    if isinstance(data, Seq):
        return {"ops": data, SPAN: data.span}
    return mapping(data)


def _named(read: Callable[[Any], Any]) -> BeforeValidator:
    """Sections by name, each of which then stands where its name does."""

    def validate(data: Any) -> Any:
        if not isinstance(data, Map):
            return data
        if read is _wire and not data:
            refuse(Problem("this graph is empty", data.span, "give it wires, `output` at the end"))
        sections: dict[Any, Any] = {}
        for name, body in data.items():
            try:
                section = read(body)
            except PydanticCustomError:
                section = body  # refused again, for pydantic to collect
            sections[name] = {**section, SPAN: data.key_spans.get(name)} if isinstance(section, dict) else section
        return sections

    return BeforeValidator(validate)


class Wire(Section):
    """A path and the wires it starts from; several need a join (add, multiply, concat, select) to begin with."""

    inputs: Texts = Field(default=("input",), alias="from")
    """The wires it reads; `input` is the block's, or the network's."""
    ops: PathField = Path(())
    """What happens on it."""
    when: ExprField | None = None
    """The condition under which it is there; a join does without what is not."""
    bare: SkipJsonSchema[Text | None] = Field(default=None, alias=BARE)


Wires = Annotated[dict[str, Annotated[Wire, BeforeValidator(_wire)]], _named(_wire)]


class Block(Section):
    """A block: in residual form (pre, branch, shortcut) or in graph form (graph)."""

    extends: Text | None = None
    """Another block that this one changes."""
    pre: PathField | None = None
    """What branch and, where `shared`, shortcut both read."""
    branch: PathField | None = None
    """The residual branch."""
    shortcut: PathField = parse_path(Scalar("identity", "identity"))
    """A path (identity, A, B, C or your own), or `none` for a plain net."""
    shared: ExprField | None = None
    """Where true, the shortcut reads the output of `pre`, else the block's input."""
    graph: Wires | None = None
    """Wires by name; `output` is what the block gives."""
    out: ExprField | None = None
    """Channels to reach, for paths of the graph form that ask for `out`."""
    add: Closing | None = None
    """Fields of the closing addition of the residual form, as `add: {weights: {init: 1}}`."""
    after: PathField = Path(())
    """What follows the closing addition."""


class Positions(Section):
    """Which block stands where in a stage."""

    start: Text | None = None
    """The first."""
    middle: Text | None = None
    """Every other one."""
    cycle: Texts = ()
    """Instead of `middle`, blocks in turn: at position i the one of number i modulo how many there are."""
    end: Text | None = None
    """The last."""
    only: Text | None = None
    """That of a stage of one block."""


def _positions(data: Any) -> Any:
    if isinstance(data, Scalar) and isinstance(data.value, str):
        return {"start": data, "middle": data, "only": data, SPAN: data.span}
    return mapping(data)


def _each_stage(data: Any) -> Any:
    """A list with one entry per stage; an entry alone holds for every stage."""
    if isinstance(data, Seq) and not data:
        refuse(Problem("this list is empty", data.span, "give one entry per stage, or one for all"))
    return data if isinstance(data, Seq | list) else [data]


def _enter(data: Any) -> Any:
    names = []
    for entry in _each_stage(data):
        if not isinstance(entry, Scalar) or not isinstance(entry.value, str | None):
            hint = "write the path under `paths` and its name here"
            refuse(Problem("enter is the name of a path, or a list of names, one per stage", data.span, hint))
        names.append(Path(()) if entry.value is None else parse_path(entry))
    return tuple(names)


BlockChoice = Annotated[
    list[Annotated[Positions, BeforeValidator(_positions)]],
    BeforeValidator(_each_stage),
    WithJsonSchema({"anyOf": [{"$archspec": "positions"}, {"type": "array", "items": {"$archspec": "positions"}}]}),
]
EnterField = Annotated[Any, PlainValidator(_enter), WithJsonSchema(_NAMES)]


class Stages(Section):
    """The table of stages; every other field is a column of the author's own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ExprField]

    repeat: ExprField
    """Blocks of each stage."""
    stride: ExprField = parse_text("1")
    """Stride of the first block; every other block has stride 1."""
    blocks: BlockChoice
    """The block's name, or positions start, middle, end and only; or a list of these, one per stage."""
    enter: EnterField = (Path(()),)
    """Path (or one per stage) run on entering a stage, before its first block."""


class Input(Section):
    """What the network reads, one sample."""

    channels: ExprField = parse_text("3")
    """Channels."""
    size: ExprField
    """One size for signals (length), two for images (height, width), three for video (time first)."""


class Requirement(Section):
    """A condition on the params, and what to say where it does not hold."""

    that: ExprField
    """The condition."""
    otherwise: Text = Field(alias="else")
    """The message, in the author's words."""


class StochasticDepth(Section):
    """Drops residual branches in training (Huang et al., arXiv 1603.09382)."""

    survival: ExprField
    """Survival probability of the last block; a list, of each stage's blocks; an expression over `number`, columns or
    other names that blocks know, of each block."""
    decay: Annotated[Literal["linear", "constant"], Leaf] = "linear"
    """Linear: 1 before the first block, `survival` at the last; constant: `survival` everywhere. Of one number only."""
    unit: Annotated[Literal["batch", "sample"], Leaf] = "batch"
    """One draw per mini-batch, or per sample."""
    rescale: Annotated[Switch, Leaf] = False
    """Divide by the survival probability in training, instead of multiplying by it in evaluation."""


Method = Literal["he_normal", "he_uniform", "xavier_normal", "xavier_uniform", "normal", "default"]


class Filling(Section):
    """How the weights of one kind of layer start."""

    method: Annotated[Method, Leaf] = "he_normal"
    """The distribution; `default` leaves torch's own."""
    fan: Annotated[Literal["in", "out"], Leaf] = "out"
    """Which fan he_normal and he_uniform count."""
    std: Annotated[float, Range(0, 1000), Leaf] = 0.01
    """Standard deviation of `normal`."""


READ_BY = {"fan": ("he_normal", "he_uniform"), "std": ("normal",)}
"""The methods that read a field of `init`."""


class LinearFilling(Filling):
    """How the weights of linear layers start: as torch does, unless a method is given."""

    method: Annotated[Method, Leaf] = "default"


class Init(Section):
    """Initialisation: He normal (fan-out) for convolutions, torch's own for linear layers, unless said otherwise."""

    conv: Annotated[Filling, SectionOf] = Field(default_factory=Filling)
    linear: Annotated[LinearFilling, SectionOf] = Field(default_factory=LinearFilling)


def _version(value: Any) -> Any:
    return value if type(value) is int else str(value)  # true and 1.0 are equal to 1


class Document(Section):
    """A whole spec."""

    archspec: Annotated[Literal[1], BeforeValidator(_version), Leaf]
    """Version of the language."""
    name: Text | None = None
    """The network's name; the file's stem by default."""
    paper: Annotated[Paper, SectionOf] | None = None
    lineage: Annotated[Lineage, SectionOf] | None = None
    extends: Texts | None = None
    """What this spec changes: a path relative to this file, the name of a spec of the zoo, or a list of them, of which
    later ones change earlier ones."""
    input: Annotated[Input, SectionOf]
    params: dict[str, ExprField] = {}
    """Numbers, conditions, lists, tables, or expressions over other params."""
    require: list[Annotated[Requirement, SectionOf]] = []
    stem: PathField = Path(())
    """From the input to the first stage."""
    stages: Annotated[Stages, SectionOf] | None = None
    blocks: Annotated[dict[str, Annotated[Block, SectionOf]], _named(mapping)] = {}
    paths: dict[str, PathField] = {}
    """Named paths, for use anywhere."""
    head: PathField = Path(())
    """From the last stage to the output."""
    heads: Wires = {}
    """Further heads by name, each a wire that reads any part of the network, and each an output."""
    levels: Annotated[Levels, SectionOf] | None = None
    skips: list[Annotated[Skip, SectionOf]] = []
    drop_path: Annotated[StochasticDepth, SectionOf] | None = None
    output_stride: ExprField | None = None
    """How many times smaller than the input a map may become: strides beyond that become dilation of what follows."""
    until: Text | None = None
    """A stage or block after which the network, head included, is cut off."""
    outputs: dict[str, Text] | None = None
    """Several outputs: addresses by the name of the output."""
    graph: Wires | None = None
    """The whole network in graph form, instead of stem, stages and head; or, beside stages, what follows them."""
    init: Annotated[Init, SectionOf] = Field(default_factory=Init)
    expect: Annotated[Expect, SectionOf] | None = None
