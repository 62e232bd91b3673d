"""A spec as a value: loaded, and edited into others."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archspec.language import edit, zoo
from archspec.language.overrides import from_arguments
from archspec.language.resolve import Resolved, kind, resolve
from archspec.syntax.display import Displayed
from archspec.syntax.errors import Problems, Source, suggest
from archspec.syntax.reading import read_source
from archspec.syntax.source import Data, mark
from archspec.syntax.writer import yaml_text
from archspec.topologies import STANDARD, Rules


@dataclass(frozen=True)
class Spec(Resolved, Displayed):
    """A validated spec. It stands on a text: `loads(spec.to_yaml())` gives an equal one. Editing gives another."""

    def with_params(self, **values: Any) -> Spec:
        """This spec with other values of its params, of the kinds they had. Raises `SpecError`, as every edit does."""
        problems = Problems()
        marked = from_arguments(values)
        for name in values:
            if name not in self.params:
                problems.add(f"there is no param '{name[:60]}'", marked[name].span, hint=suggest(name, self.params))
        problems.check()
        edited = changed(self, {"params": dict(values)})
        for name in values:
            was, now = kind(self.params[name]), kind(edited.params.get(name))
            if was != now:
                problems.add(f"{name} is {was}, and this is {now}", marked[name].span)
        problems.check()
        return edited

    def with_levels(self, m: int | str | None, **fields: Any) -> Spec:
        """This spec with m shortcut levels (RoR-m; `path` and `split` as in YAML), or with none (None)."""
        return self.with_changes(levels=None if m is None else {"m": m, **fields})

    def with_skips(self, skips: Sequence[Mapping[str, Any]]) -> Spec:
        """This spec with these skips, edges and rules, in place of those it has."""
        return self.with_changes(skips=list(skips))

    def with_block(self, block: str, /, **fields: Any) -> Spec:
        """This spec with a block changed, or another one defined; a field of None is removed."""
        return self.with_changes(blocks={block: fields})

    def with_stages(self, **columns: Any) -> Spec:
        """This spec with other columns of its table of stages; `blocks` says which block stands where."""
        return self.with_changes(stages=columns)

    def with_name(self, name: str) -> Spec:
        """This spec under another name."""
        return changed(self, {}, name)

    def with_changes(self, **sections: Any) -> Spec:
        """This spec as one that extends it changes it: mappings merge, lists replace, None removes."""
        return changed(self, sections)

    def to_yaml(self, folder: str | os.PathLike[str] | None = None) -> str:
        """This spec as YAML that loads to an equal one: short, with its `extends` (for a file in `folder`)."""
        return edit.text(self, None if folder is None else Path(folder))


def load(
    reference: str | os.PathLike[str], *, trust: bool = False, rules: Rules = STANDARD,
    overrides: Mapping[str, Data] | None = None,
) -> Spec:  # fmt: skip
    """The spec of a file or a name of the zoo. Raises `SpecError` with everything found wrong."""
    path = zoo.locate(os.fspath(reference))
    spec = from_source(read_source(path, zoo.display(path)), path, trust=trust, rules=rules, overrides=overrides)
    return replace(spec, file=path)


def from_source(
    source: Source, path: Path | None = None, *, trust: bool = False, rules: Rules = STANDARD,
    overrides: Mapping[str, Data] | None = None,
) -> Spec:  # fmt: skip
    """The spec of a text; `path` is where it lies, for `extends` and the default name. Raises `SpecError`."""
    if not isinstance(source.text, str):
        raise TypeError(f"the text of a spec is a str, not {type(source.text).__name__}")
    return Spec(**vars(resolve(source, path, trust=trust, rules=rules, overrides=overrides)))


def from_data(data: Mapping[str, Any], name: str, folder: Path, *, trust: bool, rules: Rules) -> Spec:
    """The spec of a document in Python's lists and dicts, by way of its text. Raises `SpecError`."""
    mark(data, Source(name, ""))  # raises TypeError for what no spec can hold
    source = Source(f"{name} (edited)", yaml_text(data))
    return from_source(source, folder / f"{name} (edited)", trust=trust, rules=rules)


def changed(spec: Spec, change: Mapping[str, Any], name: str | None = None) -> Spec:
    """A spec with a change made to it, called `name` if given. Raises `SpecError` with everything found wrong."""
    folder = spec.folder or Path.cwd()
    mark(change, Source(f"{spec.name} (edited)", "", inline=True))  # raises TypeError for what no spec can hold
    data = edit.changed(spec, change, name)
    return from_data(data, name or spec.name, folder, trust=spec.trust, rules=spec.rules)
