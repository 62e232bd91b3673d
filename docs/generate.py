"""Writes what the documentation takes from the program: run `python docs/generate.py`; a test says when to.

Between `<!-- generated: NAME ... -->` and `<!-- end generated -->` the text is made from the classes it describes. The
outputs of the commands in console blocks are rewritten where the program no longer prints them.
"""

from __future__ import annotations

import inspect
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

from blocks import ROOT, agrees, blocks, commands, run_command, working_folder
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from archspec.language import schema, schema_shortcuts
from archspec.language.items import Path as SpecPath
from archspec.language.items import Use
from archspec.language.jsonschema import documented
from archspec.ops import OPERATORS
from archspec.ops.joins import Weight, Weights
from archspec.ops.module import ALLOWED
from archspec.ops.ranges import Range
from archspec.syntax import limits
from archspec.syntax.expressions import Expr
from archspec.syntax.values import show

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_GENERATED = re.compile(r"(<!-- generated: (.*?) -->\n).*?(<!-- end generated -->)", re.DOTALL)
SECTIONS: dict[str, type[BaseModel]] = {
    "the spec": schema.Document,
    "`input`": schema.Input,
    "an entry of `require`": schema.Requirement,
    "`stages`": schema.Stages,
    "`stages.blocks`, by position": schema.Positions,
    "a block": schema.Block,
    "a wire of a `graph`": schema.Wire,
    "`levels`": schema_shortcuts.Levels,
    "an entry of `skips`": schema_shortcuts.Skip,
    "`weights`": Weights,
    "`weight`, of levels and skips": Weight,
    "`drop_path`": schema.StochasticDepth,
    "`init`": schema.Init,
    "`init.conv`, `init.linear`": schema.Filling,
    "`expect`": schema.Expect,
    "`paper`": schema.Paper,
    "`lineage`": schema.Lineage,
}


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = list(header)
    cells = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in cells)


def _cell(text: str) -> str:
    """A text in a table: signs that Markdown would take as its own are escaped outside of code."""
    if re.fullmatch(r"\*\*`\w+`\*\*", text):
        return text  # an operator's name, which is bold
    parts = text.split("`")
    return "`".join(part if i % 2 else re.sub(r"([*|<])", r"\\\1", part) for i, part in enumerate(parts))


def operators() -> str:
    """Every operator with its fields."""
    rows = []
    for operator in OPERATORS:
        rows.append((f"**`{operator.key}`**", "", "", "", " ".join((inspect.getdoc(operator) or "").split())))
        told = documented(operator)
        rows += [
            ("", f"`{name}`", _default(field), _legal(field), _about(told.get(name, ""), field))
            for name, field in operator.model_fields.items()
        ]
    return _table(("operator", "field", "default", "legal", "meaning"), rows)


def sections() -> str:
    """Every section of a spec with its fields."""
    parts = []
    for title, model in SECTIONS.items():
        told = documented(model)
        rows = [
            (f"`{field.alias or name}`", _default(field), _about(told.get(name) or _described(field), field))
            for name, field in model.model_fields.items()
            if name not in ("span", "bare")
        ]
        parts.append(f"**{title[0].upper()}{title[1:]}**\n\n{_table(('field', 'default', 'meaning'), rows)}")
    return "\n".join(parts)


def _legal(field: FieldInfo) -> str:
    """The range of a field that is a number."""
    return next((str(entry) for entry in field.metadata if isinstance(entry, Range)), "")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    match value:
        case None | () | [] | {} | BaseModel():
            return ""
        case Expr():
            return f"`{value.text}`"
        case SpecPath(items=[Use(path=path)]):
            return f"`{path}`"
        case SpecPath() | (SpecPath(), *_):
            return ""
        case str():
            return f"`{value}`"
        case (str() as word, *_):
            return f"`{word}`"
    return f"`{show(value)}`"


def _about(text: str, field: FieldInfo) -> str:
    """What a field means, with the words it may be where they are few."""
    words = [word for word in get_args(field.annotation) if isinstance(word, str)]
    return " ".join(filter(None, [text, f"One of {', '.join(f'`{word}`' for word in words)}." if words else ""]))


def _described(field: FieldInfo) -> str:
    """The sentence of the section that a field holds."""
    queue = [field.annotation]
    while queue:
        kind = queue.pop()
        if inspect.isclass(kind) and issubclass(kind, schema.Section):
            return " ".join((inspect.getdoc(kind) or "").split())
        queue += get_args(kind)
    return ""


def standard() -> str:
    """The predefined paths."""
    text = (ROOT / "archspec" / "language" / "standard.yaml").read_text(encoding="utf-8")
    return f"<!-- not run -->\n```yaml\n{text[text.index('paths:') :]}```\n"


def modules() -> str:
    """The classes that `module` may name."""
    return " ".join(f"`{name}`" for name in sorted(ALLOWED)) + "\n"


def bounds() -> str:
    """How large a spec may be."""
    source = inspect.getsource(limits)
    rows = [
        (name.lower().replace("_", " ").removeprefix("max "), f"{getattr(limits, name):,}", told)
        for name, told in re.findall(r"^(MAX_\w+) = .*?(?:  # (.*))?$", source, re.MULTILINE)
    ]
    return _table(("limit", "at most", ""), rows)


def spec(path: str, *keys: str) -> str:
    """A spec of the zoo, or some of its sections."""
    text = (ROOT / path).read_text(encoding="utf-8").rstrip("\n") + "\n"
    if not keys:
        return f"<!-- spec: {path} -->\n```yaml\n{text}```\n"
    parts = re.split(r"^(?=\w)", text, flags=re.MULTILINE)
    chosen = "\n".join(part.rstrip() + "\n" for part in parts if part.partition(":")[0] in keys)
    return f"<!-- not run -->\n```yaml\n{chosen}```\n"


MAKERS: dict[str, Callable[..., str]] = {
    "operators": operators, "sections": sections, "standard": standard, "modules": modules, "limits": bounds,
    "spec": spec,
}  # fmt: skip


def regenerated(text: str) -> str:
    """A document with its generated parts as they should be."""

    def replace(match: re.Match[str]) -> str:
        maker, *arguments = match.group(2).split()
        return f"{match.group(1)}\n{MAKERS[maker](*arguments)}\n{match.group(3)}"

    return _GENERATED.sub(replace, text)


def with_outputs(text: str, folder: Path) -> str:
    """A document with the outputs of its commands as they are now."""
    lines: list[Any] = text.split("\n")
    for block in blocks(text):
        if "file" in block.directives:
            (folder / block.directives["file"]).write_text(block.text, encoding="utf-8")
        if block.language != "console" or "not run" in block.directives:
            continue
        told = []
        for command, shown in commands(block):
            output = run_command(command, folder)
            told.append(f"$ {command}\n{shown if agrees(shown, output) else output}")
        lines[block.first : block.last] = ["".join(told).rstrip("\n")] + [None] * (block.last - block.first - 1)
    return "\n".join(line for line in lines if line is not None)


def main() -> None:
    for document in DOCUMENTS:
        before = document.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            after = with_outputs(regenerated(before), working_folder(Path(folder)))
        if after != before:
            document.write_text(after, encoding="utf-8")
            print(f"wrote {document.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
