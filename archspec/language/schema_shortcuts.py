"""The sections of shortcuts beyond the block: levels and skips. What may be written; where they go is `topologies`."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from archspec.language.fields import ExprField, Leaf, PathField, Text, WeightField, WeightsField
from archspec.language.items import Path, parse_path
from archspec.language.section import Section
from archspec.syntax.parsing import parse_text
from archspec.syntax.source import Scalar


def _with_weight(section: Any) -> Any:
    """`weight` is one operator more at the end of `path`."""
    if section.weight is not None:
        path: Path = section.path
        section.__dict__["path"] = Path((*path.items, section.weight), path.span)
    return section


class Levels(Section):
    """RoR's shortcut levels (Zhang et al., arXiv 1608.02908): level 1 is the root, m the blocks' own."""

    m: ExprField
    """Number of levels; 1 is the base network."""
    path: PathField = parse_path(Scalar("C", "C"))
    """What runs on every shortcut above the blocks' own."""
    split: ExprField = parse_text("2")
    """Parts into which every level from the third on splits the spans of the level above."""
    weight: WeightField | None = None
    """What each of these shortcuts is multiplied by: a `scale` at the end of its path."""

    _weighted = model_validator(mode="after")(_with_weight)


class Skip(Section):
    """One edge (from, to), or a rule that makes edges; a rule's own fields stand beside it."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ExprField]

    source: Text | None = Field(default=None, alias="from")
    """What is read: a block's output (`stage1.2`), what a stage's `enter` gives (`stage2.enter`), or `stem`."""
    to: Text | None = None
    """The block that is joined."""
    rule: Text | None = None
    """A rule of archspec.topologies: every, dense, log_dense, fractal, ror, cross_stage, random; or one of your own."""
    within: Annotated[Literal["network", "stage"], Leaf] = "network"
    """Whether a rule sees all blocks at once, or each stage alone."""
    path: PathField = parse_path(Scalar("identity", "identity"))
    """What runs on the skip."""
    weight: WeightField | None = None
    """What the skip is multiplied by: a `scale` at the end of its path."""
    join: Annotated[Literal["add", "multiply", "concat"], Leaf] = "add"
    """How skips join what is there: added, multiplied, or side by side along the channels."""
    at: Annotated[Literal["addition", "input", "output"] | None, Leaf] = None
    """Where: at the block's closing addition (the default of add), its input (of the others), or behind its output."""
    weights: WeightsField | None = None
    """The weights of an addition at the input or the output, what is there first, then the skips in order."""
    order: Annotated[Literal["first", "last"], Leaf] = "first"
    """Where what is there stands in a concatenation: before the skips, or behind them."""

    _weighted = model_validator(mode="after")(_with_weight)

    @property
    def place(self) -> str:
        """Where it joins."""
        return self.at or ("addition" if self.join == "add" else "input")
