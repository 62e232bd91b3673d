"""Stochastic depth in an emitted file: the function that draws all gates, and the early return of a dropped block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from archspec.compiler.analysis.outline import Plan, Unit
from archspec.compiler.emit.blocks import Body, uses_of
from archspec.compiler.emit.calls import Names
from archspec.compiler.emit.text import forward_lines
from archspec.compiler.rewrite.bypass import bypass, drops

DRAW_GATES = '''def draw_gates(network: nn.Module, x: Tensor) -> None:
    """Decides which blocks this training step drops: a number each from the CPU's generator, in the order of names."""
    if not network.training or DropPath.recorded(x):  # traced, compiled or captured: gates draw for themselves
        return
    gates = {name: module for name, module in network.named_modules() if isinstance(module, DropPath)}
    names = sorted(name for name, gate in gates.items() if gate.unit == "batch")
    for name, number in zip(names, torch.rand(len(names), device="cpu").tolist()):
        gates[name].give(number < gates[name].survival)'''


def draws(units: Iterable[Unit]) -> bool:
    """Whether a network has gates to draw."""
    return any(drops(step.call) for unit in units for step in unit.plan.steps)


def early_return(
    body: Body, plan: Plan, names: Mapping[int, Names], inputs: Sequence[str], arguments: Sequence[str]
) -> list[str]:
    """What a block's forward begins with: what it gives where its branch is dropped. `body` is that of the whole
    forward, `inputs` are the values of its `arguments`. Nothing where the branch is computed in any case."""
    found = bypass(plan)
    if found is None:
        return []
    dropping, rest = found
    by_step = {step.name: names.get(i, {}) for i, step in enumerate(plan.steps)}
    own = {i: by_step[step.name] for i, step in enumerate(rest.steps)}
    uses, values = uses_of(rest, own, inputs)
    detour = Body(body.known, odd=body.odd, sequences=body.sequences)
    detour.repeat(uses)
    outputs = [values[reference] for reference in rest.outputs]
    lines = forward_lines(detour.pieces, inputs, arguments, outputs, 2, body.known)
    return [f"if {body.reach(dropping)}.drops({arguments[0]}):", *("    " + line for line in lines)]
