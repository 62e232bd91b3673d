"""Paths and their items: operators, `use`, `each` and `block`, as written. Nothing is evaluated here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from archspec.language.vocabulary import meant
from archspec.ops import BY_KEY, Add, Operator, Scale
from archspec.ops.base import Fields
from archspec.ops.joins import Weight, Weights
from archspec.syntax import limits
from archspec.syntax.errors import Problem, Span, SpecError, suggest
from archspec.syntax.expressions import Expr
from archspec.syntax.names import unusable, unusable_variable
from archspec.syntax.parsing import expression, parse_text
from archspec.syntax.source import Data, Key, Map, Scalar, Seq, plain


@dataclass(frozen=True)
class Operation:
    """An operator with its fields still expressions, or words where the operator takes words."""

    operator: type[Operator]
    fields: Mapping[str, Any]
    when: Expr | None
    name: str
    span: Span | None = field(compare=False)
    places: Mapping[Key, Span | None] = field(default_factory=dict, compare=False, repr=False)
    """Where each field is given."""


@dataclass(frozen=True)
class Use:
    """A named path spliced in; `given` are the arguments that it sees under their names."""

    path: str
    when: Expr | None
    span: Span | None = field(compare=False)
    given: Mapping[str, Expr] = field(default_factory=dict)


@dataclass(frozen=True)
class Each:
    """`do` once for every entry of `of`, which is called `variable`, its position (from 0) `position`."""

    of: Expr
    variable: str
    position: str | None
    do: Path
    when: Expr | None
    span: Span | None = field(compare=False)


@dataclass(frozen=True)
class Inner:
    """A block, run where it stands, with arguments; or so many in sequence, numbered from 0."""

    block: str
    given: Mapping[str, Expr]
    repeat: Expr | None
    when: Expr | None
    name: str
    span: Span | None = field(compare=False)


Item: TypeAlias = Operation | Use | Each | Inner


@dataclass(frozen=True)
class Path:
    """Items in sequence. A path given by its name alone is one `Use`."""

    items: tuple[Item, ...]
    span: Span | None = field(default=None, compare=False)


_FIELDS = {"use": True, "with": False, "repeat": False, "when": False, "name": False}


class _Told(list[Problem]):
    """What is wrong with a path; `named` are the paths of the spec, for hints."""

    named: Collection[str] = ()


def parse_path(data: Data, named: Collection[str] = ()) -> Path:
    """A path from a list of items, or from the name of a path. Raises `SpecError` with every problem in it.

    `named` are the paths of the spec, for hints.
    """
    problems = _Told()
    problems.named = named
    path = _path(data, problems)
    if problems:
        raise SpecError(problems)
    return path


def _path(data: Data, problems: _Told) -> Path:
    if isinstance(data, Scalar) and isinstance(data.value, str):
        return Path((Use(data.value, None, data.span),), data.span)
    if not isinstance(data, Seq):
        what = "a mapping" if isinstance(data, Map) else f"'{data.text}'"
        problems.append(Problem(f"a path is a list of items or the name of a path, not {what}", data.span))
        return Path((), data.span)
    items = []
    for entry in data:
        items.append(_item(entry, problems))
        if len(problems) > limits.MAX_PROBLEMS:
            break
    return Path(tuple(item for item in items if item is not None), data.span)


def _item(data: Data, problems: _Told) -> Item | None:
    if isinstance(data, Scalar) and isinstance(data.value, str):
        return _operation(data.value, data.span, Map(span=data.span), problems)
    if not isinstance(data, Map) or len(data) != 1:
        hint = "one item is one key: `- conv: {out: 64, kernel: 3, when: ...}`; its fields, `when` too, go inside"
        if isinstance(data, Seq):
            hint = "a path holds no list; splice a named path in with `use: NAME`"
        problems.append(Problem("an item of a path is a word, or a mapping of exactly one key", data.span, hint))
        return None
    ((key, body),) = data.items()
    span = data.key_spans.get(key) or data.span
    if isinstance(body, Scalar) and body.value is None:
        body = Map(span=span)
    if key in ("use", "block"):
        return (_use if key == "use" else _inner)(body, span, problems)
    if not isinstance(body, Map):
        operator = BY_KEY.get(str(key))
        if operator is None and key != "each":
            return _operation(str(key), span, Map(span=span), problems)
        fields = list(operator.model_fields) if operator else ["of"]
        advice = f"as in `{key}: {{{fields[0]}: ...}}`" if fields else "it has none but `when` and `name`"
        problems.append(Problem(f"'{key}' takes its fields as a mapping", body.span or span, advice))
        return None
    if key == "each":
        return _each(body, span, problems)
    return _operation(str(key), span, body, problems)


def _expr(data: Data, problems: _Told) -> Expr | None:
    try:
        return expression(data)
    except SpecError as error:
        problems.extend(error.problems)
        return None


def _word(data: Data, problems: _Told, what: str) -> str | None:
    """The text of a scalar; None, having told why, if it is none."""
    if isinstance(data, Scalar) and isinstance(data.value, str):
        return data.value
    problems.append(Problem(f"{what} is a word", data.span))
    return None


def _known(body: Map, fields: Mapping[str, bool], key: str, span: Span | None, problems: _Told) -> bool:
    """Whether `body` has only known fields and all required ones; says so where not."""
    unknown = [name for name in body if name not in fields]
    for name in unknown[: limits.MAX_PROBLEMS]:
        at = body.key_spans.get(name) or span
        problems.append(Problem(f"{key} has no field '{str(name)[:60]}'", at, suggest(str(name), fields)))
    missing = [name for name, required in fields.items() if required and name not in body]
    if missing and not unknown:  # what seems to be missing may be what is misspelt
        what = f"the field{'s' * (len(missing) > 1)} {' and '.join(map(repr, missing))}"
        example = ", ".join(f"{name}: ..." for name, required in fields.items() if required)
        problems.append(Problem(f"{key} needs {what}", span, f"as in `{key}: {{{example}}}`"))
    return not unknown and not missing


def _use(body: Data, span: Span | None, problems: _Told) -> Use | None:
    if not isinstance(body, Map):
        return Use(_word(body, problems, "the name of a path") or "", None, body.span or span)
    if not _known(body, {"path": True, "with": False, "when": False}, "use", span, problems):
        return None
    name, given = _word(body["path"], problems, "the name of a path") or "", _given(body, ("stride", "out"), problems)
    return Use(name, _expr(body["when"], problems) if "when" in body else None, body["path"].span or span, given)


def _inner(body: Data, span: Span | None, problems: _Told) -> Inner | None:
    if not isinstance(body, Map):
        body = Map({"use": body}, body.span, {"use": body.span})
    if not _known(body, _FIELDS, "block", span, problems):
        return None
    block = _word(body["use"], problems, "the name of a block") or ""
    name = (_word(body["name"], problems, "a name") or "") if "name" in body else block
    if name and (reason := unusable(name)):
        hint = f"name it here: `block: {{use: {block[:60]}, name: ...}}`" if name == block else None
        problems.append(Problem(reason, body["name" if "name" in body else "use"].span or span, hint))
    repeat, when = (_expr(body[key], problems) if key in body else None for key in ("repeat", "when"))
    return Inner(block, _given(body, ("stride",), problems), repeat, when, name, body["use"].span or span)


def _given(body: Map, own: Collection[str], problems: _Told) -> dict[str, Expr]:
    """The arguments of a path or block. They may be called as a param may, or by the names of `own`."""
    if (given := body.get("with")) is None:
        return {}
    if not isinstance(given, Map) or not given:
        problems.append(Problem("`with` takes arguments by name", given.span, "as in `with: {width: 64}`"))
        return {}
    for name in given:
        if name not in own and (reason := unusable_variable(str(name))):
            at = given.key_spans.get(name) or given.span
            problems.append(Problem(f"an argument cannot be called '{str(name)[:60]}': {reason}", at))
    values = {str(name): _expr(entry, problems) for name, entry in given.items()}
    return {name: value for name, value in values.items() if value is not None}


def _each(body: Map, span: Span | None, problems: _Told) -> Each | None:
    if not _known(body, {"of": True, "as": True, "at": False, "do": True, "when": False}, "each", span, problems):
        return None
    names = [_word(body[key], problems, f"'{key}'") if key in body else None for key in ("as", "at")]
    for name, key in zip(names, ("as", "at"), strict=True):
        if name is not None and (reason := unusable_variable(name)):
            problems.append(Problem(f"a loop's variable cannot be called '{name[:60]}': {reason}", body[key].span))
    of, do = _expr(body["of"], problems), _path(body["do"], problems)
    when = _expr(body["when"], problems) if "when" in body else None
    return Each(of, names[0] or "", names[1], do, when, span) if of else None


def _operation(key: str, span: Span | None, body: Map, problems: _Told) -> Operation | None:
    operator = BY_KEY.get(key)
    if operator is None:
        problems.append(Problem(f"there is no operator '{key[:60]}'", span, meant(key[:100], problems.named)))
        return None
    fields = {name: field.is_required() for name, field in operator.model_fields.items()}
    if not _known(body, {**fields, "when": False, "name": False}, key, span, problems):
        return None
    name = _word(body["name"], problems, "a name") if "name" in body else key
    if name is not None and (reason := unusable(name)):
        problems.append(Problem(reason, body["name"].span if "name" in body else span))
    values = _fields(operator, body, problems)
    when = _expr(body["when"], problems) if "when" in body else None
    return Operation(operator, values, when, name or "", span, body.key_spans)


def _fields(model: type[Fields], body: Map, problems: _Told) -> dict[str, Any]:
    """The fields of an operator, or of a group of its fields, as expressions, words and mappings of these."""
    groups = model.mappings if issubclass(model, Operator) else {}
    values: dict[str, Any] = {}
    for name in model.model_fields:
        if name in body:
            entry = body[name]
            if name in groups:
                values[name] = _group(groups[name], name, entry, problems)
            else:
                values[name] = plain(entry) if name in model.text else _expr(entry, problems)
    return values


def _group(model: type[Fields], name: str, data: Data, problems: _Told) -> dict[str, Any]:
    """A field that is a mapping of fields. An empty one has its defaults."""
    body = Map(span=data.span) if isinstance(data, Scalar) and data.value is None else data
    fields = {field: info.is_required() for field, info in model.model_fields.items()}
    if not isinstance(body, Map):
        problems.append(Problem(f"'{name}' takes its fields as a mapping", data.span, f"as in `{name}: {{init: 1}}`"))
        return {}
    return _fields(model, body, problems) if _known(body, fields, name, data.span, problems) else {}


def parse_closing(data: Data) -> Operation:
    """A block's closing addition, from the fields of `add`. Raises `SpecError`."""
    return _parsed("add", data, lambda body, problems: _fields(Add, body, problems), Add)


def parse_weights(data: Data) -> Operation:
    """The addition that skips make, from its `weights`. Raises `SpecError`."""
    return _parsed("weights", data, lambda body, problems: {"weights": _fields(Weights, body, problems)}, Add, Weights)


def parse_weight(data: Data) -> Operation:
    """The factor of one shortcut, from its `weight`. Raises `SpecError`."""

    def scale(body: Map, problems: _Told) -> dict[str, Any]:
        given = _fields(Weight, body, problems)
        defaults = {"by": parse_text("1"), "learned": parse_text("true")}
        return defaults | {{"init": "by"}.get(name, name): value for name, value in given.items()}

    return _parsed("weight", data, scale, Scale, Weight)


def _parsed(
    key: str, data: Data, read: Callable[[Map, _Told], dict[str, Any]], operator: type[Operator],
    model: type[Fields] | None = None,
) -> Operation:  # fmt: skip
    problems = _Told()
    body = Map(span=data.span) if isinstance(data, Scalar) and data.value is None else data
    values: dict[str, Any] = {}
    if not isinstance(body, Map):
        example = "weights: {init: 1}" if operator is Add and model is None else "init: 1"
        problems.append(Problem(f"'{key}' takes its fields as a mapping", data.span, f"as in `{key}: {{{example}}}`"))
    elif _known(body, dict.fromkeys((model or operator).model_fields, False), key, data.span, problems):
        values = read(body, problems)
    if problems:
        raise SpecError(problems)
    places = body.key_spans if isinstance(body, Map) else {}
    return Operation(operator, values, None, operator.key, data.span, places)
