"""What is left of a block whose branch stochastic depth has dropped: the same plan with a zero in the branch's place.

A dropped block is to cost nothing (Huang et al., arXiv 1603.09382, section 3), so its branch must not run at all:
multiplying it by zero saves no time. The plan derived here lacks every step that only the branch needed.
"""

from __future__ import annotations

from dataclasses import replace

from archspec.compiler.analysis.outline import Plan, Reference, Step
from archspec.ops import Call, FunctionCall, ModuleCall

ADD, PRODUCTS = "operator.add", ("operator.mul", "archspec.compiler.lower.layers.gate")
DROP_PATH = "archspec.compiler.lower.layers.DropPath"


def drops(call: Call) -> bool:
    """Whether a call is a stochastic depth that decides for the whole mini-batch."""
    return isinstance(call, ModuleCall) and call.target == DROP_PATH and ("unit", "batch") in call.arguments


def bypass(plan: Plan) -> tuple[str, Plan] | None:
    """The step of a plan that drops, and the plan where it has dropped.

    None where nothing drops, where more than one step does, and where an output needs what becomes of the zero in
    anything but additions and products: then the branch has to be computed, and is replaced by zeros.
    """
    dropping = [step.name for step in plan.steps if drops(step.call)]
    if len(dropping) != 1:
        return None
    instead: dict[Reference, Reference | None] = {dropping[0]: None}  # None is the zero
    steps: list[Step] = []
    lost: set[Reference] = set()  # what a zero gives in other functions
    for step in plan.steps:
        if step.name in instead:
            continue
        operands = [instead.get(source, source) for source in step.inputs]
        left = [operand for operand in operands if operand is not None]
        dropped = len(left) < len(operands)
        target = step.call.target if isinstance(step.call, FunctionCall) else ""
        if dropped and (target in PRODUCTS or (target == ADD and not left)):
            instead[step.name] = None
        elif not lost.isdisjoint(left) or (dropped and target != ADD):
            lost.add(step.name)
        elif dropped and len(left) == 1:
            instead[step.name] = left[0]
        else:
            steps.append(replace(step, call=_fresh(step.call), inputs=tuple(left)))
    outputs = [instead.get(reference, reference) for reference in plan.outputs]
    kept = tuple(reference for reference in outputs if reference is not None)
    if len(kept) < len(outputs) or not lost.isdisjoint(kept):
        return None
    return dropping[0], Plan(_needed(steps, kept), plan.inputs, kept, plan.label)


def _fresh(call: Call) -> Call:
    """A call that overwrites nothing: without the branch, its operand may be the block's own input."""
    if not isinstance(call, FunctionCall):
        return call
    return replace(call, arguments=tuple(pair for pair in call.arguments if pair[0] != "inplace"))


def _needed(steps: list[Step], outputs: tuple[Reference, ...]) -> tuple[Step, ...]:
    """The steps that the outputs stand on."""
    wanted: set[Reference] = set(outputs)
    kept = []
    for step in reversed(steps):
        if step.name in wanted:
            kept.append(step)
            wanted.update(step.inputs)
    return tuple(reversed(kept))
