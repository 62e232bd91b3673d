"""Neural architectures as declarative graph specs, compiled to torch.fx.

    import archspec

    spec = archspec.load("iresnet404")        # a name of the zoo, or a .yaml file
    archspec.summarize(spec).params           # 124524328, before a single weight exists
    model = archspec.build(spec)              # a torch.fx.GraphModule

Importing archspec, checking and summarising do not import torch.
"""

from typing import TYPE_CHECKING, Any

from archspec.api import Report, build, check, compile, expand, load, loads, optimize, summarize
from archspec.graph import Graph, Node
from archspec.language.edit import define, op
from archspec.language.resolve import Spec
from archspec.report.summary import Summary
from archspec.syntax.errors import Problem, Span, SpecError
from archspec.version import __version__

if TYPE_CHECKING:
    from archspec.execution.step import TrainingStep

__all__ = [
    "Graph", "Node", "Problem", "Report", "Span", "Spec", "SpecError", "Summary", "TrainingStep", "__version__",
    "build", "check", "compile", "define", "expand", "load", "loads", "op", "optimize", "summarize",
]  # fmt: skip

if not TYPE_CHECKING:  # type checkers are to know which names there are

    def __getattr__(name: str) -> Any:
        if name == "TrainingStep":  # needs torch
            from archspec.execution.step import TrainingStep

            return TrainingStep
        raise AttributeError(f"module 'archspec' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
