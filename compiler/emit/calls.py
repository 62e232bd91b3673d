"""Calls as text: the constructor of a layer, the expression of a function, the layer that does what a function does."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from archspec.ops import Call, FunctionCall, ModuleCall, Operand
from archspec.syntax.escape import identifier, is_identifier, quoted

Hole: TypeAlias = str
"""A number in a call that may differ between siblings: the argument's name, or its place as in `1.5`."""
Names: TypeAlias = Mapping[Hole, str]
"""What stands in the place of numbers: parameters of the class's constructor."""
Rendered: TypeAlias = tuple[str, int]
"""An expression and how tightly it binds: SUM, PRODUCT or ATOM."""
Render: TypeAlias = Callable[[Sequence[Rendered]], Rendered]

SUM, PRODUCT, ATOM = 1, 2, 3
_LAYERS = "archspec.compiler.lower.layers."
_ATEN = "archspec.compiler.lower.aten."
IDENTITY = _LAYERS + "identity"
_FUNCTIONAL = "torch.nn.functional."

# Arguments that calls leave out where they have these values, and siblings may not.
_DEFAULTS = {
    "Conv": {"stride": 1, "padding": 0, "dilation": 1, "groups": 1},
    "max_pool": {"padding": 0}, "avg_pool": {"padding": 0},
}  # fmt: skip
_POSITIONAL = frozenset({
    "in_channels", "out_channels", "kernel_size", "num_features", "num_groups", "num_channels", "in_features",
    "out_features", "normalized_shape", "num_parameters", "num_operands", "p",
})  # fmt: skip
_ORDER = {name: i for i, name in enumerate(["stride", "padding", "dilation", "groups", "bias", "survival"], start=1)}
_UNSAID = {
    ("negative_slope", "0.01"), ("alpha", "1.0"), ("approximate", '"none"'), ("init", "0.25"), ("unit", '"batch"'),
    ("rescale", "False"), ("normalize", '"none"'),
}  # fmt: skip
_MODULES = {
    "torch.nn.functional.relu": "nn.ReLU", "torch.nn.functional.leaky_relu": "nn.LeakyReLU",
    "torch.nn.functional.elu": "nn.ELU", "torch.nn.functional.silu": "nn.SiLU", "torch.nn.functional.gelu": "nn.GELU",
    "torch.nn.functional.relu6": "nn.ReLU6",
    "torch.nn.functional.hardswish": "nn.Hardswish", "torch.nn.functional.hardsigmoid": "nn.Hardsigmoid",
    "torch.nn.functional.mish": "nn.Mish", "torch.nn.functional.channel_shuffle": "nn.ChannelShuffle",
    "torch.nn.functional.local_response_norm": "nn.LocalResponseNorm",
    "torch.nn.functional.interpolate": "nn.Upsample",
    "torch.sigmoid": "nn.Sigmoid", "torch.tanh": "nn.Tanh", "torch.softmax": "nn.Softmax",
    "torch.nn.functional.max_pool2d": "nn.MaxPool2d", "torch.nn.functional.max_pool3d": "nn.MaxPool3d",
    "torch.nn.functional.avg_pool2d": "nn.AvgPool2d", "torch.nn.functional.avg_pool3d": "nn.AvgPool3d",
}  # fmt: skip
_INFIX = {"operator.add": ("+", SUM), "operator.sub": ("-", SUM), "operator.mul": ("*", PRODUCT)}


class Globals:
    """The names at the top of the file: what is imported, the layers it takes along, the classes."""

    def __init__(self) -> None:
        self._taken = {
            "torch", "nn", "F", "Tensor", "OrderedDict", "Network", "init_weights", "keep_init", "draw_gates", "stage",
            "self", "block", "import_module", *layer_sources(), *layer_imports(),
        }  # fmt: skip
        self._numbers: dict[str, int] = {}
        self.layers: set[str] = set()
        self.foreign: dict[str, str] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._taken

    def claim(self, name: str) -> str:
        """A name like this one that nothing else has; kinds by the thousand may be called the same."""
        name = identifier(name, otherwise="Block")
        number = self._numbers.get(name, 0) + 1
        while (unique := name if number == 1 else f"{name}{number}") in self._taken:
            number += 1
        self._numbers[name] = number
        self._taken.add(unique)
        return unique

    def foresee(self, calls: Iterable[Call]) -> None:
        """Claims the names of all that is imported, before anything else is named."""
        for call in calls:
            if isinstance(call, ModuleCall) and call.opaque:
                self.name(call.target)

    def name(self, target: str) -> str:
        """How the file calls a class or function, by its dotted name."""
        package, _, last = target.rpartition(".")
        if target.startswith((_LAYERS, _ATEN)):
            self.layers.add(last)
            return last
        if package == "torch.nn" and is_identifier(last):
            return f"nn.{last}"
        if target.startswith(_FUNCTIONAL):
            return f"F.{last}"
        if package == "torch":
            return target
        if target not in self.foreign:
            self.foreign[target] = self.claim(last)
        return self.foreign[target]


@cache
def _layers() -> tuple[str, ast.Module]:
    files = (Path(__file__).parents[1].joinpath("lower", name) for name in ("layers.py", "aten.py"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return text, ast.parse(text)


def layer_sources() -> dict[str, str]:
    """The source of each of archspec's own layers, read without importing torch."""
    text, module = _layers()
    lines = text.splitlines()
    return {
        node.name: re.sub(r"  # type: ignore.*", "", "\n".join(lines[node.lineno - 1 : node.end_lineno]))
        for node in module.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }  # fmt: skip


def layer_texts(names: Collection[str]) -> list[str]:
    """The sources of some of archspec's own layers, and of those that they need, in the order of their file."""
    sources = layer_sources()
    needed, queue = set(names), list(names)
    while queue:
        for node in ast.walk(ast.parse(sources[queue.pop()])):
            if isinstance(node, ast.Name) and node.id in sources and node.id not in needed:
                needed.add(node.id)
                queue.append(node.id)
    return [source for name, source in sources.items() if name in needed]


def layer_imports() -> dict[str, str]:
    """The modules from which the layers' source takes names, by name."""
    found = [node for node in _layers()[1].body if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.name: str(node.module) for node in found for alias in node.names}


def written(value: Any) -> str:
    """A constant as Python writes it, with double quotes."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, tuple):
        return f"({', '.join(map(written, value))}{',' * (len(value) == 1)})"
    return repr(value)


def _defaults(call: Call) -> Mapping[str, Any]:
    kind = call.target.rpartition(".")[2][:-2]
    return {} if isinstance(call, ModuleCall) and call.opaque else _DEFAULTS.get(kind, {})


def _variable(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_variable, value))
    return isinstance(value, int) and not isinstance(value, bool)


def holes(call: Call) -> dict[Hole, Any]:
    """The numbers of a call that may differ between siblings of one class."""
    found = {**_defaults(call), **{name: value for name, value in call.arguments if _variable(value)}}
    if isinstance(call, FunctionCall):
        for i, arg in enumerate(call.args):
            if isinstance(arg, tuple) and not any(isinstance(entry, Operand) for entry in arg):
                found.update({f"{i}.{j}": entry for j, entry in enumerate(arg)})
    return found


def form(call: Call) -> tuple[Any, ...]:
    """A call without those numbers: equal forms may be one call with parameters."""
    optional = _defaults(call)
    arguments = tuple(
        (name, None if _variable(value) else value) for name, value in call.arguments if name not in optional
    )
    if isinstance(call, ModuleCall):
        return (call.target, arguments, call.init, call.fills, call.opaque, call.joins)
    found = holes(call)
    args = tuple(len(arg) if f"{i}.0" in found else arg for i, arg in enumerate(call.args))
    return (call.target, arguments, args, call.fold)


def _arguments(call: Call, names: Names) -> dict[str, str]:
    """Keyword arguments as text; those a name stands for are given even where this call leaves them out."""
    given = {name: names.get(name, written(value)) for name, value in call.arguments}
    return given | {name: text for name, text in names.items() if name not in given and "." not in name}


def constructor(call: ModuleCall, names: Names, known: Globals) -> str:
    """The text that makes a layer."""
    arguments = _arguments(call, names)
    positional = () if call.opaque else _POSITIONAL
    unsaid = () if call.opaque else _UNSAID
    ordered = sorted(arguments.items(), key=lambda pair: _ORDER.get(pair[0], 0))
    texts = [
        text if name in positional else f"{name}={text}" if is_identifier(name) else f"**{{{quoted(name)}: {text}}}"
        for name, text in ordered if (name, text) not in unsaid
    ]  # fmt: skip
    return f"{known.name(call.target)}({', '.join(texts)})"


def as_layers(name: str, call: FunctionCall, names: Names) -> list[tuple[str, str]] | None:
    """Layers of torch, by name, that do in sequence what a function does: where there are any."""
    if call.target == "torch.flatten":
        return [(name, "nn.Flatten()")]
    dimensions = dict(call.arguments).get("dim")
    if call.target == "torch.mean" and isinstance(dimensions, tuple):  # of the positions, not of the channels
        return [(name, f"nn.AdaptiveAvgPool{len(dimensions)}d(1)"), ("flatten", "nn.Flatten()")]
    layer = _MODULES.get(call.target)
    if layer is None or len(call.args) != 1:
        return None
    return [(name, f"{layer}({', '.join(_function_arguments(call, names))})")]


def _function_arguments(call: FunctionCall, names: Names) -> list[str]:
    return [
        text if name == "kernel_size" else f"{name}={text}"
        for name, text in _arguments(call, names).items() if (name, text) not in _UNSAID
    ]  # fmt: skip


def expression(call: FunctionCall, names: Names, known: Globals) -> Render:
    """How to write a function's value, given its operands."""
    if call.target in _INFIX:
        return _infix(call)
    if call.target == "torch.mean":
        arguments = ", ".join(f"{name}={written(value)}" for name, value in call.arguments)
        return lambda operands: (f"{_tight(operands[0], ATOM)}.mean({arguments})", ATOM)
    if call.target == "torch.flatten":
        return lambda operands: (f"{_tight(operands[0], ATOM)}.flatten(1)", ATOM)
    function = known.name(call.target)

    def render(operands: Sequence[Rendered]) -> Rendered:
        if call.fold:
            value = operands[0][0]
            for other, _ in operands[1:]:
                value = f"{function}({value}, {other})"
            return value, ATOM
        args = [_argument(arg, str(i), operands, names) for i, arg in enumerate(call.args)]
        return f"{function}({', '.join([*args, *_function_arguments(call, names)])})", ATOM

    return render


def _argument(arg: Any, place: str, operands: Sequence[Rendered], names: Names) -> str:
    if isinstance(arg, Operand):
        return operands[arg.index][0]
    if isinstance(arg, tuple) and any(isinstance(entry, Operand) for entry in arg):
        return f"[{', '.join(operands[entry.index][0] for entry in arg)}]"
    if isinstance(arg, tuple):
        return f"({', '.join(names.get(f'{place}.{j}', written(entry)) for j, entry in enumerate(arg))})"
    return written(arg)


def _infix(call: FunctionCall) -> Render:
    sign, strength = _INFIX[call.target]

    def render(operands: Sequence[Rendered]) -> Rendered:
        sides = [operands[arg.index] if isinstance(arg, Operand) else (written(arg), ATOM) for arg in call.args]
        first, *others = operands if call.fold else sides
        texts = [_tight(first, strength), *(_tight(side, strength + 1) for side in others)]
        return f" {sign} ".join(texts), strength

    return render


def _tight(operand: Rendered, strength: int) -> str:
    """An operand, in parentheses where it binds less tightly than it must."""
    text, own = operand
    return text if own >= strength else f"({text})"
