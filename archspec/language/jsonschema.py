"""A JSON Schema of the language, for editors."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from archspec.language import schema
from archspec.language.naming import COLUMN
from archspec.language.section import Section
from archspec.ops import OPERATORS, Add, Operator
from archspec.ops.base import Fields
from archspec.ops.joins import Weight, Weights
from archspec.ops.ranges import Range
from archspec.syntax.names import ADDRESS, LABEL, NAME, PRINTED, SPEC, VARIABLE

EXPRESSION: dict[str, Any] = {
    "description": "A number, a condition, a list, or an expression over names in scope.",
    "type": ["number", "boolean", "string", "array", "object", "null"],
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a spec. `extends` may supply all that is required but `archspec`."""
    document = _resolved(schema.Document.model_json_schema())
    definitions = document.setdefault("$defs", {})
    definitions["Expression"] = EXPRESSION
    definitions["Positions"] = {
        "anyOf": [{"type": "string"}, _resolved(_own(schema.Positions.model_json_schema(), schema.Positions))]
    }
    definitions["Path"] = {
        "description": "A list of items, or the name of a path.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/Item"}}],
    }
    definitions["Item"] = _item()
    definitions["Closing"] = _object(_fields(Add), [], "The fields of an `add`.")
    for model in (Weight, Weights):
        definitions[model.__name__] = _object(_fields(model), [], inspect.getdoc(model) or "")
    for model in vars(schema).values():
        if inspect.isclass(model) and issubclass(model, Section) and model.__name__ in definitions:
            _own(definitions[model.__name__], model)
            # A section may take from a base what it does not say itself.
            definitions[model.__name__].pop("required", None)
    _own(document, schema.Document)
    document["required"] = ["archspec"]
    _name(document, definitions)
    wire = definitions["Wire"]
    definitions["Wire"] = {"anyOf": [{"$ref": "#/$defs/Path"}, wire]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "archspec", **document}


def _name(document: dict[str, Any], definitions: Mapping[str, Any]) -> None:
    """Puts the forms of names where names are the author's own."""
    properties = document["properties"]
    forms = {"params": VARIABLE, "blocks": LABEL, "paths": LABEL, "outputs": NAME, "graph": ADDRESS}
    for section, form in forms.items():
        properties[section]["propertyNames"] = form.schema
    properties["name"]["anyOf"].insert(0, properties["name"]["anyOf"].pop(0) | {"pattern": SPEC.schema["pattern"]})
    definitions["Stages"]["propertyNames"] = COLUMN.schema
    definitions["Block"]["properties"]["graph"]["propertyNames"] = NAME.schema
    definitions["Expect"]["properties"]["output"]["propertyNames"] = NAME.schema
    definitions["Paper"]["properties"]["error"]["propertyNames"] = PRINTED.schema


def _item() -> dict[str, Any]:
    words = [operator.key for operator in OPERATORS if not _required(operator)]
    use: dict[str, Any] = {
        "anyOf": [
            {"type": "string"},
            _object(
                {"path": {"type": "string"}, "with": _arguments("stride", "out"), "when": EXPRESSION}, ["path"],
                "A named path, spliced in; it sees the arguments of `with` by their names.",
            ),
        ]
    }  # fmt: skip
    block: dict[str, Any] = {
        "anyOf": [
            {"type": "string"},
            _object(
                {"use": {"type": "string"}, "with": _arguments("stride"), "repeat": EXPRESSION, "when": EXPRESSION,
                 "name": NAME.schema},
                ["use"], "A block, run where it stands: once, or `repeat` times, with its stride in the first.",
            ),
        ]
    }  # fmt: skip
    each = _object(
        {"of": EXPRESSION, "as": VARIABLE.schema, "at": VARIABLE.schema, "do": {"$ref": "#/$defs/Path"},
         "when": EXPRESSION},
        ["of", "as", "do"], "The items of `do`, once for every entry of `of`.",
    )  # fmt: skip
    keyed = {"use": use, "each": each, "block": block, **{operator.key: _operator(operator) for operator in OPERATORS}}
    mapping = {"type": "object", "properties": keyed, "additionalProperties": False}
    return {"anyOf": [{"enum": words}, {**mapping, "minProperties": 1, "maxProperties": 1}]}


def _arguments(*own: str) -> dict[str, Any]:
    """What `with` may hold: expressions under the names that a param may have, and `own`."""
    names = VARIABLE.but(own).schema
    return {"type": "object", "minProperties": 1, "propertyNames": names, "additionalProperties": EXPRESSION}


def _object(properties: Mapping[str, Any], required: list[str], description: str) -> dict[str, Any]:
    return {
        "type": "object", "description": description, "properties": dict(properties), "required": required,
        "additionalProperties": False,
    }  # fmt: skip


def _required(operator: type[Operator]) -> list[str]:
    return [name for name, field in operator.model_fields.items() if field.is_required()]


def _operator(operator: type[Operator]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "when": {"description": "The condition under which it is there.", **_described(EXPRESSION)},
        "name": {**NAME.schema, "description": "Its name; the operator's by default."},
        **_fields(operator),
    }
    made = _object(fields, _required(operator), inspect.getdoc(operator) or "")
    return made if made["required"] else {"anyOf": [made, {"type": "null"}], "description": made["description"]}


def _fields(model: type[Fields]) -> dict[str, Any]:
    """The fields of an operator, or of a group of its fields."""
    told = documented(model)
    groups = model.mappings if issubclass(model, Operator) else {}
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        about = {"description": told[name]} if name in told else {}
        if name in groups:
            fields[name] = {"$ref": f"#/$defs/{groups[name].__name__}", **about}
        elif name in model.text:
            words = get_args(field.annotation)
            kind = (
                {"enum": list(words)}
                if words and all(isinstance(w, str) for w in words)
                else {"type": ["string", "object"]}
            )
            fields[name] = {**kind, **about}
        else:
            legal = [entry.schema for entry in field.metadata if isinstance(entry, Range)]
            fields[name] = {**_described(EXPRESSION), **about, **(legal[0] if legal else {})}
    return fields


def _described(kind: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kind.items() if key != "description"}


def documented(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings under the fields of a model and its bases, by field."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not issubclass(cls, BaseModel) or cls is BaseModel:
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(body, ast.ClassDef)
        for statement, following in zip(body.body, body.body[1:], strict=False):
            match statement, following:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                    found[name] = " ".join(text.split())
    return found


def _own(made: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema with the docstrings of its fields as descriptions."""
    told = documented(model)
    properties = made.get("properties", {})
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in properties:
            about = {"description": told[name]} if name in told else {}
            properties[key] = {"anyOf": [_nullable(properties[key]), {"type": "null"}], **about}
    return made


def _nullable(entry: dict[str, Any]) -> dict[str, Any]:
    """Null removes what a base says: a field, or an entry of a mapping whose names are the author's."""
    names = entry.get("additionalProperties")
    if isinstance(names, dict):
        return {**entry, "additionalProperties": {"anyOf": [names, {"type": "null"}]}}
    if "anyOf" in entry:
        return {**entry, "anyOf": [_nullable(choice) for choice in entry["anyOf"]]}
    return entry


def _resolved(node: Any) -> Any:
    """Our markers as references to the definitions they stand for; defaults left out."""
    if isinstance(node, list):
        return [_resolved(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    if "$archspec" in node:
        kept = {key: value for key, value in node.items() if key == "description"}
        return {"$ref": f"#/$defs/{node['$archspec'].capitalize()}", **kept}
    resolved: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):  # names of fields and models, not words of JSON Schema
            resolved[key] = {name: _resolved(entry) for name, entry in value.items()}
        elif key not in ("default", "title"):
            resolved[key] = _resolved(value)
    return resolved
