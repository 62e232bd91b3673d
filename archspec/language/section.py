"""What every section of a spec is: fields by name that know where they stand."""

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from archspec.language.fields import MISSING_SPACE, NO_SECTION, refuse
from archspec.syntax.errors import Problem, Span
from archspec.syntax.source import Map, Scalar, Seq

SPAN = "\0span"  # a key that no YAML can hold


def mapping(data: Any) -> Any:
    """A section as a plain dict that also tells where it stands; an empty one is a mapping without fields."""
    if isinstance(data, Scalar) and data.value is None:
        return {SPAN: data.span}
    if isinstance(data, Map):
        return {**data, SPAN: data.span}
    if isinstance(data, Scalar | Seq):
        hint = MISSING_SPACE if isinstance(data, Scalar) and ":" in data.text else None
        refuse(Problem(NO_SECTION, data.span, hint))
    return data


class Section(BaseModel):
    """Fields by name; unknown ones are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    span: SkipJsonSchema[Span | None] = Field(default=None, alias=SPAN, exclude=True, repr=False)

    def __eq__(self, other: object) -> bool:
        """Where a section was written does not count."""
        return type(self) is type(other) and _content(self) == _content(other)


def _content(section: Any) -> dict[str, Any]:
    return {**vars(section), **(section.__pydantic_extra__ or {}), "span": None}


SectionOf = BeforeValidator(mapping)
