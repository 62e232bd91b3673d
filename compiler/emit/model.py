"""Emission: a graph as the text of a standalone `model.py` that needs torch alone, with the state-dict keys of the
built network. Written for people: one class per kind of block, loops over blocks that are alike. Imports no torch.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from archspec.compiler.analysis.outline import outline
from archspec.compiler.emit.blocks import Body, uses_of, with_values
from archspec.compiler.emit.calls import Globals, layer_imports, layer_texts
from archspec.compiler.emit.dropped import DRAW_GATES, draws, early_return
from archspec.compiler.emit.families import Family, families
from archspec.compiler.emit.init import init_lines
from archspec.compiler.emit.network import Layout, NetworkBody
from archspec.compiler.emit.text import LIMIT, broken, forward_lines, input_names
from archspec.graph import Graph
from archspec.syntax.escape import is_identifier, quoted, remark

_STAGE = '''def stage(*blocks: nn.Module, enter: nn.Module) -> nn.Sequential:
    """Blocks under their numbers, in sequence after what is done on entering the stage."""
    return nn.Sequential(OrderedDict([("enter", enter), *((str(i), block) for i, block in enumerate(blocks))]))'''
_KEEP_INIT = '''def keep_init(module: nn.Module) -> nn.Module:
    """Marks a module that fills its own parameters: init_weights leaves it alone."""
    module._keep_init = True
    return module'''
_HELPERS = {"stage": _STAGE, "keep_init": _KEEP_INIT, "draw_gates": DRAW_GATES}
_MODULES = {"torch": "import torch", "F": "import torch.nn.functional as F"}


def emit(graph: Graph) -> str:
    """The text of a Python module with a class `Network`.

    Its state dict has the keys of the network that `lower` builds, and its outputs are the same. The text depends on
    nothing but the graph.
    """
    known = Globals()
    layout = Layout(graph, outline(graph))
    known.foresee(step.call for unit in layout.units for step in unit.plan.steps)
    instances = families(layout.classed, known)
    kinds = {id(each.family): each.family for each in instances.values()}
    body = NetworkBody(layout, instances, known)
    parts = [_class_text(family, known) for family in kinds.values()]
    filling = init_lines(graph, layout, list(kinds.values()))
    parts.append(_network_text(graph, body, known, bool(filling)))
    parts += ["\n".join(filling)] if filling else []
    text = "\n\n\n".join(parts)
    used = _names(text)
    helpers = layer_texts(known.layers)
    helpers += [source for name, source in _HELPERS.items() if name in used]
    text = "\n\n\n".join([*helpers, text])
    return f"{_docstring(graph, bool(filling))}\n\n{_imports(text, known)}\n\n\n{text}\n"


def _docstring(graph: Graph, filled: bool) -> str:
    size = "x".join(map(str, graph.input.shape))
    counts = f"{graph.params:,} parameters, {graph.macs:,} MACs for an input of {size}"
    lines = [
        f'"""{remark(graph.name)[:50]}: {counts}.', "",
        "Written by archspec from a spec; needs torch alone. State dicts move freely between this network and the one",
        "that archspec builds.",
    ]  # fmt: skip
    return "\n".join([*lines, '"""'])


def _names(text: str) -> set[str]:
    """The names that a text uses by themselves, not as attributes."""
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def _imports(text: str, known: Globals) -> str:
    names = _names(text)
    used = {"OrderedDict": "collections", **layer_imports()}
    found = {name: package for name, package in used.items() if name in names and package != "torch"}
    statements = {package: _imported(found, package) for package in sorted(set(found.values()))}
    standard = [text for package, text in statements.items() if not package.startswith("torch.")]
    froms = {f"from torch import Tensor, {'fx, ' * ('fx' in names)}nn"}
    froms |= {text for package, text in statements.items() if package.startswith("torch.")}
    gotten = []
    for target, name in known.foreign.items():
        package, _, last = target.rpartition(".")
        if all(map(is_identifier, target.split("."))):
            froms.add(f"from {package} import {last}" + (f" as {name}" if name != last else ""))
        else:  # a file may be called what no import statement says
            gotten.append(f"{name} = getattr(import_module({quoted(package)}), {quoted(last)})")
    standard = sorted([*standard, *(["from importlib import import_module"] if gotten else [])])
    groups = [
        ["from __future__ import annotations"] if known.layers else [], standard,
        [*(_MODULES[name] for name in _MODULES if name in names), *sorted(froms)], sorted(gotten),
    ]  # fmt: skip
    return "\n\n".join("\n".join(group) for group in groups if group)


def _imported(found: Mapping[str, str], package: str) -> str:
    """The statement that imports the names found in a package."""
    return f"from {package} import {', '.join(sorted(name for name in found if found[name] == package))}"


def _class_text(family: Family, known: Globals) -> str:
    plan = family.plans[0]
    names = with_values(family.units[0], family.names)
    inputs = family.units[0].inputs
    uses, values = uses_of(plan, names, [f"{i} of {value}" for i, value in enumerate(inputs)])
    outputs = [values[reference] for reference in plan.outputs]
    body = Body(known)
    body.add(uses, outputs)
    values_in = [values[i] for i in range(plan.inputs)]
    arguments = input_names(inputs)
    several = "Tensor, ..." if len(outputs) > 3 else ", ".join(["Tensor"] * len(outputs))
    returned = "Tensor" if len(outputs) == 1 else f"tuple[{several}]"
    told = _addresses([unit.address for unit in family.units])
    told = remark(told + (f": {family.without}" if family.without else ""))
    lines = [f"class {family.name}(nn.Module):", *_docstring_lines(f"{told}."), ""]
    modules = body.module_lines(8)
    if modules:
        taken = "".join(f", {parameter.annotated}" for parameter in family.parameters)
        lines += [f"    def __init__(self{taken}) -> None:", "        super().__init__()", *modules, ""]
    signature = "".join(f", {name}: Tensor" for name in arguments)
    lines.append(f"    def forward(self{signature}) -> {returned}:")
    forward = early_return(body, plan, names, values_in, arguments)
    forward += forward_lines(body.pieces, values_in, arguments, outputs, 2, known)
    lines += [" " * 8 + line for line in forward]
    return "\n".join(part for line in lines for part in broken(line))


def _network_text(graph: Graph, body: NetworkBody, known: Globals, filled: bool) -> str:
    shape = ", ".join(map(str, ("N", *graph.input.shape)))
    outputs = {label: body.values[name] for label, name in graph.outputs.items()}
    alone = len(outputs) == 1
    gives = "Tensor" if alone else "dict[str, Tensor]"
    shapes = [f"({', '.join(map(str, ('N', *each)))})" for each in graph.output_shapes().values()]
    told = f"({shape}) -> {shapes[0]}" if alone else f"({shape}) -> {remark(', '.join(outputs))}"
    lines = ["class Network(nn.Module):", f'    """{remark(graph.name)[:50]}: {told[:90]}."""', ""]
    modules = body.module_lines(8)
    if modules:
        lines += ["    def __init__(self) -> None:", "        super().__init__()", *modules]
        lines += ["        init_weights(self)", ""] if filled else [""]
    lines.append(f"    def forward(self, x: Tensor) -> {gives}:")
    given = list(outputs.values()) if alone else outputs
    forward = ["draw_gates(self, x)"] if draws(body.layout.units) else []
    forward += forward_lines(body.pieces, [graph.input.name], ["x"], given, 1, known)
    return "\n".join(part for line in [*lines, *(" " * 8 + line for line in forward)] for part in broken(line))


def _docstring_lines(text: str) -> list[str]:
    """A class's docstring, on as many lines as it needs."""
    return textwrap.wrap(f'"""{text}"""', LIMIT, initial_indent=" " * 4, subsequent_indent=" " * 4)


def _addresses(addresses: Iterable[str]) -> str:
    """Which units a class is for, in a few words: `stage2.2, stage3.2 to stage3.4`."""
    runs: list[list[str]] = []
    for address in addresses:
        path, _, number = address.rpartition(".")
        before = runs[-1][-1].rpartition(".") if runs else ("", "", "")
        if number.isdigit() and before[2].isdigit() and path == before[0] and int(number) == int(before[2]) + 1:
            runs[-1].append(address)
        else:
            runs.append([address])
    words: Sequence[str] = [", ".join(run) if len(run) < 3 else f"{run[0]} to {run[-1]}" for run in runs]
    return ", ".join(words) if len(words) <= 4 else f"{', '.join(words[:3])} and {len(words) - 3} more"
