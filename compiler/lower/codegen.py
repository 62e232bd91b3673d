"""From a plan to a class: an fx graph of the unit, the code that torch.fx prints for it, and a module class around it.

One class and one uniquely named forward per plan, in a cache of the whole process: what `torch.compile` needs to
compile a signature once, and what lets copies and unpickled modules share their class with the originals.
"""

from __future__ import annotations

import hashlib
import linecache
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import torch
from torch import fx, nn

from archspec.compiler.analysis.outline import Plan, Reference
from archspec.compiler.lower.modules import target
from archspec.compiler.lower.running import Instead
from archspec.compiler.rewrite.bypass import bypass
from archspec.ops import FunctionCall, ModuleCall, Operand
from archspec.syntax.escape import identifier as python_name
from archspec.syntax.escape import quoted, terminal


class Block(nn.Module):
    """A unit of a network. Subclasses are generated, one per plan; siblings are instances of one subclass.

    Where stochastic depth may drop the branch for a whole mini-batch, the class's forward chooses between `whole`, all
    of the unit, and `bypass`, what is left of it without the branch.
    """

    plan: ClassVar[Plan]
    fx_graph: ClassVar[fx.Graph]
    """The unit's graph, whose printed code is the class's forward, or `whole`."""
    bypass_graph: ClassVar[fx.Graph | None] = None
    """The graph of `bypass`."""
    computing: ClassVar[tuple[str, ...]] = ("forward",)
    """Names of the functions that compute; an instance may have its own compiled ones in their place, which stay
    behind when it is copied."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        state = {name: value for name, value in self.__dict__.items() if not isinstance(value, Instead)}
        return _bare, (self.plan,), state


def _bare(plan: Plan) -> Block:
    """An instance without its state, for copying and unpickling."""
    cls = block_class(plan)
    return cls.__new__(cls)


_classes: WeakValueDictionary[Plan, type[Block]] = WeakValueDictionary()


def block_class(plan: Plan) -> type[Block]:
    """The class of a plan, made on first demand."""
    known = _classes.get(plan)
    if known is not None:
        return known
    digest = hashlib.sha256(repr((plan.steps, plan.inputs, plan.outputs)).encode()).hexdigest()[:8]
    label = python_name(plan.label, otherwise="block")
    graph = _plan_graph(plan)
    name = f"{label[0].upper()}{label[1:]}_{digest}"
    body: dict[str, Any] = {"plan": plan, "fx_graph": graph, "__module__": __name__, "__qualname__": name}
    without = bypass(plan)
    if without is None:
        body["forward"] = function_of(graph, f"forward_{label}_{digest}")
    else:
        whole = body["whole"] = function_of(graph, f"whole_{label}_{digest}")
        body[whole.__name__] = whole  # TorchScript finds methods by their own name
        body["bypass_graph"] = _plan_graph(without[1])
        body["bypass"] = function_of(body["bypass_graph"], f"bypass_{label}_{digest}")
        body["forward"] = _choice(f"forward_{label}_{digest}", whole.__name__, without[0], plan.inputs)
        body["computing"] = ("whole", "bypass") if without[1].steps else ("whole",)
    cls = _classes[plan] = type(name, (Block,), body)
    return cls


def _choice(name: str, whole: str, dropping: str, inputs: int) -> Callable[..., Any]:
    """The forward of a unit whose step of the name `dropping` may drop its branch."""
    arguments, place = ", ".join(input_names(inputs)), "self"
    for part in dropping.split("."):
        place = f"{place}.{part}" if python_name(part) == part else f"getattr({place}, {quoted(part)})"
    first = input_names(inputs)[0]
    source = (
        f"def {name}(self, {arguments}):\n"
        f"    if torch.jit.is_scripting():\n"
        f"        return self.{whole}({arguments})\n"
        f"    elif {place}.drops({first}):\n"
        f"        return self.bypass({arguments})\n"
        f"    else:\n"
        f"        return self.whole({arguments})\n"
    )
    return executed(source, name, {"torch": torch})


def emit_call(
    graph: fx.Graph, name: str, module: str, call: ModuleCall | FunctionCall, operands: Sequence[fx.Node]
) -> list[fx.Node]:
    """The fx nodes of one call, the last of which gives its value: a module's call, or a function's, folded over more
    than two operands where need be. `module` is the path of the submodule a module call uses."""
    if isinstance(call, ModuleCall):
        args = (list(operands),) if call.joins else tuple(operands)
        return [graph.create_node("call_module", module, args, {}, name)]
    function, arguments = target(call.target), dict(call.arguments)
    if not call.fold:
        args = tuple(_argument(argument, operands) for argument in call.args)
        return [graph.create_node("call_function", function, args, arguments, name)]
    nodes, value = [], operands[0]
    for i, operand in enumerate(operands[1:], start=1):
        part = name if i == len(operands) - 1 else f"{name}_of_{i + 1}"
        value = graph.create_node("call_function", function, (value, operand), arguments, part)
        nodes.append(value)
    return nodes


def _argument(argument: Any, operands: Sequence[fx.Node]) -> Any:
    if isinstance(argument, Operand):
        return operands[argument.index]
    if isinstance(argument, tuple):
        return tuple(_argument(entry, operands) for entry in argument)
    return argument


def identifier(name: str) -> str:
    """An address as a name in generated code: `branch.conv1` is branch_conv1. Where a name is taken, fx numbers it; of
    `self` it does not know."""
    return "self_" if name == "self" else name.replace(".", "_")


def input_names(count: int) -> list[str]:
    """Names of a unit's inputs: the block's own is x."""
    return ["x"] if count == 1 else [f"x{i}" for i in range(count)]


def _plan_graph(plan: Plan) -> fx.Graph:
    graph = fx.Graph()
    values: dict[Reference, fx.Node] = {}
    for i, name in enumerate(input_names(plan.inputs)):
        values[i] = graph.create_node("placeholder", name, (), {}, name)
    careful = careful_steps(plan)
    for step in plan.steps:
        call, read = careful.get(step.name, (step.call, ()))
        operands = [values[source] for source in (*step.inputs, *read)]
        nodes = emit_call(graph, identifier(step.name), step.name, call, operands)
        for node in nodes:
            annotate(node, step.name, step.origin)
        values[step.name] = nodes[-1]
    outputs = tuple(values[reference] for reference in plan.outputs)
    graph.output(outputs[0] if len(outputs) == 1 else outputs)
    return graph


def careful_steps(plan: Plan) -> dict[str, tuple[FunctionCall, tuple[Reference, ...]]]:
    """Steps that overwrite their operand, and what they are to be instead, with what they read besides.

    The graph says that a layer gives a tensor of its own. Others may replace it by one that passes its input on: then
    the step would overwrite that, which the shortcut or the caller may read. It has to look.
    """
    readers = Counter([*(source for step in plan.steps for source in step.inputs), *plan.outputs])
    steps = {step.name: step for step in plan.steps}
    found: dict[str, tuple[FunctionCall, tuple[Reference, ...]]] = {}
    for step in plan.steps:
        if not isinstance(step.call, FunctionCall) or ("inplace", True) not in step.call.arguments:
            continue
        value, viewed = step.inputs[0], False
        while isinstance(value, str) and readers[value] == 1 and _passes(steps[value].call):
            viewed |= _views(steps[value].call)
            value = steps[value].inputs[0]
        if value == step.inputs[0] or (isinstance(value, str) and readers[value] == 1):
            continue  # what computes it gives a tensor of its own, whatever becomes of layers
        if viewed:
            arguments = tuple(pair for pair in step.call.arguments if pair[0] != "inplace")
            found[step.name] = replace(step.call, arguments=arguments), ()
        else:
            found[step.name] = FunctionCall(f"{_LAYERS}.overwriting_relu", (Operand(0), Operand(1))), (value,)
    return found


_LAYERS = "archspec.compiler.lower.layers"


def _passes(call: ModuleCall | FunctionCall) -> bool:
    """Whether a call passes its operand on, or may come to do so: any layer may."""
    return isinstance(call, ModuleCall) or call.target in (f"{_LAYERS}.identity", "torch.flatten")


def _views(call: ModuleCall | FunctionCall) -> bool:
    """Whether what it gives may be the memory of its operand under another name."""
    return call.opaque if isinstance(call, ModuleCall) else call.target == "torch.flatten"


def annotate(node: fx.Node, address: str, origin: str) -> None:
    """Writes a node's provenance where torch's own tools look for it."""
    node.meta["archspec"] = {"address": address, "source": origin}
    if origin:
        file, line, _ = origin.rsplit(":", 2) if origin.count(":") >= 2 else (origin, "1", "1")
        node.stack_trace = f'  File "{terminal(file)}", line {line}, in {terminal(address)}\n'


def function_of(graph: fx.Graph, name: str) -> Callable[..., Any]:
    """The forward that torch.fx prints for a graph, under a name of its own; tracebacks show its lines."""
    code = graph.python_code("self")
    source = re.sub(r"def forward\(", f"def {name}(", code.src, count=1)
    return executed(source, name, dict(code.globals))


def executed(source: str, name: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    """The function that a text defines."""
    file = f"<archspec {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), namespace)  # code generated from a checked graph, never text of a spec
    forward: Callable[..., Any] = namespace[name]
    return forward


def assemble(cls: type[Block], modules: Mapping[str, nn.Module]) -> Block:
    """An instance of a block class with its submodules, which may lie at dotted names."""
    block = cls.__new__(cls)
    nn.Module.__init__(block)
    for name, module in modules.items():
        attach(block, name, module)
    return block


def attach(root: nn.Module, name: str, module: nn.Module) -> None:
    """Puts a module at a dotted name below a root, making plain modules on the way."""
    *parents, last = name.split(".")
    for part in parents:
        children = root._modules
        if part not in children:
            children[part] = nn.Module()
        root = children[part]  # type: ignore[assignment]
    root._modules[last] = module
