"""The leaf types of a spec: how marked YAML data becomes an expression, a path, a word.

Each type is a pydantic annotation over a function that keeps where things were written. A function reports what is
wrong by `refuse`, which hands whole `Problem`s through pydantic; `schema_problems` takes them out again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, PlainValidator, ValidationError, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from archspec.language.items import Operation, Path, parse_closing, parse_path, parse_weight, parse_weights
from archspec.syntax import limits
from archspec.syntax.errors import Problem, Problems, Span, SpecError, suggest
from archspec.syntax.expressions import Expr
from archspec.syntax.parsing import expression
from archspec.syntax.scalars import resolve_plain
from archspec.syntax.source import Data, Map, Scalar, Seq


def refuse(*problems: Problem) -> NoReturn:
    """Rejects a value with whole problems, from within a pydantic validator."""
    raise PydanticCustomError("spec", "see the problems", {"problems": problems})


def _marked(data: Any) -> Data:
    return data if isinstance(data, Scalar | Seq | Map) else Scalar(data, str(data))


def _through(read: Callable[[Data], Any]) -> Callable[[Any], Any]:
    def validate(data: Any) -> Any:
        if isinstance(data, Expr | Path | Operation):
            return data
        try:
            return read(_marked(data))
        except SpecError as error:
            refuse(*error.problems)

    return validate


class Word(str):
    """A text of a spec that knows where it stands."""

    span: Span | None = None


def place_of(text: str | None) -> Span | None:
    """Where a text of a spec stands, if it is known."""
    return text.span if isinstance(text, Word) else None


def word(data: Any) -> str:
    """A text from a scalar, numbers and conditions included, as written."""
    if isinstance(data, Word):
        return data
    data = _marked(data)
    if not isinstance(data, Scalar) or data.value is None:
        refuse(Problem("this must be a text", data.span, "write a word, or a text in quotes"))
    text = Word(data.text)
    text.span = data.span
    return text


def _leaf(data: Any) -> Any:
    return data.value if isinstance(data, Scalar) else data


def _texts(data: Any) -> tuple[str, ...]:
    data = _marked(data)
    if isinstance(data, Seq) and not data:
        refuse(Problem("this list is empty", data.span, "name what it reads"))
    return tuple(word(entry) for entry in data) if isinstance(data, Seq) else (word(data),)


def _figure(data: Any) -> str:
    """A claimed number, kept as written: its precision counts."""
    text = word(data).replace("_", "").replace(",", "")
    if len(text) > limits.MAX_FIGURE or not FIGURE.match(text):
        span = data.span if isinstance(data, Scalar) else None
        refuse(Problem(f"'{text[:40]}' is not a figure", span, "write a number, as in 25557032, 1.70M or 4.1G"))
    return text


FIGURE = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)\s*(?P<unit>[kKMGBT]?)\Z")

ExprField = Annotated[
    Expr, PlainValidator(_through(expression)), WithJsonSchema({"$archspec": "expression"})
]  # fmt: skip


def _path(data: Any, info: ValidationInfo) -> Any:
    """A path; what validates a whole spec says by the context `paths` which are named there."""
    return _through(partial(parse_path, named=(info.context or {}).get("paths", ())))(data)


Closing = Annotated[Operation, PlainValidator(_through(parse_closing)), WithJsonSchema({"$archspec": "closing"})]
"""The fields of an `add`."""
WeightsField = Annotated[Operation, PlainValidator(_through(parse_weights)), WithJsonSchema({"$archspec": "weights"})]
WeightField = Annotated[Operation, PlainValidator(_through(parse_weight)), WithJsonSchema({"$archspec": "weight"})]

PathField = Annotated[Path, PlainValidator(_path), WithJsonSchema({"$archspec": "path"})]
_TEXT = ["string", "number", "boolean"]  # taken as written
Text = Annotated[str, PlainValidator(word), WithJsonSchema({"type": _TEXT})]
Texts = Annotated[
    tuple[str, ...],
    PlainValidator(_texts),
    WithJsonSchema({"anyOf": [{"type": _TEXT}, {"type": "array", "minItems": 1, "items": {"type": _TEXT}}]}),
]
Figure = Annotated[
    str,
    PlainValidator(_figure),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "string"}]}),
]
Leaf = BeforeValidator(_leaf)


NO_SECTION = "this must be a mapping of fields, as in {name: value}"
MISSING_SPACE = "a space after the colon makes a key and its value"

_MESSAGES = {
    "model_type": NO_SECTION,
    "dict_type": "this must be a mapping, as in {name: value}",
    "list_type": "this must be a list, as in [...]",
    "tuple_type": "this must be a list, as in [...]",
    "bool_type": "this must be true or false",
    "bool_parsing": "this must be true or false",
    "int_type": "this must be a whole number",
    "float_type": "this must be a number",
    "float_parsing": "this must be a number",
    "string_type": "this must be a word; a number needs quotes to be one",
}


def schema_problems(error: ValidationError, root: Map, fields: Callable[[Sequence[Any]], list[str]]) -> list[Problem]:
    """What pydantic found, as problems at their place in the file. `fields` lists the known fields at a location."""
    problems: list[Problem] = []
    every = error.errors(include_url=False, include_input=False)
    misspelt = {found["loc"][:-1] for found in every if found["type"] == "extra_forbidden"}
    for found in every[: limits.MAX_PROBLEMS]:
        kind, context = found["type"], found.get("ctx", {})
        if found["loc"][-1:] == ("[key]",):  # a number for a name: `check_names` has told
            continue
        if kind == "spec":
            known = fields(found["loc"])
            named = f"its fields are {', '.join(known)}" if known else None
            problems += [
                replace(problem, hint=named) if problem.message == NO_SECTION and not problem.hint else problem
                for problem in context["problems"]
            ]
            continue
        parent, key, span = _locate(root, found["loc"])
        if kind == "extra_forbidden":
            key_span = parent.key_spans.get(key, span) if isinstance(parent, Map) else span
            hint = suggest(str(key), fields(found["loc"][:-1]))
            params = root.get("params")
            if parent is root and isinstance(params, Map) and key in params:
                hint = "that is a param: indent it below `params`"
            problems.append(Problem(f"there is no field '{str(key)[:60]}' here", key_span, hint))
        elif kind == "missing":
            if found["loc"][:-1] not in misspelt:  # what seems to be missing may be what is misspelt
                name = found["loc"][-1]
                problems.append(Problem(f"the field '{name}' is missing", span, f"add `{name}: ...`"))
        elif kind == "literal_error":
            allowed = context["expected"].replace("'", "")
            given = parent[key] if isinstance(parent, Map) and key in parent else None
            words = allowed.replace(" or ", ", ").split(", ")
            hint = suggest(given.text, words) if isinstance(given, Scalar) else None
            hint = hint if hint and hint.startswith("did") else None
            if len(words) == 1:
                hint = f"write `{key}: {allowed}`" + (", without quotes" if _quoted(given) else "")
            problems.append(Problem(f"{key} must be {allowed}", span, hint))
        else:
            message = found["msg"].removeprefix("Value error, ")
            if kind == "value_error":  # of a number or a switch, which does not know its field
                message = f"{': '.join(map(str, found['loc']))} {message}"
            given = parent[key] if isinstance(parent, Map) and key in parent else None
            hint = MISSING_SPACE if isinstance(given, Scalar) and ":" in given.text else None
            hint = f"write {given.text}, without quotes" if isinstance(given, Scalar) and _quoted(given) else hint
            problems.append(Problem(_MESSAGES.get(kind, message[:1].lower() + message[1:]), span, hint))
    return problems


def _quoted(data: Data | None) -> bool:
    """Whether quotes make a text of what would be a number, true or false without them."""
    if not isinstance(data, Scalar) or not isinstance(data.value, str) or not data.text:
        return False
    wrong = Problems()
    return not isinstance(resolve_plain(data.text, None, wrong), str) and not wrong


def _locate(root: Data, loc: Sequence[Any]) -> tuple[Data, Any, Span | None]:
    """The collection that holds what `loc` leads to, the last key, and the span of the deepest thing found."""
    node, parent, last = root, root, loc[-1] if loc else None
    for key in loc:
        below: Data | None = None
        if isinstance(node, Map):
            below = node.get(key)
        elif isinstance(node, Seq) and isinstance(key, int) and key < len(node):
            below = node[key]
        if below is not None:
            parent, node, last = node, below, key
    return parent, last, node.span
