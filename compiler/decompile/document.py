"""Stages as the document of a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archspec.compiler.decompile import beyond, facts
from archspec.compiler.decompile.cells import PLAIN, RESIDUAL, Cell
from archspec.compiler.decompile.drops import stochastic_depth
from archspec.compiler.decompile.extending import extending
from archspec.compiler.decompile.gaps import Row
from archspec.compiler.decompile.lifted import Long
from archspec.compiler.decompile.merge import Chain, chains
from archspec.compiler.decompile.options import option
from archspec.compiler.decompile.paths import Path, path, plain_path
from archspec.compiler.decompile.stages import Border, Definition, Stage, definitions, stages
from archspec.compiler.decompile.table import Table, UnsaidError
from archspec.compiler.decompile.wires import in_graph_form
from archspec.graph import Node

_MOST_DEFINITIONS = 40
"""A network of more kinds of blocks is not repeated blocks."""


class Writer:
    """One way to write a row of blocks as stages."""

    def __init__(self, row: Row, border: Border, longs: Sequence[Long], known: Mapping[str, Node]) -> None:
        self.row, self.known = row, known
        self.dropped = stochastic_depth(row.cells)
        self.by_cell = definitions(row.cells)
        self.stages = stages(row.cells, self.by_cell, border)
        self.table = Table([len(stage.cells) for stage in self.stages])
        self.beyond = beyond.sections(longs, self.stages, known)
        """The sections `levels` and `skips`; None if they cannot say what is to be said."""
        self.used = list(dict.fromkeys(self.by_cell[id(cell)] for cell in row.cells))
        self.paths: dict[int, Path | str] = {}
        """What is written of each chain, by its `id`."""

    def document(self) -> dict[str, Any] | None:
        """The sections from stem to head; None if this way says it wrong."""
        if self.beyond is None or len(self.used) > _MOST_DEFINITIONS:
            return None
        try:
            blocks = self._blocks()
            enter, named = self._enter()
        except UnsaidError:
            return None
        counts = self.table.counts
        table: dict[str, Any] = {"repeat": counts if len(counts) > 1 else counts[0], **self.table.data()}
        strides = [stage.stride for stage in self.stages]
        if self.table.strided:
            table["stride"] = strides[0] if all(stride == strides[0] for stride in strides) else strides
        if enter is not None:
            table["enter"] = enter
        if any(isinstance(value, list) for name, value in table.items() if name != "repeat") and len(set(counts)) == 1:
            table["repeat"] = counts[0]
        table["blocks"] = self._choice()
        sections: dict[str, Any] = {"stem": plain_path(self.row.stem), "stages": table, "blocks": blocks}
        sections |= {"paths": named, **(self.beyond or {}), **self.dropped}
        sections["head"] = plain_path(self.row.head)
        return {name: value for name, value in sections.items() if value}

    def _written(self, chain: Chain, name: str) -> Path | str:
        if id(chain) not in self.paths:
            rows = [(self._facts(cell, name), nodes) for cell, nodes in chain.members]
            named = option(rows) if chain.kinds and "out" in rows[0][0] else None
            self.paths[id(chain)] = named or (path(rows, self.table) if chain.kinds else [])
        return self.paths[id(chain)]

    def _facts(self, cell: Cell, name: str) -> facts.Facts:
        stage, count = self.stages[cell.stage - 1], len(self.stages)
        if name == "shortcut" and cell.form == RESIDUAL:
            return facts.on_shortcut(cell, stage, count)
        return facts.on_wire(cell, stage, count, self._start(cell, name))

    def _start(self, cell: Cell, name: str) -> Node:
        """The signal that a wire starts from; a join's channels are nobody's."""
        if name == "after":
            return cell.exit
        if name == "pre" or name not in cell.wires:
            return cell.entry
        sources = dict(cell.form).get(name, ("input",))
        while sources[0] != "input" and not cell.wires[sources[0]]:
            sources = dict(cell.form)[sources[0]]
        return cell.entry if sources[0] == "input" else cell.wires[sources[0]][-1]

    def _blocks(self) -> dict[str, Any]:
        _name(self.used, self.stages)
        return extending({definition.name: self._block(definition) for definition in self.used})

    def _block(self, definition: Definition) -> dict[str, Any]:
        written = {name: self._written(chain, name) for name, chain in definition.chains.items()}
        block: dict[str, Any] = {}
        if written["pre"]:
            block["pre"] = written["pre"]
            if shared := self._shared(definition):
                block["shared"] = shared
        if definition.form == RESIDUAL:
            block["branch"] = written["branch"]
            if written["shortcut"] not in ([], "identity"):
                block["shortcut"] = written["shortcut"]
        elif definition.form == PLAIN:
            block["branch"], block["shortcut"] = written["branch"], "none"
        else:
            block["graph"] = in_graph_form(definition.form, written)
        if written["after"]:
            block["after"] = written["after"]
        return block

    def _shared(self, definition: Definition) -> Any:
        wanted = [(self._facts(cell, "shortcut"), cell.shared) for cell in definition.cells if cell.pre]
        if not any(shared for _, shared in wanted):
            return None
        if all(shared for _, shared in wanted):
            return True
        found = (text for text, holds in facts.conditions(wanted[0][0]) if all(holds(at) == x for at, x in wanted))
        return next(found, None) or self.table.condition(wanted, "is_shared")

    def _choice(self) -> Any:
        """Which block stands where: one choice for all stages if there is one."""
        wanted = [stage.positions() for stage in self.stages]
        common: dict[str, str] = {}
        for positions in wanted:
            for place, definition in positions.items():
                if common.setdefault(place, definition.name) != definition.name:
                    return [_shortest({at: each.name for at, each in positions.items()}) for positions in wanted]
        return _shortest(common)

    def _enter(self) -> tuple[Any, dict[str, Path]]:
        """The column `enter`, and the paths that it names."""
        entered = [stage.cells[0] for stage in self.stages if stage.cells[0].enter]
        if not entered:
            return None, {}
        found = chains("enter", [(cell, cell.enter) for cell in entered], any_number=False)
        names: dict[int, str] = {}
        paths: dict[str, Path] = {}
        for cell in entered:
            chain = found[id(cell)]
            if id(chain) not in names:
                names[id(chain)] = name = f"transition{len(names) + 1}" if names else "transition"
                rows = [
                    (facts.entering(each, len(self.stages), self.known[each.enter[0].inputs[0]]), nodes)
                    for each, nodes in chain.members
                ]  # fmt: skip
                paths[name] = path(rows, self.table)
        column = [names[id(found[id(cell)])] if cell.enter else None for cell in (s.cells[0] for s in self.stages)]
        return (column if len(column) > 1 else column[0]), paths


def _name(used: Sequence[Definition], found: Sequence[Stage]) -> None:
    """Names the definitions: by the place where they stand, if each has its own."""
    if len(used) == 1:
        used[0].name = "block"
        return
    places: dict[int, list[str]] = {id(definition): [] for definition in used}
    for stage in found:
        for place, definition in stage.positions().items():
            places[id(definition)].append(place)
    taken: set[str] = set()
    for definition in used:
        own = places[id(definition)]
        base = next((place for place in ("middle", "start", "end", "only") if place in own), "block")
        name = next(name for name in (base, *(f"{base}{i}" for i in range(2, len(used) + 2))) if name not in taken)
        taken.add(name)
        definition.name = name


def _shortest(places: dict[str, str]) -> Any:
    """Positions as short as they can be said, or a single name."""
    if len(set(places.values())) == 1:
        return next(iter(places.values()))
    start, middle, end, only = (places.get(place) for place in ("start", "middle", "end", "only"))
    if middle is None:
        middle = end if end != start else start
    found = {"start": start, "middle": middle, "end": end}
    if start == middle:
        del found["start"]
    if end == middle:
        del found["end"]
    if only is not None and ("end" in found or only != found.get("start", middle)):
        found["only"] = only
    return {place: name for place, name in found.items() if name is not None}
