"""The function of an emitted file that fills the weights as the spec's `init` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from archspec.compiler.analysis.outline import Plan
from archspec.compiler.emit.blocks import CONTAINER_ATTRIBUTES, self_filled
from archspec.compiler.emit.families import Family
from archspec.compiler.emit.network import Layout
from archspec.graph import Graph
from archspec.language.schema import Filling
from archspec.ops import ModuleCall
from archspec.syntax.escape import is_identifier, quoted

_WORDS = {
    "he_normal": "He normal", "he_uniform": "He uniform", "xavier_normal": "Xavier normal",
    "xavier_uniform": "Xavier uniform", "normal": "normal", "default": "torch's own",
}  # fmt: skip


def init_lines(graph: Graph, layout: Layout, kinds: Sequence[Family]) -> list[str]:
    """The lines of `init_weights`; none where there is nothing to fill."""
    plans = {id(unit.plan): unit.plan for unit in layout.units}
    calls = [step.call for plan in plans.values() for step in plan.steps if isinstance(step.call, ModuleCall)]
    body: list[str] = []
    told = []
    for part, what in (("conv", "convolutions"), ("linear", "linear layers")):
        own = [call for call in calls if call.init == part]
        if own:
            rule: Filling = getattr(graph.init, part)
            told.append(f"{_words(rule)} for {what}")
            body += _part(own, rule, part, "elif" if body else "if")
    constants = _constants(layout, kinds)
    if not body and not constants:
        return []
    summary = "; ".join([*told, *(["constants where the spec gives them"] if constants else [])])
    lines = ["def init_weights(network: nn.Module) -> None:", f'    """{summary[0].upper()}{summary[1:]}."""']
    if body:
        if any(self_filled(call) for call in calls):
            lines.append('    marked = [module for module in network.modules() if hasattr(module, "_keep_init")]')
            lines.append("    kept = {part for module in marked for part in module.modules()}")
            body = ["if module in kept:", "    continue", *body]
        lines += ["    for module in network.modules():", *(" " * 8 + line for line in body)]
    return [*lines, *("    " + line for line in constants)]


def _words(rule: Filling) -> str:
    details = {"he_normal": f" (fan {rule.fan})", "he_uniform": f" (fan {rule.fan})", "normal": f" ({rule.std})"}
    return _WORDS[rule.method] + details.get(rule.method, "")


def _part(calls: Iterable[ModuleCall], rule: Filling, part: str, word: str) -> list[str]:
    """The branch that fills the weights of one kind of layer."""
    targets = {call.target.rpartition(".") for call in calls}
    classes = sorted(f"nn.{name}" if package == "torch.nn" else name for package, _, name in targets)
    lines = [f"{word} isinstance(module, {' | '.join(classes)}):"]
    match rule.method:
        case "default":
            lines.append("    module.reset_parameters()")
        case "he_normal" | "he_uniform":
            kind = rule.method.removeprefix("he_")
            lines.append(f'    nn.init.kaiming_{kind}_(module.weight, mode="fan_{rule.fan}", nonlinearity="relu")')
        case "normal":
            lines.append(f"    nn.init.normal_(module.weight, std={rule.std!r})")
        case method:
            lines.append(f"    nn.init.{method}_(module.weight)")
    biased = any(dict(call.arguments).get("bias", True) for call in calls)
    if biased and (part == "conv" or rule.method != "default"):
        lines += ["    if module.bias is not None:", "        nn.init.zeros_(module.bias)"]
    return lines


def _constants(layout: Layout, kinds: Sequence[Family]) -> list[str]:
    """Statements for parameters that start from a constant other than their kind's."""
    lines = []
    for unit in layout.units:
        if unit.address not in layout.classes:
            prefix = "" if unit.single else f"{unit.address}."
            lines += _fills("network", prefix, unit.plan, unit.address if unit.single else "")
    alike: dict[tuple[str, ...], list[str]] = {}
    for family in kinds:
        fills = tuple(_fills("module", "", family.plans[0]))
        if fills:
            alike.setdefault(fills, []).append(family.name)
    lines += ["for module in network.modules():"] if alike else []
    for i, (fills, names) in enumerate(alike.items()):
        lines.append(f"    {'elif' if i else 'if'} isinstance(module, {' | '.join(names)}):")
        lines += ["        " + line for line in fills]
    return lines


def _fills(root: str, prefix: str, plan: Plan, alone: str = "") -> list[str]:
    lines = []
    for step in plan.steps:
        for name, value in step.call.fills if isinstance(step.call, ModuleCall) else ():
            place = f"{_place(root, alone or prefix + step.name)}.{name}"
            rows = value if isinstance(value, tuple) else (value,)
            base = Counter(rows).most_common(1)[0][0]  # what most rows start from
            lines += _fill(place, base, unless={"bias": 0.0, "weight": 1.0}[name])
            for i, row in enumerate(rows):
                lines += _fill(f"{place}[{i}]", row, unless=base)
    return lines


def _fill(place: str, value: float, unless: float) -> list[str]:
    """The statement that fills a parameter, unless that is what it holds already."""
    if value == unless:
        return []
    return [f"nn.init.zeros_({place})" if value == 0 else f"nn.init.constant_({place}, {value!r})"]


def _place(root: str, address: str) -> str:
    if any(part in CONTAINER_ATTRIBUTES or not is_identifier(part) for part in address.split(".")):
        return f"{root}.get_submodule({quoted(address)})"
    return f"{root}.{address}"
